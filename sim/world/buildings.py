"""Houses along the streets of a layout, numbered odd on the left and even on the right, and the large buildings of the town.

Each candidate stands clear of streets, river, parks and the buildings placed before it, or is left out.
"""

import itertools
import math
from dataclasses import dataclass

import shapely
from shapely import STRtree

from .hashing import stream, uniform
from .layout import Layout
from .streets import Point

Ring = tuple[Point, ...]

_HALF_ROAD = {"primary": 6.0, "residential": 4.5, "service": 3.0, "footway": 2.0}


@dataclass(frozen=True, slots=True)
class Building:
    """A footprint (corners, metres); `use` is house, frontage (in the core), school, works, shop or hospital."""

    corners: Ring
    name: str
    street: str
    use: str
    inside: Point | None = None  # where the mean of the corners is not in the building

    @property
    def middle(self) -> Point:
        if self.inside is not None:
            return self.inside
        n = len(self.corners)
        return sum(p[0] for p in self.corners) / n, sum(p[1] for p in self.corners) / n


def box_at(x: float, y: float, angle: float, width: float, depth: float) -> Ring:
    """A rectangle around (x, y), `width` along `angle`."""
    c, s = math.cos(angle), math.sin(angle)
    half = ((-width / 2, -depth / 2), (width / 2, -depth / 2), (width / 2, depth / 2), (-width / 2, depth / 2))
    return tuple((x + c * u - s * v, y + s * u + c * v) for u, v in half)


def block_ring(layout: Layout, x0: float, y0: float, x1: float, y1: float, inset: float) -> Ring:
    """The bent outline of a block of the layout."""
    x0, y0, x1, y1 = x0 + inset, y0 + inset, x1 - inset, y1 - inset
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    ring: list[Point] = []
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ring += [layout.bend(ax + (bx - ax) * i / 6, ay + (by - ay) * i / 6) for i in range(6)]
    return tuple(ring)


def build(seed: int, layout: Layout, half_m: float) -> list[Building]:
    """All buildings, the large ones first."""
    wanted = _large(seed, layout) + _along_streets(seed, layout, half_m)
    shapes = shapely.polygons([[*b.corners, b.corners[0]] for b in wanted])
    clear = [True] * len(wanted)
    streets = STRtree([shapely.linestrings(e.points) for e in layout.edges])
    widest = max(_HALF_ROAD.values())
    hits = streets.query(shapes, predicate="dwithin", distance=widest)
    for i, edge in zip(*hits.tolist(), strict=True):
        gap = _HALF_ROAD[layout.edges[edge].street_class]
        if clear[i] and (gap >= widest or shapely.distance(shapes[i], streets.geometries[edge]) < gap):
            clear[i] = False
    river = shapely.linestrings(layout.river)
    reserved = [
        shapely.polygons(block_ring(layout, b.x0, b.y0, b.x1, b.y1, 0.0))
        for b in layout.blocks
        if b.use not in ("houses", "fields")
    ]
    for i in STRtree(shapes).query(river, predicate="dwithin", distance=24.0).tolist():
        clear[i] = False
    for i in STRtree(shapes).query(reserved, predicate="intersects")[1].tolist():
        if wanted[i].use in ("house", "frontage"):
            clear[i] = False
    tree = STRtree(shapes)
    pairs = tree.query(shapes, predicate="intersects")
    for i, j in sorted(zip(*pairs.tolist(), strict=True)):
        if j < i and clear[j]:
            clear[i] = False
    return [b for b, good in zip(wanted, clear, strict=True) if good]


