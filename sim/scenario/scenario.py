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

from bridge.cases.reading import config_error, field_name, read_yaml, where
from bridge.errors import ConfigError
from sim.scenario import faults, lives, models
from sim.scenario.checks import problems
from sim.scenario.faults import Fault
from sim.scenario.mapfile import read_map, read_track
from sim.scenario.moments import parse_duration, parse_moment, to_utc_ms
from sim.world import spec
from sim.world.mapped import TownMap, build_mapped
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
        self._town_map: TownMap | None = None
        self._tracks: dict[str, tuple[tuple[int, float, float], ...]] = {}

    def fitted_utc_ms(self, device: str) -> int:
        """As of when the bench gives a device its lease and configuration."""
        return self.start_utc_ms

    def moment_ms(self, text: str) -> int:
        """Virtual ms of "14:20" or "day 2 07:15". ValueError for anything else."""
        return self.clock_ms(*parse_moment(text))

    def clock_ms(self, day: int, second: int) -> int:
        """Virtual ms of a local clock time on a day of the scenario."""
        return to_utc_ms(self.file.start.date(), day, second, self.zone) - self.start_utc_ms

    def local_time(self, t_ms: int) -> datetime:
        return datetime.fromtimestamp((self.start_utc_ms + t_ms) / 1000, self.zone)

    def town(self) -> Town:
        town = self.file.town
        if (town_map := self.town_map()) is not None:
            return build_mapped(town_map)
        return build_town(town.seed, (town.centre.lat, town.centre.lon), float(town.size_m))

    def town_map(self) -> TownMap | None:
        """The map of a town that comes from a file. OSError when it cannot be read, ConfigError for what is wrong in it."""
        name = self.file.town.file
        if name is not None and self._town_map is None:
            path = self._beside(name)
            self._town_map = read_map(str(path), path.read_bytes(), is_gpx=self.file.town.gpx is not None)
        return self._town_map

    def track(self, name: str) -> tuple[tuple[int, float, float], ...]:
        """A recorded track; errors as those of `town_map`."""
        if name not in self._tracks:
            path = self._beside(name)
            self._tracks[name] = read_track(str(path), path.read_bytes())
        return self._tracks[name]

    def _beside(self, name: str) -> Path:
        return Path(self.path).parent / name

    @property
    def draws(self) -> list[lives.Draw]:
        """What the random rates of all people bring, in order of time."""
        found = [draw for p in self.file.people for draw in lives.draws(self, p)]
        return sorted(found, key=lambda draw: (draw.at_ms, draw.wearer_id, draw.what))

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
            since = 0 if hole.start is None else self.moment_ms(hole.start)
            bad = (hole.quality, hole.kbit_s or 0.0, hole.latency_ms or 0)
            holes.append(spec.CoverageHole(lat, lon, radius_m, since, until, *bad))
        radio = self.file.radio
        return spec.WorldSpec(
            self.seed,
            self.start_utc_ms,
            self.timezone,
            town.seed,
            (town.centre.lat, town.centre.lon),
            float(town.size_m),
            tuple(lives.person(self, p) for p in self.file.people),
            tuple(holes),
            tuple(spec.CoverageLoss(f.wearer_id, f.from_ms, f.until_ms) for f in self.faults if f.kind == "coverage_lost"),
            tuple(faults.troubles(self)),
            spec.Radio(radio.bystanders_per_min, radio.lookalikes_percent / 100, radio.turning_db),
            self.town_map(),
            town.traffic,
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
