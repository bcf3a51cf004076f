"""A scenario: YAML in, a world, a scheme and expectations out.

`load(path)` reads and checks everything before anything is built, and raises `bridge.errors.ConfigError` that names the file and
line, the field, the value and what was expected. Times in results are virtual milliseconds since the scenario's start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from bridge.cases.conditions import WEEKDAYS
from bridge.cases.reading import config_error, field_name, read_yaml, where
from bridge.errors import ConfigError
from sim.scenario import faults, models
from sim.scenario.checks import UNIT_EVENTS, problems, trip_name
from sim.scenario.faults import Fault
from sim.scenario.moments import parse_clock, parse_duration, parse_moment, to_utc_ms
from sim.world import spec
from sim.world.town import Town, build_town
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Expectation:
    """An event of `kind` for the wearer between `from_ms` and `until_ms` (both inclusive): at least one, or with `never` none.

    `within_ms`: each counts only when its record is with the bridge so long after `of_ms`, or after its own time without that.
    """

    wearer_id: str
    kind: str
    never: bool
    from_ms: int
    until_ms: int
    of_ms: int | None = None
    within_ms: int | None = None
    count: int | None = None
    at_most: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Asked of a device at `at_ms`; `kind` as in `scenario_models.Order`."""

    at_ms: int
    device: str
    kind: str
    pattern: str = "short"
    room: str = ""
    seconds: int = 60
    reason: str = ""
    zone: Mapping[str, Any] | None = None  # a condition as in a scheme file


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

    def fitted_utc_ms(self, device: str) -> int:
        """As of when the bench gives a device its lease and configuration."""
        return self.start_utc_ms

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
        """What fails between the devices and the people; what is done to the tags themselves is the world's."""
        return faults.in_between(self)

    @property
    def orders(self) -> list[Order]:
        return [
            Order(
                self.moment_ms(o.at),
                o.device,
                o.kind,
                o.pattern or "short",
                o.room or "",
                o.seconds or 60,
                o.reason,
                None if o.zone is None else self._condition(o.zone),
            )
            for o in self.file.orders
        ]

    @property
    def expect(self) -> list[Expectation]:
        out: list[Expectation] = []
        for e in self.file.expect:
            low, high = (self.moment_ms(t) for t in e.between) if e.between else (0, 1 << 62)
            within_ms = None if e.within is None else parse_duration(e.within)
            of_ms = None if e.of is None else self.moment_ms(e.of)
            if of_ms is not None and within_ms is not None:
                low, high = of_ms, of_ms + within_ms
            what = (e.wearer, e.event or e.never or "", e.never is not None)
            out.append(Expectation(*what, low, high, of_ms, within_ms, e.count, e.at_most))
        return out

    # The world

    def world_spec(self) -> spec.WorldSpec:
        town = self.file.town
        holes = []
        for hole in self.file.coverage_holes:
            lat, lon, radius_m = self.circle(hole.circle, hole.around)
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
            tuple(faults.troubles(self)),
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
            p.battery / 100,
            p.home_unit_battery / 100,
        )

    # The scheme

    def to_scheme(self) -> dict:
        """The same people and conditions as a scheme file for the bridge (YAML-ready)."""
        wearers = []
        for p in self.file.people:
            lat, lon = self.home_of(p)
            entry: dict = {"id": p.id, "name": p.name, "tag": p.tag}
            if p.home_unit is not None:
                entry["home_unit"] = p.home_unit
            entry |= {"home": {"lat": round(lat, 7), "lon": round(lon, 7)}, "from": self._utc(p.worn_from)}
            if p.worn_until is not None:
                entry["until"] = self._utc(p.worn_until)
            entry["conditions"] = [self._condition(c) for c in p.conditions]
            wearers.append(entry)
        return {"timezone": self.timezone, "wearers": wearers}

    def _utc(self, moment: str | None) -> str:
        """A moment, or the scenario's start, as a scheme file has it."""
        utc_ms = self.start_utc_ms + (0 if moment is None else self.moment_ms(moment))
        return datetime.fromtimestamp(utc_ms / 1000, UTC).isoformat().replace("+00:00", "Z")

    def home_of(self, p: models.Person) -> tuple[float, float]:
        """Latitude and longitude of a person's home, degrees."""
        if p.home.place is not None:
            return self.town().latlon(self.town().place(p.home.place))
        return p.home.lat or 0.0, p.home.lon or 0.0

    def _condition(self, condition: models.Curfew | models.Zone) -> dict:
        if isinstance(condition, models.Zone) and condition.around is not None:
            lat, lon, radius_m = self.circle(None, condition.around)
            circle = {"lat": round(lat, 7), "lon": round(lon, 7), "radius_m": radius_m}
            return {"kind": condition.kind, "name": condition.name, "circle": circle}
        return condition.model_dump(mode="json", by_alias=True, exclude_none=True)

    def circle(self, circle: models.Circle | None, around: models.Around | None) -> tuple[float, float, float]:
        """Latitude, longitude and radius in metres of one of the two."""
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
    for loc, value, expected in problems(scenario):
        raise ConfigError(where(path, node, loc), field_name(loc), value, expected)
    return scenario


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
    return (p.home_unit or "") if what.startswith(UNIT_EVENTS) else p.tag
