"""A scenario, run: the simulator's composition root. Builds world, services and devices, lets time pass, and sums up.

At the end each device's flash says how many records it made; time goes on for a little while, in which new records do not
count, until the store holds all of those. The digest is over exactly those records, so it does not depend on when each run
happened to be sent.
"""

import selectors
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from bridge.store import queries, schema
from bridge.store.opening import open_store
from firmware.core.blockdev import FileDevice
from firmware.core.ident import parse_device_name
from firmware.core.journal import made
from sim.engine.air import Air
from sim.engine.circuit.tag import TagCircuit
from sim.engine.circuit.unit import UnitCircuit
from sim.engine.device import Device
from sim.engine.folder import RunFolder
from sim.engine.image import build
from sim.engine.kernel import Kernel
from sim.engine.memory import Memory
from sim.engine.net import Network
from sim.engine.process import Zygote
from sim.engine.services import Services, embedded_broker
from sim.scenario import Scenario
from sim.world import World, max_range_m

# The kinds of event that ask something of an officer; the others tell what is.
FINDINGS = ("late_home", "strap_cut", "zone_entered", "battery_low", "mains_lost")
TX_DBM = 3.0  # the ESP32's default BLE transmit power
SETTLE_STEP_MS = 15_000
SETTLE_MAX_MS = 60 * 60_000
RULES_S = 60.0
_LAN_LATENCY_MS = 15
_OUTAGE_STEP_MS = 10_000
_OUTAGE_MAX_MS = 6 * 3_600_000
_STEP_MS = 10_000  # as fast as possible, how often it is asked whether the run is over


