"""What a scenario file may hold, as pydantic models. `sim.scenario` loads the file, checks one part against another, and turns it
into a world and a scheme; the published JSON schema (`sim/schema/scenario.schema.json`) is made from here.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from bridge.cases.conditions import Circle, Curfew, Point, Polygon, Strict, Weekday
from bridge.cases.scheme import HomeUnitName, TagName, TimeZone
from firmware.core.settings import ranges
from sim.moments import parse_clock, parse_duration, parse_moment

# The kinds of finding that bridge.rules gives; a test looks for each of them there.
EventKind = Literal[
    "boot", "mode", "presence", "home", "late_home", "left_home", "out_all_night", "curfew_unknown", "zone_entered",
    "zone_left", "strap_cut", "strap_closed", "battery_low", "mains_lost", "mains_back", "moved", "journal_full", "fault",
]  # fmt: skip


def _checked(parse):
    def check(value: object) -> object:
        parse(value)
        return value

    return check


def _local(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is not None:
        raise ValueError("a local date and time without an offset, such as 2026-06-01T06:00:00")
    return value


def _home(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


def _stop(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


def _text(pattern: str, description: str) -> Any:
    """What an editor may check of a text that a parser of ours reads."""
    return Annotated[str, Field(pattern=pattern, description=description)]


_CLOCK = _text(r"^\d{1,2}:\d{2}(:\d{2})?$", 'A local clock time such as "14:20", in quotes.')
_MOMENT = _text(r"^(day \d+ )?\d{1,2}:\d{2}(:\d{2})?$", 'A moment such as "14:20" (first day) or "day 2 07:15", in quotes.')
_DURATION = _text(r"^(\d+[dhms] ?)+$", "A length of time such as 24h, 90m or 1d 12h; a plain number is seconds.")
_START = _text(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?$", "A local date and time without an offset.")

Clock = Annotated[str, BeforeValidator(_checked(parse_clock), json_schema_input_type=_CLOCK)]
Moment = Annotated[str, BeforeValidator(_checked(parse_moment), json_schema_input_type=_MOMENT)]
Duration = Annotated[str | int, BeforeValidator(_checked(parse_duration), json_schema_input_type=_DURATION | int)]
LocalTime = Annotated[
    datetime,
    BeforeValidator(_local, json_schema_input_type=_START),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
PlaceName = Annotated[str, Field(min_length=1, description='A place of the town, an address, or "home".')]


class Town(Strict):
    """The synthetic town: which one (seed), where on Earth, how wide."""

    seed: Annotated[int, Field(ge=0)] = 1
    centre: Point = Point(lat=50.7154, lon=-2.4367)
    size_m: Annotated[int, Field(ge=1600, le=4000)] = 2400

    @field_validator("centre")
    @classmethod
    def _mapped(cls, centre: Point) -> Point:
        if abs(centre.lat) > 75 or abs(centre.lon) > 179.8:
            raise ValueError("a centre within 75° of the equator and away from the 180th meridian")
        return centre


class Around(Strict):
    """A circle around a place of the town."""

    place: PlaceName
    radius_m: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class Zone(Strict):
    """A place to keep out of (exclusion) or to stay in (inclusion), drawn in one of three ways."""

    kind: Literal["exclusion", "inclusion"]
    name: Annotated[str, Field(min_length=1)]
    circle: Circle | None = None
    polygon: Polygon | None = None
    around: Around | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> "Zone":
        if sum(shape is not None for shape in (self.circle, self.polygon, self.around)) != 1:
            raise ValueError('one of "circle", "polygon" or "around"')
        return self


class Home(Strict):
    """A place of the town by its name (a plain text does), or a position."""

    place: PlaceName | None = None
    lat: Annotated[float | None, Field(ge=-90, le=90, allow_inf_nan=False)] = None
    lon: Annotated[float | None, Field(ge=-180, le=180, allow_inf_nan=False)] = None

    @model_validator(mode="after")
    def _one_way(self) -> "Home":
        position = (self.lat is not None, self.lon is not None)
        if position not in ((True, True), (False, False)) or position[0] == (self.place is not None):
            raise ValueError("the name of a place, or {lat, lon}")
        return self


class Stop(Strict):
    """A place passed on the way, with a pause there."""

    place: PlaceName
    pause_min: Annotated[float, Field(ge=0, le=24 * 60)] = 0


StopEntry = Annotated[Stop, BeforeValidator(_stop, json_schema_input_type=str | Stop)]


class Trip(Strict):
    """Leave for a place at a clock time (`leave`), or so as to arrive at one (`arrive`: at the first stop with a pause, or else
    at the end), and stay there until the next trip. It happens each day, or on `days`, give or take `vary_min`."""

    name: Annotated[str, Field(min_length=1)] | None = None
    leave: Clock | None = None
    arrive: Clock | None = None
    to: PlaceName
    by: Literal["walk", "bus", "car"] = "walk"
    via: list[StopEntry] = Field(default_factory=list)
    days: Annotated[list[Weekday], Field(min_length=1)] | None = None
    vary_min: Annotated[float, Field(ge=0, le=120)] = 0

    @model_validator(mode="after")
    def _one_time(self) -> "Trip":
        if (self.leave is None) == (self.arrive is None):
            raise ValueError('either "leave" or "arrive"')
        return self


class Deviation(Strict):
    """One day that goes otherwise: `trip` names what is changed (its other keys stay as they are) or skipped; without it, the
    keys are one more trip."""

    day: Annotated[int, Field(ge=1, le=1000)]
    trip: Annotated[str, Field(min_length=1)] | None = None
    skip: bool = False
    leave: Clock | None = None
    arrive: Clock | None = None
    to: PlaceName | None = None
    by: Literal["walk", "bus", "car"] | None = None
    via: list[StopEntry] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "Deviation":
        changes = [self.leave, self.arrive, self.to, self.by, self.via]
        if self.leave is not None and self.arrive is not None:
            raise ValueError('either "leave" or "arrive"')
        if self.trip is None and (self.skip or self.to is None or (self.leave is None and self.arrive is None)):
            raise ValueError('"trip", or a trip of its own with "to" and "leave" or "arrive"')
        if self.skip and any(change is not None for change in changes):
            raise ValueError('either "skip" or changes to the trip')
        return self


class Happening(Strict):
    """Something done by hand to the wearer's tag (strap, drop, charger) or home unit (mains)."""

    at: Moment
    what: Literal[
        "strap_cut", "strap_closed", "tag_dropped", "tag_picked_up", "charger_on", "charger_off", "mains_off", "mains_on"
    ]


