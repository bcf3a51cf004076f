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
    "brown_out", "wearer_warned", "clock_gone", "case_opened", "case_closed", "shielded", "shield_ended", "jammed", "jam_ended",
    "spoofed", "spoof_ended", "motion_no_fix", "receiver_dead", "receiver_back", "modem_dead", "modem_back", "unit_silent",
    "unit_back", "comms_lost", "comms_back", "crash", "safe_mode", "safe_mode_ended", "lease", "range_test",
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
    """Something done by hand, at a moment: to the wearer's tag (strap, case, drop, charger) or home unit (mains_…, unit_…).

    `unit_moved` lifts, carries and puts down; `tag_off` and `unit_off` take all power from it, cell included; a crash is an
    exception out of nowhere in the device's program; hung, it does nothing any more.
    """

    at: Moment
    what: Literal[
        "strap_cut", "strap_closed", "case_opened", "case_closed", "tag_dropped", "tag_picked_up", "charger_on", "charger_off",
        "tag_crash", "tag_hung", "tag_off", "tag_on", "mains_off", "mains_on", "unit_opened", "unit_closed", "unit_moved",
        "unit_off", "unit_on", "unit_crash", "unit_hung",
    ]  # fmt: skip


class Charging(Strict):
    """Each day, when the tag is at home then."""

    at: Clock
    minutes: Annotated[int, Field(ge=1, le=720)] = 90


Condition = Annotated[Curfew | Zone, Field(discriminator="kind")]


Percent = Annotated[float, Field(ge=0.1, le=100)]


class Person(Strict):
    """A wearer. `battery` and `home_unit_battery` are the cells' charge at the start; two who live together have one home unit;
    `worn_from` and `worn_until` are when the wear period, and with it the lease, begins and ends."""

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
    battery: Percent = 97
    home_unit_battery: Percent = 100
    worn_from: Moment | None = None
    worn_until: Moment | None = None


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


_HOW = {
    "receiver_dead": ("silent", "garbage"),
    "receiver_says": ("zero_position", "year_1980", "rollover", "future", "leap_second"),
    "motion_stuck": ("still", "moving"),
}
_OF_A_KIND = {  # fault -> its own keys
    "jam": ("wearer", "around", "circle", "fall_db", "ramp_s"),
    "spoof": ("wearer", "jump_m", "drift_mps", "bearing_deg"),
    "broker_down": (), "bridge_down": (),
    **dict.fromkeys(("coverage_lost", "shield", "modem_dead", "home_network_lost"), ("wearer",)),
    **dict.fromkeys(_HOW, ("wearer", "how")),
}  # fmt: skip


class Fault(Strict):
    """Something that fails, or is made to fail, for a while. `wearer`: whose tag (without it, all). What each kind takes:

    - broker_down, bridge_down: the program really ends and is started again.
    - home_network_lost: the router of the wearer's home has no way to the internet. `wearer`: at whose home.
    - coverage_lost: no mobile network. modem_dead: the modem answers nothing. shield: foil; no satellite, home unit or network.
    - jam: C/N0 of all satellites falls by `fall_db` within `ramp_s`; near a place only, with `around` or `circle`.
    - spoof: the receiver shows a place `jump_m` away at `bearing_deg`, which moves away at `drift_mps`.
    - receiver_dead: `how` silent or garbage. motion_stuck: `how` still or moving. receiver_says: `how` is a sentinel.
    """

    kind: Literal[
        "broker_down", "bridge_down", "coverage_lost", "jam", "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead",
        "motion_stuck", "home_network_lost",
    ]  # fmt: skip
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="until")
    wearer: Id | None = None
    around: Around | None = None
    circle: Circle | None = None
    fall_db: Annotated[float | None, Field(ge=1, le=60)] = None
    ramp_s: Annotated[int | None, Field(ge=0, le=3600)] = None
    jump_m: Annotated[float | None, Field(ge=0, le=1_000_000)] = None
    drift_mps: Annotated[float | None, Field(ge=0, le=300)] = None
    bearing_deg: Annotated[float | None, Field(ge=0, lt=360)] = None
    how: str | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "Fault":
        own = _OF_A_KIND[self.kind]
        for key in ("wearer", "around", "circle", "fall_db", "ramp_s", "jump_m", "drift_mps", "bearing_deg", "how"):
            if key not in own and getattr(self, key) is not None:
                takers = ", ".join(f'"{kind}"' for kind, keys in _OF_A_KIND.items() if key in keys)
                raise ValueError(f'"{key}" only with {takers}')
        if self.kind in _HOW and self.how not in _HOW[self.kind]:
            raise ValueError(f'"how" of {self.kind}: one of {", ".join(_HOW[self.kind])}')
        if self.around is not None and self.circle is not None:
            raise ValueError('either "circle" or "around"')
        if self.kind == "spoof" and not self.jump_m and not self.drift_mps:
            raise ValueError('"jump_m", "drift_mps" or both with "spoof"')
        return self


class Order(Strict):
    """Something that a device, a tag or a home unit, is asked for. `lease_withdrawn` ends the wear period now; with
    `zone_added` its wearer has one condition more from now on."""

    at: Moment
    device: TagName | HomeUnitName
    kind: Literal["locate", "vibrate", "range_test", "lease", "lease_withdrawn", "config", "rotate_key", "zone_added"]
    zone: Zone | None = None
    pattern: Literal["short", "long", "thrice"] | None = None
    room: Annotated[str | None, Field(min_length=1)] = None
    seconds: Annotated[int | None, Field(ge=1, le=600)] = None
    reason: str = ""

    @model_validator(mode="after")
    def _goes_together(self) -> "Order":
        if self.pattern is not None and self.kind != "vibrate":
            raise ValueError('"pattern" only with "vibrate"')
        if (self.room is not None or self.seconds is not None) and self.kind != "range_test":
            raise ValueError('"room" and "seconds" only with "range_test"')
        if self.kind == "range_test" and self.room is None:
            raise ValueError('"room" with "range_test"')
        if (self.zone is None) == (self.kind == "zone_added"):
            raise ValueError('"zone" with "zone_added", and only there')
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
    orders: list[Order] = Field(default_factory=list)
    expect: list[Expectation] = Field(default_factory=list)


def json_schema() -> dict[str, Any]:
    """The published schema of a scenario file."""
    schema = ScenarioFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeward scenario"}
