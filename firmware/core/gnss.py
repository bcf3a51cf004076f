"""The receiver's bytes in, one fix an epoch out.

An epoch is all sentences of one UTC time of day, to the millisecond. RMC and GGA open it; it closes, and `on_epoch(fix)` is
called, when an RMC or GGA brings another time or repeats what this epoch has had from the same talker (a receiver without a
clock sends no time at all), or when the line has been quiet (`idle`). Epochs without a fix are handed on too: `valid` says.

Decisions:
- A fix is valid when an RMC with status A (and not mode N) or a GGA with quality above 0 gave its position. When another
  sentence of the epoch denies it, it stays valid and is `contradicted`: a dropped fix cannot be judged later.
- GGA's position is preferred to RMC's: it is of the full precision, and it is what gpsd reports for the epoch.
- A date is RMC's own when its status is A; else it is carried on from the last known date, across midnight (a step back of more
  than half a day is the next day). Dates of ZDA and of an RMC with status V come from the receiver's clock, which may be
  unset: they count until the first RMC with status A.
- A date before 2024 (this firmware did not exist: 1980, 1999, 2019 are what a week rollover or an unset clock looks like) or
  from 2036 on is `date_doubtful`; it is handed on as it came.
- radius: GST's 2DRMS when it came, else 6.0 m times HDOP, 6 m at least. 2DRMS = 2 HDOP UERE = 2.4 CEP (National Research
  Council, The Global Positioning System: A Shared National Asset, 1995, appendix D), with the 2.5 m CEP that receivers of this
  class state for HDOP near 1; more satellites lower HDOP further, and not what is wrong with all of them alike. HDOP knows
  nothing of walls, from which signals come late: when more than a tenth of what is in view is not heard, it is at least 6 m and
  1.2 m for each percent above that and each tenth of HDOP above 1, up to 43 m. Measured (Rainham et al., International Journal
  of Health Geographics 7:59, 2008, table 2): 95 % within 4.4 to 5.2 m at an HDOP of 1.0 to 1.1 in a park and on a roof, 43 m at
  1.5 beside a wall. 80 m at least when a quarter is not heard and the best signal is a weak one, as below a roof, and for some
  epochs after that. The way from 6 m to 43 m, and the 80 m, are our own choice, tried on sim/world: errors of 8-15 m with jumps
  of 50 m between houses, of 20-80 m in them. Unknown for dead reckoning, manual input and simulators without GST: their HDOP is
  not of satellites.

Unknown numbers are -1. 0 bytes are allocated a sentence.
"""

from array import array

from .nmea import (
    GGA,
    GSA,
    GST,
    GSV,
    KIND,
    RMC,
    TALKER,
    V_CN0,
    V_COURSE,
    V_DAY,
    V_FIX_TYPE,
    V_HDOP,
    V_HEARD,
    V_IN_VIEW,
    V_MILLIS,
    V_OK,
    V_QUALITY,
    V_RADIUS,
    V_SATELLITES,
    V_SPEED,
    V_TOD,
    ZDA,
    decode,
    new_state,
    scan,
    sky,
    take_position,
)
from .port import const

UNKNOWN = const(-1)

DEAD_RECKONING = const(6)  # values of `quality`, GGA's
MANUAL = const(7)
SIMULATED = const(8)

_DAY_S = const(86400)
_FIRST_DAY = const(19723)  # 2024-01-01
_END_DAY = const(24106)  # 2036-01-01
_RADIUS_OF_HDOP = const(6)  # dm for each tenth of HDOP
_RADIUS_MIN_DM = const(60)
_HDOP_OPEN = const(10)
_HIDDEN = const(10)  # percent of what is in view: what the leg hides
_RADIUS_OF_WALLS = const(12)  # dm for each percent more, and each tenth of HDOP
_WALLS_MAX_DM = const(430)
_ROOF_DBHZ = const(38)  # under the sky the best is above it
_ROOF_DM = const(800)
_ROOF_EPOCHS = const(5)  # a window lets enough in for some seconds

_NO_DATE = const(0)
_CLOCK_DATE = const(1)  # from ZDA or an RMC with status V
_FIX_DATE = const(2)


