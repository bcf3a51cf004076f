"""A scenario's faults of what stands between devices and people: programs that end or are slow, networks that are slow or parted.

Coverage that is lost is the world's affair (`World.has_coverage`). Each fault begins and ends at a virtual time, when every
device has lived up to there and has its answers: what was on the way has arrived. From then on the devices feel it by the virtual
clock alone (`net`), whatever the real programs take to die, to start again or to catch up, so that such a run is repeated to the
byte. Except for one thing: a broker that dies while the bridge is down, parted from it, or slow. What the two had of each other's
then comes a second time, as it would in the field, and when is the host's affair; nothing is lost or doubled by it.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.control.acts import KILLED, OVER, Act
from sim.engine.connection import Slow
from sim.engine.net import Network
from sim.engine.services import Services
from sim.scenario import Fault
from sim.scenario.faults import act_of
from sim.world.overlay import FOR_EVER_MS

_ACKNOWLEDGED_S = 0.3  # what a program has answered it has also acknowledged, a little later on the wall clock (our judgement)


class Clock(Protocol):
    """The kernel."""

    def run_to(self, limit_ms: int) -> None: ...
    def idle(self, timeout_s: float) -> None: ...


@dataclass(frozen=True)
class _Change:
    at_ms: int
    fault: Fault
    begins: bool


class Faults:
    """`next_ms` is when something is due; `apply` does it. `devices_of(wearer)`: names, of everybody with None."""

    def __init__(self, faults: Sequence[Fault], devices_of: Callable[[str | None], list[str]]) -> None:
        changes = []
        for fault in faults:
            if fault.kind != "coverage_lost":
                changes += [_Change(fault.from_ms, fault, True), _Change(fault.until_ms, fault, False)]
        # At one moment what ends comes first: so what ends and begins again has been gone for that moment.
        self._changes = sorted(changes, key=lambda c: (c.at_ms, c.begins, c.fault.kind, c.fault.wearer_id or ""))
        self._devices_of = devices_of
        self.going_on: list[Fault] = []

    def devices(self, fault: Fault) -> list[str]:
        """Whom it befalls."""
        return self._devices_of(fault.wearer_id) if fault.device is None else [fault.device]

    @property
    def next_ms(self) -> int | None:
        return self._changes[0].at_ms if self._changes else None

    @property
    def part_the_bridge(self) -> bool:
        """Whether broker and bridge are parted some time: there is something between them then."""
        return any(change.fault.between == "bridge" for change in self._changes)

    def apply(self, t_ms: int, services: Services, network: Network, clock: Clock) -> list[str]:
        """Everything that is due at t_ms; in words, what was done."""
        done = []
        while self._changes and self._changes[0].at_ms <= t_ms:
            change = self._changes.pop(0)
            done.append(_Doing(self, t_ms, services, network, clock).change(change.fault, change.begins))
        return done

    def act(self, act: Act, services: Services, network: Network, clock: Clock) -> list[str]:
        """What somebody does by hand, at the millisecond before it takes effect."""
        doing = _Doing(self, act.at_ms - 1, services, network, clock)
        if act.what in KILLED:
            fault = act_of(act.what.replace("killed", "down"), None, {}, act.at_ms, FOR_EVER_MS)
            doing.change(fault, True)
            doing.change(fault, False)
            return [act.what.replace("_", " ")]
        if not act.what.endswith(OVER):
            return [doing.change(act_of(act.what, act.wearer, act.values, act.at_ms, FOR_EVER_MS), True)]
        kind = act.what.removesuffix(OVER)
        ended = [fault for fault in self.going_on if (fault.kind, fault.wearer_id) == (kind, act.wearer)]
        # A fault of the scenario that somebody has ended by hand does not end once more.
        self._changes = [change for change in self._changes if change.begins or change.fault not in ended]
        return [doing.change(fault, False) for fault in ended]

    def lift(self, t_ms: int, services: Services, network: Network, clock: Clock) -> None:
        """The scenario is over: nothing fails any more, so that what was recorded can arrive."""
        for fault in list(self.going_on):
            _Doing(self, t_ms, services, network, clock).change(fault, False)
        self._changes = []


_WORDS = {"down": ("down", "up again"), "slow": ("slow", "as fast as ever"), "partition": ("parted", "whole again")}


@dataclass(frozen=True)
class _Doing:
    faults: Faults
    t_ms: int
    services: Services
    network: Network
    clock: Clock

    def change(self, fault: Fault, begins: bool) -> str:
        self._settle()
        going_on = self.faults.going_on
        if begins:
            going_on.append(fault)
        elif fault in going_on:
            going_on.remove(fault)
        what, _, how = fault.kind.partition("_")
        if what == "network":
            self._network_is(fault)
        elif how == "down":
            self._program_is(what)
        else:
            self._slow(what)
        return f"{what} {_WORDS[how][not begins]}"

    def _settle(self) -> None:
        """Let everything that is on the way arrive: what was answered before, was."""
        while self.network.is_waiting():
            self.clock.idle(0.01)
            self.clock.run_to(self.t_ms)
        until = time.monotonic() + _ACKNOWLEDGED_S
        while (left_s := until - time.monotonic()) > 0:
            self.clock.idle(left_s)

    def _is_so(self, kind: str, between: str = "devices") -> bool:
        return any(fault.kind == kind and fault.between == between for fault in self.faults.going_on)

    def _program_is(self, what: str) -> None:
        down = self._is_so(f"{what}_down")
        if down == (what in self.services.down):
            return
        if down:
            self.services.take_down(what)
        else:
            self.services.bring_up(what)
        self.network.broker_is("broker" not in self.services.down, self.t_ms)
        self._receipts()

    def _receipts(self) -> None:
        parted = self._is_so("network_partition", "bridge")
        self.network.receipts_come(not self.services.down and not parted, self.t_ms)

    def _slow(self, what: str) -> None:
        delays = [fault.delay_ms for fault in self.faults.going_on if fault.kind == f"{what}_slow"]
        self.services.slow(what, bool(delays))
        self.network.ways.late(what, max(delays, default=0))

    def _network_is(self, fault: Fault) -> None:
        if fault.between == "bridge":
            self.services.part(self._is_so("network_partition", "bridge"))
            self._receipts()
            return
        same = [each for each in self.faults.going_on if each.kind == fault.kind and each.between == fault.between]
        still = Counter(name for each in same for name in self.faults.devices(each))
        names = self.faults.devices(fault)
        if fault.kind == "network_partition":
            self.network.part(name for name in names if name in still)
            self.network.mend([name for name in names if name not in still], self.t_ms)
            return
        self.network.ways.slow(names, None)
        for each in same:
            self.network.ways.slow(self.faults.devices(each), Slow(each.kbit_s, each.latency_ms))
