"""Whether each of its wearers is at home, from what the home unit hears of their tags. Unknown is never told as either.

A tag makes itself heard only in RF mode, at least every minute; one that is silent for `absent_s` while the unit listens is not
at home. Silence proves nothing while the unit itself cannot hear (its radio is deaf, its processor was held up, its clock
jumped): such time is not counted, and when there is `absent_s` of it without a sign of the tag, it is unknown where it is.
After a start nothing is known; that is told when the tag is not heard soon.
"""

from ..core.port import const, ticks_diff
from ..core.record import PRESENCE_HOME, PRESENCE_NOT_HOME, PRESENCE_UNKNOWN

_START_MS = const(130_000)  # a tag at home says its status each minute: twice, and a round of listening
_HELD_UP_MS = const(70_000)  # between two ticks, which come with each beacon (at most each 60 s): nobody listened


class Presence:
    """One tag. `heard` and `tick` give True when `state` (record.PRESENCE_*) is to be told. Times are ticks in ms."""

    def __init__(self, now, absent_s):
        self.state = PRESENCE_UNKNOWN
        self._is_told = False
        self._absent_ms = absent_s * 1000
        self._at = now
        self._silent_ms = 0  # listened for, without a sign of the tag
        self._deaf_ms = 0  # and not listened

    def heard(self, now):
        self._at = now
        self._silent_ms = self._deaf_ms = 0
        return self._become(PRESENCE_HOME)

    def tick(self, now, hears=True):
        """Each beacon. `hears`: whether the unit has listened since the last."""
        passed = ticks_diff(now, self._at)
        self._at = now
        if not hears or not 0 <= passed <= _HELD_UP_MS:
            self._deaf_ms = min(self._deaf_ms + max(passed, 0), self._absent_ms)
            if self._deaf_ms >= self._absent_ms:
                self._silent_ms = 0
                return self._become(PRESENCE_UNKNOWN)
            return False
        self._silent_ms = min(self._silent_ms + passed, self._absent_ms)
        if self._silent_ms >= self._absent_ms:
            self._deaf_ms = 0
            return self._become(PRESENCE_NOT_HOME)
        return not self._is_told and self._silent_ms + self._deaf_ms >= _START_MS and self._become(PRESENCE_UNKNOWN)

    def _become(self, state):
        if state == self.state and self._is_told:
            return False
        self.state = state
        self._is_told = True
        return True
