"""What a scenario file may hold, as pydantic models. `sim.scenario` loads the file, checks one part against another, and turns it
into a world and a scheme; the published JSON schema (`sim/schema/scenario.schema.json`) is made from here.
"""

from typing import Annotated, Any

from pydantic import Field

from bridge.cases.conditions import Circle, Curfew, Strict
from bridge.cases.scheme import TimeZone
from firmware.core.settings import ranges
from sim.scenario.models.base import Duration, LocalTime
from sim.scenario.models.expect import EventKind, Expectation
from sim.scenario.models.faults import Fault
from sim.scenario.models.orders import Order
from sim.scenario.models.people import UNDONE_BY, Appointment, Deviation, Person, Rate, Stop, Trip, Wander
from sim.scenario.models.places import Around, Hole, Radio, Town, Zone

__all__ = [
    "UNDONE_BY",
    "Appointment",
    "Around",
    "Circle",
    "Curfew",
    "Deviation",
    "EventKind",
    "Expectation",
    "Fault",
    "Hole",
    "Order",
    "Person",
    "Policy",
    "Radio",
    "Rate",
    "ScenarioFile",
    "Stop",
    "Town",
    "Trip",
    "Wander",
    "Zone",
    "json_schema",
]


def _setting(name: str) -> Any:
    """Between what the firmware takes for this setting."""
    _, low, high = ranges()[name]
    return Field(ge=low, le=high)


class Policy(Strict):
    """How often a tag away from home takes a fix and reports."""

    fix_interval_s: Annotated[int, _setting("fix_interval_s")] = 60
    report_interval_s: Annotated[int, _setting("report_interval_s")] = 60


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
    radio: Radio = Radio()
    coverage_holes: list[Hole] = Field(default_factory=list)
    faults: list[Fault] = Field(default_factory=list)
    orders: list[Order] = Field(default_factory=list)
    expect: list[Expectation] = Field(default_factory=list)


def json_schema() -> dict[str, Any]:
    """The published schema of a scenario file."""
    schema = ScenarioFile.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Homeward scenario"}
