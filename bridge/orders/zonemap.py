"""The zone map that goes to a tag with its configuration: packed from degrees and metres, and read back.

The layout is `firmware.core.zonemap`'s. What `pack` makes, a tag takes; what is wrong is said by zone and field (ZoneError).
Places are rounded to 1e-7 degrees (1.1 cm), radii to decimetres. Boxes are a little larger than their zones, never smaller.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.errors import ConfigError
from firmware.core import zonemap as layout

KINDS = {"exclusion": layout.EXCLUSION, "inclusion": layout.INCLUSION, "home": layout.HOME}

_MAP = struct.Struct("<BBH")
_HEAD = struct.Struct("<HBBHBBIHHiiii")
_INTERVAL = struct.Struct("<II")
_POINT = struct.Struct("<ii")
_ROUND = struct.Struct("<iiII")
_TURN = 3_600_000_000
_LEAST_RADIUS_M = 6_335_439.0  # WGS 84, of curvature in the meridian at the equator: nowhere is there a smaller one
_ROOM = 1.002  # boxes of circles are larger by this, for the device checks them with numbers of 15 bits

LatLon = tuple[float, float]


class ZoneError(ConfigError, ValueError):
    """A zone that no map can have."""


@dataclass(frozen=True)
class Circle:
    """Degrees and metres."""

    lat: float
    lon: float
    radius_m: float


@dataclass(frozen=True)
class Zone:
    """One zone as the tag is to know it; `id` is what its events name.

    `points` of a polygon are (lat, lon), not closed by hand, edges straight in latitude and longitude. `intervals` are UTC
    seconds (from, until), none: always active. `interval_s` 0: the tag's setting. `confirm`: points that confirm a change.
    """

    id: int
    kind: str  # exclusion | inclusion | home
    shape: Circle | Sequence[LatLon]
    interval_s: int = 0
    confirm: int = 3
    intervals: Sequence[tuple[int, int]] = ()
    name: str = ""  # for people; not in the map


def zone_of(spec: Mapping[str, Any]) -> Zone:
    """The zone of {id, kind, name, circle: {lat, lon, radius_m} or polygon: [[lat, lon], …]} and of what else `Zone` has."""
    rest = dict(spec)
    circle, polygon = rest.pop("circle", None), rest.pop("polygon", None)
    if (circle is None) == (polygon is None):
        raise ZoneError(_title(rest.get("id"), rest.get("name")), "shape", spec, 'either "circle" or "polygon"')
    try:
        shape = Circle(**circle) if polygon is None else [(lat, lon) for lat, lon in polygon]
        return Zone(shape=shape, **rest)
    except (TypeError, ValueError) as error:
        raise ZoneError(_title(rest.get("id"), rest.get("name")), "fields", spec, f"a zone ({error})") from None


def pack(zones: Sequence[Zone | Mapping[str, Any]]) -> bytes:
    """The map's bytes; none for no zones. Mappings are as `zone_of` takes them. ZoneError names the zone and the field."""
    if not zones:
        return b""
    if len(zones) > layout.ZONES_MAX:
        raise ZoneError("zone map", "zones", len(zones), f"at most {layout.ZONES_MAX}")
    seen: set[int] = set()
    schedules: dict[tuple[tuple[int, int], ...], int] = {(): 0}  # zones of one schedule share it
    intervals: list[tuple[int, int]] = []
    heads: list[list[int]] = []
    points = bytearray()
    for each in zones:
        zone = each if isinstance(each, Zone) else zone_of(each)
        _check_numbers(zone, seen)
        schedule = _schedule(zone)
        if schedule not in schedules:
            schedules[schedule] = len(intervals)
            intervals += schedule
        if isinstance(zone.shape, Circle):
            shape, n, raw, box = layout.CIRCLE, 1, *_circle(zone, zone.shape)
        else:
            shape, (n, raw, box) = layout.POLYGON, _polygon(zone, zone.shape)
        head = [
            zone.id,
            KINDS[zone.kind],
            shape,
            zone.interval_s,
            zone.confirm,
            n,
            len(points),
            schedules[schedule],
            len(schedule),
        ]
        heads.append(head + list(box))
        points += raw
    if len(intervals) > layout.INTERVALS_MAX:
        raise ZoneError("zone map", "intervals", len(intervals), f"at most {layout.INTERVALS_MAX} different ones in all")
    start = layout.MAP_SIZE + len(heads) * layout.HEAD_SIZE + len(intervals) * layout.INTERVAL_SIZE
    out = bytearray(_MAP.pack(layout.VERSION, len(heads), len(intervals)))
    for head in heads:
        head[6] += start
        out += _HEAD.pack(*head)
    for interval in intervals:
        out += _INTERVAL.pack(*interval)
    return bytes(out + points)


def unpack(raw: bytes) -> list[Zone]:
    """The zones of a map that `pack` has made, places as they were rounded. ValueError when it is none."""
    if not raw:
        return []
    try:
        version, n, n_intervals = _MAP.unpack_from(raw)
        if version != layout.VERSION:
            raise ValueError(f"zone map: version {version}, expected {layout.VERSION}")
        at = layout.MAP_SIZE + n * layout.HEAD_SIZE
        intervals = [_INTERVAL.unpack_from(raw, at + k * layout.INTERVAL_SIZE) for k in range(n_intervals)]
        return [_zone(raw, layout.MAP_SIZE + k * layout.HEAD_SIZE, intervals) for k in range(n)]
    except struct.error as error:
        raise ValueError(f"zone map: cut short, {len(raw)} bytes") from error


