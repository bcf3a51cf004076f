"""The simulator's rows of the bench: a wearer's days, thirteen tags' week, a fleet live. `rows(quick, long)` yields them.

sim.realtime_factor_per_core    virtual seconds in one second of a processor, of engine, devices, broker and bridge together:
                                one wearer who works, tag and home unit, a fix a minute away from home, from the second day on
sim.wearer_year_minutes         the same week's wall time, its start included, x 365/7; with `long` a year as it is
sim.thirteen_tags_week_minutes  wall time of thirteen wearers' two days on a worker a core, x 3.5
sim.fleet_*, sim.private_*      a fleet live by TLS, at speed 1, once its start is over: per cent of two cores, all parts
sim.start_1000_s                its devices' start, from the first process to the last that waits at virtual time 0
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tools.fleet import room_for

if TYPE_CHECKING:
    from sim.engine.run import Run
    from sim.scenario import Scenario

_DAY_MS = 86_400_000
_YEAR_DAYS = 365
_WEARERS = 1_000
_STEADY_S = 60.0
_LIVE_MAX_MS = 8 * 60_000


class Measured(NamedTuple):
    """A row before it is rounded. `note`: how it was come by."""

    name: str
    value: float
    unit: str
    note: str


def rows(quick: bool, long: bool = False) -> Iterator[Measured]:
    """All of them. `quick`: a day, four wearers and a fleet of forty; `long`: a whole year, and thirteen tags' whole week."""
    yield from _one_wearer(2 if quick else _YEAR_DAYS if long else 7)
    yield from _thirteen(4 if quick else 13, 1 if quick else 7 if long else 2)
    yield from _fleet(40 if quick else _WEARERS)


@contextmanager
def _run(scenario: "Scenario", until_ms: int, speed: float = 0.0, workers: int = 1, tls: bool = False) -> "Iterator[Run]":
    from sim.engine.folder import RunFolder
    from sim.engine.run import Options, Run

    options = Options(until_ms, speed, shows_town=False, workers=workers, tls=tls)
    with tempfile.TemporaryDirectory() as folder, Run(scenario, RunFolder(Path(folder) / "run"), options) as run:
        yield run


def _live_to(run: "Run", until_ms: int) -> None:
    """Until the rules have judged all that is stored by then."""
    from sim.engine.summary import is_judged

    assert run.engine is not None
    run.kernel.run_to(until_ms)
    while not is_judged(run.engine):
        run.kernel.idle(0.02)


def _one_wearer(days: int) -> Iterator[Measured]:
    from sim.engine import usage
    from sim.fleet import fleet

    scenario = fleet(20)
    worker = next(p for p in scenario.file.people if p.routine and (p.routine[0].leave or "") < "09:00")
    scenario.file.people[:] = [worker]
    scenario.until_ms = days * _DAY_MS
    began = time.monotonic()
    with _run(scenario, scenario.until_ms) as run:
        _live_to(run, _DAY_MS)
        before = sum(usage.cpu_of_parts_s(run).values())
        _live_to(run, scenario.until_ms)
        used_s = sum(usage.cpu_of_parts_s(run).values()) - before
        took_s = time.monotonic() - began
    factor = (days - 1) * 86_400 / used_s
    yield Measured("sim.realtime_factor_per_core", factor, "x", f"CPU seconds of all processes, days 2 to {days}")
    how = "as it was" if days >= _YEAR_DAYS else f"the wall time of {days} days, x {_YEAR_DAYS}/{days}"
    yield Measured("sim.wearer_year_minutes", took_s * _YEAR_DAYS / days / 60, "min", how)


def _thirteen(wearers: int, days: int) -> Iterator[Measured]:
    from sim.fleet import fleet

    scenario = fleet(wearers)
    scenario.until_ms = days * _DAY_MS
    workers = min(2, os.cpu_count() or 1)
    began = time.monotonic()
    with _run(scenario, scenario.until_ms, workers=workers) as run:
        _live_to(run, scenario.until_ms)
        took_s = time.monotonic() - began
    how = f"{wearers} wearers' {days} days on {workers} workers, x {7 / days:.3g}, x {13 / wearers:.3g}"
    yield Measured("sim.thirteen_tags_week_minutes", took_s * 7 / days * 13 / wearers / 60, "min", how)


def _fleet(wearers: int) -> Iterator[Measured]:
    from sim.engine.gauge import Gauge
    from sim.fleet import fleet

    room_for(2 * wearers)
    with _run(fleet(wearers), _LIVE_MAX_MS, speed=1.0, tls=True) as run:
        gauge = Gauge(run)
        gauge.await_start()
        run.live(lambda _: (gauge.look(), None)[1], is_over=lambda: gauge.steady_s >= _STEADY_S)
        found = gauge.figures()
    devices = f"{found.devices} devices, a tag and a home unit each wearer"
    if found.burst_s is None:
        yield Measured("sim.fleet_live_wearers", 0, "wearers", f"{devices}: never steady in {_LIVE_MAX_MS / 60_000:.0f} min")
    else:
        burst = f"{devices}; steady {found.burst_s:.0f} s after they were up, measured for {found.steady_s:.0f} s"
        parts = ", ".join(f"{part} {100 * share:.3g} % of a core" for part, share in found.cpu.items() if share)
        yield Measured("sim.fleet_live_wearers", wearers, "wearers", burst)
        yield Measured("sim.fleet_cpu_percent", 100 * found.cores / 2, "% of 2 cores", parts)
    most = f"mean of all devices; the most is {found.private_mib_max:.3g} MiB"
    yield Measured("sim.private_mib_per_device", found.private_mib_mean, "MiB", most)
    per = 1000 / found.devices
    how = f"{found.devices} devices in {found.start_s:.3g} s and {found.start_cpu_s:.3g} CPU s, x {per:.3g}; after provisioning"
    yield Measured("sim.start_1000_s", found.start_s * per, "s", how)
