"""A flat map of one town: metres east and north of a centre, and back to degrees.

Local scale from the WGS 84 ellipsoid's radii of curvature at the centre; within 3 km of it the error is below 0.1 %.
"""

import math

_A = 6378137.0  # WGS 84 semi-major axis, metres
_E2 = 0.00669437999014  # first eccentricity squared


class Plane:
    """(lat, lon) in degrees ⇄ (x east, y north) in metres."""

    __slots__ = ("lat0", "lat_per_m", "lon0", "lon_per_m")

    def __init__(self, lat0: float, lon0: float) -> None:
        self.lat0, self.lon0 = lat0, lon0
        sin = math.sin(math.radians(lat0))
        w = 1 - _E2 * sin * sin
        self.lat_per_m = math.degrees(w * math.sqrt(w) / (_A * (1 - _E2)))
        self.lon_per_m = math.degrees(math.sqrt(w) / (_A * math.cos(math.radians(lat0))))

    def to_xy(self, lat: float, lon: float) -> tuple[float, float]:
        return (lon - self.lon0) / self.lon_per_m, (lat - self.lat0) / self.lat_per_m

    def to_latlon(self, x: float, y: float) -> tuple[float, float]:
        return self.lat0 + y * self.lat_per_m, self.lon0 + x * self.lon_per_m


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Distance over ground of points within a few kilometres, ± 0.5 %."""
    x = (lon2 - lon1) * 111_320.0 * math.cos(math.radians((lat1 + lat2) / 2))
    y = (lat2 - lat1) * 111_195.0
    return math.hypot(x, y)
