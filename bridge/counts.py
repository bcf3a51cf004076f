"""What the bridge counts of itself: how often each thing happened, by name and label. Read by the operator's log and by tests."""

from collections import Counter


class Counts:
    """`add("refused", "seal")` counts one; names and labels are fixed words of the code, never bytes from outside."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, label: str = "", n: int = 1) -> int:
        """Counts, and says how many there are now."""
        self._counts[name, label] += n
        return self._counts[name, label]

    def get(self, name: str, label: str = "") -> int:
        return self._counts[name, label]

    def as_dict(self) -> dict[str, int]:
        return {name if not label else f"{name}.{label}": n for (name, label), n in sorted(self._counts.items())}
