"""How a body moves along a route: stretches of constant speed, each with its start time, on foot, by car and by bus.

Walking pace is the person's own (1.4 m/s ± 8 %). Vehicles keep to the free speed of the street (`streets.DRIVE_MPS`), slow down
in bends to 1.5 m/s² sideways, speed up by 1.3 and brake by 1.8 m/s² (comfortable values of urban driving), and stop at bus stops.
"""

import math
from dataclasses import dataclass

from .streets import DRIVE_MPS, Point, Route

WALK_MPS = 1.4
MAX_MPS = {"still": 0.0, "walk": 1.4 * 1.09, "bus": DRIVE_MPS["primary"], "car": DRIVE_MPS["primary"]}
_SIDEWAYS, _FASTER, _BRAKE = 1.5, 1.3, 1.8
_SLOWEST_MPS = 1.5  # a vehicle crawls rather than stands, except at a stop
_GRAIN_M = 8.0
HALT_S = 18.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """From (x0, y0) at `start_ms`, straight to (x1, y1) at `end_ms`. A dwell has both points equal.

    `place` is set while staying; `canyon` 0 … 1; `indoors` as seen from the sky; `mode` still, walk, bus or car.
    """

    start_ms: int
    end_ms: int
    x0: float
    y0: float
    x1: float
    y1: float
    mode: str
    indoors: bool
    canyon: float
    place: str | None
    street: str = ""


def stay(point: Point, start_ms: int, end_ms: int, indoors: bool, place: str | None, canyon: float = 0.0) -> Stretch:
    return Stretch(start_ms, end_ms, *point, *point, "still", indoors, canyon, place)


def walk(route: Route, start_ms: int, pace: float = 1.0) -> list[Stretch]:
    """Along the route at a constant pace (a factor on 1.4 m/s)."""
    speed = WALK_MPS * pace
    out: list[Stretch] = []
    at = float(start_ms)
    for i, (p, q) in enumerate(zip(route.points, route.points[1:], strict=False)):
        end = at + math.dist(p, q) / speed * 1000
        if round(end) > round(at):
            out.append(Stretch(round(at), round(end), *p, *q, "walk", False, route.canyons[i], None, route.names[i]))
        at = end
    return _joined(out)


def drive(route: Route, start_ms: int, mode: str = "car", halts: tuple[Point, ...] = ()) -> list[Stretch]:
    """Along the route in a vehicle; a bus stands HALT_S at each of `halts` that lies on the way."""
    points, indices = _fine(route)
    limits = [max(_limit(route.classes[i]), _SLOWEST_MPS) for i in indices]
    n = len(points)
    stops = {_nearest(points, h) for h in halts} - {0, n - 1}
    top = [0.0] * n
    for i in range(1, n - 1):
        top[i] = 0.0 if i in stops else min(limits[i - 1], limits[i], _bend_speed(points[i - 1], points[i], points[i + 1]))
    for i in range(1, n):
        top[i] = min(top[i], math.sqrt(top[i - 1] ** 2 + 2 * _FASTER * math.dist(points[i - 1], points[i])))
    for i in range(n - 2, -1, -1):
        top[i] = min(top[i], math.sqrt(top[i + 1] ** 2 + 2 * _BRAKE * math.dist(points[i], points[i + 1])))
    out: list[Stretch] = []
    at = float(start_ms)
    for i in range(n - 1):
        if i in stops:
            out.append(Stretch(round(at), round(at + HALT_S * 1000), *points[i], *points[i], mode, False, 0.0, None, ""))
            at += HALT_S * 1000
        mean = max((top[i] + top[i + 1]) / 2, 1.0)
        end = at + math.dist(points[i], points[i + 1]) / mean * 1000
        if round(end) > round(at):
            k = indices[i]
            here, there = points[i], points[i + 1]
            out.append(Stretch(round(at), round(end), *here, *there, mode, False, route.canyons[k], None, route.names[k]))
        at = end
    return _joined(out)


def _limit(street_class: str) -> float:
    return DRIVE_MPS.get(street_class, 3.0)  # a door's path: out of the drive


def _fine(route: Route) -> tuple[list[Point], list[int]]:
    """The route's points at most _GRAIN_M apart, and for each stretch the index of the route's stretch it belongs to."""
    points = [route.points[0]]
    indices: list[int] = []
    for i, (p, q) in enumerate(zip(route.points, route.points[1:], strict=False)):
        span = math.dist(p, q)
        if span < 0.01:
            continue
        count = max(1, math.ceil(span / _GRAIN_M))
        for k in range(1, count + 1):
            points.append((p[0] + (q[0] - p[0]) * k / count, p[1] + (q[1] - p[1]) * k / count))
            indices.append(i)
    return points, indices


def _bend_speed(p: Point, q: Point, r: Point) -> float:
    a, b = math.atan2(q[1] - p[1], q[0] - p[0]), math.atan2(r[1] - q[1], r[0] - q[0])
    turn = abs((b - a + math.pi) % math.tau - math.pi)
    if turn < 0.05:
        return math.inf
    radius = min(math.dist(p, q), math.dist(q, r)) / (2 * math.tan(min(turn, 3.0) / 2))
    return max(_SLOWEST_MPS, math.sqrt(_SIDEWAYS * radius))


def _nearest(points: list[Point], to: Point) -> int:
    return min(range(len(points)), key=lambda i: math.dist(points[i], to))


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """Closes the gaps of a millisecond that rounding short stretches away leaves."""
    out: list[Stretch] = []
    for s in stretches:
        if out and (out[-1].x1 != s.x0 or out[-1].y1 != s.y0 or out[-1].end_ms != s.start_ms):
            last = out[-1]
            s = Stretch(last.end_ms, s.end_ms, last.x1, last.y1, s.x1, s.y1, s.mode, s.indoors, s.canyon, s.place, s.street)
        out.append(s)
    return out
