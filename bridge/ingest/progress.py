"""How far a device's records are stored: the gap-free prefix 1..through, and what lies beyond the first gap."""

from collections.abc import Iterable


class Progress:
    """`through` only grows. `above` holds the numbers stored beyond the gap after `through`."""

    __slots__ = ("above", "highest", "through")

    def __init__(self, through: int = 0, above: Iterable[int] = ()) -> None:
        self.through = through
        self.above = set(above)
        self.highest = max(self.above, default=through)

    def has(self, seq: int) -> bool:
        return seq <= self.through or seq in self.above

    def add(self, seq: int) -> None:
        if seq > self.highest:
            self.highest = seq
        if seq == self.through + 1:
            self.through = seq
            while self.above and self.through + 1 in self.above:
                self.through += 1
                self.above.discard(self.through)
        elif seq > self.through:
            self.above.add(seq)

    def missing(self, limit: int = 100) -> list[tuple[int, int]]:
        """The gaps below `highest` as (first, last), the oldest `limit` of them."""
        gaps: list[tuple[int, int]] = []
        expected = self.through + 1
        for seq in sorted(self.above):
            if seq > expected:
                gaps.append((expected, seq - 1))
                if len(gaps) == limit:
                    break
            expected = seq + 1
        return gaps
