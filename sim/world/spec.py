"""What a world is made of: plain values, checked elsewhere (`sim.scenario`), in virtual milliseconds since the scenario's start.

Clock times are seconds since local midnight (of the scenario's time zone); days count from 1, the day of the start.
"""

from dataclasses import dataclass, field
from typing import Literal

Travel = Literal["walk", "bus", "car"]
PhysicalKind = Literal[
    "strap_cut", "strap_closed", "tag_dropped", "tag_picked_up", "charger_on", "charger_off", "mains_off", "mains_on",
    "case_opened", "case_closed", "tag_crash", "tag_hung", "tag_off", "tag_on", "unit_opened", "unit_closed", "unit_moved",
    "unit_off", "unit_on", "unit_crash", "unit_hung",
]  # fmt: skip
TroubleKind = Literal[
    "jam", "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead", "motion_stuck", "home_network_lost"
]


@dataclass(frozen=True, slots=True)
class Stop:
    """A place passed on the way, with a pause there."""

    place: str
    pause_s: int = 0


@dataclass(frozen=True, slots=True)
class Trip:
    """Leave for `to` at `leave_s`, or so as to be there (or at the first stop of `via`) at `arrive_s`; then stay there.

    `days` are ISO weekdays (1 Monday … 7 Sunday), None every day. `vary_s` spreads the time evenly by ± that much, by the seed.
    """

    name: str
    to: str
    by: Travel = "walk"
    leave_s: int | None = None
    arrive_s: int | None = None
    via: tuple[Stop, ...] = ()
    days: frozenset[int] | None = None
    vary_s: int = 0


@dataclass(frozen=True, slots=True)
class Deviation:
    """On one day: skip the named trip, or make `trip` instead of it; with `name` None, `trip` is one more."""

    day: int
    name: str | None
    trip: Trip | None


@dataclass(frozen=True, slots=True)
class PhysicalEvent:
    """Something done to a device by hand. `device` is a tag's or a home unit's name."""

    at_ms: int
    device: str
    kind: PhysicalKind


@dataclass(frozen=True, slots=True)
class Charging:
    """Each day from `at_s` for `minutes`, if the tag is at home then."""

    at_s: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    tag: str
    home_unit: str | None
    home: str | tuple[float, float]  # a place name, or lat and lon in degrees
    trips: tuple[Trip, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    events: tuple[PhysicalEvent, ...] = ()
    charging: Charging | None = None
    battery: float = 0.97  # of the tag's cell, at the start
    unit_battery: float = 1.0


@dataclass(frozen=True, slots=True)
class CoverageHole:
    """No mobile network within `radius_m`, from `from_ms` (inclusive) until `until_ms` (exclusive; None for ever)."""

    lat: float
    lon: float
    radius_m: float
    from_ms: int = 0
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CoverageLoss:
    """A wearer's tag (None: every tag) has no mobile network from `from_ms` until `until_ms` (exclusive), wherever it is."""

    wearer_id: str | None
    from_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something done to a wearer's tag or home (None: to everyone's) from `from_ms` until `until_ms` (exclusive).

    `how`: receiver_dead "silent" or "garbage"; receiver_says a sentinel; motion_stuck "moving" or "still". A jam falls to
    `fall_db` within `ramp_ms`; with a radius only around a place. A spoof shows a place `jump_m` away at `bearing_deg`, and
    away from there at `drift_mps`.
    """

    kind: TroubleKind
    wearer_id: str | None
    from_ms: int
    until_ms: int
    how: str = ""
    lat: float = 0.0
    lon: float = 0.0
    radius_m: float = 0.0
    fall_db: float = 0.0
    ramp_ms: int = 0
    jump_m: float = 0.0
    drift_mps: float = 0.0
    bearing_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class WorldSpec:
    seed: int
    start_utc_ms: int
    timezone: str
    town_seed: int = 1
    centre: tuple[float, float] = (50.7154, -2.4367)
    size_m: float = 2400.0
    people: tuple[Person, ...] = ()
    coverage_holes: tuple[CoverageHole, ...] = field(default=())
    coverage_losses: tuple[CoverageLoss, ...] = field(default=())
    troubles: tuple[Trouble, ...] = field(default=())

    def world_spec(self) -> "WorldSpec":
        return self
