"""A scenario: YAML in, a world, a scheme and expectations out.

`load(path)` reads and checks everything before anything is built, and raises `bridge.errors.ConfigError` that names the file and
line, the field, the value and what was expected. Times in results are virtual milliseconds since the scenario's start.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from bridge.cases.conditions import WEEKDAYS
from bridge.cases.reading import Loc, config_error, field_name, read_yaml, where
from bridge.errors import ConfigError
from sim import scenario_models as models
from sim.moments import parse_clock, parse_duration, parse_moment, to_utc_ms
from sim.world import spec
from sim.world.town import Town, build_town
from sim.world.world import World

FaultKind = Literal["broker_down", "bridge_down", "coverage_lost"]


@dataclass(frozen=True, slots=True)
class Fault:
    """From `from_ms` until `until_ms`; `wearer_id` None means everybody."""

    kind: FaultKind
    from_ms: int
    until_ms: int
    wearer_id: str | None


@dataclass(frozen=True, slots=True)
class Expectation:
    """An event of `kind` for the wearer between `from_ms` and `until_ms` (both inclusive): at least one, or with `never` none."""

    wearer_id: str
    kind: str
    never: bool
    from_ms: int
    until_ms: int


class Scenario:
    """A checked scenario. `file` is the model as written."""

    def __init__(self, path: str, file: models.ScenarioFile) -> None:
        self.path = path
        self.file = file
        self.name, self.description, self.seed = file.name, file.description, file.seed
        self.timezone = file.timezone
        self.zone = ZoneInfo(file.timezone)
        self.start_utc_ms = round(file.start.replace(tzinfo=self.zone).timestamp() * 1000)
        self.until_ms = parse_duration(file.until)
        self.policy = file.policy

    def moment_ms(self, text: str) -> int:
        """Virtual ms of "14:20" or "day 2 07:15". ValueError for anything else."""
        day, second = parse_moment(text)
        return to_utc_ms(self.file.start.date(), day, second, self.zone) - self.start_utc_ms

    def local_time(self, t_ms: int) -> datetime:
        return datetime.fromtimestamp((self.start_utc_ms + t_ms) / 1000, self.zone)

    def town(self) -> Town:
        town = self.file.town
        return build_town(town.seed, (town.centre.lat, town.centre.lon), float(town.size_m))

    def world(self) -> World:
        return World(self)

    @property
    def faults(self) -> list[Fault]:
        return [Fault(f.kind, self.moment_ms(f.start), self.moment_ms(f.end), f.wearer) for f in self.file.faults]

    @property
    def expect(self) -> list[Expectation]:
        out: list[Expectation] = []
        for e in self.file.expect:
            low, high = (self.moment_ms(t) for t in e.between) if e.between else (0, 1 << 62)
            out.append(Expectation(e.wearer, e.event or e.never or "", e.never is not None, low, high))
        return out

    # The world

    def world_spec(self) -> spec.WorldSpec:
        town = self.file.town
        holes = []
        for hole in self.file.coverage_holes:
            lat, lon, radius_m = self._circle(hole.circle, hole.around)
            until = None if hole.end is None else self.moment_ms(hole.end)
            holes.append(spec.CoverageHole(lat, lon, radius_m, 0 if hole.start is None else self.moment_ms(hole.start), until))
        return spec.WorldSpec(
            self.seed,
            self.start_utc_ms,
            self.timezone,
            town.seed,
            (town.centre.lat, town.centre.lon),
            float(town.size_m),
            tuple(self._person(p) for p in self.file.people),
            tuple(holes),
            tuple(spec.CoverageLoss(f.wearer_id, f.from_ms, f.until_ms) for f in self.faults if f.kind == "coverage_lost"),
        )

    def _person(self, p: models.Person) -> spec.Person:
        trips = {trip_name(t): t for t in p.routine}
        home = p.home.place if p.home.place is not None else (p.home.lat or 0.0, p.home.lon or 0.0)
        return spec.Person(
            p.id,
            p.name,
            p.tag,
            p.home_unit,
            home,
            tuple(_trip(name, t) for name, t in trips.items()),
            tuple(_deviation(d, trips) for d in p.deviations),
            tuple(spec.PhysicalEvent(self.moment_ms(e.at), _device(p, e.what), e.what) for e in p.events),
            None if p.charging is None else spec.Charging(parse_clock(p.charging.at), p.charging.minutes),
        )

    # The scheme

    def to_scheme(self) -> dict:
        """The same people and conditions as a scheme file for the bridge (YAML-ready)."""
        start = datetime.fromtimestamp(self.start_utc_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
        wearers = []
        for p in self.file.people:
            lat, lon = self.home_of(p)
            entry: dict = {"id": p.id, "name": p.name, "tag": p.tag}
            if p.home_unit is not None:
                entry["home_unit"] = p.home_unit
            entry |= {"home": {"lat": round(lat, 7), "lon": round(lon, 7)}, "from": start}
            entry["conditions"] = [self._condition(c) for c in p.conditions]
            wearers.append(entry)
        return {"timezone": self.timezone, "wearers": wearers}

    def home_of(self, p: models.Person) -> tuple[float, float]:
        """Latitude and longitude of a person's home, degrees."""
        if p.home.place is not None:
            return self.town().latlon(self.town().place(p.home.place))
        return p.home.lat or 0.0, p.home.lon or 0.0

    def _condition(self, condition: models.Curfew | models.Zone) -> dict:
        if isinstance(condition, models.Zone) and condition.around is not None:
            lat, lon, radius_m = self._circle(None, condition.around)
            circle = {"lat": round(lat, 7), "lon": round(lon, 7), "radius_m": radius_m}
            return {"kind": condition.kind, "name": condition.name, "circle": circle}
        return condition.model_dump(mode="json", by_alias=True, exclude_none=True)

    def _circle(self, circle: models.Circle | None, around: models.Around | None) -> tuple[float, float, float]:
        if circle is not None:
            return circle.lat, circle.lon, circle.radius_m
        assert around is not None  # the model holds one of the two
        town = self.town()
        return *town.latlon(town.place(around.place)), around.radius_m


