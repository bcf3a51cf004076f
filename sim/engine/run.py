"""A scenario, run: the simulator's composition root. Builds world, services and devices, lets time pass, and sums up.

At the end each device's flash says how many records it made; time goes on for a little while, in which new records do not
count, until the store holds all of those. The digest is over exactly those records, so it does not depend on when each run
happened to be sent.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine

from bridge.store.opening import open_store
from sim.control.acts import Act
from sim.control.doing import is_worldly
from sim.control.hand import Hand
from sim.engine.bench import equip
from sim.engine.circuit.tag import TagCircuit
from sim.engine.faults import Faults
from sim.engine.figures import DeviceFigures
from sim.engine.folder import RunFolder
from sim.engine.image import Image, build, build_hash
from sim.engine.kernel import Kernel
from sim.engine.memory import Memory
from sim.engine.net import Network
from sim.engine.orders import Orders
from sim.engine.pace import Pace
from sim.engine.part import MakeTag, Part, Site, devices_of, households_of
from sim.engine.process import Zygote
from sim.engine.services import Services, embedded_broker
from sim.engine.summary import Summary, is_judged, judged, records_made, stored, stored_figures
from sim.engine.worker import Kernels, Networks, Worker
from sim.scenario import Fault, Scenario
from sim.scenario.faults import over_the_town

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
    workers: int = 1  # processes that the households are divided among; the records do not depend on it
    tls: bool = False  # between broker, devices and bridge; in clear a run is faster, and its findings are the same


class Run:
    """One run in one folder. A context manager: everything it started has ended when it is left."""

    def __init__(
        self,
        scenario: Scenario,
        folder: RunFolder,
        options: Options,
        policy: dict[str, int] | None = None,
        make_tag: MakeTag = TagCircuit,
        make_broker: Callable[[Path, int, list], Any] = embedded_broker,
        hand: Hand | None = None,
    ) -> None:
        self.scenario = scenario
        self.folder = folder
        self.options = options
        self.world = scenario.world()
        self._make_tag = make_tag
        self._ended_ms = 0
        self._faults = Faults(
            [*scenario.faults, *over_the_town(self.world, options.until_ms)], lambda wearer_id: devices_of(self.world, wearer_id)
        )
        self.hand = hand
        self.workers: list[Worker] = []
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

    part: Part | None = None
    services: Services | None = None
    engine: Engine | None = None
    network: Network | None = None  # with workers, all parts' as one: `kernel` as well

    @property
    def zygote(self) -> Zygote | None:
        """Of the part that lives in this process."""
        return None if self.part is None else self.part.zygote

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

        given = equip(folder.store, tags + units, self.scenario.fitted_utc_ms)
        for wearer in world.wearers.values():
            unit = wearer.home_unit
            slot = world.household(unit).index(wearer) if unit else 0
            partners = [unit] if unit else []
            folder.provision(wearer.tag, unit, partners, slot, broker.port, self._policy, given[wearer.tag])
            if unit and not slot:
                partners = [member.tag for member in world.household(unit)]
                folder.provision(unit, unit, partners, 0, broker.port, self._policy, given[unit])
        self._divide(image, broker.port)

    def _divide(self, image: Image, broker_port: int) -> None:
        """The first part of the households lives in this process; for each other one there is a worker."""
        about = (self.scenario.name, self.scenario.seed, self.options.tls, self.options.record)
        site = Site(self.folder.path, broker_port, image, build_hash(), *about)
        names = list(households_of(self.world))
        self.spawned_at, self.spawned_cpu_s = time.monotonic(), time.process_time()
        count = min(self.options.workers, len(names)) if self._make_tag is TagCircuit else 1
        for number in range(1, count):
            self.workers.append(Worker(self.scenario, site, names[number::count], number))
        self.part = Part(self.world, site, names[::count], 0, self._make_tag)
        for worker in self.workers:
            worker.end()  # it has started its devices
        self.kernel = cast(Kernel, Kernels(self.part, self.workers)) if self.workers else self.part.kernel
        self.network = cast(Network, Networks(self.part, self.workers)) if self.workers else self.part.network

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
        assert self.part is not None
        self.part.do(act)
        for worker in self.workers:
            worker.ask("do", act)

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
        return self.part is not None and wearer_id in self.part.overlay.held

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
        if self.part is not None:
            self.part.arrivals.flush()
        for worker in self.workers:
            worker.ask("flush")
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
        assert self.part is not None
        return self.part.device_figures() + [figures for worker in self.workers for figures in worker.ask("figures")]

    def pids(self) -> list[int]:
        """All processes that this run is made of, this one included."""
        services = self.services.pids() if self.services is not None else []
        parts = self.part.pids() if self.part is not None else []
        for worker in self.workers:
            parts += [worker.pid, *(worker.look("pids") or ())]
        return [os.getpid(), *services, *parts]

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        if self.part is not None:
            self.part.close()
        if self.engine is not None:
            self.engine.dispose()
        if self.services is not None:
            self.services.stop()