def _large(seed: int, layout: Layout) -> list[Building]:
    key = stream(seed, "large")
    out: list[Building] = []
    sizes = {"school": (52.0, 18.0), "shop": (46.0, 36.0), "hospital": (64.0, 22.0)}
    for number, block in enumerate(layout.blocks):
        mx, my = block.middle
        width, height = block.x1 - block.x0, block.y1 - block.y0
        x, y = layout.bend(mx, my)
        ax, ay = layout.bend(mx + 5, my)
        angle = math.atan2(ay - y, ax - x) + (0.0 if width > height else math.pi / 2)
        if block.use in sizes:
            long, deep = sizes[block.use]
            out.append(Building(box_at(x, y, angle, long, deep), block.use, "", block.use))
            if block.use != "shop":
                back = angle + math.pi / 2
                wing_x = x + math.cos(angle) * (long / 2 - 8) + math.cos(back) * (deep / 2 + 13.5)
                wing_y = y + math.sin(angle) * (long / 2 - 8) + math.sin(back) * (deep / 2 + 13.5)
                out.append(Building(box_at(wing_x, wing_y, back, 26.0, 15.0), block.use, "", block.use))
        elif block.use == "works":
            columns, rows = max(1, int(width // 75)), max(1, int(height // 60))
            for i in range(columns * rows):
                cx = block.x0 + width * (i % columns + 0.5) / columns
                cy = block.y0 + height * (i // columns + 0.5) / rows
                px, py = layout.bend(cx, cy)
                qx, qy = layout.bend(cx + 5, cy)
                size = uniform(key, 100 * number + i, 0.75, 1.1)
                out.append(Building(box_at(px, py, math.atan2(qy - py, qx - px), 46 * size, 28 * size), "works", "", "works"))
    return out


def _along_streets(seed: int, layout: Layout, half_m: float) -> list[Building]:
    out: list[Building] = []
    counters: dict[tuple[str, int], int] = {}
    for edge in layout.edges:
        middle = edge.points[len(edge.points) // 2]
        if edge.street_class == "footway" or edge.length_m < 30 or math.hypot(*middle) > 0.93 * half_m:
            continue
        key = stream(seed, "houses", edge.name)
        core = math.hypot(*middle) / half_m
        style = uniform(key, 0)
        draw = edge.number * 1000
        for side in (1, -1):
            along = 7.0
            while True:
                draw += 1
                jitter = uniform(key, draw)
                if core < 0.25:
                    front, deep, wide, gap, homes, use = (
                        6.6,
                        10 + 6 * jitter,
                        9 + 9 * uniform(key, draw + 500),
                        0.4,
                        1,
                        "frontage",
                    )
                elif style < 0.35:  # terraces
                    homes = 3 + int(jitter * 5)
                    front, deep, wide, gap, use = 8.0, 9.0, 5.6 * homes, 3.0, "house"
                elif style < 0.8:  # pairs
                    front, deep, wide, gap, homes, use = 11.0, 8.5, 13.0, 4.5 + 3 * jitter, 2, "house"
                else:  # detached
                    front, deep, wide, gap, homes, use = 13.0 + 3 * jitter, 9.0, 10 + 2 * jitter, 8 + 5 * jitter, 1, "house"
                if along + wide > edge.length_m - 5:
                    break
                x, y, angle = _at(edge.points, along + wide / 2)
                offset = side * (front + deep / 2)
                corners = box_at(x - math.sin(angle) * offset, y + math.cos(angle) * offset, angle, wide, deep)
                count = counters.get((edge.name, side), 0)
                counters[edge.name, side] = count + homes
                number = 2 * count + (1 if side > 0 else 2)
                out.append(Building(corners, f"{number} {edge.name}", edge.name, use))
                along += wide + gap
    return out


def _at(points: tuple[Point, ...], along: float) -> tuple[float, float, float]:
    for p, q in itertools.pairwise(points):
        span = math.dist(p, q)
        if along <= span and span > 0:
            f = along / span
            return p[0] + (q[0] - p[0]) * f, p[1] + (q[1] - p[1]) * f, math.atan2(q[1] - p[1], q[0] - p[0])
        along -= span
    (px, py), (qx, qy) = points[-2], points[-1]
    return qx, qy, math.atan2(qy - py, qx - px)
