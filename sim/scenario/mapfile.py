"""A town's map from a file: GeoJSON as exports of OpenStreetMap have it (overpass turbo, osmtogeojson, QGIS), or GPX.

What is read of GeoJSON (RFC 7946, a FeatureCollection; properties flat, or under "tags"):

- LineString and MultiLineString with `highway`: the network. `name`; `highway` gives the class by `_CLASSES`.
- Polygon and MultiPolygon with `building`: houses. `name`, `addr:housenumber` and `addr:street`, `height` or `building:levels`,
  and `amenity`, `shop`, `office`, `healthcare` or `industrial` for the kind of place.
- Point with `highway=bus_stop` or `public_transport=platform`: a bus stop. Any other point with a `name`: a place.
- Polygon with `leisure=park` (garden, common, recreation_ground) or `natural=water`: a park, water.

Everything else is passed over. Of GPX: tracks and routes are paths with their names, waypoints with a name are places.
"""

import json
import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import gpxpy
import gpxpy.gpx

from bridge.errors import ConfigError
from sim.world.mapped import DEFAULT_HEIGHT_M, Area, Footprint, LatLon, Spot, TownMap, Way
from sim.world.plane import distance_m

ACROSS_MAX_KM = 30
SPEED_MAX_MPS = 45.0  # what the radio reckons with at most when it asks how soon two devices may meet (sim.engine.air)
_CLASSES = {
    **dict.fromkeys(("trunk", "primary", "secondary", "tertiary"), "primary"),
    **dict.fromkeys(
        ("trunk_link", "primary_link", "secondary_link", "tertiary_link", "unclassified", "residential"), "residential"
    ),
    **dict.fromkeys(("living_street", "road"), "residential"),
    **dict.fromkeys(("service", "track"), "service"),
    **dict.fromkeys(("footway", "path", "pedestrian", "cycleway", "steps", "bridleway", "corridor"), "footway"),
}
_KINDS = {
    "pub": "pub", "bar": "pub", "restaurant": "pub", "cafe": "pub", "school": "school", "kindergarten": "school",
    "college": "school", "hospital": "hospital", "clinic": "hospital", "doctors": "hospital", "marketplace": "shop",
}  # fmt: skip
_LEVEL_M = 3.0
_PARKS = ("park", "garden", "common", "recreation_ground", "nature_reserve")


def read_map(name: str, data: bytes, is_gpx: bool = False) -> TownMap:
    """The map in a file; `name` is the file's. ConfigError names it and the feature and property that are wrong."""
    town_map = _gpx(name, data) if is_gpx else _geojson(name, data)
    if not town_map.ways:
        raise ConfigError(name, "features", 0, 'at least one LineString with "highway" (in GPX: a track or a route)')
    south, west, north, east = town_map.bounds()
    if max(abs(south), abs(north)) > 75 or max(abs(west), abs(east)) > 179.8:
        raise ConfigError(
            name, "features", f"{south:.4f}, {west:.4f}", "a town within 75° of the equator, off the 180th meridian"
        )
    across = max((north - south) * 111.2, (east - west) * 111.3 * math.cos(math.radians(south)))
    if across > ACROSS_MAX_KM:
        raise ConfigError(name, "features", f"{across:.0f} km", f"a town at most {ACROSS_MAX_KM} km across: cut the export to it")
    return town_map


# GeoJSON


