"""Rows of the store as the JSON that the page draws. Pure: no store, no clock.

Times are ms UTC (`…_ms`), positions 1e-7 degrees (`…_e7`); the page turns them into local time with the scheme's zone. A fix
on a track is a list, for size: its places are FIX_FIELDS, unknown values null, mode "gps", "rf", "off" or "unknown".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from firmware.core.record import MODE_GPS, MODE_OFF, MODE_RF, PRESENCE_HOME, PRESENCE_NOT_HOME

FIX_FIELDS = ("at_ms", "lat_e7", "lon_e7", "radius_dm", "speed_cms", "mode", "received_ms")
GAP_MS = 5 * 60_000  # a longer silence is shown as a gap, never as a line (requirements: missing data)

# What opens and closes an alarm of a wearer (static/js/alarms.js says how): needed however long ago it was.
OPENING_AND_CLOSING = (
    "zone_entered", "zone_left", "late_home", "left_home", "out_all_night", "curfew_unknown", "home", "mains_lost", "mains_back",
    "flapping",
)  # fmt: skip

_MODES = {MODE_GPS: "gps", MODE_RF: "rf", MODE_OFF: "off"}
_PRESENCES = {PRESENCE_HOME: "home", PRESENCE_NOT_HOME: "not_home"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Period:
    """Who wore what, when: `[from_ms, until_ms)`, None is open."""

    wearer_id: str
    tag_id: int
    from_ms: int
    until_ms: int | None

    def covers(self, at_ms: int) -> bool:
        return self.from_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


@dataclass(frozen=True)
class Cursor:
    """How far a reader has come: the last record, event and re-dating it knows. `12-3-0` as the id of a stream's message."""

    record_id: int = 0
    event_id: int = 0
    dated_id: int = 0

    def __str__(self) -> str:
        return f"{self.record_id}-{self.event_id}-{self.dated_id}"

    @classmethod
    def parse(cls, text: str | None) -> "Cursor | None":
        parts = (text or "").split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
            return None
        return cls(*map(int, parts))

    def is_beyond(self, other: "Cursor") -> bool:
        """Whether it knows anything that `other` does not: then it comes from another store."""
        return self.record_id > other.record_id or self.event_id > other.event_id or self.dated_id > other.dated_id


def local_day(at_ms: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_ms / 1000, zone).date()


def day_bounds_ms(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """The first ms of a local day and of the next: 23 to 25 hours apart. OverflowError or ValueError at the calendar's ends."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return _ms(start.astimezone(UTC) - epoch), _ms(end.astimezone(UTC) - epoch)


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def live_shape(row: Row) -> dict[str, Any]:
    return {
        "wearer": row["wearer_id"],
        "at_ms": row["at_ms"],
        "fix_at_ms": row["fix_at_ms"],
        "lat_e7": row["lat_e7"],
        "lon_e7": row["lon_e7"],
        "radius_dm": row["radius_dm"],
        "speed_cms": row["speed_cms"],
        "mode": _MODES.get(row["mode"], "unknown"),
        "presence": _PRESENCES.get(row["presence"], "unknown"),
        "battery": row["battery"],
        "strap": row["strap"] or "unknown",
        "heard_ms": row["heard_ms"],
    }


def fix_shape(row: Row) -> list[Any]:
    mode = _MODES.get(row["mode"], "unknown")
    return [row["at_ms"], row["lat_e7"], row["lon_e7"], row["radius_dm"], row["speed_cms"], mode, row["received_ms"]]


def event_shape(row: Row, device_names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "wearer": row["wearer_id"],
        "device": device_names.get(row["device_id"]),
        "kind": row["kind"],
        "at_ms": row["at_ms"],
        "received_ms": row["received_ms"],
        "late": bool(row["late"]),
        "superseded": bool(row["superseded"]),
        "detail": row["detail"] if isinstance(row["detail"], dict) else {},
    }


def zone_shape(row: Row) -> dict[str, Any] | None:
    """An exclusion or inclusion zone; None for a curfew or for a spec that holds no figure."""
    spec = row["spec"] if isinstance(row["spec"], dict) else {}
    shape = {key: spec[key] for key in ("circle", "polygon") if spec.get(key)}
    if row["kind"] not in ("exclusion", "inclusion") or not shape:
        return None
    return {"id": row["id"], "wearer": row["wearer_id"], "kind": row["kind"], "name": row["name"], **shape}


def curfew_shape(row: Row) -> dict[str, Any]:
    spec = row["spec"] if isinstance(row["spec"], dict) else {}
    return {"wearer": row["wearer_id"], "name": row["name"], **{key: spec.get(key) for key in ("from", "until", "days")}}


def wearer_shapes(
    wearers: Iterable[Row], periods: Iterable[Row], device_names: Mapping[int, str], now_ms: int | None
) -> list[dict[str, Any]]:
    """Every wearer with the wear period that holds now, else the last one begun: `worn` tells the two apart.

    With no now yet (a simulation before its first record) everyone's first period is taken to hold.
    """
    by_wearer: dict[str, list[Row]] = {}
    for period in periods:
        by_wearer.setdefault(period["wearer_id"], []).append(period)
    shapes = []
    for row in wearers:
        mine = sorted(by_wearer.get(row["wearer_id"], []), key=lambda p: p["from_ms"])
        begun = mine[:1] if now_ms is None else [p for p in mine if p["from_ms"] <= now_ms]
        current = begun[-1] if begun else (mine[0] if mine else None)
        worn = bool(begun) and (now_ms is None or begun[-1]["until_ms"] is None or now_ms < begun[-1]["until_ms"])
        home = None
        if current and current["home_lat_e7"] is not None and current["home_lon_e7"] is not None:
            home = {"lat_e7": current["home_lat_e7"], "lon_e7": current["home_lon_e7"]}
        shapes.append(
            {
                "id": row["wearer_id"],
                "name": row["name"],
                "tag": device_names.get(current["tag_id"]) if current else None,
                "home_unit": device_names.get(current["hmu_id"]) if current else None,
                "home": home,
                "from_ms": current["from_ms"] if current else None,
                "until_ms": current["until_ms"] if current else None,
                "worn": worn,
            }
        )
    return shapes


def fixes_by_wearer(rows: Iterable[Row], periods: Iterable[Period]) -> dict[str, list[list[Any]]]:
    """Fixes given to whoever wore the tag at the time of the fix; those outside every wear period are given to nobody."""
    by_tag: dict[int, list[Period]] = {}
    for period in periods:
        by_tag.setdefault(period.tag_id, []).append(period)
    found: dict[str, list[list[Any]]] = {}
    for row in rows:
        for period in by_tag.get(row["device_id"], ()):
            if period.covers(row["at_ms"]):
                found.setdefault(period.wearer_id, []).append(fix_shape(row))
                break
    return found
