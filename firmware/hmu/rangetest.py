"""The range test of an installation: how well the home unit hears its tags in one room. Imported when one is made.

For its time every tag of the household is asked to be heard every two seconds. The result is a RANGE event for each tag that
was heard (value_a: room << 16 | slot << 12 | frames, value_b: lowest RSSI << 16 | median, signed 16 bits each), or one with
no frames when none was: that is a result too.
"""

from array import array

from ..core.port import const, ticks_diff

SECONDS_MAX = const(600)
_LEVELS = const(128)  # 0 to -127 dBm
_FRAMES_MAX = const(0xFFF)


class RangeTest:
    """`heard(slot, rssi)` for each new status frame; `results()` when `is_over(now)`."""

    def __init__(self, room, seconds, slots, now):
        self._room = room & 0xFF
        self._began = now
        self._ms = min(seconds, SECONDS_MAX) * 1000
        self._counts: list = [None] * slots  # for each tag, how many frames at each level

    def is_over(self, now):
        return not 0 <= ticks_diff(now, self._began) < self._ms

    def heard(self, slot, rssi):
        counts = self._counts[slot]
        if counts is None:
            counts = self._counts[slot] = array("H", bytes(2 * _LEVELS))
        level = min(max(-rssi, 0), _LEVELS - 1)
        if counts[level] < _FRAMES_MAX:
            counts[level] += 1

    def results(self):
        """[(value_a, value_b)] of the RANGE events."""
        found = []
        for slot in range(len(self._counts)):
            counts = self._counts[slot]
            if counts is not None:
                found.append(self._result(slot, counts))
        return found or [(self._room << 16, 0)]

    def _result(self, slot, counts):
        frames = sum(counts)
        lowest = median = below = 0
        for level in range(_LEVELS - 1, -1, -1):  # the weakest first
            if counts[level]:
                lowest = lowest or -level
                if 2 * below < frames:
                    median = -level
                below += counts[level]
        return self._room << 16 | slot << 12 | min(frames, _FRAMES_MAX), (lowest & 0xFFFF) << 16 | median & 0xFFFF