def load(path: Path | str) -> Scenario:
    """The scenario in the file. ConfigError for the first thing wrong with it."""
    data, node = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(path, "(file)", data, "a mapping with the keys " + ", ".join(models.ScenarioFile.model_fields))
    try:
        file = models.ScenarioFile.model_validate(data)
    except ValidationError as error:
        raise config_error(path, error, node, models.ScenarioFile) from None
    scenario = Scenario(str(path), file)
    for loc, value, expected in _problems(scenario):
        raise ConfigError(where(path, node, loc), field_name(loc), value, expected)
    return scenario


def trip_name(trip: models.Trip) -> str:
    """A trip without a name goes by where it leads."""
    return trip.name or trip.to


def _trip(name: str, t: models.Trip) -> spec.Trip:
    return spec.Trip(
        name,
        t.to,
        t.by,
        None if t.leave is None else parse_clock(t.leave),
        None if t.arrive is None else parse_clock(t.arrive),
        tuple(spec.Stop(s.place, round(s.pause_min * 60)) for s in t.via),
        None if t.days is None else frozenset(WEEKDAYS.index(d) + 1 for d in t.days),
        round(t.vary_min * 60),
    )


def _deviation(d: models.Deviation, trips: dict[str, models.Trip]) -> spec.Deviation:
    if d.skip:
        return spec.Deviation(d.day, d.trip, None)
    given = d.model_dump(exclude={"day", "trip", "skip"}, exclude_none=True)
    base: dict = {}
    if d.trip is not None:
        base = trips[d.trip].model_dump(exclude_none=True, exclude={"days", "vary_min"})
        if "leave" in given or "arrive" in given:
            base = {key: value for key, value in base.items() if key not in ("leave", "arrive")}
    changed = models.Trip.model_validate(base | given)
    return spec.Deviation(d.day, d.trip, _trip(d.trip or trip_name(changed), changed))


def _device(p: models.Person, what: str) -> str:
    return (p.home_unit or "") if what.startswith("mains") else p.tag


