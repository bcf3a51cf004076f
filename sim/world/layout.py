"""Where the streets of a generated town run, and what the blocks between them are for.

A square is split again and again into blocks, smaller towards the centre; every split is a street. The square is then bent
into a disc and wobbled, so that nothing is straight, the edge of town frays, and a river with few bridges crosses the north.
Everything is decided by the seed. Coordinates: metres east and north of the centre.
"""

import itertools
import math
from dataclasses import dataclass, field, replace

from . import names
from .bend import Bend
from .hashing import stream, uniform
from .streets import Edge, Point, connected, length_of

WALK_M = 27.0  # the riverside paths run this far from the middle of the river
RIVER_HALF_M = 9.0
_STEP_M = 22.0  # streets bend at least this finely


@dataclass(frozen=True, slots=True)
class Block:
    """A block between streets, in unbent coordinates. `use` is houses, park, school, works, shop, hospital or fields."""

    x0: float
    y0: float
    x1: float
    y1: float
    use: str

    def holds(self, x: float, y: float) -> bool:
        return self.x0 <= x <= self.x1 and self.y0 <= y <= self.y1

    def on_edge(self, x: float, y: float) -> bool:
        near = min(abs(x - self.x0), abs(x - self.x1), abs(y - self.y0), abs(y - self.y1))
        return near < 0.01 and self.x0 - 0.01 <= x <= self.x1 + 0.01 and self.y0 - 0.01 <= y <= self.y1 + 0.01

    @property
    def middle(self) -> Point:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


@dataclass(slots=True)
class _Line:
    """A straight street of the unbent town: x (or y) is `at`, from `low` to `high` of the other coordinate."""

    vertical: bool
    at: float
    low: float
    high: float
    name: str
    street_class: str
    marks: set[float] = field(default_factory=set)

    def point(self, along: float) -> Point:
        return (self.at, along) if self.vertical else (along, self.at)


@dataclass
class Layout:
    nodes: list[Point]
    edges: list[Edge]
    blocks: list[Block]
    river: list[Point]
    bend: Bend


def lay_out(seed: int, size_m: float) -> Layout:
    """Streets and blocks of a town about `size_m` across."""
    return _Builder(seed, size_m / 2).build()