def _geojson(name: str, data: bytes) -> TownMap:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(name, "(file)", str(error), "GeoJSON") from None
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(features, list):
        got = document.get("type") if isinstance(document, dict) else type(document).__name__
        raise ConfigError(name, "type", got, 'a "FeatureCollection" with "features"')
    ways: list[Way] = []
    footprints: list[Footprint] = []
    spots: list[Spot] = []
    areas: list[Area] = []
    for i, feature in enumerate(features):
        one = _Feature(name, f"features[{i}]", feature)
        if one.shape in ("LineString", "MultiLineString") and (street_class := _CLASSES.get(one.tag("highway"))):
            ways += [Way(points, one.tag("name"), street_class) for points in one.lines()]
        elif one.shape in ("Polygon", "MultiPolygon") and one.tag("building") not in ("", "no"):
            footprints += [
                Footprint(ring, one.tag("name"), one.address(), one.kind("home"), one.height_m()) for ring in one.rings()
            ]
        elif one.shape in ("Polygon", "MultiPolygon") and (kind := one.green()):
            areas += [Area(ring, one.tag("name"), kind) for ring in one.rings()]
        elif one.shape == "Point" and (one.tag("highway") == "bus_stop" or one.tag("public_transport") == "platform"):
            spots.append(Spot(one.point(), one.tag("name"), "bus_stop"))
        elif one.shape == "Point" and one.tag("name"):
            spots.append(Spot(one.point(), one.tag("name"), one.green() or one.kind("spot")))
    return TownMap(tuple(ways), tuple(footprints), tuple(spots), tuple(areas))


