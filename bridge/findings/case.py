"""One wearer's case as the findings keep it between two looks at the store."""

from typing import Any, NamedTuple

from bridge.rules import fold
from bridge.rules.conditions import Conditions, Period
from bridge.rules.facts import Fact


class Case:
    """One wearer: his conditions, and how far his records are folded."""

    def __init__(self, conditions: Conditions, stored: dict[str, Any] | None) -> None:
        stored = stored or {}
        self.conditions = conditions
        self.periods = [list(period) for period in conditions.periods]
        self.fold: fold.State | None = stored.get("fold")
        self.key: tuple[int, ...] = tuple(stored.get("key") or ())
        # A refold took in all that was stored from this time on, up to this record id: those come by the cursor once more.
        self.refolded: list[int] = stored.get("refolded") or [0, 0]
        self.is_new = [list(period) for period in stored.get("periods") or []] != _as_json(self.periods)
        self.live: dict[str, Any] | None = None  # as the clock stands, which may be later than the fold
        self.dirty = False  # something has happened that is to be written
        worn = (device for period in conditions.periods for device in (period.tag_id, period.hmu_id))
        self.devices = {device for device in worn if device is not None}  # every device that was ever his

    def as_json(self) -> dict[str, Any]:
        return {"fold": self.fold, "key": list(self.key), "refolded": self.refolded, "periods": _as_json(self.periods)}

    def follows(self, fact: Fact) -> bool:
        """Whether this fact may be folded on top of the state."""
        return self.fold is None or (fact.key > self.key and fact.at_ms >= self.fold["now_ms"])


class Read(NamedTuple):
    """A fact and what the store knows of its arrival."""

    fact: Fact
    record_id: int
    received_ms: int

    @property
    def key(self) -> tuple[int, int, int]:
        return self.fact.key


def read_of(row: Any) -> Read:
    return Read(Fact(*row[: len(Fact._fields)]), row.id, row.received_ms)


def period_of(row: Any) -> Period:
    home = None if row.home_lat_e7 is None else (row.home_lat_e7 / 1e7, row.home_lon_e7 / 1e7)
    return Period(row.tag_id, row.hmu_id, row.from_ms, row.until_ms, home)


def _as_json(periods: list[list[Any]]) -> list[list[Any]]:
    """As they come back from JSON: tuples are lists there."""
    return [[list(value) if isinstance(value, tuple) else value for value in period] for period in periods]
