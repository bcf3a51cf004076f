"""How a body moves along a route: stretches of constant speed, each with its start time, on foot, by bicycle, by car, by bus.

Walking pace is the person's own: 1.4 m/s (usual of adults, and what crossings are timed by is slower) ± 8 %. Vehicles keep to
the free speed of the street (`streets.DRIVE_MPS`), slow down in bends to 1.5 m/s² sideways, speed up by 1.3 and brake by
1.8 m/s² (comfortable values of urban driving), and stop at bus stops; where there is traffic, they also stand before they turn
into a through road and at some of the places where streets meet (`waits`). Bicycles likewise, with 0.7 and 1.5 m/s².
All but the walking pace is our judgement.
"""

import math
from dataclasses import dataclass

from .hashing import uniform
from .streets import CYCLE_MPS, DRIVE_MPS, Point, Route
from .town import Town

WALK_MPS = 1.4
MAX_MPS = {
    "still": 0.0,
    "walk": 1.4 * 1.09,
    "cycle": CYCLE_MPS["primary"],
    "bus": DRIVE_MPS["primary"],
    "car": DRIVE_MPS["primary"],
}
_SIDEWAYS, _FASTER, _BRAKE = 1.5, 1.3, 1.8
_SLOWEST_MPS = 1.5  # a vehicle crawls rather than stands, except at a stop
_GRAIN_M = 8.0
HALT_S = 18.0
# Vehicles that wait: the share of turns from one street into another at which one stands, and for how long (our judgement).
WAIT_CHANCE = {"none": 0.0, "light": 0.35, "busy": 0.8}
WAIT_S = {"none": (0.0, 0.0), "light": (2.0, 12.0), "busy": (4.0, 40.0)}
_CYCLE_FASTER, _CYCLE_BRAKE = 0.7, 1.5
_CANYON_NEAR_M = 15.0


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


def drive(
    route: Route, start_ms: int, mode: str = "car", halts: tuple[Point, ...] = (), waits: dict[int, float] | None = None
) -> list[Stretch]:
    """Along the route in a vehicle; a bus stands HALT_S at each of `halts` that lies on the way, and any vehicle for the
    seconds that `waits` says at a point of the route."""
    return _ride(route, start_ms, mode, DRIVE_MPS, (_FASTER, _BRAKE), halts, waits or {})


def cycle(route: Route, start_ms: int) -> list[Stretch]:
    """Along the route by bicycle."""
    return _ride(route, start_ms, "cycle", CYCLE_MPS, (_CYCLE_FASTER, _CYCLE_BRAKE), (), {})


def waits(route: Route, traffic: str, key: int) -> dict[int, float]:
    """At which points of a route a vehicle has to stand, and for how many seconds: where it turns into another street."""
    if traffic == "none":
        return {}
    out: dict[int, float] = {}
    for i in range(1, len(route.names)):
        turns = route.names[i] != route.names[i - 1] and "door" not in (route.classes[i], route.classes[i - 1])
        place = round(route.points[i][0]) << 20 ^ round(route.points[i][1])
        if turns and uniform(key, 2 * place) < WAIT_CHANCE[traffic]:
            out[i] = uniform(key, 2 * place + 1, *WAIT_S[traffic])
    return out


def follow(track: tuple[tuple[int, float, float], ...], town: Town, start_ms: int, mode: str) -> list[Stretch]:
    """Along a recorded track, at its own times. The sky over it is that of the street beside it, if there is one."""
    out: list[Stretch] = []
    points = [town.plane.to_xy(lat, lon) for _, lat, lon in track]
    for (t0, *_), (t1, *_), p, q in zip(track, track[1:], points, points[1:], strict=False):
        near = town.streets.nearest(p)
        edge = town.streets.edges[near.edge]
        on_street = math.dist(near.point, p) < _CANYON_NEAR_M
        canyon, name = (edge.canyon, edge.name) if on_street else (0.0, "")
        out.append(Stretch(start_ms + t0, start_ms + t1, *p, *q, mode, False, canyon, None, name))
    return _joined(out)


def _ride(
    route: Route,
    start_ms: int,
    mode: str,
    speeds: dict[str, float],
    pull: tuple[float, float],
    halts: tuple[Point, ...],
    waits: dict[int, float],
) -> list[Stretch]:
    points, indices = _fine(route)
    limits = [max(_limit(speeds, route.classes[i]), _SLOWEST_MPS) for i in indices]
    n = len(points)
    standing = {_nearest(points, route.points[i]): seconds for i, seconds in waits.items()}
    standing |= dict.fromkeys((_nearest(points, h) for h in halts), HALT_S)
    stops = {i: seconds for i, seconds in standing.items() if 0 < i < n - 1}
    faster, brake = pull
    top = [0.0] * n
    for i in range(1, n - 1):
        top[i] = 0.0 if i in stops else min(limits[i - 1], limits[i], _bend_speed(points[i - 1], points[i], points[i + 1]))
    for i in range(1, n):
        top[i] = min(top[i], math.sqrt(top[i - 1] ** 2 + 2 * faster * math.dist(points[i - 1], points[i])))
    for i in range(n - 2, -1, -1):
        top[i] = min(top[i], math.sqrt(top[i + 1] ** 2 + 2 * brake * math.dist(points[i], points[i + 1])))
    out: list[Stretch] = []
    at = float(start_ms)
    for i in range(n - 1):
        if i in stops:
            out.append(Stretch(round(at), round(at + stops[i] * 1000), *points[i], *points[i], mode, False, 0.0, None, ""))
            at += stops[i] * 1000
        mean = max((top[i] + top[i + 1]) / 2, 1.0)
        end = at + math.dist(points[i], points[i + 1]) / mean * 1000
        if round(end) > round(at):
            k = indices[i]
            here, there = points[i], points[i + 1]
            out.append(Stretch(round(at), round(end), *here, *there, mode, False, route.canyons[k], None, route.names[k]))
        at = end
    return _joined(out)


def _limit(speeds: dict[str, float], street_class: str) -> float:
    return speeds.get(street_class, 3.0)  # a door's path: out of the drive


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