def _problems(s: Scenario) -> Iterator[tuple[Loc, object, str]]:
    """(where, value, expected) of what no model sees by itself."""
    people = s.file.people
    if s.start_utc_ms < 0 or s.start_utc_ms + s.until_ms > datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000:
        yield ("start",), s.file.start.isoformat(), "a time between 1970 and 2100"
    back = datetime.fromtimestamp(s.start_utc_ms / 1000, s.zone).replace(tzinfo=None)
    if abs(back - s.file.start) > timedelta(seconds=1):
        yield ("start",), s.file.start.isoformat(), f"a local time that {s.timezone} has (the clocks go forward then)"
    for key in ("id", "tag", "home_unit"):
        seen: dict[str, int] = {}
        for i, p in enumerate(people):
            value = getattr(p, key)
            if value is not None and seen.setdefault(value, i) != i:
                yield ("people", i, key), value, f"a {key.replace('_', ' ')} that nobody else has (people[{seen[value]}] has it)"
    ids = [p.id for p in people]
    for i, p in enumerate(people):
        yield from _person_problems(s, p, ("people", i))
    for i, hole in enumerate(s.file.coverage_holes):
        if hole.around is not None:
            yield from _place_problem(s, hole.around.place, ("coverage_holes", i, "around", "place"))
        yield from _period_problems(s, hole.start, hole.end, ("coverage_holes", i))
    for i, fault in enumerate(s.file.faults):
        if fault.wearer is not None and fault.wearer not in ids:
            yield ("faults", i, "wearer"), fault.wearer, _one_of("the id of a person", fault.wearer, ids)
        yield from _period_problems(s, fault.start, fault.end, ("faults", i))
    for i, e in enumerate(s.file.expect):
        if e.wearer not in ids:
            yield ("expect", i, "wearer"), e.wearer, _one_of("the id of a person", e.wearer, ids)
        if e.between is not None and s.moment_ms(e.between[0]) > s.moment_ms(e.between[1]):
            yield ("expect", i, "between"), e.between, "two moments, the earlier one first"


def _person_problems(s: Scenario, p: models.Person, at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if p.home.place is not None:
        yield from _place_problem(s, p.home.place, (*at, "home"), home=False)
    else:
        lat, lon = s.home_of(p)
        x, y = s.town().plane.to_xy(lat, lon)
        if max(abs(x), abs(y)) > s.file.town.size_m * 0.6:
            yield (*at, "home"), f"{lat}, {lon}", "a position in the town"
    names: dict[str, int] = {}
    for j, c in enumerate(p.conditions):
        if names.setdefault(c.name, j) != j:
            yield (*at, "conditions", j, "name"), c.name, "a name that no other condition of this person has"
        if isinstance(c, models.Zone) and c.around is not None:
            yield from _place_problem(s, c.around.place, (*at, "conditions", j, "around", "place"))
    trips: dict[str, int] = {}
    for j, t in enumerate(p.routine):
        if trips.setdefault(trip_name(t), j) != j:
            yield (*at, "routine", j), trip_name(t), 'a "name" of its own (another trip of this person leads there too)'
        yield from _trip_places(s, t.to, t.via, (*at, "routine", j))
    for j, d in enumerate(p.deviations):
        here: Loc = (*at, "deviations", j)
        if d.trip is not None and d.trip not in trips:
            yield (*here, "trip"), d.trip, _one_of("the name of a trip of the routine", d.trip, list(trips))
        yield from _trip_places(s, d.to, d.via or [], here)
    for j, e in enumerate(p.events):
        if s.moment_ms(e.at) < 0:
            yield (*at, "events", j, "at"), e.at, _not_before(s)
        if e.what.startswith("mains") and p.home_unit is None:
            yield (*at, "events", j, "what"), e.what, "something that is done to the tag: this person has no home unit"


def _trip_places(s: Scenario, to: str | None, via: list[models.Stop], at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if to is not None:
        yield from _place_problem(s, to, (*at, "to"))
    for k, stop in enumerate(via):
        yield from _place_problem(s, stop.place, (*at, "via", k))


def _place_problem(s: Scenario, name: str, at: Loc, home: bool = True) -> Iterator[tuple[Loc, object, str]]:
    if home and name == "home" and at[-2:] != ("around", "place"):
        return
    try:
        s.town().place(name)
    except KeyError:
        near = s.town().nearest_names(name)
        hint = f" (did you mean {', '.join(map(repr, near))}?)" if near else ""
        yield at, name, f"a place or an address of the town{hint}"


def _period_problems(s: Scenario, start: str | None, end: str | None, at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if start is not None and s.moment_ms(start) < 0:
        yield (*at, "from"), start, _not_before(s)
    if end is not None and s.moment_ms(end) <= (0 if start is None else s.moment_ms(start)):
        yield (*at, "until"), end, "a moment after " + ("the start" if start is None else f'its "from", {start!r}')


def _not_before(s: Scenario) -> str:
    return f"a moment not before the scenario's start, {s.file.start:%H:%M}"


def _one_of(what: str, value: str, known: list[str]) -> str:
    near = difflib.get_close_matches(value, known, 1)
    return f"{what}: {', '.join(known) or '(none)'}" + (f" (did you mean {near[0]!r}?)" if near else "")
