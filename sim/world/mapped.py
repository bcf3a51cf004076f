"""A town from a map of a real one: ways, footprints, points and areas in, the same `Town` out that `town.build_town` makes.

Ways meet where they have a point in common, as they do in OpenStreetMap. What does not hang together with most of the network
is left out; so is a drivable piece that no vehicle can reach from the others (it is walked then). One-way streets are driven
both ways. How narrow the sky is over a street (`canyon`) follows from the heights of the buildings on both sides: 0 where the
mean of their upper edges stands below 25 degrees, 1 from 55 degrees (our judgement; `_SKY_DEG`), seen from the middle of the
street. A building without a height has 6 m, one with levels 3 m each (the default of OSM's Simple 3D Buildings).
"""

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import shapely

from .buildings import Building
from .plane import Plane
from .streets import DRIVE_MPS, Edge, Point, StreetGraph, connected, length_of
from .town import Place, Town

LatLon = tuple[float, float]
_SKY_DEG = (25.0, 55.0)
_SIDE_M = 30.0  # buildings further from the middle of the street than this hide nothing that counts
_SAMPLE_M = 25.0
_EYE_M = 1.0
DEFAULT_HEIGHT_M = 6.0


@dataclass(frozen=True, slots=True)
class Way:
    """A street or a path: `street_class` as in `streets.Edge`."""

    points: tuple[LatLon, ...]
    name: str
    street_class: str


@dataclass(frozen=True, slots=True)
class Footprint:
    """A building. `name` is its own, `address` number and street; either may be empty. `kind` as in `town.Place`."""

    corners: tuple[LatLon, ...]
    name: str
    address: str
    kind: str
    height_m: float = DEFAULT_HEIGHT_M


@dataclass(frozen=True, slots=True)
class Spot:
    """A named point: a shop, an office, a bus stop. `kind` as in `town.Place`."""

    at: LatLon
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Area:
    """A park or a piece of water; `kind` is park or water."""

    ring: tuple[LatLon, ...]
    name: str
    kind: str


@dataclass(frozen=True, eq=False)
class TownMap:
    """What a town is built from. Two maps are the same one when they are one object: reading a file makes one."""

    ways: tuple[Way, ...]
    footprints: tuple[Footprint, ...] = ()
    spots: tuple[Spot, ...] = ()
    areas: tuple[Area, ...] = ()

    def bounds(self) -> tuple[float, float, float, float]:
        """(south, west, north, east) of its ways, degrees."""
        points = [p for way in self.ways for p in way.points]
        lats, lons = [p[0] for p in points], [p[1] for p in points]
        return min(lats), min(lons), max(lats), max(lons)


@lru_cache(maxsize=4)
def build_mapped(town_map: TownMap) -> Town:
    """The town of a map that has at least one way."""
    south, west, north, east = town_map.bounds()
    plane = Plane((south + north) / 2, (west + east) / 2)

    def xy(points: tuple[LatLon, ...]) -> tuple[Point, ...]:
        return tuple(plane.to_xy(*p) for p in points)

    rings = [xy(f.corners) for f in town_map.footprints]
    buildings = [
        Building(ring, f.address or f.name, _street_of(f.address), f.kind, _inside(ring))
        for ring, f in zip(rings, town_map.footprints, strict=True)
    ]
    shapes = shapely.polygons([[*ring, ring[0]] for ring in rings]) if rings else []
    index = shapely.STRtree(shapes)
    skyline = _Skyline(index, [f.height_m for f in town_map.footprints])
    streets = StreetGraph(*_drivable(*connected(*_network(plane, town_map.ways, skyline))))
    half = max(max(abs(x), abs(y)) for x, y in streets.nodes)
    parks, water = (
        [(a.name, xy(a.ring)) for a in town_map.areas if a.kind == kind] for kind in ("park", "water")
    )  # fmt: skip
    town = Town(0, plane, 2 * half, streets, buildings, parks, water, {}, [], index)
    _name_places(town, town_map)
    return town


def _street_of(address: str) -> str:
    """The street of "22 Mallow Lane"; what stands before it is the number."""
    number, _, street = address.partition(" ")
    return street if number[:1].isdigit() and street else address


def _inside(ring: tuple[Point, ...]) -> Point | None:
    """A point in the building, where the mean of its corners is not (an L)."""
    shape = shapely.Polygon(ring)
    n = len(ring)
    if shape.contains(shapely.Point(sum(p[0] for p in ring) / n, sum(p[1] for p in ring) / n)):
        return None
    point = shape.representative_point()
    return point.x, point.y