class _Builder:
    def __init__(self, seed: int, half_m: float) -> None:
        self.half = half_m
        self.key = stream(seed, "layout")
        self.draws = 0
        self.lines: list[_Line] = []
        self.blocks: list[Block] = []
        self.fields: list[Block] = []
        self.bend = Bend(seed, half_m)
        self.fray = [uniform(stream(seed, "fray"), i, 0, math.tau) for i in range(3)]
        order = sorted(range(len(names.STREET_STEMS)), key=lambda i: uniform(stream(seed, "names"), i))
        self.stems = [names.STREET_STEMS[i] for i in order]
        s = half_m
        self.wanted = [  # (use, x, y, longest side): the block that holds the point is kept whole for this use
            ("park", 0.24 * s, 0.17 * s, 250.0),
            ("park", -0.52 * s, -0.47 * s, 330.0),
            ("school", -0.42 * s, 0.14 * s, 210.0),
            ("school", 0.40 * s, -0.44 * s, 200.0),
            ("works", 0.66 * s, -0.10 * s, 330.0),
            ("works", 0.60 * s, 0.13 * s, 280.0),
            ("shop", -0.16 * s, -0.20 * s, 160.0),
            ("hospital", -0.56 * s, -0.12 * s, 220.0),
        ]

    def draw(self, low: float, high: float) -> float:
        self.draws += 1
        return uniform(self.key, self.draws, low, high)

    def river_y(self, x: float) -> float:
        """The river's middle, unbent."""
        s = self.half
        a, b, c = self.fray
        return s * (0.46 + 0.040 * math.sin(x / s * 4.1 + a) + 0.022 * math.sin(x / s * 9.3 + b) + 0.02 * math.sin(x / s * 2 + c))

    def name(self, short: bool, central: bool) -> str:
        stem = self.stems[len(self.lines) % len(self.stems)]
        kinds = names.ALLEY_TYPES if short and central else names.STREET_TYPES
        return f"{stem} {kinds[int(self.draw(0, len(kinds)))]}"

    def build(self) -> Layout:
        s = self.half
        self.lines.append(_Line(False, 0.0, -s, s, "", "primary"))
        east, west = 0.035 * s, -0.02 * s
        self.lines.append(_Line(True, east, 0.0, s, "", "primary"))
        self.lines.append(_Line(True, west, -s, 0.0, "", "primary"))
        for rect in ((-s, 0.0, east, s), (east, 0.0, s, s), (-s, -s, west, 0.0), (west, -s, s, 0.0)):
            self.split(*rect)
        for use, x, y, _ in self.wanted:  # its point lies in a block that another use took: the nearest one then
            houses = [i for i, block in enumerate(self.blocks) if block.use == "houses"]
            i = min(houses, key=lambda i: math.dist(self.blocks[i].middle, (x, y)))
            self.blocks[i] = replace(self.blocks[i], use=use)
        self.closes()
        self.mark_junctions()
        self.fields = [block for block in self.blocks if block.use == "fields"]
        nodes, edges = self.cut()
        river = [self.bend(x, self.river_y(x)) for x in _steps(-s, s, 25.0)]
        river = [_beyond(river[1], river[0], 0.35 * s), *river, _beyond(river[-2], river[-1], 0.35 * s)]
        nodes, edges = connected(nodes, edges)
        return Layout(nodes, edges, self.blocks, river, self.bend)

    def rural(self, x: float, y: float) -> bool:
        u, v = self.bend(x, y)
        angle = math.atan2(v, u)
        a, b, c = self.fray
        limit = 0.80 + 0.07 * math.sin(2 * angle + a) + 0.05 * math.sin(3 * angle + b) + 0.03 * math.sin(5 * angle + c)
        return math.hypot(u, v) > limit * self.half

    def split(self, x0: float, y0: float, x1: float, y1: float) -> None:
        width, height = x1 - x0, y1 - y0
        mx, my = (x0 + x1) / 2, (y0 + y1) / 2
        longer = max(width, height)
        for i, (use, x, y, side) in enumerate(self.wanted):
            if x0 <= x <= x1 and y0 <= y <= y1 and longer <= side:
                del self.wanted[i]
                self.blocks.append(Block(x0, y0, x1, y1, use))
                return
        r = min(1.0, math.hypot(mx, my) / self.half)
        fields = self.rural(mx, my)
        most = 480.0 if fields and longer < 500 else 95 + 150 * r
        if longer <= most * self.draw(0.9, 1.25) or min(width, height) < 55:
            self.blocks.append(Block(x0, y0, x1, y1, "fields" if fields else "houses"))
            return
        f = self.draw(0.38, 0.62)
        vertical = width > height
        at = x0 + f * width if vertical else y0 + f * height
        low, high = (y0, y1) if vertical else (x0, x1)
        central = r < 0.25
        short = high - low < 130
        line = _Line(vertical, at, low, high, self.name(short, central), "service" if central and short else "residential")
        self.lines.append(line)
        if vertical:
            self.split(x0, y0, at, y1)
            self.split(at, y0, x1, y1)
        else:
            self.split(x0, y0, x1, at)
            self.split(x0, at, x1, y1)

    def closes(self) -> None:
        """Big suburban blocks get a cul-de-sac from a long side and a footpath on to the other side."""
        for block in list(self.blocks):
            width, height = block.x1 - block.x0, block.y1 - block.y0
            if block.use != "houses" or max(width, height) < 150 or min(width, height) < 95:
                continue
            vertical = width > height
            low, high = (block.y0, block.y1) if vertical else (block.x0, block.x1)
            start = block.x0 if vertical else block.y0
            at = start + max(width, height) * self.draw(0.42, 0.58)
            end = low + (high - low) * self.draw(0.55, 0.7)
            name = f"{self.stems[(len(self.lines) * 7) % len(self.stems)]} Close"
            self.lines.append(_Line(vertical, at, low, end, name, "residential"))
            self.lines.append(_Line(vertical, at, end, high, "", "footway"))

    def mark_junctions(self) -> None:
        for line in self.lines:
            line.marks.update((line.low, line.high))
        for line in self.lines:
            for end in (line.low, line.high):
                x, y = line.point(end)
                for host in self.lines:
                    if host.vertical != line.vertical and host.low <= line.at <= host.high and host.at == end:
                        host.marks.add(y if host.vertical else x)
        for line in self.lines:
            if line.vertical:
                for side in (-WALK_M, WALK_M):
                    y = self.river_y(line.at) + side
                    if line.low < y < line.high:
                        line.marks.add(y)

    def bridges(self) -> set[float]:
        """The x of the residential streets that cross the river: the ones nearest to two thirds of the way out."""
        crossing = [
            line.at
            for line in self.lines
            if line.vertical and line.street_class == "residential" and line.low < self.river_y(line.at) - WALK_M
            and self.river_y(line.at) + WALK_M < line.high
        ]  # fmt: skip
        return {min(crossing, key=lambda x: abs(x - f * self.half)) for f in (-0.45, 0.5)} if crossing else set()

    def cut(self) -> tuple[list[Point], list[Edge]]:
        numbers: dict[tuple[float, float], int] = {}
        nodes: list[Point] = []
        edges: list[Edge] = []
        bridges = self.bridges()

        def node(x: float, y: float) -> int:
            at = (round(x, 3), round(y, 3))
            if at not in numbers:
                numbers[at] = len(nodes)
                nodes.append(self.bend(x, y))
            return numbers[at]

        def add(unbent: list[Point], name: str, street_class: str) -> None:
            points = tuple(self.bend(*p) for p in unbent)
            (ax, ay), (bx, by) = unbent[0], unbent[-1]
            mx, my = (ax + bx) / 2, (ay + by) / 2
            core = math.hypot(mx, my) / self.half
            canyon = 0.0
            if street_class != "footway" and core < 0.24:
                canyon = 1.0 if street_class in ("primary", "service") else 0.7
            edges.append(Edge(len(edges), node(ax, ay), node(bx, by), points, name, street_class, length_of(points), canyon))

        for line in self.lines:
            marks = sorted(line.marks)
            for low, high in itertools.pairwise(marks):
                a, b = line.point(low), line.point(high)
                if self.dropped(line, a, b, bridges):
                    continue
                unbent = [line.point(v) for v in _steps(low, high, _STEP_M)]
                add(unbent, line.name or self.primary_name(a, b), line.street_class)
        self.riverside(add)
        for block in self.blocks:
            if block.use == "park":
                mx, my = block.middle
                known = [p for p in numbers if block.on_edge(*p)]
                known.sort(key=lambda p: math.atan2(p[1] - my, p[0] - mx))
                for p in known[:: max(1, len(known) // 5)]:
                    add([(p[0] + (mx - p[0]) * i / 6, p[1] + (my - p[1]) * i / 6) for i in range(7)], "", "footway")
        return nodes, edges

    def dropped(self, line: _Line, a: Point, b: Point, bridges: set[float]) -> bool:
        if line.street_class == "primary":
            return False
        mx, my = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        sides = ((mx - 2, my), (mx + 2, my)) if line.vertical else ((mx, my - 2), (mx, my + 2))
        if all(any(block.holds(*p) for block in self.fields) for p in sides):
            return True
        if line.vertical:
            over = min(a[1], b[1]) < self.river_y(line.at) < max(a[1], b[1])
            return over and line.at not in bridges
        return any(abs(line.at - self.river_y(x)) < WALK_M + 6 for x in _steps(a[0], b[0], 20.0))

    def riverside(self, add) -> None:
        reach = 0.72 * self.half
        for side, name in ((-WALK_M, names.RIVERSIDE), (WALK_M, names.RIVERSIDE)):
            stops = [-reach, reach]
            for line in self.lines:
                if line.vertical and -reach < line.at < reach and line.low < self.river_y(line.at) + side < line.high:
                    stops.append(line.at)
            stops.sort()
            for low, high in itertools.pairwise(stops):
                add([(x, self.river_y(x) + side) for x in _steps(low, high, _STEP_M)], name, "footway")

    def primary_name(self, a: Point, b: Point) -> str:
        mx, my = (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
        inner = math.hypot(mx, my) < 0.42 * self.half
        west, east, north, south = names.PRIMARY
        if a[1] == b[1] == 0.0:
            return (west if mx < 0 else east) if inner else ("Westbury Road" if mx < 0 else "Eastmoor Road")
        return (north if my > 0 else south) if inner else ("Northover Road" if my > 0 else "Weyford Road")


def _beyond(p: Point, q: Point, metres: float) -> Point:
    """Straight on from p through q."""
    f = metres / math.dist(p, q)
    return q[0] + (q[0] - p[0]) * f, q[1] + (q[1] - p[1]) * f


def _steps(low: float, high: float, step: float) -> list[float]:
    count = max(1, math.ceil(abs(high - low) / step))
    return [low] + [low + (high - low) * i / count for i in range(1, count)] + [high]
