"""What each device should have been told, as it follows from the wear periods and conditions: its lease and its config. Pure.

- A tag that is worn has a lease from the beginning of the wear period until its end. An open period, or one longer than
  `lease_days`, has a lease of `lease_days`, which is renewed when half of it is gone.
- A period that has ended (consent withdrawn, or its time over) while the tag holds a longer lease: a lease that ends with it.
- A tag that nobody wears keeps no zones: they say where people live. A device that never had a config needs none to say so.

Times in ms UTC, leases in s. Zones of the wear period: the conditions' under their row's id, the home under HOME_ZONE.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .payloads import LEASE_S_MAX, Lease
from .zonemap import Circle, Zone

LEASE_DAYS = 35
HOME_RADIUS_M = 100
HOME_ZONE = 0
_DAY_S = 86_400


class Worn(NamedTuple):
    """A wear period as the store has it."""

    id: int
    wearer_id: str
    tag_id: int
    hmu_id: int | None
    from_ms: int
    until_ms: int | None
    home: tuple[float, float] | None  # degrees
    home_radius_m: int


def period_at(periods: Iterable[Worn], now_ms: int) -> Worn | None:
    """Of one device's periods the one that holds now, else the next, else the last that has ended."""
    ordered = sorted(periods, key=lambda worn: worn.from_ms)
    running = [worn for worn in ordered if worn.until_ms is None or now_ms < worn.until_ms]
    return running[0] if running else ordered[-1] if ordered else None


def is_over(worn: Worn, now_ms: int) -> bool:
    return worn.until_ms is not None and worn.until_ms <= now_ms


def wanted_lease(worn: Worn | None, known: Lease | None, now_ms: int, lease_days: int = LEASE_DAYS) -> Lease | None:
    """The lease that the tag should have, which is `known` when that one will do. None: it needs none."""
    now_s = now_ms // 1000
    if worn is None:
        return None
    if is_over(worn, now_ms):
        if known is None or known.until_s <= known.from_s or known.until_s <= now_s:
            return known  # there is none, or it is over by itself
        end_s = (worn.until_ms or 0) // 1000 if known.period_id == worn.id else 0
        return Lease(known.period_id, known.from_s, max(end_s, known.from_s))
    from_s = max(worn.from_ms // 1000, 0)
    longest_s = max(now_s, from_s) + lease_days * _DAY_S
    end_s = None if worn.until_ms is None else worn.until_ms // 1000
    if known is not None and known.period_id == worn.id:
        is_long_enough = known.until_s - max(now_s, from_s) > lease_days * _DAY_S // 2 or known.until_s == end_s
        is_within = end_s is None or known.until_s <= end_s
        is_same_start = known.from_s == from_s or known.from_s == known.until_s - LEASE_S_MAX
        if is_long_enough and is_within and is_same_start and known.until_s > known.from_s:
            return known
    until_s = longest_s if end_s is None else min(end_s, longest_s)
    return Lease(worn.id, max(from_s, until_s - LEASE_S_MAX), until_s)


def zones_of(worn: Worn, conditions: Sequence[Any]) -> list[Zone]:
    """The zones of a wear period. `conditions`: the wearer's rows, with id, kind and spec."""
    zones: list[Zone] = []
    if worn.home is not None:
        zones.append(Zone(HOME_ZONE, "home", Circle(*worn.home, worn.home_radius_m)))
    for row in conditions:
        if row.kind in ("exclusion", "inclusion"):
            circle = row.spec.get("circle")
            shape = Circle(**circle) if circle is not None else [(lat, lon) for lat, lon in row.spec["polygon"]]
            zones.append(Zone(row.id % 0xFFFF + 1, row.kind, shape))
    return zones
