"""A tamper contact (strap loop, case switch): an opening is told at once and stays told; that it closed again is a second
fact, never an undoing.

An opening counts after 300 ms without a closed reading, a closing after 2 s without an open one: ends of a cut strap that
touch now and then are one cut, and a contact that bounces is one event. Told within 2 s of the opening as long as the
contact is looked at when it asks for it (`wait_ms`).
"""

from .port import const, ticks_diff

_OPENED_MS = const(300)  # a loop that is bent or wet makes shorter gaps (our own choice; requirements.md: cut <= 2 s)
_CLOSED_MS = const(2000)  # nothing hurries with a closing (our own choice)


class Contact:
    """Fed with the contact's state and the time. `update` gives +1 when an opening is certain, -1 when a closing is, else 0.

    One that is open at the start has `is_open` set: the application tells it with its first records.
    """

    def __init__(self, closed, now):
        self.is_open = not closed
        self.wait_ms = 0  # look again after this long; 0: the contact is as it was told
        self._since = now

    def update(self, closed, now):
        if closed != self.is_open:
            self.wait_ms = 0
            return 0
        needed = _CLOSED_MS if closed else _OPENED_MS
        if not self.wait_ms:
            self._since = now
        left = needed - ticks_diff(now, self._since)
        if left > 0:
            self.wait_ms = left if left < _OPENED_MS else _OPENED_MS
            return 0
        self.wait_ms = 0
        self.is_open = not closed
        return -1 if closed else 1