class Fix:
    """One epoch. The receiver has only this one: whoever wants to keep something copies it before returning from `on_epoch`."""

    def __init__(self):
        self.pos = array("i", (0, 0))  # lat, lon in 1e-7 degrees; of this epoch only when `valid`
        self.clear()

    def clear(self):
        self.valid = False
        self.contradicted = False  # valid, and another sentence of the epoch says no fix
        self.day = -1  # days since 1970, -1 without a date
        self.tod_s = -1  # second of the UTC day, 86400 in a leap second; -1 when the receiver has no time
        self.millis = 0
        self.speed_cms = -1
        self.course_deg = -1  # 0-359
        self.satellites = -1  # used
        self.hdop_tenths = -1
        self.quality = -1  # GGA's, or RMC's mode in the same numbers; 0 no fix, 1 autonomous, 2 differential, 4 5 RTK, and above
        self.fix_type = -1  # GSA's: 1 none, 2 2-D, 3 3-D
        self.radius_dm = -1  # 95 %
        self.cn0_max = -1  # dBHz, of the GSV of the last seconds; 0 when nothing is heard
        self.in_view = -1
        self.heard = -1  # signals of 20 dBHz and more

    @property
    def has_date(self):
        return self.day >= 0

    @property
    def date_doubtful(self):
        return self.day >= 0 and not _FIRST_DAY <= self.day < _END_DAY

    @property
    def utc_s(self):
        """Seconds since 1970, 0 without a date. In a leap second the same as in the one after it."""
        return self.day * _DAY_S + self.tod_s if self.day >= 0 and self.tod_s >= 0 else 0

    @property
    def estimated(self):
        """Not measured from satellites: dead reckoning, manual input or a simulator."""
        return self.quality >= DEAD_RECKONING


