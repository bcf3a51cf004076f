"""What a run starts has ended when the run has, however it ended: in order, by a signal, or killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sim.engine.image import build
from sim.engine.leash import Leash
from sim.engine.process import Zygote, ZygoteEnded
from sim.scenario import load
from tests.brokers import wait_for
from tests.end_to_end.runs import ERRAND, make_run
from tools.fleet import room_for

ROOT = Path(__file__).parents[3]
# Runs slowly for ever, with a console, and says who belongs to it.
RUNNER = """
import json, sys
from pathlib import Path
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.scenario import load
scenario = load(Path(sys.argv[2]))
said = False
def tick(run):
    global said
    if not said:
        said = True
        pids = [*run.services.pids(), *run.zygote.pids, *(device.process.pid for device in run.kernel.devices)]
        print(json.dumps(pids), flush=True)
with Run(scenario, RunFolder(Path(sys.argv[1])), Options(until_ms=scenario.until_ms, speed=10, console_port=0)) as run:
    run.live(tick)
"""


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    def lives(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # it ended in between
            return False

    return not any(map(lives, processes))


@contextmanager
def runner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """A run in a process of its own, and everything that it has started."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder / "run"), str(ERRAND)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    started: list[psutil.Process] = []
    try:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())
        assert len(pids) == 3 + 2 + 4, "broker, bridge, console, a parent for each kind of device, and four of them"
        started = children(process.pid)
        assert set(pids) <= {child.pid for child in started}
        yield process, started
    finally:
        process.kill()
        process.wait()
        for left in started:
            if not gone([left]):
                left.kill()


@pytest.mark.parametrize(
    "how",
    [*(pytest.param(how, marks=pytest.mark.slow) for how in (signal.SIGINT, signal.SIGTERM)), signal.SIGKILL],
    ids=lambda how: how.name,
)
def test_nothing_outlives_a_run_that_is_ended_from_outside(how: signal.Signals, tmp_path: Path):
    with runner(tmp_path) as (process, started):
        process.send_signal(how)
        process.wait(30)
        wait_for(lambda: gone(started), f"the end of {[p.pid for p in started]}", 30)


def test_nothing_outlives_a_run_in_order(tmp_path: Path):
    with make_run(tmp_path / "run", load(ERRAND)) as run:
        run.kernel.run_to(60_000)
        started = children(os.getpid())
        assert len(started) >= 3 + 4
    wait_for(lambda: gone([p for p in started if p.pid not in (os.getpid(),)]), "the end of all", 10)


def test_a_run_that_cannot_start_leaves_nothing_either(tmp_path: Path):
    before = {child.pid for child in children(os.getpid())}
    run = make_run(tmp_path / "run", load(ERRAND))
    (run.folder.path / "fleet.key").write_text("no key at all\n")
    with pytest.raises(Exception, match="key"):
        run.__enter__()
    wait_for(lambda: {child.pid for child in children(os.getpid()) if not gone([child])} <= before, "the end of all", 10)


def test_a_killed_zygote_is_named_and_leaves_nothing(tmp_path: Path):
    started: list[psutil.Process] = []

    def tick(run) -> None:
        if not started:
            started.extend(children(os.getpid()))
            os.kill(run.zygote.pids[0], signal.SIGKILL)

    with (
        pytest.raises(ZygoteEnded, match=r"the parent of the simulated devices .* has ended"),
        make_run(tmp_path / "run", load(ERRAND), speed=60) as run,
    ):
        run.live(tick)
    wait_for(lambda: gone(started), "the end of all", 10)


@pytest.mark.slow
def test_hundreds_of_devices_may_be_asked_for_before_one_is_waited_for(tmp_path: Path):
    room_for(700)
    zygote = Zygote(build(tmp_path / "image"))
    try:
        devices = [zygote.spawn(tmp_path, number.to_bytes(6, "big"), 1, "firmware.tag") for number in range(700)]
        assert len({device.pid for device in devices}) == 700
        for device in devices:
            device.close()
    finally:
        zygote.close()


def test_a_device_that_crashes_is_reported_with_its_last_words_and_goes_on(tmp_path: Path):
    with make_run(tmp_path / "run", load(ERRAND), until_ms=600_000) as run:
        run.kernel.run_to(120_000)
        tag = next(device for device in run.kernel.devices if device.name == "tag-000003")
        (tag.folder / "console.log").write_text("Traceback: its last words\n")
        first = tag.process.pid
        tag.process.kill()
        run.live()
        summary = run.finish()
    assert tag.lives == 2 and tag.process.pid != first
    (crash,) = summary.crashes
    assert crash.startswith("tag-000003 at ") and crash.endswith("its last words")
    assert summary.records_made == summary.records_stored
    assert not summary.is_good, "a crash is never good"


@pytest.mark.slow
def test_a_leash_spares_who_was_let_go_and_who_only_has_the_number():
    sleeping = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    try:
        leash = Leash()
        leash.hold(sleeping[0].pid)
        # The same number, born at another time: somebody else.
        assert leash._process.stdin is not None
        leash._process.stdin.write(f"{sleeping[1].pid} 12345.0\nnonsense\n".encode())
        leash.close()
        assert sleeping[0].wait(10) == -signal.SIGTERM
        assert sleeping[1].poll() is None
    finally:
        for process in sleeping:
            process.kill()
            process.wait()
