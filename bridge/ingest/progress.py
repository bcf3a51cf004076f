"""How far a device's records are stored: the prefix 1..through, what lies beyond the first gap, and what will never come."""

from collections.abc import Iterable

from bridge.ranges import Range, without


class Progress:
    """`through` only grows: every number up to it is stored, or the device has said that it is gone (`lost`, as (first, last)).
    `above` holds the numbers stored beyond the gap after `through`."""

    __slots__ = ("above", "highest", "lost", "through")

    def __init__(self, through: int = 0, above: Iterable[int] = (), lost: Iterable[Range] = ()) -> None:
        self.through = through
        self.above = set(above)
        self.highest = max(self.above, default=through)
        self.lost = list(lost)

    def has(self, seq: int) -> bool:
        if seq > self.through:
            return seq in self.above
        return not any(first <= seq <= last for first, last in self.lost)

    def add(self, seq: int) -> None:
        """A record is stored. One that was given up may come after all: it was on its way when the device lost it."""
        if seq > self.highest:
            self.highest = seq
        if seq > self.through:
            self.above.add(seq)
            self._advance()
        elif self.lost:
            self.lost = [part for gap in self.lost for part in without(gap, [seq])]

    def give_up(self, below: int) -> list[Range]:
        """The device no longer holds anything below this number. What is missing below it, as (first, last)."""
        gone = list(without((self.through + 1, below - 1), sorted(self.above)))
        self.lost += gone
        if below - 1 > self.through:
            self.through = below - 1
            self.above = {seq for seq in self.above if seq >= below}
            self._advance()
        return gone

    def missing(self, limit: int = 100) -> list[Range]:
        """The gaps below `highest` whose records may still come, the oldest `limit` of them."""
        return list(without((self.through + 1, self.highest), sorted(self.above)))[:limit]

    def _advance(self) -> None:
        while self.above and self.through + 1 in self.above:
            self.through += 1
            self.above.discard(self.through)
