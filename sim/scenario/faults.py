"""What fails, in virtual time: a scenario's faults at their times, those at random rates drawn from its seed."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from sim.scenario import models
from sim.world import spec
from sim.world.hashing import stream, uniform
from sim.world.world import World

if TYPE_CHECKING:
    from sim.scenario import Scenario

FaultKind = Literal[
    "broker_down", "bridge_down", "coverage_lost", "broker_slow", "bridge_slow", "network_slow", "network_partition"
]
_SHORTEST_GAP_MS = 1000  # between two of one fault that comes at random


@dataclass(frozen=True, slots=True)
class Fault:
    """From `from_ms` until `until_ms`; `wearer_id` None means everybody.

    `delay_ms` is by how much what a slow program has to say is late; `kbit_s` (0: any) and `latency_ms` (one way, on top) are
    a slow network's; `between` whom there is no way; `device`: of this one alone.
    """

    kind: FaultKind
    from_ms: int
    until_ms: int
    wearer_id: str | None
    delay_ms: int = 0
    kbit_s: float = 0.0
    latency_ms: int = 0
    between: str = "devices"
    device: str | None = None


def times(s: "Scenario") -> Iterator[tuple[models.Fault, int, int]]:
    """(fault, from ms, until ms) of everything that fails; what comes `per_day` as often as the seed draws it."""
    for number, f in enumerate(s.file.faults):
        begin_ms = 0 if f.start is None else s.moment_ms(f.start)
        end_ms = s.until_ms if f.end is None else s.moment_ms(f.end)
        if f.per_day is None:
            yield f, begin_ms, end_ms
            continue
        key = stream(s.seed, "fault", number, f.kind)
        low, high = f.minutes or (1.0, 10.0)
        mean_gap_ms = 86_400_000 / f.per_day
        at_ms, n = begin_ms, 0
        while True:
            # Gaps of a Poisson process, from the end of one to the beginning of the next.
            at_ms += max(_SHORTEST_GAP_MS, round(-math.log(1.0 - uniform(key, 2 * n)) * mean_gap_ms))
            if at_ms >= end_ms:
                break
            over_ms = min(end_ms, at_ms + round(60_000 * uniform(key, 2 * n + 1, low, high)))
            yield f, at_ms, over_ms
            at_ms, n = over_ms, n + 1


def in_between(s: "Scenario") -> list[Fault]:
    """What fails between the devices and the people; what is done to the tags themselves is the world's."""
    return [fault_of(f, begin, end) for f, begin, end in times(s) if f.kind in get_args(FaultKind)]


def over_the_town(world: World, until_ms: int) -> list[Fault]:
    """What befalls a tag where the mobile network is bad."""
    out: list[Fault] = []
    for wearer, begin_ms, end_ms, how in world.bad_network(until_ms):
        if how.kbit_s or how.latency_ms:
            slow = ("network_slow", begin_ms, end_ms, wearer.id)
            out.append(Fault(*slow, kbit_s=how.kbit_s, latency_ms=how.latency_ms, device=wearer.tag))
        if how.swallows:
            out.append(Fault("network_partition", begin_ms, end_ms, wearer.id, device=wearer.tag))
    return out


def troubles(s: "Scenario") -> list[spec.Trouble]:
    """What is done to the tags and homes themselves."""
    return [
        trouble_of(f, begin, end, s.circle(f.circle, f.around) if f.circle or f.around else (0.0, 0.0, 0.0))
        for f, begin, end in times(s)
        if f.kind not in get_args(FaultKind)
    ]


def fault_of(f: models.Fault, begin_ms: int, end_ms: int) -> Fault:
    return Fault(
        cast(FaultKind, f.kind),
        begin_ms,
        end_ms,
        f.wearer,
        round(1000 * (f.delay_s or 0)),
        f.kbit_s or 0.0,
        f.latency_ms or 0,
        f.between or "devices",
    )


def act_of(kind: str, wearer_id: str | None, values: Mapping[str, Any], begin_ms: int, end_ms: int) -> Fault:
    """A fault in between by its kind and values as a scenario has them, at times in virtual milliseconds."""
    model = models.Fault.model_validate({**values, "kind": kind, "wearer": wearer_id, "from": "00:00", "until": "23:59"})
    return fault_of(model, begin_ms, end_ms)


def trouble_of(f: models.Fault, begin_ms: int, end_ms: int, circle: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> spec.Trouble:
    """`circle`: latitude, longitude and radius in metres."""
    return spec.Trouble(
        cast(spec.TroubleKind, f.kind),
        f.wearer,
        begin_ms,
        end_ms,
        f.how or "",
        *circle,
        25.0 if f.fall_db is None else f.fall_db,
        (60 if f.ramp_s is None else f.ramp_s) * 1000,
        f.jump_m or 0.0,
        f.drift_mps or 0.0,
        f.bearing_deg or 0.0,
    )