class _Feature:
    """One feature, read with care: whatever is wrong says where."""

    def __init__(self, name: str, at: str, feature: Any) -> None:
        self._name, self._at = name, at
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            raise self._wrong("", feature, 'an object with "type": "Feature"')
        properties = feature.get("properties") or {}
        if not isinstance(properties, dict):
            raise self._wrong("properties", properties, "an object")
        tags = properties.get("tags")
        self._tags = tags if isinstance(tags, dict) else properties
        geometry = feature.get("geometry") or {}
        if not isinstance(geometry, dict):
            raise self._wrong("geometry", geometry, "an object")
        self.shape = geometry.get("type", "")
        self._coordinates = geometry.get("coordinates")

    def _wrong(self, field: str, value: object, expected: str) -> ConfigError:
        return ConfigError(self._name, f"{self._at}.{field}" if field else self._at, value, expected)

    def tag(self, key: str) -> str:
        value = self._tags.get(key, "")
        if isinstance(value, (dict, list)):
            raise self._wrong(f"properties.{key}", value, "a text")
        return "" if value is None else str(value).strip()

    def address(self) -> str:
        number, street = self.tag("addr:housenumber"), self.tag("addr:street")
        return f"{number} {street}" if number and street else ""

    def kind(self, otherwise: str) -> str:
        if found := _KINDS.get(self.tag("amenity")):
            return found
        if self.tag("shop"):
            return "shop"
        if self.tag("healthcare"):
            return "hospital"
        if self.tag("office") or self.tag("amenity"):
            return "office"
        return (
            "work" if self.tag("industrial") or self.tag("building") in ("industrial", "warehouse", "commercial") else otherwise
        )

    def green(self) -> str:
        if self.tag("leisure") in _PARKS or self.tag("landuse") in _PARKS:
            return "park"
        return "water" if self.tag("natural") == "water" and self.shape != "Point" else ""

    def height_m(self) -> float:
        for key, metres in (("height", 1.0), ("building:levels", _LEVEL_M)):
            text = self.tag(key).removesuffix("m").strip()
            if not text:
                continue
            try:
                value = float(text) * metres
            except ValueError:
                value = math.nan
            if not 0 <= value <= 500:
                raise self._wrong(f"properties.{key}", self.tag(key), "a number from 0 to 500 (metres), or storeys")
            return value or DEFAULT_HEIGHT_M
        return DEFAULT_HEIGHT_M

    def point(self) -> LatLon:
        return self._position(self._coordinates, "geometry.coordinates")

    def lines(self) -> Iterator[tuple[LatLon, ...]]:
        for at, line in self._parts("LineString"):
            yield self._positions(line, at, 2)

    def rings(self) -> Iterator[tuple[LatLon, ...]]:
        """Outer rings, not closed; holes are built over."""
        for at, polygon in self._parts("Polygon"):
            if not isinstance(polygon, list) or not polygon:
                raise self._wrong(at, polygon, "at least one ring")
            ring = self._positions(polygon[0], f"{at}[0]", 4)
            if ring[0] != ring[-1]:
                raise self._wrong(f"{at}[0]", ring[-1], "a closed ring: its last position as its first")
            yield ring[:-1]

    def _parts(self, single: str) -> Iterator[tuple[str, Any]]:
        at = "geometry.coordinates"
        if self.shape == single:
            yield at, self._coordinates
        elif not isinstance(self._coordinates, list):
            raise self._wrong(at, self._coordinates, "an array")
        else:
            for i, part in enumerate(self._coordinates):
                yield f"{at}[{i}]", part

    def _positions(self, value: Any, at: str, least: int) -> tuple[LatLon, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise self._wrong(at, value, f"an array of at least {least} positions")
        return tuple(self._position(p, f"{at}[{i}]") for i, p in enumerate(value))

    def _position(self, value: Any, at: str) -> LatLon:
        """Rounded to 1e-7 degrees, which is as fine as OpenStreetMap is: equal points are equal then."""
        numbers = isinstance(value, list) and len(value) >= 2 and all(type(v) in (int, float) for v in value[:2])
        if not numbers or not (abs(value[0]) <= 180 and abs(value[1]) <= 90):
            raise self._wrong(at, value, "[longitude, latitude] in degrees")
        return round(float(value[1]), 7), round(float(value[0]), 7)


# GPX


def _gpx(name: str, data: bytes) -> TownMap:
    document = _parsed(name, data)
    lines = [
        (f"trk[{i}].trkseg[{j}].trkpt", t.name, g.points) for i, t in enumerate(document.tracks) for j, g in enumerate(t.segments)
    ]
    lines += [(f"rte[{i}].rtept", r.name, r.points) for i, r in enumerate(document.routes)]
    ways = [
        Way(tuple(_place(name, f"{at}[{k}]", p) for k, p in enumerate(points)), label or "", "footway")
        for at, label, points in lines
        if len(points) > 1
    ]
    spots = [Spot(_place(name, f"wpt[{k}]", w), w.name, "spot") for k, w in enumerate(document.waypoints) if w.name]
    return TownMap(tuple(ways), (), tuple(spots))


def read_track(name: str, data: bytes) -> tuple[tuple[int, float, float], ...]:
    """(ms since the first point, lat, lon) of the points of all tracks of a GPX file, one after the other.

    ConfigError when there are not two of them, or a time is missing, goes back, or asks for more than SPEED_MAX_MPS.
    """
    document = _parsed(name, data)
    out: list[tuple[int, float, float]] = []
    first: datetime | None = None
    for i, track in enumerate(document.tracks):
        for j, segment in enumerate(track.segments):
            for k, point in enumerate(segment.points):
                at = f"trk[{i}].trkseg[{j}].trkpt[{k}]"
                lat, lon = _place(name, at, point)
                if point.time is None:
                    raise ConfigError(name, f"{at}.time", None, "a time for each point, such as 2026-06-01T05:00:00Z")
                first = first or point.time
                t_ms = round((point.time - first).total_seconds() * 1000)
                if out and t_ms == out[-1][0]:
                    continue
                if out and t_ms < out[-1][0]:
                    raise ConfigError(name, f"{at}.time", point.time.isoformat(), "a time not before the point's before it")
                if out and distance_m(lat, lon, *out[-1][1:]) > SPEED_MAX_MPS * (t_ms - out[-1][0]) / 1000:
                    raise ConfigError(name, at, f"{lat}, {lon}", f"a point that is reached at {SPEED_MAX_MPS:.0f} m/s at most")
                out.append((t_ms, lat, lon))
    if len(out) < 2:
        raise ConfigError(name, "trk", f"{len(out)} points", "a track (trk) of at least two points with a position and a time")
    return tuple(out)


def _parsed(name: str, data: bytes) -> gpxpy.gpx.GPX:
    try:
        return gpxpy.parse(data)
    except Exception as error:  # gpxpy lets errors of its XML parser, of float() and of its own through
        raise ConfigError(name, "content", str(error) or type(error).__name__, "a GPX 1.0 or 1.1 document") from None


def _place(name: str, at: str, point: Any) -> LatLon:
    for field, value, limit in (("lat", point.latitude, 90), ("lon", point.longitude, 180)):
        if value is None or not -limit <= value <= limit:
            raise ConfigError(name, f"{at}.{field}", value, f"degrees from -{limit} to {limit}")
    return round(point.latitude, 7), round(point.longitude, 7)