class Charging(Strict):
    """Each day, when the tag is at home then."""

    at: Clock
    minutes: Annotated[int, Field(ge=1, le=720)] = 90


Condition = Annotated[Curfew | Zone, Field(discriminator="kind")]


class Person(Strict):
    id: Id
    name: Annotated[str, Field(min_length=1)]
    tag: TagName
    home_unit: HomeUnitName | None = None
    home: Annotated[Home, BeforeValidator(_home, json_schema_input_type=str | Home)]
    conditions: list[Condition] = Field(default_factory=list)
    routine: list[Trip] = Field(default_factory=list)
    deviations: list[Deviation] = Field(default_factory=list)
    events: list[Happening] = Field(default_factory=list)
    charging: Charging | None = None


def _setting(name: str) -> Any:
    """Between what the firmware takes for this setting."""
    _, low, high = ranges()[name]
    return Field(ge=low, le=high)


class Policy(Strict):
    """How often a tag away from home takes a fix and reports."""

    fix_interval_s: Annotated[int, _setting("fix_interval_s")] = 60
    report_interval_s: Annotated[int, _setting("report_interval_s")] = 60


class Hole(Strict):
    """Where (and when) there is no mobile network."""

    circle: Circle | None = None
    around: Around | None = None
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="until")

    @model_validator(mode="after")
    def _one_shape(self) -> "Hole":
        if (self.circle is None) == (self.around is None):
            raise ValueError('either "circle" or "around"')
        return self


class Fault(Strict):
    """Something that fails for a while. `wearer` only with coverage_lost: whose devices lose the network (without it, all)."""

    kind: Literal["broker_down", "bridge_down", "coverage_lost"]
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="until")
    wearer: Id | None = None

    @model_validator(mode="after")
    def _whose(self) -> "Fault":
        if self.wearer is not None and self.kind != "coverage_lost":
            raise ValueError('"wearer" only with "coverage_lost"')
        return self


class Expectation(Strict):
    """What must be found (`event`, between two moments), or must not (`never`; in the whole run, or between two moments)."""

    wearer: Id
    event: EventKind | None = None
    never: EventKind | None = None
    between: Annotated[list[Moment], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Expectation":
        if (self.event is None) == (self.never is None):
            raise ValueError('either "event" or "never"')
        if self.event is not None and self.between is None:
            raise ValueError('"between" with "event"')
        return self


class ScenarioFile(Strict):
    """A world, its people, what fails, and what must be found."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    start: LocalTime
    timezone: TimeZone
    until: Duration = "24h"
    town: Town = Town()
    people: Annotated[list[Person], Field(min_length=1)]
    policy: Policy = Policy()
    coverage_holes: list[Hole] = Field(default_factory=list)
    faults: list[Fault] = Field(default_factory=list)
    expect: list[Expectation] = Field(default_factory=list)


def json_schema() -> dict[str, Any]:
    """The published schema of a scenario file."""
    schema = ScenarioFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeward scenario"}
