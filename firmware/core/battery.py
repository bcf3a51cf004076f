"""What a lithium cell's voltage means: percent, and the stages at which somebody is told."""

from .port import const, ticks_diff

# Rest voltage of a lithium-ion cell (LCO/NMC) in mV at percent, light load, 20 °C: typical data-sheet curve, within 5 %.
_CURVE = (
    (3000, 0),
    (3450, 5),
    (3600, 10),
    (3680, 20),
    (3740, 30),
    (3780, 40),
    (3830, 50),
    (3890, 60),
    (3960, 70),
    (4040, 80),
    (4110, 90),
    (4180, 100),
)

STAGES = (50, 30, 20, 10, 5)  # percent; our own choice: the wearer has a day, an evening, hours, an hour
_HYSTERESIS = const(3)
_UNWARNED = const(2)  # so many of STAGES are for the record only; from the next one on the wearer is warned first

TELL = const(1)  # a BATTERY event is due
WARN = const(2)  # the wearer is to be warned; before the BATTERY event, when both are due


def percent(millivolts):
    """0-100 for a cell's voltage under light load."""
    low_mv, low = _CURVE[0]
    if millivolts <= low_mv:
        return 0
    for high_mv, high in _CURVE:
        if millivolts < high_mv:
            return low + (high - low) * (millivolts - low_mv) // (high_mv - low_mv)
        low_mv, low = high_mv, high
    return 100


class Stages:
    """Tells each stage once on the way down, and once when it is left on the way up, with hysteresis.

    With a `lead_s` the stages from 20 % down are told to the wearer first (WARN, once a stage, by night too: at most three
    times in a discharge), and TELL follows after the lead: all of it at 20 %, half of it at 10 %, a sixth at 5 %. A stage that is
    reached while another one waits makes the wait shorter, never longer; at 2 % or less nothing waits. While it charges nothing
    is told of a stage that waits, and a stage that is left again before its time was never told. The wait runs on meanwhile,
    so that touching the charger now and then puts nothing off.
    """

    def __init__(self, lead_s=0):
        self._stage = 0  # how many of STAGES are undercut
        self._told = 0  # how many of them are told
        self._lead_ms = lead_s * 1000
        self._left_ms = 0  # until the stages not yet told are

    def update(self, now_percent, charging=False, passed_ms=0):
        """TELL and WARN, added. `passed_ms` since the last call."""
        least = most = 0
        for limit in STAGES:
            if now_percent <= limit:
                least += 1
            if now_percent <= limit + _HYSTERESIS:
                most += 1
        stage = min(max(self._stage, least), most)
        due = 0
        self._left_ms = max(0, self._left_ms - passed_ms)
        if stage > self._stage and self._lead_ms and stage > _UNWARNED:
            due = WARN
            lead_ms = self._lead_ms // (1, 2, 6)[stage - _UNWARNED - 1]
            if self._told >= self._stage or lead_ms < self._left_ms:
                self._left_ms = lead_ms
        self._stage = stage
        if stage < self._told:
            self._told = stage
            return due | TELL
        if self._told < stage:
            if stage <= _UNWARNED or now_percent <= 2 or (not self._left_ms and not charging):
                self._told = stage
                return due | TELL
        return due


class Gauge:
    """A cell, read every `every_s`: `percent` and `millivolts` as of the last reading. `cell` has `millivolts()`."""

    def __init__(self, cell, every_s, lead_s=0):
        self.percent = 0
        self.millivolts = 0
        self._is_read = False
        self._cell = cell
        self.every_ms = every_s * 1000
        self._stages = Stages(lead_s)
        self._read_at = 0

    def read(self, now, charging=False):
        """Read it when it is time. TELL and WARN, added; with no `lead_s` only whether a stage was entered or left."""
        passed_ms = ticks_diff(now, self._read_at) if self._is_read else 0
        if self._is_read and passed_ms < self.every_ms:
            return 0
        self._read_at = now
        self._is_read = True
        self.millivolts = self._cell.millivolts()
        self.percent = percent(self.millivolts)
        return self._stages.update(self.percent, charging, passed_ms)
