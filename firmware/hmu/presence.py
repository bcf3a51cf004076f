"""Whether each of its wearers is at home, from what the home unit hears of their tags. Unknown is never told as either.

A tag makes itself heard only in RF mode, at least every minute; one that is silent for `absent_s` is not at home. After a
start nothing is known until a tag is heard or that time has passed.
"""

from ..core.port import ticks_diff
from ..core.record import PRESENCE_HOME, PRESENCE_NOT_HOME, PRESENCE_UNKNOWN


class Presence:
    """One tag. `heard` and `tick` give True when `state` (record.PRESENCE_*) changed."""

    def __init__(self, now, absent_s):
        self.state = PRESENCE_UNKNOWN
        self.heard_at = now
        self._absent_ms = absent_s * 1000

    def heard(self, now):
        self.heard_at = now
        return self._become(PRESENCE_HOME)

    def tick(self, now):
        if ticks_diff(now, self.heard_at) < self._absent_ms:
            return False
        return self._become(PRESENCE_NOT_HOME)

    def _become(self, state):
        if state == self.state:
            return False
        self.state = state
        return True
