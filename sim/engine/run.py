"""A scenario, run: the simulator's composition root. Builds world, services and devices, lets time pass, and sums up.

At the end each device's flash says how many records it made; time goes on for a little while, in which new records do not
count, until the store holds all of those. The digest is over exactly those records, so it does not depend on when each run
happened to be sent.
"""

import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bridge.store.opening import open_store
from firmware.core.ident import parse_device_name
from sim.control.acts import Act
from sim.control.doing import do, gives_the_network, is_about_homes, is_worldly, takes_the_network
from sim.control.hand import Hand
from sim.engine.air import Air, nobody
from sim.engine.arrivals import NAME as ARRIVALS
from sim.engine.arrivals import Arrivals
from sim.engine.bench import equip
from sim.engine.circuit.cell import Cell
from sim.engine.circuit.tag import TagCircuit
from sim.engine.circuit.unit import UnitCircuit
from sim.engine.device import Device
from sim.engine.faults import Faults
from sim.engine.figures import DeviceFigures
from sim.engine.folder import RunFolder
from sim.engine.household import Circuit, Household
from sim.engine.image import build, build_hash
from sim.engine.kernel import Kernel
from sim.engine.memory import Memory
from sim.engine.net import Network
from sim.engine.orders import Orders
from sim.engine.pace import Pace
from sim.engine.process import Zygote
from sim.engine.recording import Recordings
from sim.engine.services import Services, embedded_broker
from sim.engine.summary import Summary, is_judged, judged, records_made, stored, stored_figures
from sim.engine.surroundings import Surroundings
from sim.scenario import Fault, Scenario
from sim.scenario.faults import over_the_town
from sim.world import World
from sim.world.overlay import Overlay

SETTLE_STEP_MS = 15_000
SETTLE_MAX_MS = 60 * 60_000
RULES_S = 60.0


@dataclass(frozen=True)
class Options:
    """`speed` 0 is as fast as possible. `console_port` None runs without a console, `shows_town` False without the town's map."""

    until_ms: int
    speed: float = 0.0
    console_port: int | None = None
    broker_port: int = 0
    shows_town: bool = True
    record: frozenset[str] = frozenset()  # names of devices, or "all": what reaches them is kept in `recordings/`
    tls: bool = False  # between broker, devices and bridge; in clear a run is faster, and its findings are the same