def _network(plane: Plane, ways: tuple[Way, ...], skyline: "_Skyline") -> tuple[list[Point], list[Edge]]:
    """Ways cut at the points that they have in common with others or pass twice."""
    uses = Counter(p for way in ways for p in way.points)
    numbers: dict[LatLon, int] = {}
    nodes: list[Point] = []
    edges: list[Edge] = []

    def node(p: LatLon) -> int:
        if p not in numbers:
            numbers[p] = len(nodes)
            nodes.append(plane.to_xy(*p))
        return numbers[p]

    for way in ways:
        cuts = [i for i, p in enumerate(way.points) if i in (0, len(way.points) - 1) or uses[p] > 1]
        for first, last in itertools.pairwise(cuts):
            piece = way.points[first : last + 1]
            points = tuple(plane.to_xy(*p) for p in piece)
            if (length_m := length_of(points)) < 0.01:
                continue
            canyon = skyline.canyon(points)
            edges.append(Edge(len(edges), node(piece[0]), node(piece[-1]), points, way.name, way.street_class, length_m, canyon))
    return nodes, edges


def _drivable(nodes: list[Point], edges: list[Edge]) -> tuple[list[Point], list[Edge]]:
    """Drivable pieces that the largest drivable network does not reach become paths."""
    roads = [e for e in edges if e.street_class in DRIVE_MPS]
    if not roads:
        return nodes, edges
    reached = {p for e in connected(nodes, roads)[1] for p in (e.points,)}
    return nodes, [
        Edge(e.number, e.a, e.b, e.points, e.name, "footway", e.length_m, e.canyon)
        if e.street_class in DRIVE_MPS and e.points not in reached
        else e
        for e in edges
    ]


class _Skyline:
    def __init__(self, index: shapely.STRtree, heights_m: list[float]) -> None:
        self._index = index
        self._heights_m = heights_m

    def canyon(self, points: tuple[Point, ...]) -> float:
        """How narrow the sky is along a line, 0 to 1: the mean of samples."""
        if not self._heights_m:
            return 0.0
        line = shapely.LineString(points)
        count = max(1, round(line.length / _SAMPLE_M))
        total = sum(self._at(line, line.length * (i + 0.5) / count) for i in range(count))
        return round(total / count, 2)

    def _at(self, line: shapely.LineString, along_m: float) -> float:
        here, ahead = line.interpolate(along_m), line.interpolate(min(along_m + 0.5, line.length))
        behind = line.interpolate(max(0.0, along_m - 0.5))
        dx, dy = ahead.x - behind.x, ahead.y - behind.y
        span = math.hypot(dx, dy) or 1.0
        sides = [self._edge_deg(here, sign * -dy / span, sign * dx / span) for sign in (1, -1)]
        low, high = _SKY_DEG
        return min(1.0, max(0.0, (sum(sides) / 2 - low) / (high - low)))

    def _edge_deg(self, here: shapely.Point, ux: float, uy: float) -> float:
        """How high the upper edge of the buildings on one side stands."""
        ray = shapely.LineString([(here.x, here.y), (here.x + ux * _SIDE_M, here.y + uy * _SIDE_M)])
        highest = 0.0
        for i in self._index.query(ray, predicate="intersects").tolist():
            metres = max(1.0, shapely.distance(here, self._index.geometries[i]))
            highest = max(highest, math.degrees(math.atan2(self._heights_m[i] - _EYE_M, metres)))
        return highest


def _name_places(town: Town, town_map: TownMap) -> None:
    """Named buildings, named points and parks; a name that is there already gets a number behind it."""

    def add(name: str, kind: str, point: Point, building: int | None, drivable: bool = False) -> Place:
        number, wanted = 2, name
        while name in town.places:
            name, number = f"{wanted} {number}", number + 1
        place = Place(name, kind, point, town.streets.nearest(point, drivable), building is not None, building)
        town.places[name] = place
        return place

    has_roads = any(e.street_class in DRIVE_MPS for e in town.streets.edges)
    for i, f in enumerate(town_map.footprints):
        if f.name:
            add(f.name, f.kind, town.buildings[i].middle, i)
    for spot in town_map.spots:
        point = town.plane.to_xy(*spot.at)
        if spot.kind == "bus_stop":
            if has_roads:
                road = town.streets.nearest(point, drivable=True)
                town.bus_stops.append(add(spot.name or "Bus stop", "bus_stop", road.point, None, True))
            continue
        hits = [] if spot.kind == "park" else town.index.query(shapely.Point(point), predicate="intersects").tolist()
        add(spot.name, spot.kind, point, min(hits) if hits else None)
    for name, ring in town.parks:
        if name:
            point = shapely.Polygon(ring).representative_point()
            add(name, "park", (point.x, point.y), None)
