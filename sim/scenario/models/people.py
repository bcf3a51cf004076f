"""Who: wearers, their homes and conditions, what they do, and what is done to their devices."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from bridge.cases.conditions import Curfew, Strict, Weekday
from bridge.cases.scheme import HomeUnitName, TagName
from sim.scenario.models.base import Clock, Id, Moment, PlaceName
from sim.scenario.models.places import Zone


def _home(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


def _stop(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


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
