"""Zones on a plane: metres east and north of the zone's own middle.

The projection is equirectangular with the WGS 84 radii of curvature at that middle (Snyder, Map Projections, USGS PP 1395,
p. 24). Within 10 km of the middle it is off by less than 0.2 % of the distance: 1 cm where a decision is made, at an edge.
"""

import math
from collections.abc import Sequence

_A_M = 6_378_137.0  # WGS 84 semi-major axis
_E2 = 0.00669437999014  # WGS 84 first eccentricity squared
XY = tuple[float, float]


class Plane:
    """Metres east (x) and north (y) of a place."""

    def __init__(self, lat: float, lon: float) -> None:
        sine = math.sin(math.radians(lat))
        w = math.sqrt(1 - _E2 * sine * sine)
        self._lat, self._lon = lat, lon
        self._per_lat = math.radians(_A_M * (1 - _E2) / w**3)
        self._per_lon = math.radians(_A_M / w * math.cos(math.radians(lat)))

    def xy(self, lat: float, lon: float) -> XY:
        east = lon - self._lon
        if east > 180:
            east -= 360
        elif east < -180:
            east += 360
        return east * self._per_lon, (lat - self._lat) * self._per_lat


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    x, y = Plane((lat1 + lat2) / 2, lon1).xy(lat2, lon2)
    _, y0 = Plane((lat1 + lat2) / 2, lon1).xy(lat1, lon1)
    return math.hypot(x, y - y0)


class CircleShape:
    def __init__(self, lat: float, lon: float, radius_m: float) -> None:
        self.plane = Plane(lat, lon)
        self._radius_m = radius_m

    def depth_m(self, at: XY) -> float:
        """How deep inside, in metres; negative: how far outside."""
        return self._radius_m - math.hypot(*at)

    def crosses(self, a: XY, b: XY, depth_m: float) -> bool:
        """Whether the way from a to b gets deeper inside than `depth_m`."""
        ax, ay = a
        dx, dy = b[0] - ax, b[1] - ay
        length2 = dx * dx + dy * dy
        t = 0.0 if length2 == 0 else max(0.0, min(1.0, -(ax * dx + ay * dy) / length2))
        return self._radius_m - math.hypot(ax + t * dx, ay + t * dy) > depth_m


class PolygonShape:
    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        from shapely import Polygon  # late: schemes of circles alone start sooner

        lats, lons = [p[0] for p in points], [p[1] for p in points]
        self.plane = Plane((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)
        self._polygon = Polygon([self.plane.xy(lat, lon) for lat, lon in points])
        self._box = self._polygon.bounds

    def depth_m(self, at: XY) -> float:
        """How deep inside, in metres; negative: how far outside. Far outside the box's distance stands for it, which is less."""
        x, y = at
        x0, y0, x1, y1 = self._box
        to_box = math.hypot(max(x0 - x, 0.0, x - x1), max(y0 - y, 0.0, y - y1))
        if to_box > 1000.0:
            return -to_box
        from shapely import Point

        point = Point(x, y)
        to_edge = self._polygon.exterior.distance(point)
        return to_edge if self._polygon.covers(point) else -to_edge

    def crosses(self, a: XY, b: XY, depth_m: float) -> bool:
        """Whether the way from a to b gets deeper inside than `depth_m`."""
        x0, y0, x1, y1 = self._box
        if max(a[0], b[0]) < x0 or min(a[0], b[0]) > x1 or max(a[1], b[1]) < y0 or min(a[1], b[1]) > y1:
            return False
        from shapely import LineString

        inner = self._polygon.buffer(-depth_m)
        return not inner.is_empty and inner.intersects(LineString([a, b]))


Shape = CircleShape | PolygonShape


def shape_of(spec: dict) -> Shape:
    """The shape of a zone's spec: {circle: {lat, lon, radius_m}} or {polygon: [[lat, lon], …]}."""
    if spec.get("circle") is not None:
        circle = spec["circle"]
        return CircleShape(circle["lat"], circle["lon"], circle["radius_m"])
    return PolygonShape([(lat, lon) for lat, lon in spec["polygon"]])