class Run:
    """One run in one folder. A context manager: everything it started has ended when it is left."""

    def __init__(
        self,
        scenario: Scenario,
        folder: RunFolder,
        options: Options,
        policy: dict[str, int] | None = None,
        make_tag: Callable[[Device, World], TagCircuit] = TagCircuit,
        make_broker: Callable[[Path, int, list], Any] = embedded_broker,
        hand: Hand | None = None,
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.options = options
        self.world = scenario.world()
        self._make_tag = make_tag
        self._ended_ms = 0
        self._faults = Faults([*scenario.faults, *over_the_town(self.world, options.until_ms)], self._devices_of)
        self.hand = hand
        self._overlay = Overlay(self.world)
        self.pace = Pace(options.speed)
        self.faults_done: list[str] = []
        self.orders = Orders(scenario.orders, scenario.start_utc_ms)
        self.began_at = 0.0  # time.monotonic() of virtual time 0, when it passes at the wall clock's pace
        self._policy = policy or {
            "fix_interval_s": scenario.policy.fix_interval_s,
            "report_interval_s": scenario.policy.report_interval_s,
        }
        self._make_broker = make_broker
        self.started_at = time.monotonic()

    def __enter__(self) -> "Run":
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    zygote: Zygote | None = None
    services: Services | None = None
    engine: Engine | None = None
    network: Network | None = None
    arrivals: Arrivals | None = None

    def _start(self) -> None:
        folder, world = self.folder, self.world
        tags = [wearer.tag for wearer in world.wearers.values()]
        units = list(world.home_units)
        image = build(folder.path / "image")
        folder.write_scheme({**self.scenario.to_scheme(), "policy": self._policy})
        if self.options.shows_town:
            folder.write_town(world.town.geojson())
        broker = self._make_broker(folder.path, self.options.broker_port, folder.users(tags + units))
        if self.options.tls:
            broker.tls = folder.use_tls()
        self.services = Services(folder.path, broker, self.options.console_port)
        broker.start()
        can_part = self._faults.part_the_bridge or self.hand is not None
        folder.write_bridge_settings(self.services.broker_port_of_the_bridge(can_part), "records")
        self.services.start()
        self.engine = open_store(folder.store, read_only=True)
        self.memory = Memory()

        surroundings = Surroundings(world)
        selector = selectors.DefaultSelector()
        self.network = Network(selector, ("127.0.0.1", broker.port), world.start_utc_ms, surroundings.latency_ms)
        self.arrivals = Arrivals(folder.path / ARRIVALS)
        self.network.on_sent = self.arrivals.note
        self.zygote = Zygote(image)
        identity = (self.scenario.name, self.scenario.seed, build_hash(), self.options.tls)
        self._recordings = Recordings(folder.path / "recordings", self.options.record, *identity)
        self.kernel = Kernel(selector, self.zygote, self.network)
        households: dict[str, list[tuple[Device, Circuit]]] = {}
        given = equip(folder.store, tags + units, self.scenario.fitted_utc_ms)
        for wearer in world.wearers.values():
            unit = wearer.home_unit
            slot = world.household(unit).index(wearer) if unit else 0
            partners = [unit] if unit else []
            path = folder.provision(wearer.tag, unit, partners, slot, broker.port, self._policy, given[wearer.tag])
            device = self._boot(wearer.tag, path, "firmware.tag")
            members = households.setdefault(unit or wearer.tag, [])
            members.append((device, self._make_tag(device, world)))
            if unit and not slot:
                partners = [member.tag for member in world.household(unit)]
                path = folder.provision(unit, unit, partners, 0, broker.port, self._policy, given[unit])
                device = self._boot(unit, path, "firmware.hmu")
                members.append((device, UnitCircuit(device, world)))
        bystanders = world.bystanders if world.spec.radio.bystanders_per_min else nobody
        for members in households.values():
            air = Air(world.seed, surroundings.apart_until_ms, surroundings.rssi_dbm, bystanders)
            air.join([device for device, _ in members], lambda device: device.name in world.home_units)
            circuits = {device.name: circuit for device, circuit in members}
            self.kernel.add(Household([device for device, _ in members], circuits, air, self.network))

    def _boot(self, name: str, path: Path, application: str) -> Device:
        assert self.zygote is not None
        recorder = self._recordings.of(name, application)
        return Device(name, parse_device_name(name), path, application, self.zygote, recorder)

    # Time

    def live(self, tick: Callable[["Run"], None] = lambda run: None, is_over: Callable[[], bool] | None = None) -> None:
        """Let time pass until `options.until_ms`, or until `is_over()`, asked between steps, says that it is time to end.

        `tick` is called ten times a second.
        """
        assert self.services is not None and self.network is not None
        services = self.services

        def on_tick() -> None:
            services.watch()
            self.memory.sample(self.pids)
            tick(self)

        until_ms, hand = self.options.until_ms, self.hand
        stepped = bool(self.options.speed) or is_over is not None or hand is not None
        self.began_at = time.monotonic()
        self.pace.set(self.options.speed, 0)
        while True:
            if hand is not None:
                hand.take(self._ended_ms)
            due_ms = min(until_ms, self.pace.due_ms(self._ended_ms)) if stepped else until_ms
            planned = (self._faults.next_ms, self.orders.next_ms, None if hand is None else hand.next_ms)
            planned_ms = min((t for t in planned if t is not None), default=None)
            if planned_ms is not None and planned_ms <= due_ms:
                due_ms = planned_ms
            self.kernel.run_to(due_ms, on_tick)
            self._ended_ms = due_ms
            self.faults_done += self._faults.apply(due_ms, self.services, self.network, self.kernel)
            self.orders.apply(due_ms, self.folder.store, self.network, self.kernel)
            for act in hand.due(due_ms) if hand is not None else ():
                self._do(act)
            if due_ms == planned_ms and not self.pace.paused:
                self.pace.anchor(due_ms)  # programs take their time to end and to start
            on_tick()
            if due_ms >= until_ms or (is_over is not None and is_over()):
                return
            if self.pace.is_paced and due_ms != planned_ms:
                self.kernel.idle(0.1)

    def _do(self, act: Act) -> None:
        """What somebody does by hand: every device has lived up to the millisecond before it takes effect."""
        assert self.services is not None and self.network is not None
        if not is_worldly(act):
            self.faults_done += self._faults.act(act, self.services, self.network, self.kernel)
            return
        do(act, self.world, self._overlay)
        names = set(self._devices_of(act.wearer))
        for household in self.kernel.households:
            if any(device.name in names for device in household.devices):
                for circuit in household.circuits.values():
                    circuit.changed(act.at_ms)
                household.forget()
        with_network = [name for name in names if (name in self.world.home_units) == is_about_homes(act)]
        if takes_the_network(act):
            self.network.cut(with_network)
        elif gives_the_network(act):
            self.network.join(with_network, act.at_ms)

    def _devices_of(self, wearer_id: str | None) -> list[str]:
        """A wearer's devices by name; with None, all there are."""
        wearers = self.world.wearers.values() if wearer_id is None else [self.world.wearers[wearer_id]]
        tags = [wearer.tag for wearer in wearers]
        return tags + list(dict.fromkeys(wearer.home_unit for wearer in wearers if wearer.home_unit))

    @property
    def now_ms(self) -> int:
        return self.kernel.time_ms

    @property
    def lived_ms(self) -> int:
        """Up to where every device has lived, and where what is done next may take effect."""
        return self._ended_ms

    @property
    def faults_going_on(self) -> list[Fault]:
        """Of programs and networks, at this moment."""
        return self._faults.going_on

    def holds(self, wearer_id: str) -> bool:
        """Whether the wearer has been put somewhere by hand, and not let go."""
        return wearer_id in self._overlay.held

    def made(self) -> dict[int, int]:
        """How many records each device has made, by its flash."""
        return {device.device_id: records_made(device.folder) for device in self.kernel.devices}

    def finish(self, tick: Callable[["Run"], None] = lambda run: None) -> Summary:
        """Wait until everything made is stored and judged, and sum up."""
        assert self.engine is not None and self.network is not None and self.services is not None
        services, engine = self.services, self.engine

        def on_tick() -> None:
            services.watch()
            tick(self)

        self._faults.lift(self._ended_ms, services, self.network, self.kernel)
        made_by = self.made()
        living = [device.device_id for device in self.kernel.devices if not device.is_broken]
        awaited = {device_id: made_by[device_id] for device_id in living}  # the others send no more
        limit_ms = self._ended_ms
        while stored(engine, awaited) < sum(awaited.values()) and limit_ms < self._ended_ms + SETTLE_MAX_MS:
            limit_ms += SETTLE_STEP_MS
            self.kernel.run_to(limit_ms, on_tick)
        deadline = time.monotonic() + RULES_S
        while not is_judged(engine) and time.monotonic() < deadline:
            self.kernel.idle(0.05)
        self.memory.sample(self.pids, now=True)
        if self.arrivals is not None:
            self.arrivals.flush()
        return Summary(
            scenario=self.scenario.name,
            seed=self.scenario.seed,
            simulated_s=self._ended_ms / 1000,
            wall_s=round(time.monotonic() - self.started_at, 3),
            records_made=sum(made_by.values()),
            records_stored=stored(engine, made_by),
            **stored_figures(engine, made_by),
            bytes=self.network.bytes_up + self.network.bytes_down,
            peak_memory_mb=round(self.memory.peak_mb, 1),
            device_runs=self.kernel.runs,
            holds_expired=self.network.holds_expired,
            crashes=[crash for device in self.kernel.devices for crash in device.crashes],
            **judged(engine, self.scenario, self.folder.path, self._ended_ms, self._ended_ms + SETTLE_MAX_MS),
        )

    def device_figures(self) -> list[DeviceFigures]:
        """Of every device, up to where it has got to."""
        out = []
        for device in self.kernel.devices:
            cell: Cell = self.kernel.circuit(device.name).cell  # pyright: ignore[reportAttributeAccessIssue]: every board has one
            cell.settle(self.kernel.time_ms)
            traffic = (device.bytes_up, device.bytes_down)
            out.append(DeviceFigures(device.name, dict(cell.ms_on_cell), cell.ms_outside, *traffic, device.lives, device.crashes))
        return out

    def pids(self) -> list[int]:
        """All processes that this run is made of, this one included."""
        services = self.services.pids() if self.services is not None else []
        zygote = self.zygote.pids if self.zygote is not None else []
        return [os.getpid(), *zygote, *services, *(device.process.pid for device in self.kernel.devices)]

    def close(self) -> None:
        if self.network is not None:
            self.network.close()
        if self.arrivals is not None:
            self.arrivals.close()
        if self.zygote is not None:
            for device in self.kernel.devices if hasattr(self, "kernel") else ():
                device.process.close()
                if device.recorder is not None:
                    device.recorder.close()
            self.zygote.close()
        if self.engine is not None:
            self.engine.dispose()
        if self.services is not None:
            self.services.stop()
