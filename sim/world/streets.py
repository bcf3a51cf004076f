"""The street graph: junctions, pieces of street between them, and the shortest way along them.

Coordinates are metres on the town's plane. A route is a list of points that lies on the streets, except for the path from
a door to its street at either end.
"""

import heapq
import itertools
import math
from dataclasses import dataclass, field

Point = tuple[float, float]

# Free speed of vehicles, m/s, by class of street: 30 mph and 20 mph limits as driven; walking pace in service lanes.
DRIVE_MPS = {"primary": 12.0, "residential": 8.0, "service": 4.0}
# Cycling, m/s: 4.2 to 4.5 on roads (15 to 16 km/h, what studies of utility cycling in British towns find), slower where one
# rides among people on foot (our judgement).
CYCLE_MPS = {"primary": 4.5, "residential": 4.2, "service": 3.0, "footway": 2.2}
_SPEEDS: dict[str, dict[str, float] | None] = {"walk": None, "drive": DRIVE_MPS, "cycle": CYCLE_MPS}


@dataclass(frozen=True, slots=True)
class Edge:
    """A piece of street between two junctions (`a` and `b` are node numbers)."""

    number: int
    a: int
    b: int
    points: tuple[Point, ...]
    name: str
    street_class: str  # primary | residential | service | footway
    length_m: float
    canyon: float  # 0 open sky … 1 tall frontages on both sides


@dataclass(frozen=True, slots=True)
class Access:
    """Where a place meets the network: a point on an edge, `offset_m` from the edge's start."""

    edge: int
    offset_m: float
    point: Point


@dataclass(frozen=True, slots=True)
class Route:
    """`classes[i]`, `canyons[i]` and `names[i]` describe the stretch from points[i] to points[i + 1]."""

    points: tuple[Point, ...]
    classes: tuple[str, ...]
    canyons: tuple[float, ...]
    names: tuple[str, ...]

    @property
    def length_m(self) -> float:
        return length_of(self.points)

    def joined(self, other: "Route") -> "Route":
        """This route and then `other`, which starts where this one ends."""
        return Route(
            self.points + other.points[1:],
            self.classes + other.classes,
            self.canyons + other.canyons,
            self.names + other.names,
        )


def length_of(points: tuple[Point, ...] | list[Point]) -> float:
    return sum(math.dist(p, q) for p, q in itertools.pairwise(points))


def connected(nodes: list[Point], edges: list[Edge]) -> tuple[list[Point], list[Edge]]:
    """The largest part of the network that hangs together, renumbered."""
    near: list[list[int]] = [[] for _ in nodes]
    for edge in edges:
        near[edge.a].append(edge.b)
        near[edge.b].append(edge.a)
    seen = [-1] * len(nodes)
    sizes: list[int] = []
    for start in range(len(nodes)):
        if seen[start] >= 0 or not near[start]:
            continue
        todo, count = [start], 0
        seen[start] = len(sizes)
        while todo:
            count += 1
            for other in near[todo.pop()]:
                if seen[other] < 0:
                    seen[other] = len(sizes)
                    todo.append(other)
        sizes.append(count)
    best = max(range(len(sizes)), key=sizes.__getitem__)
    kept = [i for i in range(len(nodes)) if seen[i] == best]
    place = {old: new for new, old in enumerate(kept)}
    left = [edge for edge in edges if edge.a in place]
    return [nodes[i] for i in kept], [
        Edge(i, place[e.a], place[e.b], e.points, e.name, e.street_class, e.length_m, e.canyon) for i, e in enumerate(left)
    ]