class Receiver:
    """Feed it what the receiver sends, in pieces of any size."""

    def __init__(self, on_epoch):
        self.fix = Fix()
        self.state = new_state()  # the counters nmea.ACCEPTED, BAD and REFUSED are in it
        self._on_epoch = on_epoch
        self._seen = 0  # a bit for each talker's RMC and GGA in the open epoch; 0: none is open
        self._by_gga = False  # pos is GGA's
        self._denied = False
        self._gga_hdop = False
        self._gst_tod = -1  # GST may come before its epoch opens
        self._gst_millis = 0
        self._gst_radius = -1
        self._roof = 0
        self._date_from = _NO_DATE
        self._date_day = 0  # the last known date, and the second of the day at which it held
        self._date_tod = 0

    def feed(self, buf, n):
        """Take buf[0:n]. Raises nothing but what `on_epoch` raises."""
        if n > len(buf):
            n = len(buf)
        state = self.state
        i = 0
        while i < n:
            i = scan(buf, i, n, state)
            if state[KIND]:
                kind = decode(state)
                if kind and kind != GSV:
                    self._sentence(state, kind)

    def idle(self):
        """The line has been quiet: the open epoch is complete."""
        if self._seen:
            self._close()

    def forget(self):
        """The receiver was off: drop what is half read, and the date, which may have changed unseen."""
        self.feed(b"\n", 1)  # ends a half-read sentence, and with it whatever the next lines do is a beginning
        self._seen = 0
        self._gst_tod = -1
        self._date_from = _NO_DATE

    def _sentence(self, state, kind):
        fix = self.fix
        if kind == RMC or kind == GGA:
            self._open(state, 1 << (state[TALKER] * 2 + kind))
            if kind == GGA:
                self._gga(state, fix)
            else:
                self._rmc(state, fix)
        elif kind == GSA:
            if self._seen:
                if state[V_FIX_TYPE] > fix.fix_type:  # one GSA for each system
                    fix.fix_type = state[V_FIX_TYPE]
                if not self._gga_hdop:
                    fix.hdop_tenths = state[V_HDOP]
        elif kind == GST:
            if self._seen and state[V_TOD] == fix.tod_s and state[V_MILLIS] == fix.millis:
                fix.radius_dm = state[V_RADIUS]
            else:
                self._gst_tod = state[V_TOD]
                self._gst_millis = state[V_MILLIS]
                self._gst_radius = state[V_RADIUS]
        elif kind == ZDA:
            self._date(state, _CLOCK_DATE)

    def _open(self, state, bit):
        fix = self.fix
        if self._seen:
            if state[V_TOD] == fix.tod_s and state[V_MILLIS] == fix.millis and not self._seen & bit:
                self._seen |= bit
                return
            self._close()
        fix.clear()
        fix.tod_s = state[V_TOD]
        fix.millis = state[V_MILLIS]
        if self._gst_tod == fix.tod_s and self._gst_millis == fix.millis:
            fix.radius_dm = self._gst_radius
        self._gst_tod = -1
        self._by_gga = self._denied = self._gga_hdop = False
        self._seen = bit

    def _gga(self, state, fix):
        if not state[V_OK]:
            self._denied = True
            if fix.quality < 0:
                fix.quality = 0
        elif not self._by_gga:
            take_position(state, fix.pos)
            self._by_gga = True
            fix.valid = True
            fix.quality = state[V_QUALITY]
            fix.satellites = state[V_SATELLITES]
            if state[V_HDOP] > 0:
                fix.hdop_tenths = state[V_HDOP]
                self._gga_hdop = True

    def _rmc(self, state, fix):
        if not state[V_OK]:
            self._denied = True
            self._date(state, _CLOCK_DATE)
            if fix.quality < 0:
                fix.quality = 0
            return
        self._date(state, _FIX_DATE)
        if not fix.valid:
            take_position(state, fix.pos)
            fix.valid = True
            fix.quality = state[V_QUALITY]
        if state[V_DAY] >= 0:
            fix.day = state[V_DAY]
        if state[V_SPEED] >= 0:
            fix.speed_cms = state[V_SPEED]
        if state[V_COURSE] >= 0:
            fix.course_deg = state[V_COURSE]

    def _date(self, state, source):
        if state[V_DAY] >= 0 and state[V_TOD] >= 0 and source >= self._date_from:
            self._date_from = source
            self._date_day = state[V_DAY]
            self._date_tod = state[V_TOD]

    def _carry_date(self, fix):
        step = fix.tod_s - self._date_tod
        fix.day = self._date_day
        if step < -_DAY_S // 2:
            fix.day += 1
        elif step > _DAY_S // 2:
            fix.day -= 1  # the next epoch's date came before this one closed
            return
        elif step < 0:
            return
        self._date_day = fix.day
        self._date_tod = fix.tod_s

    def _close(self):
        fix = self.fix
        derived = False
        self._seen = 0
        fix.contradicted = fix.valid and self._denied
        if fix.day < 0 and fix.tod_s >= 0 and self._date_from:
            self._carry_date(fix)
        if not fix.valid:
            fix.radius_dm = -1
        elif fix.radius_dm < 0 and fix.hdop_tenths > 0 and fix.quality < DEAD_RECKONING:
            fix.radius_dm = max(fix.hdop_tenths * _RADIUS_OF_HDOP, _RADIUS_MIN_DM)
            derived = True
        sky(self.state)
        fix.cn0_max = self.state[V_CN0]
        fix.in_view = self.state[V_IN_VIEW]
        fix.heard = self.state[V_HEARD]
        if derived and fix.in_view > 0:
            walls = 100 * (fix.in_view - fix.heard) // fix.in_view - _HIDDEN
            if walls > 0:
                walls += max(0, fix.hdop_tenths - _HDOP_OPEN)
                fix.radius_dm = max(fix.radius_dm, min(_RADIUS_MIN_DM + walls * _RADIUS_OF_WALLS, _WALLS_MAX_DM))
            if fix.heard * 4 < fix.in_view * 3 and fix.cn0_max < _ROOF_DBHZ:
                self._roof = _ROOF_EPOCHS
            elif self._roof:
                self._roof -= 1
            if self._roof:
                fix.radius_dm = max(fix.radius_dm, _ROOF_DM)
        self._on_epoch(fix)
