"""A synthetic small English town: streets, river, parks, buildings and named places, all from one seed. (`mapped` builds the
same `Town` from a map of a real one.)

It is no real town: the default centre (near Dorchester in Dorset) only puts it at a believable latitude. `build_town` is a
plain function of its arguments (and remembers its last answers); `Town.geojson()` draws as a map.
"""

import difflib
import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import shapely

from . import names
from .buildings import Building, Ring, block_ring, build
from .hashing import stream, uniform
from .layout import RIVER_HALF_M, Layout, lay_out
from .plane import Plane
from .streets import Access, Point, Route, StreetGraph

DEFAULT_CENTRE = (50.7154, -2.4367)
DEFAULT_SIZE_M = 2400.0


@dataclass(frozen=True, slots=True)
class Place:
    """A named place. `point` is metres on the plane; people get there by `access` on the street network."""

    name: str
    kind: str  # home | work | shop | pub | school | office | hospital | park | bus_stop | spot
    point: Point
    access: Access
    indoors: bool
    building: int | None = None  # index into Town.buildings


@dataclass
class Town:
    seed: int
    plane: Plane
    size_m: float
    streets: StreetGraph
    buildings: list[Building]
    parks: list[tuple[str, Ring]]
    water: list[tuple[str, Ring]]
    places: dict[str, Place]
    bus_stops: list[Place]
    index: shapely.STRtree = field(repr=False)  # of the buildings
    _routes: dict[tuple, Route] = field(default_factory=dict, repr=False)

    def place(self, name: str) -> Place:
        """A place by its name, any house by its address, or a street by its name: its middle, in the open.

        KeyError when there is none; see `nearest_names`.
        """
        found = self.places.get(name)
        if found is None:
            if (number := self._addresses.get(name)) is not None:
                return self._in_building(name, "home", number)
            edges = [e for e in self.streets.edges if e.name == name]
            if not edges or not name:
                raise KeyError(name)
            edge = edges[len(edges) // 2]
            middle = edge.points[len(edge.points) // 2]
            return Place(name, "spot", middle, self.streets.nearest(middle), False)
        return found

    @cached_property
    def _addresses(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for i, building in enumerate(self.buildings):
            if building.street:
                found.setdefault(building.name, i)
        return found

    def nearest_names(self, name: str, count: int = 3) -> list[str]:
        """Names that look like `name`, best first."""
        known = [*self.places, *(b.name for b in self.buildings if b.street), *sorted({e.name for e in self.streets.edges})]
        return difflib.get_close_matches(name, known, count, 0.5)

    def spot(self, lat: float, lon: float) -> Place:
        """The place at a position: inside the building that stands there, or else in the open."""
        point = self.plane.to_xy(lat, lon)
        hits = self.index.query(shapely.points(point), predicate="intersects").tolist()
        name = f"{lat:.6f}, {lon:.6f}"
        if hits:
            return Place(name, "spot", point, self.streets.nearest(point), True, min(hits))
        return Place(name, "spot", point, self.streets.nearest(point), False)

    def open_air(self, lat: float, lon: float) -> Place:
        """A position under the sky, whatever stands there."""
        point = self.plane.to_xy(lat, lon)
        return Place(f"{lat:.6f}, {lon:.6f}", "spot", point, self.streets.nearest(point), False)

    def latlon(self, place: Place) -> tuple[float, float]:
        return self.plane.to_latlon(*place.point)

    def route(self, start: Place, end: Place, by: str = "walk") -> Route:
        """The way along the streets from place to place, doors included; `by` as in `StreetGraph.route`."""
        key = (start.point, end.point, by)
        found = self._routes.get(key)
        if found is None:
            a = self.streets.nearest(start.point, True) if by == "drive" else start.access
            b = self.streets.nearest(end.point, True) if by == "drive" else end.access
            found = _with_doors(start, self.streets.route(a, b, by), end)
            self._routes[key] = found
        return found

    def _in_building(self, name: str, kind: str, number: int) -> Place:
        point = self.buildings[number].middle
        return Place(name, kind, point, self.streets.nearest(point), True, number)

    def geojson(self) -> dict:
        """A FeatureCollection. Properties: kind (street, path, building, park, water, place), name, class; places add `place`."""
        features: list[dict] = []

        def add(kind: str, geometry: str, coordinates: object, name: str, **more: str) -> None:
            features.append(
                {
                    "type": "Feature",
                    "properties": {"kind": kind, "name": name, **more},
                    "geometry": {"type": geometry, "coordinates": coordinates},
                }
            )

        for name, ring in self.parks:
            add("park", "Polygon", [self._ring(ring)], name)
        for name, ring in self.water:
            add("water", "Polygon", [self._ring(ring)], name)
        for building in self.buildings:
            add("building", "Polygon", [self._ring(building.corners)], building.name if building.street else "")
        for edge in self.streets.edges:
            kind = "path" if edge.street_class == "footway" else "street"
            add(kind, "LineString", [self._lonlat(p) for p in edge.points], edge.name, **{"class": edge.street_class})
        for place in self.places.values():
            add("place", "Point", self._lonlat(place.point), place.name, place=place.kind)
        return {"type": "FeatureCollection", "features": features}

    def _lonlat(self, point: Point) -> list[float]:
        lat, lon = self.plane.to_latlon(*point)
        return [round(lon, 6), round(lat, 6)]

    def _ring(self, ring: Ring) -> list[list[float]]:
        return [self._lonlat(p) for p in (*ring, ring[0])]


def _with_doors(start: Place, route: Route, end: Place) -> Route:
    points, classes, canyons, labels = list(route.points), list(route.classes), list(route.canyons), list(route.names)
    if math.dist(start.point, points[0]) > 0.01:
        points.insert(0, start.point)
        classes.insert(0, "door")
        canyons.insert(0, canyons[0])
        labels.insert(0, "")
    if math.dist(end.point, points[-1]) > 0.01:
        points.append(end.point)
        classes.append("door")
        canyons.append(canyons[-1])
        labels.append("")
    return Route(tuple(points), tuple(classes), tuple(canyons), tuple(labels))


@lru_cache(maxsize=4)
def build_town(seed: int = 1, centre: tuple[float, float] = DEFAULT_CENTRE, size_m: float = DEFAULT_SIZE_M) -> Town:
    """The town of a seed, `size_m` across (1600 to 4000), around `centre` (lat, lon in degrees)."""
    layout = lay_out(seed, size_m)
    streets = StreetGraph(layout.nodes, layout.edges)
    buildings = build(seed, layout, size_m / 2)
    river = shapely.buffer(shapely.linestrings(layout.river), RIVER_HALF_M, quad_segs=2)
    meadow = shapely.buffer(shapely.linestrings(layout.river[8:-8]), 62.0, quad_segs=3)
    index = shapely.STRtree(shapely.polygons([[*b.corners, b.corners[0]] for b in buildings]))
    near = index.query(meadow, predicate="dwithin", distance=6.0)
    in_the_way = shapely.union_all(shapely.buffer(index.geometries[near], 6.0))
    pieces = shapely.get_parts(meadow.difference(in_the_way).simplify(2.0))
    meadows = [(names.MEADOWS, _ring_of(p)) for p in pieces if p.area > 4000]
    green = [b for b in layout.blocks if b.use == "park"]
    parks = [(n, block_ring(layout, b.x0, b.y0, b.x1, b.y1, 7.0)) for n, b in zip(names.PARKS, green, strict=False)]
    town = Town(
        seed,
        Plane(*centre),
        size_m,
        streets,
        buildings,
        parks + meadows,
        [(names.RIVER, _ring_of(river))],
        {},
        [],
        index,
    )
    _name_places(town, layout)
    return town


def _ring_of(shape: shapely.Polygon) -> Ring:
    return tuple((x, y) for x, y in shape.exterior.coords[:-1])


def _name_places(town: Town, layout: Layout) -> None:
    key = stream(town.seed, "places")
    taken: set[int] = set()
    half = town.size_m / 2

    def pick(choice: list[int], name: str, kind: str, apart_m: float = 0.0, near: Point | None = None) -> None:
        """Give a building of `choice` the name: the nearest to `near`, or a drawn one away from others of the kind."""
        others = [p.point for p in town.places.values() if p.kind == kind]
        free = [i for i in choice if i not in taken]
        if near is not None:
            free.sort(key=lambda i: math.dist(town.buildings[i].middle, near))
        else:
            free.sort(key=lambda i: uniform(key, i * 131 + len(town.places)))
        for least_m in (apart_m, 0.0):  # rather close together than not at all
            for number in free:
                if all(math.dist(town.buildings[number].middle, q) >= least_m for q in others):
                    taken.add(number)
                    place = town._in_building(name or town.buildings[number].name, kind, number)
                    town.places[place.name] = place
                    return

    uses: dict[str, list[int]] = {}
    for i, building in enumerate(town.buildings):
        uses.setdefault(building.use, []).append(i)
    core = [i for i in uses.get("frontage", []) if town.buildings[i].street in names.PRIMARY] or uses.get("frontage", [])
    for name in names.OFFICES:
        pick(core, name, "office", 90.0)
    for name in names.SHOPS:
        pick(core, name, "shop", 60.0)
    houses = [i for i in uses.get("house", []) if 0.25 * half < math.hypot(*town.buildings[i].middle) < 0.85 * half]
    for i, name in enumerate(names.PUBS):
        pick(
            core if i < 3 else houses,
            name,
            "pub",
            150.0,
            near=layout.river[len(layout.river) // 2] if name == "The Millwheel" else None,
        )
    large: list[tuple[str, str, str]] = [(name, "work", "works") for name in names.WORKS]
    large += [(names.SUPERMARKET, "shop", "shop"), (names.HOSPITAL, "hospital", "hospital")]
    large += [(name, "school", "school") for name in names.SCHOOLS]
    for name, kind, use in large:
        pick(uses.get(use, []), name, kind, 200.0 if kind == "school" else 0.0)
        if name not in town.places:  # a small town has no block for it: an ordinary building then
            pick(uses.get("frontage", []) + houses, name, kind)
    for _ in range(24):
        pick(houses, "", "home", 120.0)
    for name, ring in town.parks[:2]:
        middle = (sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring))
        town.places[name] = Place(name, "park", middle, town.streets.nearest(middle), False)
    _bus_stops(town, half)


def _bus_stops(town: Town, half: float) -> None:
    """Stops about 300 m apart along the through roads."""
    main = [e for e in town.streets.edges if e.street_class == "primary"]
    for edge in main:
        middle = edge.points[len(edge.points) // 2]
        if math.hypot(*middle) > 0.85 * half or any(math.dist(middle, s.point) < 280 for s in town.bus_stops):
            continue
        number = 1 + sum(s.name.startswith(edge.name) for s in town.bus_stops)
        name = f"{edge.name} stop {number}"
        stop = Place(name, "bus_stop", middle, town.streets.nearest(middle, True), False)
        town.bus_stops.append(stop)
        town.places[name] = stop
