"""How a large run goes: devices up and connected, records stored a second, what each part takes. Looked at now and then.

The start of a fleet is a burst: interpreters are forked, each builds its application, and all of them reach for the broker at
once. The figures of the steady part begin when almost every home unit has been connected (the tag of somebody at home need not
be) and the run has kept up with its pace for `CALM_S`.
"""

import os
import time
from dataclasses import dataclass, field

from sqlalchemy import func, select

from bridge.store.schema import record
from sim.engine import usage
from sim.engine.run import Run

LOOK_S = 5.0  # thousands of processes are looked at: a look takes some tens of milliseconds of the engine's time
CALM_S = 10.0
_LAG_MS = 2_000
_ALMOST = 0.95  # of the home units


@dataclass(frozen=True)
class Look:
    """At one moment. `cpu` is each part's share of one core since the look before, 1.0 a whole core."""

    at_s: float  # of wall time since the devices were up
    virtual_ms: int
    up: int
    connected: int
    records: int
    records_per_s: float
    cpu: dict[str, float]


@dataclass
class Figures:
    """Of a whole run. `cpu` is each part's share of one core over the steady part, which took `steady_s`; times in seconds."""

    devices: int
    start_s: float
    start_cpu_s: float  # of the devices and of this process, for that; on an idle machine what `start_s` is made of
    burst_s: float | None = None  # from then on until it was steady; None: it never was
    steady_s: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    records_per_s: float = 0.0
    private_mib_mean: float = 0.0
    private_mib_max: float = 0.0

    @property
    def cores(self) -> float:
        """All parts together, in cores."""
        return sum(self.cpu.values())

    @property
    def machine_share(self) -> float:
        return self.cores / (os.cpu_count() or 1)


class Gauge:
    """`await_start` first, then `look` at every tick; `figures` at the end."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._ever: set[str] = set()
        self._calm_since: float | None = None
        self._next = 0.0
        self._record_id = 0

    def await_start(self) -> float:
        """Until every device has built its application and waits at virtual time 0. Seconds since the first was started."""
        self._run.kernel.run_to(0)
        self.up_at = self._at = time.monotonic()
        self.start_s = self.up_at - self._run.spawned_at
        self._cpu = usage.cpu_of_parts_s(self._run)
        self.start_cpu_s = self._cpu["devices"] + self._cpu["engine"] - self._run.spawned_cpu_s
        self._records = self._count()
        self._steady: tuple[float, dict[str, float], int] | None = None
        self._next = self.up_at + LOOK_S
        return self.start_s

    def look(self) -> Look | None:
        """None when it is not yet time for one."""
        now = time.monotonic()
        return self.now() if now >= self._next else None

    def now(self) -> Look:
        run, now = self._run, time.monotonic()
        devices = run.kernel.devices
        assert run.network is not None
        connected = {device.name for device in devices if run.network.is_connected(device.name)}
        self._ever |= connected
        cpu, records, past_s = usage.cpu_of_parts_s(run), self._count(), max(now - self._at, 1e-3)
        share = {part: max(0.0, cpu[part] - self._cpu[part]) / past_s for part in cpu}
        found = Look(
            now - self.up_at,
            run.lived_ms,
            sum(not device.is_off for device in devices),
            len(connected),
            records,
            (records - self._records) / past_s,
            share,
        )
        self._at, self._cpu, self._records = now, cpu, records
        if self._steady is None and self._is_steady(now):
            self._steady = now, cpu, records
        self._next = time.monotonic() + LOOK_S
        return found

    def _is_steady(self, now: float) -> bool:
        run = self._run
        late = run.pace.is_paced and run.pace.due_ms(run.lived_ms) - run.lived_ms > _LAG_MS * run.pace.speed
        units = run.world.home_units
        if late or len(self._ever.intersection(units)) < _ALMOST * len(units):
            self._calm_since = None
            return False
        if self._calm_since is None:
            self._calm_since = now
        return now - self._calm_since >= CALM_S

    @property
    def steady_s(self) -> float:
        """For how long it has been steady; 0 when it is not yet."""
        return 0.0 if self._steady is None else time.monotonic() - self._steady[0]

    def figures(self) -> Figures:
        """Up to now, while the devices still run."""
        run, now = self._run, time.monotonic()
        out = Figures(len(run.kernel.devices), self.start_s, self.start_cpu_s)
        private = usage.private(usage.device_pids(run))
        out.private_mib_mean, out.private_mib_max = private.mean_mib, private.max_mib
        if self._steady is not None:
            since, before, records = self._steady
            out.burst_s = since - self.up_at - CALM_S
            out.steady_s = max(now - since, 1e-3)
            cpu = usage.cpu_of_parts_s(run)
            out.cpu = {part: max(0.0, cpu[part] - before[part]) / out.steady_s for part in cpu}
            out.records_per_s = (self._count() - records) / out.steady_s
        return out

    def _count(self) -> int:
        assert self._run.engine is not None
        with self._run.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(record)).scalar_one()
