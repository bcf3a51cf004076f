"""The ankle tag's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import message, record
from ..core.carrier import Carrier
from ..core.latch import Contact
from ..core.node import Node
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.power import Sleeper
from ..core.wake import FOREVER_MS, Wake
from .home import HomeLink
from .mode import ModeMachine
from .tracker import Tracker
from .watch import Watch
from .zones import Zones, refusal

_WARN_PATTERN = const(3)
_MOTOR_MS = (300, 1000, 300)  # by the pattern of an ORDER_VIBRATE, which is also how often
_FLAT_SLEEP_S = const(900)
_DEEPSLEEP = const(4)  # machine.DEEPSLEEP_RESET
_POLL_MS = const(30_000)
_POLL_MAX_MS = const(180_000)


class Tag(Node):
    """What the tag knows of itself, and what happens when that changes."""

    def __init__(self, board):
        super().__init__(board)
        provision, settings = self._provision, self._settings
        now = ticks_ms()
        self.charging = board.is_charging()
        self.moving = board.is_moving()
        self._watch = Watch(settings, self.moving, now, self._recorder.event)
        self._doubting = self._unit_silent = False
        self._attempts = 0  # power-ups of the modem that the watch knows of
        self._heartbeat_at = now
        self._polled_at = ticks_add(now, -settings.idle_poll_s * 1000)
        self._motor = 0  # the pattern that is wanted
        self._shaken = Wake()
        self._polling = False
        self._not_before = self._newest_time()  # UTC is at least this
        self._zones = Zones(self._slots.readinto, 0, 0, 0, 0, 0, self.zone_changed)
        self._load_zones()
        self._strap = Contact(board.strap_is_closed(), now)
        self._case = Contact(board.case_is_closed(), now)
        self._modes = ModeMachine(settings, now)
        self._carrier = Carrier(board.modem, provision, board.name, self._uplink, on_link=self.link)
        counter = self._frame_counter()
        self._home = HomeLink(board.ble, provision, counter, self._modes, self._uplink, self._journal, self)
        self._tracker = Tracker(board.gnss, settings, self)

    async def run(self):
        """Never returns."""
        if self._board.reset_cause == _DEEPSLEEP and not self._strap.is_open:
            self._sleep_if_flat(self._board.battery.millivolts())  # as flat as before: no word, and no motor
        self._sleeper = Sleeper(self._may_sleep, self._board.sleep)
        self._begin()
        if self._strap.is_open:
            self._recorder.event(record.STRAP_CUT)
        self._check_lease()
        if self._case.is_open and self.mode != record.MODE_OFF:
            self._recorder.event(record.CASE_OPENED)
        self._apply_mode()
        await asyncio.gather(
            self._tracker.run(),
            self._tracker.read(),
            self._carrier.run(),
            self._carrier.stream.run(),
            self._home.run(),
            self._watch_inputs(),
            self._vibrate(),
            self._console(),
        )

    # What others ask

    @property
    def mode(self):
        return self._modes.mode

    @property
    def strap_is_cut(self):
        return self._strap.is_open

    @property
    def may_relay(self):
        """Whether the home unit's way is the one to use: one way at a time."""
        return self._carrier.is_off and not self.docked

    @property
    def still_ms(self):
        """For how long the wearer has not moved, as of the last round."""
        return self._watch.motion.still_ms

    @property
    def suspects(self):
        """Whether a detector wants more of the receiver."""
        return self._watch.suspects

    def fix_interval_s(self):
        """How long after the last fix the next one is due: by the zones, and by whether the wearer moves."""
        settings = self._settings
        self._watch.motion.update(self.moving, ticks_ms())
        at_rest = self._watch.motion.still_ms >= settings.rest_after_s * 1000 and not self._watch.suspects
        if at_rest:
            # Whoever rests where it is forbidden is looked at as one who moves; near an edge nothing happens until he does.
            return settings.fix_interval_s if self._zones.in_violation else settings.rest_interval_s
        return min(self._zones.interval_s() or settings.fix_interval_s, settings.fix_interval_s)

    def _may_sleep(self):
        board = self._board
        # On the charger it stays awake: the cable is there, and a sleeping processor hears nothing on it.
        return not (board.gnss.is_on or board.ble.is_on or self._motor or self.charging) and self._carrier.is_quiet

    # What others tell

    def mode_changed(self, radius_dm=0):
        """The mode machine has decided; by a fix of this radius, if it was one."""
        self._recorder.event(record.MODE, self._modes.mode, self._modes.reason)
        if self._modes.reason == record.MODE_BY_UNIT_SILENT:
            self._unit_silent = True
            self._recorder.event(record.UNIT_SILENT, radius_dm)
        elif self._unit_silent and self.mode == record.MODE_RF:
            self._unit_silent = False
            self._recorder.event(record.UNIT_BACK)
        self._apply_mode()

    def link(self, is_up):
        """The network has just proved that it is there, or was tried in vain or lost."""
        modem = self._board.modem
        if modem.attempts != self._attempts:
            self._attempts = modem.attempts
            self._watch.modem(modem.answered)
        self._watch.link(is_up, ticks_ms())

    def heard_beacon(self, rssi_dbm):
        """The home unit's, authentic."""
        self._watch.beacon(rssi_dbm, ticks_ms())

    def receiver_on(self):
        self._watch.receiver_on(ticks_ms())

    def epoch(self, fix):
        """An epoch of the receiver, with a fix or without."""
        self._watch.epoch(fix, ticks_ms())

    @property
    def wants_time(self):
        return not self._clock.is_set

    def heard_time(self, utc_s, age_ms):
        """The home unit's time, `age_ms` ago, to half a second and what the radio takes. A fix corrects it later."""
        if not self._clock.is_set and self._clock.set(utc_s, 0, age_ms):
            self._recorder.clock_set()

    def time(self, fix, age_ms):
        """The receiver's UTC, `age_ms` ago."""
        if self._clock.offer(fix.utc_s, fix.millis, age_ms):
            self._recorder.clock_set()

    def fixed(self, fix):
        """A fix that may be recorded."""
        if not self._clock.agrees(fix.utc_s) and not self._settings.every_fix:
            return  # a date that nobody believes (yet) is no fix's date
        if self._check_lease() or self.mode == record.MODE_OFF or not self._watch.accepts(fix, ticks_ms()):
            return
        self._recorder.fix(fix, bool(self._locating))
        zones = self._zones
        zones.travel_dm = max(fix.speed_cms, 0) * self.fix_interval_s() // 10
        self._clock.read()
        violations = zones.violations
        zones.check(fix.pos, fix.radius_dm, self._clock.utc_s)
        if zones.violations != violations:
            self._uplink.urgent = True  # the bridge judges by the fixes themselves: it is not to wait for the confirmation
            self._carrier.notify()
        if self._modes.in_doubt:
            is_home = zones.is_home(fix.pos, fix.radius_dm)
            if self._modes.located(is_home, ticks_ms(), self._watch.motion.walks):
                self.mode_changed(fix.radius_dm)
        if self.mode != record.MODE_GPS:
            zones.forget()  # the wearer goes on unseen
        self._located(message.DONE)

    def sought(self):
        """No fix was to be had in the time for one."""
        if self._modes.in_doubt and self._modes.located(None, ticks_ms()):
            self.mode_changed()
        self._located(message.NO_FIX)

    def gnss_lost(self, seconds):
        self._recorder.event(record.GNSS_LOST, seconds, 0, self._watch.suspects)  # the answer tells whether there is a network

    def gnss_back(self):
        self._recorder.event(record.GNSS_BACK, 0, 0, False)

    def zone_changed(self, zone, kind, inside, radius_dm):
        """The zones are sure of a change."""
        self._recorder.event(record.ZONE, (record.ZONE_INSIDE if inside else record.ZONE_OUTSIDE) << 16 | zone, radius_dm)

    def attend(self):
        """Every radio round: the tag's slow duties, and proof that it lives."""
        now = ticks_ms()
        settings = self._settings
        self._attend(now)
        self._look_at_inputs()
        self._check_lease()
        if self._modes.in_doubt != self._doubting:
            # The mode machine wants a fix, and the direct way, or no longer.
            self._doubting = not self._doubting
            self._apply_mode()
            if self._doubting:
                self._tracker.ask()
        elif self._modes.looks_again(now):
            self._tracker.ask()
        if self.mode == record.MODE_OFF:
            self._ask_for_orders(now)
        else:
            tracker = self._tracker
            seeking = self.mode == record.MODE_GPS
            self._watch.round(self.moving, seeking, self._board.gnss.is_on, tracker.accepted, tracker.heard, self._clock, now)
            if self._clock.is_set:
                self._zones.tick(self._clock.utc_s)
        if ticks_diff(now, self._heartbeat_at) >= settings.heartbeat_s * 1000:
            self._recorder.event(record.STATUS, self._clock.uptime_s, self._gauge.millivolts, False)
        self._sleep_if_flat(self._gauge.millivolts)

    def _look_at_inputs(self):
        # In light sleep only the strap and the beginning of motion wake the processor: the others are looked at each round.
        board = self._board
        if (
            board.is_moving() != self.moving
            or board.is_charging() != self.charging
            or board.strap_is_closed() == self._strap.is_open
            or board.case_is_closed() == self._case.is_open
        ):
            self._changed.set()

    def _sleep_if_flat(self, millivolts):
        if millivolts < self._settings.battery_stop_mv and not self.charging:
            self._journal.sync()
            self._board.deep_sleep(_FLAT_SLEEP_S * 1000)

    def _ask_for_orders(self, now):
        # Without a lease: a look at the bridge now and then, all the time on the charger, and until all is said.
        waited = ticks_diff(now, self._polled_at)
        if waited >= self._settings.idle_poll_s * 1000:
            self._polling = True
            self._polled_at = now
        elif self._polling and (waited >= _POLL_MAX_MS or (waited >= _POLL_MS and self._carrier.stream.connected)):
            self._polling = False
        self._carrier.want(self.charging or self._polling or not self._uplink.drained)

    # The lease

    def _newest_time(self):
        newest = bytearray(record.SIZE)
        if self._journal.read_into(self._journal.next_seq - 1, newest, 0, 1):
            if not newest[9] & (record.UNDATED | record.TIME_OF_DAY | record.DATE_DOUBTFUL):
                return record.time_of(newest)
        return 0

    def _check_lease(self):
        # True when tracking began or ended.
        lease = self._lease
        if not lease.number:
            valid = False
        elif self._clock.is_set:
            self._clock.read()
            valid = lease.holds(self._clock.utc_s)
        else:
            valid = self._not_before < lease.until_s and not lease.is_withdrawn  # the first fix tells the time
        if not self._modes.lease(valid, ticks_ms()):
            return False
        if valid:
            self._recorder.event(record.LEASE, lease.period, record.LEASE_BEGUN)
        self.mode_changed()
        if not valid:
            self._located(message.NO_LEASE)  # nobody learns any more where the wearer is
        now_s = self._clock.utc_s if self._clock.is_set else self._not_before
        if not valid and lease.number and (lease.is_withdrawn or now_s >= lease.until_s):
            state = record.LEASE_WITHDRAWN if lease.is_withdrawn else record.LEASE_ENDED
            self._recorder.event(record.LEASE, lease.period, state)
        return True

    # Orders

    def _obey(self, kind, number, data):
        if kind == message.ORDER_LEASE:
            status = self._lease.take(number, data)
            if status == message.DONE and self._clock.is_set and self._lease.doubts(self._clock.utc_s):
                self._clock.doubt()
                self._not_before = number
            self._check_lease()
            return status
        if kind == message.ORDER_LOCATE:
            if self.mode == record.MODE_OFF:
                return message.NO_LEASE
            self._orders.begun(number)
            if self._locating:
                self._located(message.INTERRUPTED)
            self._locating = number
            self._apply_mode()
            self._tracker.ask()
            return None
        if kind == message.ORDER_VIBRATE:
            if len(data) != 1 or not 1 <= data[0] <= len(_MOTOR_MS):
                return message.BAD_VALUE
            self._orders.begun(number)
            self._shake(data[0])
            return message.DONE
        return message.NOT_HERE

    def _located(self, status):
        number = self._locating
        if number:
            self._locating = 0
            self._orders.finished(number, status)
            self._apply_mode()

    def _refusal(self, read, start, size):
        return refusal(read, start, size)

    def _configured(self):
        super()._configured()
        self._load_zones()
        self._tracker.ask(self.mode == record.MODE_GPS)  # where it is among the new ones is wanted now

    def _load_zones(self):
        at, settings = self._zones_at, self._settings
        size = self._slots.size - at
        self._zones.load(at, size, settings.zone_interval_s, settings.zone_near_m, settings.zone_dwell_s)

    # Parts

    def _apply_mode(self):
        modes = self._modes
        if modes.mode != record.MODE_GPS:
            self._zones.forget()
        asked = modes.in_doubt or self._locating
        tracking = modes.mode == record.MODE_GPS
        if tracking:
            self._uplink.recut(self._settings.batch_records, ticks_ms())
        self._tracker.follow(tracking or bool(asked))
        if modes.mode == record.MODE_OFF:
            self._ask_for_orders(ticks_ms())
        else:
            self._carrier.want(tracking or modes.in_doubt)

    def _recorded(self, urgent):
        self._heartbeat_at = ticks_ms()
        if urgent:
            self._uplink.urgent = True
        self._carrier.notify()
        if urgent:
            self._home.notify()

    def _warn_lead_s(self):
        return self._settings.warn_lead_s

    def _warn(self):
        self._recorder.event(record.WARNED, self._gauge.percent, 0, False)
        self._shake(_WARN_PATTERN)

    def _shake(self, pattern):
        self._motor = pattern
        self._shaken.set()

    async def _vibrate(self):
        while True:
            await self._shaken.wait(FOREVER_MS)
            for _ in range(self._motor):
                self._board.vibrate(True)
                await asyncio.sleep_ms(_MOTOR_MS[self._motor - 1])
                self._board.vibrate(False)
                await asyncio.sleep_ms(200)
            self._motor = 0

    async def _watch_inputs(self):
        # Strap, case, charger and motion: told by interrupt, looked at again when the contact has settled.
        strap, case, board, recorder = self._strap, self._case, self._board, self._recorder
        while True:
            await self._changed.wait()
            while True:
                now = ticks_ms()
                change = strap.update(board.strap_is_closed(), now)
                if change:
                    recorder.event(record.STRAP_CUT if change > 0 else record.STRAP_CLOSED)
                    self._home.status_due()
                change = case.update(board.case_is_closed(), now)
                if change and self.mode != record.MODE_OFF:
                    recorder.event(record.CASE_OPENED if change > 0 else record.CASE_CLOSED)
                if not (strap.wait_ms or case.wait_ms):
                    break
                await asyncio.sleep_ms(min(strap.wait_ms or case.wait_ms, case.wait_ms or strap.wait_ms))
            if board.is_moving() != self.moving:
                self.moving = not self.moving
                self._watch.motion.update(self.moving, ticks_ms())
                self._tracker.ask(False)
                if self.moving:
                    self._home.moved()
            if board.is_charging() != self.charging:
                self.charging = not self.charging
                recorder.event(record.CHARGER_ON if self.charging else record.CHARGER_OFF, self._gauge.millivolts, 0, False)
                self._apply_mode()


def build():
    """The application on this board, built and not yet running."""
    return Tag(this_board("tag"))


def start(application):
    """Run it; never returns."""
    asyncio.run(application.run())