def _zone(raw: bytes, at: int, intervals: list[tuple[int, int]]) -> Zone:
    ident, kind, shape, interval_s, confirm, n, offset, first, count, *_ = _HEAD.unpack_from(raw, at)
    names = {number: name for name, number in KINDS.items()}
    if kind not in names or shape not in (layout.CIRCLE, layout.POLYGON) or first + count > len(intervals):
        raise ValueError(f"zone map: zone {ident}: kind {kind}, shape {shape}, intervals {first} to {first + count}")
    place: Circle | list[LatLon]
    if shape == layout.CIRCLE:
        lat, lon, radius_dm, _ = _ROUND.unpack_from(raw, offset)
        place = Circle(lat / 1e7, lon / 1e7, radius_dm / 10)
    else:
        pairs = [_POINT.unpack_from(raw, offset + k * layout.POINT_SIZE) for k in range(n)]
        place = [(lat / 1e7, lon / 1e7) for lat, lon in pairs]
    return Zone(ident, names[kind], place, interval_s, confirm, tuple(intervals[first : first + count]))


def _title(ident: object, name: object) -> str:
    return f"zone {ident} ({name})" if name else f"zone {ident}"


def _wrong(zone: Zone, field: str, value: object, expected: str) -> ZoneError:
    return ZoneError(_title(zone.id, zone.name), field, value, expected)


def _check_numbers(zone: Zone, seen: set[int]) -> None:
    if not 0 <= zone.id <= 0xFFFF or zone.id in seen:
        raise _wrong(zone, "id", zone.id, "a number from 0 to 65535 that no other zone has")
    seen.add(zone.id)
    if zone.kind not in KINDS:
        raise _wrong(zone, "kind", zone.kind, "one of " + ", ".join(KINDS))
    if not 0 <= zone.interval_s <= 0xFFFF:
        raise _wrong(zone, "interval_s", zone.interval_s, "seconds from 1 to 65535, or 0 for the setting")
    if not 1 <= zone.confirm <= layout.CONFIRM_MAX:
        raise _wrong(zone, "confirm", zone.confirm, f"points from 1 to {layout.CONFIRM_MAX}")


def _schedule(zone: Zone) -> tuple[tuple[int, int], ...]:
    # In order, and what overlaps or touches as one.
    out: list[tuple[int, int]] = []
    for start, end in sorted(zone.intervals):
        if not 0 <= start < end <= 0xFFFFFFFF:
            raise _wrong(zone, "intervals", (start, end), "UTC seconds (from, until), from before until")
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return tuple(out)


def _e7(zone: Zone, field: str, lat: float, lon: float) -> tuple[int, int]:
    if not (math.isfinite(lat) and math.isfinite(lon) and -90 <= lat <= 90 and -180 <= lon <= 180):
        raise _wrong(zone, field, (lat, lon), "degrees of latitude and longitude")
    return round(lat * 1e7), round(lon * 1e7)


def _wrap(lon_e7: int) -> int:
    return (lon_e7 + _TURN // 2) % _TURN - _TURN // 2


def _box(zone: Zone, field: str, south: int, north: int, west: int, east: int) -> tuple[int, int, int, int]:
    if south < -layout.LAT_MAX_E7 or north > layout.LAT_MAX_E7:
        raise _wrong(
            zone, field, f"{south / 1e7:.4f} to {north / 1e7:.4f}", f"within {layout.LAT_MAX_E7 / 1e7:g} degrees of latitude"
        )
    if max(north - south, east - west) > layout.SPAN_MAX_E7 - 4:
        raise _wrong(
            zone, field, f"{max(north - south, east - west) / 1e7:.1f} degrees", f"a span below {layout.SPAN_MAX_E7 / 1e7:.1f}"
        )
    return south, _wrap(west), north, _wrap(east)


def _circle(zone: Zone, circle: Circle) -> tuple[bytes, tuple[int, int, int, int]]:
    lat, lon = _e7(zone, "circle", circle.lat, circle.lon)
    radius_dm = round(circle.radius_m * 10) if math.isfinite(circle.radius_m) else 0
    if not 1 <= radius_dm <= layout.RADIUS_MAX_DM:
        raise _wrong(zone, "radius_m", circle.radius_m, f"metres from 0.1 to {layout.RADIUS_MAX_DM // 10}")
    angle = radius_dm / 10 / _LEAST_RADIUS_M * _ROOM
    high = math.ceil(math.degrees(angle) * 1e7) + 2
    cosine = math.cos(math.radians(lat / 1e7))
    if math.sin(angle) >= cosine:  # round the pole
        wide = _TURN // 2
    else:
        wide = math.ceil(math.degrees(math.asin(math.sin(angle) / cosine)) * 1e7) + 2
    return _ROUND.pack(lat, lon, radius_dm, 0), _box(zone, "circle", lat - high, lat + high, lon - wide, lon + wide)


def _polygon(zone: Zone, shape: Iterable[LatLon]) -> tuple[int, bytes, tuple[int, int, int, int]]:
    points = [_e7(zone, f"polygon point {k}", lat, lon) for k, (lat, lon) in enumerate(shape)]
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if not 3 <= len(points) <= layout.POINTS_MAX:
        raise _wrong(zone, "polygon", f"{len(points)} points", f"3 to {layout.POINTS_MAX} points")
    west = points[0][1]
    flat = [(lat, west + _wrap(lon - west)) for lat, lon in points]  # one side of the 180th meridian
    lats, lons = [lat for lat, _ in flat], [lon for _, lon in flat]
    box = _box(zone, "polygon", min(lats), max(lats), min(lons) - 2, max(lons) + 2)
    from shapely import Polygon  # late: maps of circles alone are packed sooner

    outline = Polygon([(lon, lat) for lat, lon in flat])
    if not outline.is_valid or not outline.area:
        raise _wrong(zone, "polygon", points, "edges that do not cross or touch each other")
    return len(points), b"".join(_POINT.pack(lat, _wrap(lon)) for lat, lon in points), box
