"""One wearer's conditions, compiled: what the steps look things up in. Built from the specs that the store keeps."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .geometry import Shape, shape_of

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Period(NamedTuple):
    """Who wears what, from when until when. Home in degrees."""

    tag_id: int
    hmu_id: int | None
    from_ms: int
    until_ms: int | None
    home: tuple[float, float] | None

    def covers(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


class Window(NamedTuple):
    """One night of a curfew. `due_ms` is when grace ends."""

    start_ms: int
    end_ms: int
    due_ms: int


@dataclass(frozen=True)
class Zone:
    key: str  # name and a hash of the spec: another shape under the same name is another zone
    name: str
    kind: str  # exclusion | inclusion
    shape: Shape


@dataclass(frozen=True)
class Curfew:
    key: str
    name: str
    start_min: int  # minutes since local midnight
    end_min: int
    weekdays: frozenset[int]  # of the evening; Monday is 0
    grace_ms: int
    zone: ZoneInfo
    _windows: dict[date, Window] = field(default_factory=dict, repr=False, compare=False)

    def window_after(self, at_ms: int) -> Window:
        """The first window that ends after `at_ms`: the one that is running, or the next."""
        day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).date() - timedelta(days=2)
        while True:
            if day.weekday() in self.weekdays and (window := self._window(day)).end_ms > at_ms:
                return window
            day += timedelta(days=1)

    def _window(self, day: date) -> Window:
        window = self._windows.get(day)
        if window is None:
            last = day if self.end_min > self.start_min else day + timedelta(days=1)
            start_ms = self._ms(day, self.start_min, fold=0)
            # At a time that comes twice the night begins at the first and ends at the second; at one that is left out it begins
            # and ends as the clocks have moved on.
            end_ms = max(self._ms(last, self.end_min, fold=0), self._ms(last, self.end_min, fold=1))
            window = self._windows[day] = Window(start_ms, end_ms, start_ms + self.grace_ms)
        return window

    def _ms(self, day: date, minutes: int, fold: int) -> int:
        local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=self.zone, fold=fold)
        return round(local.timestamp() * 1000)


@dataclass(frozen=True)
class Conditions:
    """All that is known of one wearer's case."""

    wearer_id: str
    periods: tuple[Period, ...]
    zones: tuple[Zone, ...] = ()
    curfews: tuple[Curfew, ...] = ()

    def period_of(self, device_id: int, at_ms: int) -> Period | None:
        """The period in which this device was his at that time."""
        for period in self.periods:
            if device_id in (period.tag_id, period.hmu_id) and period.covers(at_ms):
                return period
        return None


def compile_conditions(
    wearer_id: str, periods: Iterable[Period], specs: Iterable[tuple[str, str, Mapping]], timezone: str
) -> Conditions:
    """`specs` are (kind, name, spec) as the store keeps them; they were validated by `bridge.cases` when they got there."""
    zones: list[Zone] = []
    curfews: list[Curfew] = []
    for kind, name, spec in specs:
        digest = hashlib.sha256(
            json.dumps([kind, spec, timezone if kind == "curfew" else ""], sort_keys=True).encode()
        ).hexdigest()
        key = f"{name}#{digest[:8]}"
        if kind == "curfew":
            days = frozenset(_WEEKDAYS.index(day) for day in spec.get("days") or _WEEKDAYS)
            start, end = _minutes(spec["from"]), _minutes(spec["until"])
            curfews.append(Curfew(key, name, start, end, days, spec["grace_min"] * 60_000, ZoneInfo(timezone)))
        else:
            zones.append(Zone(key, name, kind, shape_of(dict(spec))))
    return Conditions(wearer_id, tuple(sorted(periods, key=lambda p: p.from_ms)), tuple(zones), tuple(curfews))


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
