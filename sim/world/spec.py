"""What a world is made of: plain values, checked elsewhere (`sim.scenario`), in virtual milliseconds since the scenario's start.

Clock times are seconds since local midnight (of the scenario's time zone); days count from 1, the day of the start.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .mapped import TownMap

Travel = Literal["walk", "cycle", "bus", "car"]
Traffic = Literal["none", "light", "busy"]
Position = tuple[float, float]  # lat, lon in degrees
PhysicalKind = Literal[
    "strap_cut", "strap_closed", "tag_dropped", "tag_picked_up", "charger_on", "charger_off", "mains_off", "mains_on",
    "case_opened", "case_closed", "tag_crash", "tag_hung", "tag_off", "tag_on", "unit_opened", "unit_closed", "unit_moved",
    "unit_off", "unit_on", "unit_crash", "unit_hung",
]  # fmt: skip
BACK = "back"
TroubleKind = Literal[
    "jam", "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead", "motion_stuck", "home_network_lost"
]


@dataclass(frozen=True, slots=True)
class Stop:
    """A place passed on the way, with a pause there."""

    place: str | Position
    pause_s: int = 0


@dataclass(frozen=True, slots=True)
class Trip:
    """Leave for `to` at `leave_s`, or so as to be there (or at the first stop of `via`) at `arrive_s`; then stay there.

    `to` is a place, or BACK: where the trip began. `days` are ISO weekdays (1 Monday … 7 Sunday), None every day. `vary_s`
    spreads the time evenly by ± that much, by the seed. `track`, a line of (ms since its first point, lat, lon), is followed
    at its own times; the way to its first point and from its last is by `by`. Who cannot leave by `latest_s` does not go.
    """

    name: str
    to: str
    by: Travel = "walk"
    leave_s: int | None = None
    arrive_s: int | None = None
    via: tuple[Stop, ...] = ()
    days: frozenset[int] | None = None
    vary_s: int = 0
    track: tuple[tuple[int, float, float], ...] = ()
    latest_s: int | None = None


@dataclass(frozen=True, slots=True)
class Deviation:
    """On one day: skip the named trip, or make `trip` instead of it; with `name` None, `trip` is one more."""

    day: int
    name: str | None
    trip: Trip | None


@dataclass(frozen=True, slots=True)
class Wander:
    """Going out and back at random: on average `per_day` times, leaving within `between_s` of the clock, to one of `to`, and
    staying there for some of `stay_s`; as the seed draws."""

    to: tuple[str, ...]
    per_day: float
    stay_s: tuple[int, int]
    between_s: tuple[int, int]
    by: Travel = "walk"


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Chances, 0 to 1: that a trip of the routine that leads home begins late, by some of `late_by_s`; that a day's charging
    is forgotten."""

    late_home: float = 0.0
    late_by_s: tuple[int, int] = (600, 3600)
    forgets_charging: float = 0.0


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
    wanders: tuple[Wander, ...] = ()
    mistakes: Mistakes = Mistakes()


@dataclass(frozen=True, slots=True)
class CoverageHole:
    """No mobile network within `radius_m`, from `from_ms` (inclusive) until `until_ms` (exclusive; None for ever).

    `quality` "none", or a network that is worse than none: "slow" (`kbit_s`, and `latency_ms` more each way), "half_open" (a
    connection stands, and nothing that is sent arrives).
    """

    lat: float
    lon: float
    radius_m: float
    from_ms: int = 0
    until_ms: int | None = None
    quality: Literal["none", "slow", "half_open"] = "none"
    kbit_s: float = 0.0
    latency_ms: int = 0


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
class Radio:
    """`bystanders_per_min`: advertisements of other people's devices in a busy place that a listening device hears, on average;
    `lookalikes` of them, 0 to 1, look like a household's of this kind, sealed with another key. `turning_db`: how much more or
    less than on average the wearer's body takes, as it turns."""

    bystanders_per_min: float = 0.0
    lookalikes: float = 0.0
    turning_db: float = 0.0


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
    radio: Radio = Radio()
    town_map: "TownMap | None" = None  # a real town's, instead of a generated one
    traffic: Traffic = "none"

    def world_spec(self) -> "WorldSpec":
        return self