@dataclass
class StreetGraph:
    nodes: list[Point]
    edges: list[Edge]
    _next: list[list[tuple[int, int]]] = field(default_factory=list, repr=False)
    _cells: dict[tuple[int, int], list[int]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._next = [[] for _ in self.nodes]
        for edge in self.edges:
            self._next[edge.a].append((edge.b, edge.number))
            self._next[edge.b].append((edge.a, edge.number))
            for p, q in zip(edge.points, edge.points[1:], strict=False):
                for cell in _cells_of(p, q):
                    numbers = self._cells.setdefault(cell, [])
                    if not numbers or numbers[-1] != edge.number:
                        numbers.append(edge.number)

    def neighbours(self, node: int) -> list[tuple[int, int]]:
        """(other node, edge number) pairs."""
        return self._next[node]

    def nearest(self, point: Point, drivable: bool = False) -> Access:
        """The nearest point of the network (of streets that vehicles may use). ValueError when there is none near."""
        cx, cy = int(point[0] // _CELL), int(point[1] // _CELL)
        best: tuple[float, Access] | None = None
        for ring in range(60):
            if best is not None and best[0] < (ring - 1) * _CELL:
                break
            for cell in _ring(cx, cy, ring):
                for number in self._cells.get(cell, ()):
                    edge = self.edges[number]
                    if drivable and edge.street_class not in DRIVE_MPS:
                        continue
                    offset, foot = _project(edge.points, point)
                    found = math.dist(foot, point)
                    if best is None or found < best[0]:
                        best = (found, Access(number, offset, foot))
        if best is None:
            raise ValueError("no street near")
        return best[1]

    def route(self, start: Access, end: Access, by: str = "walk") -> Route:
        """The shortest way on foot ("walk"), the quickest by car or bus ("drive") or bicycle ("cycle"), between two points."""
        first, last = self.edges[start.edge], self.edges[end.edge]
        if first.number == last.number:
            return _route_of([(first, start.offset_m, end.offset_m)])
        best, back = self._search(start, end, _SPEEDS[by])
        pieces: list[tuple[Edge, float, float]] = []
        node = best
        tail = 0.0 if node == last.a else last.length_m
        pieces.append((last, tail, end.offset_m))
        while True:
            came_from, number = back[node]
            if number < 0:
                break
            edge = self.edges[number]
            pieces.append((edge, 0.0, edge.length_m) if edge.b == node and edge.a == came_from else (edge, edge.length_m, 0.0))
            node = came_from
        pieces.append((first, start.offset_m, 0.0 if node == first.a else first.length_m))
        pieces.reverse()
        return _route_of(pieces)

    @staticmethod
    def _cost(edge: Edge, metres: float, speeds: dict[str, float] | None) -> float | None:
        if speeds is None:
            return metres
        speed = speeds.get(edge.street_class)
        return None if speed is None else metres / speed

    def _search(self, start: Access, end: Access, speeds: dict[str, float] | None) -> tuple[int, dict[int, tuple[int, int]]]:
        first, last = self.edges[start.edge], self.edges[end.edge]
        heap: list[tuple[float, int]] = []
        cost: dict[int, float] = {}
        back: dict[int, tuple[int, int]] = {}
        for node, metres in ((first.a, start.offset_m), (first.b, first.length_m - start.offset_m)):
            at = self._cost(first, metres, speeds)
            if at is not None and at < cost.get(node, math.inf):
                cost[node], back[node] = at, (-1, -1)
                heapq.heappush(heap, (at, node))
        goal: tuple[float, int] | None = None
        done: set[int] = set()
        while heap:
            at, node = heapq.heappop(heap)
            if goal is not None and at >= goal[0]:
                break
            if node in done:
                continue
            done.add(node)
            for end_node, metres in ((last.a, end.offset_m), (last.b, last.length_m - end.offset_m)):
                rest = self._cost(last, metres, speeds) if node == end_node else None
                if rest is not None and (goal is None or at + rest < goal[0]):
                    goal = (at + rest, node)
            for other, number in self._next[node]:
                edge = self.edges[number]
                step = self._cost(edge, edge.length_m, speeds)
                if step is not None and at + step < cost.get(other, math.inf):
                    cost[other], back[other] = at + step, (node, number)
                    heapq.heappush(heap, (at + step, other))
        if goal is None:
            raise ValueError("no way")
        return goal[1], back


_CELL = 50.0


def _cells_of(p: Point, q: Point) -> list[tuple[int, int]]:
    steps = max(1, int(math.dist(p, q) // (_CELL / 2)) + 1)
    seen: list[tuple[int, int]] = []
    for i in range(steps + 1):
        f = i / steps
        cell = (int((p[0] + (q[0] - p[0]) * f) // _CELL), int((p[1] + (q[1] - p[1]) * f) // _CELL))
        if cell not in seen:
            seen.append(cell)
    return seen


def _ring(cx: int, cy: int, ring: int) -> list[tuple[int, int]]:
    if ring == 0:
        return [(cx, cy)]
    edge = range(-ring, ring + 1)
    return [(cx + i, cy + j) for i in edge for j in edge if max(abs(i), abs(j)) == ring]


def _project(points: tuple[Point, ...], point: Point) -> tuple[float, Point]:
    """(offset along the line, foot) of the nearest point of a line."""
    best_d, best_offset, best_foot = math.inf, 0.0, points[0]
    run = 0.0
    for p, q in itertools.pairwise(points):
        dx, dy = q[0] - p[0], q[1] - p[1]
        span = math.hypot(dx, dy)
        if span > 0:
            f = max(0.0, min(1.0, ((point[0] - p[0]) * dx + (point[1] - p[1]) * dy) / (span * span)))
            foot = (p[0] + dx * f, p[1] + dy * f)
            d = math.dist(foot, point)
            if d < best_d:
                best_d, best_offset, best_foot = d, run + span * f, foot
        run += span
    return best_offset, best_foot


def _cut(points: tuple[Point, ...], start: float, end: float) -> list[Point]:
    """The part of a line between two offsets, in the direction from start to end."""
    if start > end:
        return _cut(points, end, start)[::-1]
    out: list[Point] = []
    run = 0.0
    for p, q in itertools.pairwise(points):
        span = math.dist(p, q)
        if span > 0 and run + span >= start and run <= end:
            for at in (max(start, run), min(end, run + span)):
                f = (at - run) / span
                at_point = (p[0] + (q[0] - p[0]) * f, p[1] + (q[1] - p[1]) * f)
                if not out or math.dist(out[-1], at_point) > 1e-6:
                    out.append(at_point)
        run += span
    return out or [points[0]]


def _route_of(pieces: list[tuple[Edge, float, float]]) -> Route:
    points: list[Point] = []
    classes: list[str] = []
    canyons: list[float] = []
    names: list[str] = []
    for edge, start, end in pieces:
        part = _cut(edge.points, start, end)
        if not points:
            points.append(part[0])
        for p in part:
            if math.dist(points[-1], p) <= 1e-6:
                continue
            points.append(p)
            classes.append(edge.street_class)
            canyons.append(edge.canyon)
            names.append(edge.name)
    if len(points) == 1:  # start and end are one point: a route needs a stretch
        points.append(points[0])
        edge = pieces[0][0]
        classes, canyons, names = [edge.street_class], [edge.canyon], [edge.name]
    return Route(tuple(points), tuple(classes), tuple(canyons), tuple(names))
