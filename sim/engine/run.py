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
from sim.engine.air import Air
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
from sim.engine.process import Zygote
from sim.engine.recording import Recordings
from sim.engine.services import Services, embedded_broker
from sim.engine.summary import Summary, is_judged, judged, records_made, stored, stored_figures
from sim.engine.surroundings import Surroundings
from sim.scenario import Scenario
from sim.world import World

SETTLE_STEP_MS = 15_000
SETTLE_MAX_MS = 60 * 60_000
RULES_S = 60.0
_STEP_MS = 10_000  # as fast as possible, how often it is asked whether the run is over


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
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.options = options
        self.world = scenario.world()
        self._make_tag = make_tag
        self._ended_ms = 0
        self._faults = Faults(scenario.faults)
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
        folder.write_bridge_settings(broker.port, "records")
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
        for members in households.values():
            air = Air(world.seed, surroundings.apart_until_ms, surroundings.rssi_dbm)
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
            self.memory.sample(self.pids())
            tick(self)

        until_ms, speed = self.options.until_ms, self.options.speed
        stepped = bool(speed) or is_over is not None
        self.began_at = time.monotonic()
        while True:
            due_ms = until_ms
            if stepped:
                wall_ms = int((time.monotonic() - self.began_at) * 1000 * speed)
                due_ms = min(until_ms, wall_ms if speed else self._ended_ms + _STEP_MS)
            planned_ms = min((t for t in (self._faults.next_ms, self.orders.next_ms) if t is not None), default=None)
            if planned_ms is not None and planned_ms <= due_ms:
                due_ms = planned_ms
            self.kernel.run_to(due_ms, on_tick)
            self._ended_ms = due_ms
            self.faults_done += self._faults.apply(due_ms, self.services, self.network)
            self.orders.apply(due_ms, self.folder.store, self.network, self.kernel)
            on_tick()
            if due_ms >= until_ms or (is_over is not None and is_over()):
                return
            if speed and due_ms != planned_ms:
                self.kernel.idle(0.1)

    @property
    def now_ms(self) -> int:
        return self.kernel.time_ms

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
        self.memory.sample(self.pids(), now=True)
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
        zygote = [self.zygote.pid] if self.zygote is not None else []
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
