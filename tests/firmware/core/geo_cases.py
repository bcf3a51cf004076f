"""Random places and zones all over the Earth, and what shapely and geodesics (PROJ) say of them; for the tests of `geo`."""

import struct
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

GEOD = pyproj.Geod(ellps="WGS84")
TURN = 3_600_000_000
_A_M, _E2 = 6_378_137.0, 0.00669437999014


def wrap(lon_e7):
    return (lon_e7 + TURN // 2) % TURN - TURN // 2


def dm_per_unit(lat_e7):
    """Decimetres of 1e-7 degrees of latitude and of longitude (Snyder, USGS PP 1395, p. 24), in doubles."""
    lat = np.radians(np.asarray(lat_e7) / 1e7)
    w = np.sqrt(1 - _E2 * np.sin(lat) ** 2)
    return np.radians(_A_M * (1 - _E2) / w**3) * 1e-6, np.radians(_A_M / w * np.cos(lat)) * 1e-6


@dataclass
class Cases:
    """One circle's centre (one place) or polygon, longitudes not wrapped, with many fixes near and in it."""

    points: np.ndarray  # n × 2: lat, lon in 1e-7 degrees
    at: np.ndarray  # m × 2
    reach_dm: int

    def pack(self) -> bytes:
        n, m = len(self.points), len(self.at)
        words = np.concatenate([self.points, self.at]).astype(np.int64)
        words[:, 1] = wrap(words[:, 1])
        return struct.pack("<iii", n, m, self.reach_dm) + words.astype("<i4").tobytes()

    def truth(self) -> tuple[np.ndarray, np.ndarray]:
        """(inside, decimetres to the centre or the nearest edge), the distance by geodesic where it is within reach."""
        lat, lon = self.at[:, 0], self.at[:, 1]
        if len(self.points) == 1:
            near = np.broadcast_to(self.points[0], self.at.shape)
            inside = np.zeros(len(self.at), bool)
            flat = np.zeros(len(self.at))
        else:
            inside = shapely.contains_xy(shapely.Polygon(self.points[:, ::-1]), lon, lat)
            near, flat = self._nearest()
        within = flat < self.reach_dm * 1.1 + 50
        flat[within] = 10 * self._geodesic_m(near[within], self.at[within])
        return inside, flat

    def _nearest(self) -> tuple[np.ndarray, np.ndarray]:
        per_lat, per_lon = dm_per_unit(self.at[:, 0])
        scale = np.stack([per_lat, per_lon], 1)[:, None, :]
        a = (self.points[None] - self.at[:, None]) * scale
        d = np.roll(a, -1, axis=1) - a
        t = np.clip(-(a * d).sum(2) / np.maximum((d * d).sum(2), 1e-9), 0, 1)
        c = a + t[..., None] * d
        distance = np.hypot(c[..., 0], c[..., 1])
        best = distance.argmin(1)
        rows = np.arange(len(self.at))
        return self.at + c[rows, best] / scale[:, 0], distance[rows, best]

    @staticmethod
    def _geodesic_m(a, b) -> np.ndarray:
        return GEOD.inv(b[:, 1] / 1e7, b[:, 0] / 1e7, a[:, 1] / 1e7, a[:, 0] / 1e7)[2]


def cases(rng: np.random.Generator, zones: int, fixes: int) -> list[Cases]:
    """Zones of 10 m to 100 km (a third of them circles), everywhere to 85 degrees, many at the 180th meridian."""
    return [_some(rng, fixes) for _ in range(zones)]


def _some(rng: np.random.Generator, fixes: int) -> Cases:
    lat = int(rng.uniform(-85e7, 85e7)) if rng.random() < 0.8 else int(rng.choice((-1, 1)) * rng.uniform(80e7, 85e7))
    lon = int(rng.choice((rng.uniform(-180e7, 180e7), 180e7, -1799999000)))
    size_dm = 10 ** rng.uniform(2, 6)
    per_lat, per_lon = dm_per_unit(lat)
    per = np.array([per_lat, per_lon])
    middle = np.array([lat, lon])
    if rng.random() < 1 / 3:
        points = middle[None]
        reach = int(size_dm * rng.uniform(1, 1.2)) + 100
        radius = np.where(rng.random(fixes) < 0.7, size_dm * rng.uniform(0.9, 1.1, fixes), reach * 1.3 * rng.random(fixes))
        lons, lats, _ = GEOD.fwd(
            np.full(fixes, lon / 1e7),
            np.full(fixes, lat / 1e7),
            rng.uniform(0, 360, fixes),
            radius / 10,
            return_back_azimuth=True,
        )
        at = np.round(np.stack([lats, lon / 1e7 + (lons - lon / 1e7 + 180) % 360 - 180], 1) * 1e7)
    else:
        n = int(rng.integers(3, 65)) if rng.random() < 0.3 else int(rng.integers(3, 10))
        angle = np.sort(rng.uniform(0, 2 * np.pi, n))
        out = size_dm * rng.uniform(0.1, 1, n)  # a star: concave as a rule
        points = np.round(middle + np.stack([np.sin(angle), np.cos(angle)], 1) * out[:, None] / per)
        if rng.random() < 0.3:  # horizontal edges, and points on one parallel
            points[:, 0] = np.round(points[:, 0] / (size_dm / per_lat / 4)) * np.round(size_dm / per_lat / 4)
        reach = int(rng.choice((300, 2500, 8000, 20_000)))
        a = points[rng.integers(0, n, fixes)]
        t = rng.random(fixes)[:, None] * (rng.random(fixes) < 0.8)[:, None]
        b = np.roll(points, -1, axis=0)[rng.integers(0, n, fixes)]
        away = 10 ** rng.uniform(0, 4.5, fixes)
        angle = rng.uniform(0, 2 * np.pi, fixes)
        at = np.round(
            a
            + t * (b - a) * (rng.random(fixes) < 0.5)[:, None]
            + np.stack([np.sin(angle), np.cos(angle)], 1) * away[:, None] / per
        )
        onto = rng.random(fixes) < 0.05  # on the parallel of a vertex
        at[onto, 0] = a[onto, 0]
    at = at[np.abs(at[:, 0]) < 860_000_000]
    return Cases(points.astype(np.int64), at.astype(np.int64), reach)
