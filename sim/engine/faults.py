"""A scenario's faults of what stands between devices and people: the broker or the bridge really ends, and is started again.

Coverage that is lost is the world's affair (`World.has_coverage`). While a service is down by the scenario's will, virtual time
does not wait for it. What a bridge finds when it comes back it answers as fast as the host lets it: every record arrives, but
such a run is not repeated to the byte, since a tag that repeats itself is late for what it does next.
"""

from dataclasses import dataclass

from sim.engine.net import Network
from sim.engine.services import Services
from sim.scenario import Fault


@dataclass(frozen=True, order=True)
class _Change:
    at_ms: int
    what: str
    up: bool


class Faults:
    """`next_ms` is when something is due; `apply` does it."""

    def __init__(self, faults: list[Fault]) -> None:
        changes = []
        for fault in faults:
            if fault.kind in ("broker_down", "bridge_down"):
                what = fault.kind.partition("_")[0]
                changes += [_Change(fault.from_ms, what, False), _Change(fault.until_ms, what, True)]
        self._changes = sorted(changes)

    @property
    def next_ms(self) -> int | None:
        return self._changes[0].at_ms if self._changes else None

    def apply(self, t_ms: int, services: Services, network: Network) -> list[str]:
        """Everything that is due at t_ms; in words, what was done."""
        done = []
        while self._changes and self._changes[0].at_ms <= t_ms:
            change = self._changes.pop(0)
            if change.up:
                services.bring_up(change.what)
            else:
                services.take_down(change.what)
            network.broker_is("broker" not in services.down)
            network.receipts_come(not services.down)
            done.append(f"{change.what} {'up again' if change.up else 'down'}")
        return done
