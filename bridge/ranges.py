"""Ranges of sequence numbers, (first, last), both included."""

from collections.abc import Iterable, Iterator

Range = tuple[int, int]


def without(whole: Range, stored: Iterable[int]) -> Iterator[Range]:
    """What is left of a range when the numbers `stored`, in order, are taken out; nothing of an empty range."""
    first, last = whole
    for seq in stored:
        if first <= seq <= last:
            if seq > first:
                yield first, seq - 1
            first = seq + 1
    if first <= last:
        yield first, last
