"""The strap loop: a cut is told at once and stays told; that the loop closed again is a second fact, never an undoing."""

from ..core.port import const, ticks_diff

_BOUNCE_MS = const(300)  # a loop that is bent or wet makes shorter gaps (our own choice; requirements.md: cut <= 2 s)


class Strap:
    """Fed with the loop's state and the time. `update` gives +1 when a cut is certain, -1 when a closing is, else 0."""

    def __init__(self, closed, now):
        self.is_cut = not closed
        self._differs_since = now
        self._differs = False

    def update(self, closed, now):
        if closed != self.is_cut:
            self._differs = False
            return 0
        if not self._differs:
            self._differs = True
            self._differs_since = now
            return 0
        if ticks_diff(now, self._differs_since) < _BOUNCE_MS:
            return 0
        self._differs = False
        self.is_cut = not closed
        return 1 if self.is_cut else -1

    @property
    def wait_ms(self):
        """Look again after this long; 0: the loop is as it was told."""
        return _BOUNCE_MS if self._differs else 0
