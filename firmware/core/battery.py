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
    """Tells each stage once on the way down, and once when it is left on the way up, with hysteresis."""

    def __init__(self):
        self._stage = 0  # how many of STAGES are undercut

    def update(self, now_percent):
        """True when a stage was entered or left: a BATTERY event is due."""
        least = most = 0
        for limit in STAGES:
            if now_percent <= limit:
                least += 1
            if now_percent <= limit + _HYSTERESIS:
                most += 1
        stage = min(max(self._stage, least), most)
        changed = stage != self._stage
        self._stage = stage
        return changed


class Gauge:
    """A cell, read every `every_s`: `percent` and `millivolts` as of the last reading. `cell` has `millivolts()`."""

    def __init__(self, cell, every_s):
        self.percent = 0
        self.millivolts = 0
        self._is_read = False
        self._cell = cell
        self._every_ms = every_s * 1000
        self._stages = Stages()
        self._read_at = 0

    def read(self, now):
        """Read it when it is time. True when a stage was entered or left."""
        if self._is_read and ticks_diff(now, self._read_at) < self._every_ms:
            return False
        self._read_at = now
        self._is_read = True
        self.millivolts = self._cell.millivolts()
        self.percent = percent(self.millivolts)
        return self._stages.update(self.percent)