@dataclass
class Summary:
    """What a run came to. Times in seconds, memory in MiB; `digest` as `bridge.store.queries.digest` makes it."""

    scenario: str
    seed: int
    simulated_s: float
    wall_s: float
    records_made: int
    records_stored: int
    fixes: int
    events: int
    findings: int
    bytes: int
    peak_memory_mb: float
    digest: str
    device_runs: int
    holds_expired: int
    crashes: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Everything made is stored, nothing crashed, and the scenario's expectations hold."""
        return self.records_made == self.records_stored and not self.crashes and not self.unmet

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Options:
    """`speed` 0 is as fast as possible. `console_port` None runs without a console, `shows_town` False without the town's map."""

    until_ms: int
    speed: float = 0.0
    console_port: int | None = None
    broker_port: int = 0
    shows_town: bool = True


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
        self._ended_ms = options.until_ms
        self.began_at = 0.0  # time.monotonic() of virtual time 0, when it passes at the wall clock's pace
        self._policy = policy or {
            "fix_interval_s": scenario.policy.fix_interval_s,
            "report_interval_s": scenario.policy.report_interval_s,
        }
        self._make_broker = make_broker
        self._latency_counts: dict[str, int] = {}
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

    def _start(self) -> None:
        folder, world = self.folder, self.world
        tags = [wearer.tag for wearer in world.wearers.values()]
        units = list(world.home_units)
        image = build(folder.path / "image")
        folder.write_scheme(self.scenario.to_scheme())
        if self.options.shows_town:
            folder.write_town(world.town.geojson())
        broker = self._make_broker(folder.path, self.options.broker_port, folder.users(tags + units))
        self.services = Services(folder.path, broker, self.options.console_port)
        broker.start()
        folder.write_bridge_settings(broker.port, "records")
        self.services.start()
        self.engine = open_store(folder.store, read_only=True)
        self.memory = Memory()

        selector = selectors.DefaultSelector()
        self.network = Network(selector, ("127.0.0.1", broker.port), world.start_utc_ms, self._latency_ms)
        self.air = Air(world.seed, self._distance_m, self._rssi_dbm, max_range_m(TX_DBM, walls=1))
        self.zygote = Zygote(image)
        self.kernel = Kernel(selector, self.zygote, self.air, self.network)
        devices = []
        for wearer in world.wearers.values():
            unit = wearer.home_unit
            path = folder.provision(wearer.tag, unit, [unit] if unit else [], 0, broker.port, self._policy)
            device = self._boot(wearer.tag, path, "firmware.tag")
            devices.append((device, self._make_tag(device, world)))
            if unit:
                path = folder.provision(unit, unit, [wearer.tag], 0, broker.port, self._policy)
                device = self._boot(unit, path, "firmware.hmu")
                devices.append((device, UnitCircuit(device, world)))
        self.air.join([device for device, _ in devices], lambda device: device.name in world.home_units)
        for device, circuit in devices:
            self.kernel.add(device, circuit)

    def _boot(self, name: str, path: Path, application: str) -> Device:
        assert self.zygote is not None
        return Device(name, parse_device_name(name), path, application, self.zygote)

    # The world, as the engine asks it

    def _place(self, name: str, t_ms: int) -> tuple[float, float]:
        unit = self.world.home_units.get(name)
        if unit is not None:
            return unit.lat, unit.lon
        truth = self.world.wearer_of_tag(name).truth(t_ms)
        return truth.lat, truth.lon

    def _distance_m(self, one: str, other: str, t_ms: int) -> float:
        plane = self.world.town.plane
        ax, ay = plane.to_xy(*self._place(one, t_ms))
        bx, by = plane.to_xy(*self._place(other, t_ms))
        return ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5

    def _rssi_dbm(self, sender: str, hearer: str, t_ms: int) -> float | None:
        tag, unit = (hearer, sender) if sender in self.world.home_units else (sender, hearer)
        return self.world.tag_to_home_unit_dbm(tag, unit, TX_DBM, t_ms)

    def _latency_ms(self, name: str, t_ms: int) -> int | None:
        """One way. In an outage TCP waits: then until the outage is over; None when that is very long."""
        if name in self.world.home_units:
            return _LAN_LATENCY_MS
        count = self._latency_counts[name] = self._latency_counts.get(name, 0) + 1
        latency_ms = self.world.cellular.latency_ms(parse_device_name(name), count)
        wearer = self.world.wearer_of_tag(name)
        for waited_ms in range(0, _OUTAGE_MAX_MS, _OUTAGE_STEP_MS):
            truth = wearer.truth(t_ms + waited_ms)
            if self.world.cellular.in_coverage(truth.lat, truth.lon, truth.indoors, t_ms + waited_ms):
                return waited_ms + latency_ms
        return None

    # Time

    def live(self, tick: Callable[["Run"], None] = lambda run: None, is_over: Callable[[], bool] | None = None) -> None:
        """Let time pass until `options.until_ms`, or until `is_over()`, asked between steps, says that it is time to end.

        `tick` is called ten times a second.
        """
        assert self.services is not None

        def on_tick() -> None:
            assert self.services is not None
            self.services.watch()
            self.memory.sample(self)
            tick(self)

        until_ms, speed = self.options.until_ms, self.options.speed
        if not speed and is_over is None:
            self.kernel.run_to(until_ms, on_tick)
            return
        due_ms = 0
        self.began_at = time.monotonic()
        while True:
            due_ms = min(until_ms, int((time.monotonic() - self.began_at) * 1000 * speed) if speed else due_ms + _STEP_MS)
            self.kernel.run_to(due_ms, on_tick)
            on_tick()
            self._ended_ms = due_ms
            if due_ms >= until_ms or (is_over is not None and is_over()):
                return
            if not speed:
                continue
            self.kernel.idle(0.1)

    @property
    def now_ms(self) -> int:
        return self.kernel.time_ms

    def made(self) -> dict[int, int]:
        """How many records each device has made, by its flash."""
        return {device.device_id: _made(device) for device in self.kernel.devices}

    def finish(self, tick: Callable[["Run"], None] = lambda run: None) -> Summary:
        """Wait until everything made is stored and judged, and sum up."""
        assert self.engine is not None and self.network is not None and self.services is not None
        services = self.services

        def on_tick() -> None:
            services.watch()
            tick(self)

        made_by = self.made()
        limit_ms = self._ended_ms
        while self._stored(made_by) < sum(made_by.values()) and limit_ms < self._ended_ms + SETTLE_MAX_MS:
            limit_ms += SETTLE_STEP_MS
            self.kernel.run_to(limit_ms, on_tick)
        self._wait_for_rules()
        self.memory.sample(self, now=True)
        with self.engine.connect() as connection:
            counts = queries.counts(connection)
            return Summary(
                scenario=self.scenario.name,
                seed=self.scenario.seed,
                simulated_s=self._ended_ms / 1000,
                wall_s=round(time.monotonic() - self.started_at, 3),
                records_made=sum(made_by.values()),
                records_stored=self._stored(made_by),
                fixes=counts["fixes"],
                events=counts["events"],
                findings=_count_findings(connection),
                bytes=self.network.bytes_up + self.network.bytes_down,
                peak_memory_mb=round(self.memory.peak_mb, 1),
                digest=queries.digest(connection, made_by),
                device_runs=self.kernel.runs,
                holds_expired=self.network.holds_expired,
                crashes=[crash for device in self.kernel.devices for crash in device.crashes],
                unmet=self._unmet(),
            )

    def _stored(self, made_by: dict[int, int]) -> int:
        assert self.engine is not None
        total = 0
        with self.engine.connect() as connection:
            for device_id, last in made_by.items():
                statement = select(func.count()).select_from(schema.record)
                statement = statement.where(schema.record.c.device_id == device_id, schema.record.c.seq <= last)
                total += connection.execute(statement).scalar_one()
        return total

    def _wait_for_rules(self) -> None:
        """The bridge judges after it stores: wait until its rules have seen the newest record."""
        assert self.engine is not None
        deadline = time.monotonic() + RULES_S
        while time.monotonic() < deadline:
            with self.engine.connect() as connection:
                newest = connection.execute(select(func.max(schema.record.c.id))).scalar() or 0
                seen = connection.execute(select(func.max(schema.rules_cursor.c.record_id))).scalar() or 0
            if seen >= newest:
                return
            self.kernel.idle(0.05)

    def _unmet(self) -> list[str]:
        """The scenario's expectations that lie within what was simulated and do not hold."""
        assert self.engine is not None
        out = []
        start = self.world.start_utc_ms
        with self.engine.connect() as connection:
            for e in self.scenario.expect:
                if not e.never and e.until_ms > self._ended_ms and e.until_ms < 1 << 61:
                    continue
                statement = (
                    select(func.count())
                    .select_from(schema.event)
                    .where(
                        schema.event.c.wearer_id == e.wearer_id,
                        schema.event.c.kind == e.kind,
                        schema.event.c.superseded.is_(False),
                        schema.event.c.at_ms >= start + e.from_ms,
                        schema.event.c.at_ms <= start + min(e.until_ms, self._ended_ms + SETTLE_MAX_MS),
                    )
                )
                found = connection.execute(statement).scalar_one()
                if e.never and found:
                    out.append(f"{e.wearer_id}: {e.kind} must not be found, but was, {found} times")
                elif not e.never and not found:
                    times = [self.scenario.local_time(t).strftime("%H:%M:%S") for t in (e.from_ms, min(e.until_ms, 1 << 40))]
                    out.append(f"{e.wearer_id}: {e.kind} must be found between {times[0]} and {times[1]}, but was not")
        return out

    def close(self) -> None:
        if self.network is not None:
            self.network.close()
        if self.zygote is not None:
            for device in self.kernel.devices if hasattr(self, "kernel") else ():
                device.process.close()
            self.zygote.close()
        if self.engine is not None:
            self.engine.dispose()
        if self.services is not None:
            self.services.stop()


def _count_findings(connection: Connection) -> int:
    """Events that somebody has to look at."""
    statement = select(func.count()).select_from(schema.event)
    kinds = schema.event.c.kind.in_(FINDINGS)
    return connection.execute(statement.where(kinds, schema.event.c.superseded.is_(False))).scalar_one()


def _made(device: Device) -> int:
    """How many records its flash says it has made."""
    path = device.folder / "journal.flash"
    if not path.exists():
        return 0
    flash = FileDevice(str(path), path.stat().st_size // 4096)
    try:
        return made(flash)
    finally:
        flash.close()
