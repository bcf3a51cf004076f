"""What people do, in virtual time: routine, appointments, outings, and what comes at random rates, drawn from the seed.

What is drawn does not depend on how long a run is: a longer one has more of the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import shapely

from bridge.cases.conditions import WEEKDAYS
from sim.scenario import models
from sim.scenario.checks import UNIT_EVENTS, trip_name
from sim.scenario.moments import parse_clock
from sim.world import spec
from sim.world.hashing import stream, uniform

if TYPE_CHECKING:
    from sim.scenario import Scenario

_YEAR_MS = 365.25 * 86_400_000
_DAY_MS = 86_400_000
_UNDONE_MIN = (1.0, 15.0)  # how long, when a rate does not say (our judgement)


@dataclass(frozen=True, slots=True)
class Draw:
    """Something that a person's rates bring: `what` at `at_ms`, and what undoes it, if something does, at `until_ms`."""

    wearer_id: str
    what: str
    at_ms: int
    until_ms: int | None = None
    zone: str | None = None


def person(s: "Scenario", p: models.Person) -> spec.Person:
    trips = {trip_name(t): t for t in p.routine}
    home = p.home.place if p.home.place is not None else (p.home.lat or 0.0, p.home.lon or 0.0)
    drawn = list(draws(s, p))
    weekly = [_appointment(a) for a in p.appointments if a.day is None]
    once = [spec.Deviation(a.day, None, _appointment(a)) for a in p.appointments if a.day is not None]
    events = [spec.PhysicalEvent(s.moment_ms(e.at), _device(p, e.what), e.what) for e in p.events]
    return spec.Person(
        p.id,
        p.name,
        p.tag,
        p.home_unit,
        home,
        tuple([_trip(s, name, t) for name, t in trips.items()] + weekly),
        tuple([_deviation(s, d, trips) for d in p.deviations] + once + [_visit(s, p, d) for d in drawn if d.zone is not None]),
        tuple(events + [e for d in drawn for e in _done(p, d)]),
        None if p.charging is None else spec.Charging(parse_clock(p.charging.at), p.charging.minutes),
        p.battery / 100,
        p.home_unit_battery / 100,
        tuple(_wander(w) for w in p.wander),
        spec.Mistakes(p.mistakes.late_home, _seconds(p.mistakes.late_by_min), p.mistakes.forgets_charging),
    )


def draws(s: "Scenario", p: models.Person) -> Iterator[Draw]:
    """What a person's rates bring until the scenario's end, rate by rate, each in order of time."""
    for number, rate in enumerate(p.rates):
        key = stream(s.seed, "rate", p.id, number, rate.what)
        at_ms, n = 0, 0
        while True:
            at_ms += max(1000, round(-math.log(1.0 - uniform(key, 4 * n)) * _YEAR_MS / rate.per_year))
            if at_ms >= s.until_ms:
                break
            low, high = rate.minutes or _UNDONE_MIN
            length_ms = round(60_000 * uniform(key, 4 * n + 1, low, high))
            when_ms = at_ms if rate.between is None else _on_that_day(s, at_ms, rate.between, uniform(key, 4 * n + 2))
            if 0 <= when_ms < s.until_ms:
                lasts = rate.what in models.UNDONE_BY or rate.zone is not None
                yield Draw(p.id, rate.what, when_ms, when_ms + length_ms if lasts else None, rate.zone)
            at_ms, n = at_ms + length_ms, n + 1


def _on_that_day(s: "Scenario", at_ms: int, between: list[str], share: float) -> int:
    low, high = (parse_clock(t) for t in between)
    day, _ = _day_and_second(s, at_ms)
    return s.clock_ms(day, round(low + (high - low) * share))


def _day_and_second(s: "Scenario", t_ms: int) -> tuple[int, int]:
    local = s.local_time(t_ms)
    return (local.date() - s.file.start.date()).days + 1, local.hour * 3600 + local.minute * 60 + local.second


def _done(p: models.Person, d: Draw) -> list[spec.PhysicalEvent]:
    if d.zone is not None:
        return []
    out = [spec.PhysicalEvent(d.at_ms, _device(p, d.what), cast(spec.PhysicalKind, d.what))]
    if d.until_ms is not None:
        out.append(spec.PhysicalEvent(d.until_ms, _device(p, d.what), cast(spec.PhysicalKind, models.UNDONE_BY[d.what])))
    return out


def _visit(s: "Scenario", p: models.Person, d: Draw) -> spec.Deviation:
    """Into a zone and back, on foot: to the street in it that is nearest to its middle, or to the middle itself."""
    zone = next(c for c in p.conditions if isinstance(c, models.Zone) and c.name == d.zone)
    town = s.town()
    if zone.polygon is not None:
        shape = shapely.Polygon([town.plane.to_xy(lat, lon) for lat, lon in zone.polygon])
        middle = shape.representative_point()
    else:
        lat, lon, radius_m = s.circle(zone.circle, zone.around)
        middle = shapely.Point(town.plane.to_xy(lat, lon))
        shape = middle.buffer(radius_m)
    street = town.streets.nearest((middle.x, middle.y)).point
    x, y = street if shape.contains(shapely.Point(street)) else (middle.x, middle.y)
    day, second = _day_and_second(s, d.at_ms)
    stay_s = ((d.until_ms or d.at_ms) - d.at_ms) // 1000
    stop = spec.Stop(town.plane.to_latlon(x, y), stay_s)
    return spec.Deviation(day, None, spec.Trip("into the zone", spec.BACK, leave_s=second, via=(stop,)))


def _appointment(a: models.Appointment) -> spec.Trip:
    stop = spec.Stop(a.place, round(a.minutes * 60))
    days = None if a.days is None else frozenset(WEEKDAYS.index(d) + 1 for d in a.days)
    return spec.Trip(a.place, a.then, a.by, arrive_s=parse_clock(a.at), via=(stop,), days=days)


def _wander(w: models.Wander) -> spec.Wander:
    low, high = (parse_clock(t) for t in w.between)
    return spec.Wander(tuple(w.to), w.per_day, _seconds(w.stay_min), (low, high), w.by)


def _seconds(minutes: list[float]) -> tuple[int, int]:
    return round(60 * minutes[0]), round(60 * minutes[1])


def _trip(s: "Scenario", name: str, t: models.Trip) -> spec.Trip:
    return spec.Trip(
        name,
        t.to,
        t.by,
        None if t.leave is None else parse_clock(t.leave),
        None if t.arrive is None else parse_clock(t.arrive),
        tuple(spec.Stop(stop.place, round(stop.pause_min * 60)) for stop in t.via),
        None if t.days is None else frozenset(WEEKDAYS.index(d) + 1 for d in t.days),
        round(t.vary_min * 60),
        () if t.gpx is None else s.track(t.gpx),
    )


def _deviation(s: "Scenario", d: models.Deviation, trips: dict[str, models.Trip]) -> spec.Deviation:
    if d.skip:
        return spec.Deviation(d.day, d.trip, None)
    given = d.model_dump(exclude={"day", "trip", "skip"}, exclude_none=True)
    base: dict = {}
    if d.trip is not None:
        base = trips[d.trip].model_dump(exclude_none=True, exclude={"days", "vary_min"})
        if "leave" in given or "arrive" in given:
            base = {key: value for key, value in base.items() if key not in ("leave", "arrive")}
    changed = models.Trip.model_validate(base | given)
    return spec.Deviation(d.day, d.trip, _trip(s, d.trip or trip_name(changed), changed))


def _device(p: models.Person, what: str) -> str:
    return (p.home_unit or "") if what.startswith(UNIT_EVENTS) else p.tag
