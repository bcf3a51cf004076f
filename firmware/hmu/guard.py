"""What the home unit tells of itself: moved, and cut off from the broker. Small machines fed with values and times.

Mains and case are contacts (`core.latch`).
"""

from ..core.port import const, ticks_diff
from ..core.record import COMMS_BACK, COMMS_LOST

_WATCH_MS = const(3000)  # requirements.md: debounced 3 s
_LASTS_MS = const(500)  # away from rest for this long in all: no passing lorry, no slammed door (our own choice)
_REPEATS = const(4)  # changes: it tipped over twice
_QUIET_MS = const(30_000)  # without a change: what moves now is another movement (our own choice)


class Movement:
    """The tilt switch. A movement is a change that lasts or repeats, also when the switch comes back to where it was; it is
    told once, until the unit has stood still."""

    WATCH_MS = _WATCH_MS

    def __init__(self, level, edges):
        self.wait_ms = 0  # look again after this long; 0: when the switch changes
        self._rest = level  # where it stood before
        self._level = level
        self._edges = edges  # as of the last look
        self._seen = 0  # changes in this watch
        self._away_ms = 0
        self._since = 0
        self._looked = 0
        self._moving = False

    def update(self, level, edges, now):
        """`edges` counts the changes of the switch, by interrupt. True when it moves: once, for a movement."""
        new = edges != self._edges
        self._seen += edges - self._edges & 0xFFFF
        self._edges = edges
        if not self.wait_ms:
            if not new and level == self._level:
                return False
            self._since = self._looked = now
            self._away_ms = 0
        elif self._level != self._rest:
            self._away_ms += ticks_diff(now, self._looked)
        self._level = level
        self._looked = now
        if self._moving:
            if new:
                self._since = now
            return self._end(now, _QUIET_MS)
        if ticks_diff(now, self._since) < _WATCH_MS:
            return self._end(now, _WATCH_MS)
        if level != self._rest or self._seen >= _REPEATS or self._away_ms >= _LASTS_MS:
            self._moving = True
            self._since = now
            self.wait_ms = _QUIET_MS
            return True
        return self._end(now, 0)

    def _end(self, now, span_ms):
        # Look again when the span is over; when it is, the switch is at rest where it stands.
        left = span_ms - ticks_diff(now, self._since)
        self.wait_ms = max(left, 0)
        if not self.wait_ms:
            self._rest = self._level
            self._seen = 0
            self._moving = False
        return False


class Comms:
    """The way to the broker. Fed with seconds of uptime, which do not wrap."""

    def __init__(self, now_s, lost_s):
        self.is_lost = False
        self.lost_s = lost_s
        self._at_s = now_s  # the broker was there last

    def update(self, online, now_s):
        """(a record code, its value), or None."""
        silent_s = now_s - self._at_s
        if online:
            self._at_s = now_s
            if self.is_lost:
                self.is_lost = False
                return COMMS_BACK, silent_s
        elif not self.is_lost and silent_s >= self.lost_s:
            self.is_lost = True
            return COMMS_LOST, silent_s
        return None
