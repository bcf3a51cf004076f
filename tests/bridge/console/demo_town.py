"""A small made-up town as GeoJSON, in the form that the simulator's towns have: crooked streets, a river, a park, houses."""

import json
import math
from pathlib import Path
from typing import Any

LAT, LON = 50.7154, -2.4367
M_LAT = 1 / 111_200
M_LON = M_LAT / math.cos(math.radians(LAT))
BLOCK_M = 110
SIZE = 5  # blocks from the middle to the edge

_EAST = ["Mill Lane", "Orchard Road", "Chandler Street", "High Street", "Priory Road", "Weir Street", "Lark Rise", "Fuller Row"]
_NORTH = [
    "Station Road",
    "Cooper Street",
    "Abbey Lane",
    "Market Street",
    "Sexton Way",
    "Tanner Hill",
    "Quarry Road",
    "Elder Path",
]


def corner(i: int, j: int) -> tuple[float, float]:
    """Where street i (from the west) meets street j (from the south): metres east and north, off the grid a little."""
    return i * BLOCK_M + 22 * math.sin(1.7 * i + 2.3 * j), j * BLOCK_M + 22 * math.sin(2.9 * i - 1.1 * j)


def at(east_m: float, north_m: float) -> tuple[float, float]:
    """(lat, lon) of a place in metres from the middle."""
    return round(LAT + north_m * M_LAT, 7), round(LON + east_m * M_LON, 7)


def _lonlat(points: list[tuple[float, float]]) -> list[list[float]]:
    return [[lon, lat] for lat, lon in (at(*point) for point in points)]


def _feature(kind: str, geometry: str, coordinates: Any, name: str = "", street_class: str | None = None) -> dict[str, Any]:
    properties = {"kind": kind, "name": name} | ({"class": street_class} if street_class else {})
    return {"type": "Feature", "properties": properties, "geometry": {"type": geometry, "coordinates": coordinates}}


def town() -> dict[str, Any]:
    span = range(-SIZE, SIZE + 1)
    features = []
    meadow = [corner(1, 1), corner(3, 1), corner(3, 2), corner(1, 2)]
    features.append(_feature("park", "Polygon", [_lonlat([*meadow, meadow[0]])], "Priory Meadow"))
    river = [(x, -330 + 60 * math.sin(x / 170)) for x in range(-720, 721, 40)]
    banks = [*river, *[(x, y - 26) for x, y in reversed(river)]]
    features.append(_feature("water", "Polygon", [_lonlat([*banks, banks[0]])], "River Lode"))
    for n in span:
        for step in range(-SIZE, SIZE):  # one feature an edge, as a street graph gives them
            east = "primary" if n == 0 else "residential" if n % 3 else "service"
            north = "primary" if n == -1 else "residential"
            features.append(
                _feature("street", "LineString", _lonlat([corner(step, n), corner(step + 1, n)]), _EAST[n % len(_EAST)], east)
            )
            if not (n == 2 and step == 1):
                features.append(
                    _feature(
                        "street", "LineString", _lonlat([corner(n, step), corner(n, step + 1)]), _NORTH[n % len(_NORTH)], north
                    )
                )
    features.append(_feature("path", "LineString", _lonlat([corner(1, 1), corner(2, 1), corner(3, 2)]), "Meadow Path", "footway"))
    for i in range(-SIZE, SIZE):
        for j in range(-SIZE, SIZE):
            if (i, j) in ((1, 1), (2, 1)) or j == -3:
                continue
            for k in range(4):
                (x0, y0), (x1, y1) = corner(i, j), corner(i + 1, j)
                part = 0.18 + 0.21 * k
                x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
                w, d, off = 8 + 3 * math.sin(5 * i + 3 * k), 7 + 2 * math.cos(j + 2 * k), 9
                box = [(x - w, y + off), (x + w, y + off), (x + w, y + off + 2 * d), (x - w, y + off + 2 * d), (x - w, y + off)]
                features.append(_feature("building", "Polygon", [_lonlat(box)]))
    for name, i, j in (("Bus station", -2, 0), ("The Weir Inn", 2, -1), ("Lode School", -3, 2), ("Library", 0, 1)):
        x, y = corner(i, j)
        lat, lon = at(x + 30, y + 25)
        features.append(_feature("place", "Point", [lon, lat], name))
    return {"type": "FeatureCollection", "attribution": "Made-up town", "features": features}


def write_town(path: Path) -> Path:
    path.write_text(json.dumps(town()), encoding="utf-8")
    return path
