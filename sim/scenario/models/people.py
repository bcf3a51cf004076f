"""Who: wearers, their homes and conditions, what they do, and what is done to their devices."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from bridge.cases.conditions import Curfew, Strict, Weekday
from bridge.cases.scheme import HomeUnitName, TagName
from sim.scenario.models.base import Clock, Id, Moment, PlaceName
from sim.scenario.models.places import MapFile, Zone
from sim.scenario.moments import parse_clock


def _home(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


def _stop(value: object) -> object:
    return {"place": value} if isinstance(value, str) else value


UNDONE_BY = {
    "strap_cut": "strap_closed", "case_opened": "case_closed", "tag_off": "tag_on",
    "mains_off": "mains_on", "unit_opened": "unit_closed", "unit_off": "unit_on",
}  # fmt: skip


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


By = Literal["walk", "cycle", "bus", "car"]
StopEntry = Annotated[Stop, BeforeValidator(_stop, json_schema_input_type=str | Stop)]


class Trip(Strict):
    """Leave for a place at a clock time (`leave`), or so as to arrive at one (`arrive`: at the first stop with a pause, or else
    at the end), and stay there until the next trip. It happens each day, or on `days`, give or take `vary_min`. On the way, the
    track of the file `gpx` (its path from the scenario's folder) is followed at its own pace."""

    name: Annotated[str, Field(min_length=1)] | None = None
    leave: Clock | None = None
    arrive: Clock | None = None
    to: PlaceName
    by: By = "walk"
    via: list[StopEntry] = Field(default_factory=list)
    days: Annotated[list[Weekday], Field(min_length=1)] | None = None
    vary_min: Annotated[float, Field(ge=0, le=120)] = 0
    gpx: MapFile | None = None

    @model_validator(mode="after")
    def _one_time(self) -> "Trip":
        if self.gpx is not None and (self.via or self.arrive is not None):
            raise ValueError('"gpx" with "leave", and without "via"')
        if (self.leave is None) == (self.arrive is None):
            raise ValueError('either "leave" or "arrive"')
        return self


class Appointment(Strict):
    """To be at a place at a clock time for some minutes, on some weekdays or on one `day`, and then go to `then`: back to where
    one came from, if nothing is said. What the routine has meanwhile is done afterwards."""

    at: Clock
    place: PlaceName
    minutes: Annotated[float, Field(ge=1, le=24 * 60)] = 30
    days: Annotated[list[Weekday], Field(min_length=1)] | None = None
    day: Annotated[int | None, Field(ge=1, le=1000)] = None
    by: By = "walk"
    then: PlaceName = "back"

    @model_validator(mode="after")
    def _one_rhythm(self) -> "Appointment":
        if (self.days is None) == (self.day is None):
            raise ValueError('either "days" or "day"')
        return self


Minutes = Annotated[list[Annotated[float, Field(ge=0, le=24 * 60)]], Field(min_length=2, max_length=2)]
Clocks = Annotated[list[Clock], Field(min_length=2, max_length=2)]


def _rising(minutes: list[float] | None, between: list[str] | None) -> None:
    if minutes is not None and minutes[0] > minutes[1]:
        raise ValueError("of minutes the lesser first")
    if between is not None and parse_clock(between[0]) >= parse_clock(between[1]):
        raise ValueError('"between": two clock times of a day, the earlier one first')


class Wander(Strict):
    """Shops and visits, at random: out `per_day` times on average, leaving `between` two times, to one of the places, there
    for some of `stay_min`, and back."""

    to: Annotated[list[PlaceName], Field(min_length=1)]
    per_day: Annotated[float, Field(gt=0, le=24)] = 1
    stay_min: Minutes = Field(default_factory=lambda: [10, 40])
    between: Clocks = Field(default_factory=lambda: ["08:00", "20:00"])
    by: By = "walk"

    @model_validator(mode="after")
    def _in_order(self) -> "Wander":
        _rising(self.stay_min, self.between)
        return self


class Mistakes(Strict):
    """What happens to anybody now and then, as chances from 0 to 1: that a trip home of the routine begins late (by some of
    `late_by_min`), and that the day's charging is forgotten."""

    late_home: Annotated[float, Field(ge=0, le=1)] = 0
    late_by_min: Minutes = Field(default_factory=lambda: [10, 60])
    forgets_charging: Annotated[float, Field(ge=0, le=1)] = 0

    @model_validator(mode="after")
    def _in_order(self) -> "Mistakes":
        _rising(self.late_by_min, None)
        return self


class Rate(Strict):
    """Something done at random, `per_year` times on average, at moments that the seed draws (of the day only those `between` two
    clock times, if said). For some of `minutes`, then it is undone: the strap is closed, the mains come back … `into_zone` is
    a walk to the middle of a zone of the person's conditions, a stay of `minutes`, and back."""

    what: Literal[
        "strap_cut", "case_opened", "tag_crash", "tag_hung", "tag_off", "mains_off", "unit_opened", "unit_moved",
        "unit_off", "unit_crash", "unit_hung", "into_zone",
    ]  # fmt: skip
    per_year: Annotated[float, Field(gt=0, le=10_000)]
    minutes: Minutes | None = None
    between: Clocks | None = None
    zone: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "Rate":
        if (self.what == "into_zone") != (self.zone is not None):
            raise ValueError('"zone" with "into_zone", and only there')
        if self.minutes is not None and self.what not in UNDONE_BY and self.what != "into_zone":
            raise ValueError(f'no "minutes" with {self.what}: nothing undoes it')
        _rising(self.minutes, self.between)
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
    by: By | None = None
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
    appointments: list[Appointment] = Field(default_factory=list)
    wander: list[Wander] = Field(default_factory=list)
    mistakes: Mistakes = Mistakes()
    rates: list[Rate] = Field(default_factory=list)
    charging: Charging | None = None
    battery: Percent = 97
    home_unit_battery: Percent = 100
    worn_from: Moment | None = None
    worn_until: Moment | None = None
