"""A device that fails for ever is taken out of service and reported; the others live on, and the run comes to its end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.engine import breakdown
from sim.engine.breakdown import Overruns
from sim.engine.part import Part
from sim.engine.run import Run
from sim.engine.summary import Summary
from sim.scenario import load
from tests.end_to_end.runs import ERRAND, make_run
from tests.sim.engine.still import process_of, still_device

NAME = "tag-000003"
OTHERS = {"tag-000004", "hmu-000003", "hmu-000004"}
UNTIL_MS = 20 * 60_000


def run_with(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> tuple[Run, Summary]:
    """A run in which one tag's application is these lines. Once the others have started, little patience is left for it."""
    boot = Part._boot

    def boot_other(self: Part, name: str, application: str):
        if name == NAME:
            package = self._site.folder / "image" / "device" / "firmware" / "failing"
            package.mkdir()
            lines = "".join(f"    {line}\n" for line in body.splitlines())
            (package / "main.py").write_text(f"import machine, time\ndef build():\n    pass\ndef start(_):\n{lines}")
            application = "firmware.failing"
        return boot(self, name, application)

    monkeypatch.setattr(Part, "_boot", boot_other)

    def tick(run: Run) -> None:
        if all(device.now_ms > 0 for device in run.kernel.devices if device.name in OTHERS):
            run.kernel.overruns.limit_s = 0.3

    with make_run(folder, load(ERRAND), until_ms=UNTIL_MS) as run:
        run.live(tick)
        return run, run.finish(tick)


def check_that_the_others_live(run: Run, summary: Summary) -> None:
    assert not summary.is_good
    assert summary.simulated_s == UNTIL_MS / 1000
    devices = {device.name: device for device in run.kernel.devices}
    for name in OTHERS:
        assert devices[name].lives == 1 and not devices[name].is_broken and devices[name].now_ms > UNTIL_MS - 120_000
        assert sum(run.made().values()) > 10
    assert devices[NAME].is_broken and devices[NAME].is_off


def test_a_loop_without_an_end_is_ended_after_its_share_of_the_processor(tmp_path: Path, monkeypatch):
    run, summary = run_with(tmp_path / "run", monkeypatch, "time.sleep(65)\nprint('here we go')\nwhile True:\n    pass")
    (crash,) = summary.crashes
    assert crash.startswith(f"{NAME} at ") and "0 s of the processor used while its clock stood" in crash
    assert "out of service" in crash.splitlines()[0] and crash.endswith("here we go")
    check_that_the_others_live(run, summary)


@pytest.mark.slow
def test_a_device_that_answers_for_ever_at_the_same_moment_is_ended_too(tmp_path: Path, monkeypatch):
    body = "uart = machine.UART(1, 9600)\nwhile True:\n    uart.write('x')"
    run, summary = run_with(tmp_path / "run", monkeypatch, body)
    assert len(summary.crashes) == 1
    check_that_the_others_live(run, summary)


def test_an_interpreter_that_dies_at_every_start_is_given_up(tmp_path: Path, monkeypatch):
    body = "time.sleep(20)\nprint('goodbye')\nimport os\nos.system('kill -SEGV $PPID')\nwhile True: pass"
    run, summary = run_with(tmp_path / "run", monkeypatch, body)
    assert len(summary.crashes) == breakdown.CRASHES_MAX
    assert all("by SIGSEGV" in crash and crash.endswith("goodbye") for crash in summary.crashes)
    assert "out of service" in summary.crashes[-1] and "out of service" not in summary.crashes[-2]
    check_that_the_others_live(run, summary)


@pytest.mark.slow
def test_a_firmware_that_does_nothing_but_start_again_is_given_up(tmp_path: Path, monkeypatch):
    run, summary = run_with(tmp_path / "run", monkeypatch, "time.sleep_ms(200)\nmachine.reset()")
    (crash,) = summary.crashes
    assert f"{breakdown.SHORT_LIVES_MAX} lives in a row of less than 10 s; it is out of service" in crash
    check_that_the_others_live(run, summary)


def test_who_crashes_at_last_as_often_as_may_be_is_out_of_service_at_once(tmp_path: Path):
    device = still_device()
    device.folder = tmp_path
    for n in range(breakdown.CRASHES_MAX):
        assert not device.is_broken
        breakdown.crashed(device, f"crash {n}")
    assert device.is_broken and len(device.crashes) == breakdown.CRASHES_MAX
    wanted = still_device()
    breakdown.crashed(wanted, f"RuntimeError: {breakdown.CRASH_WORDS}")
    assert wanted.crashes == []


def test_lives_that_end_by_sleep_or_last_are_no_failure():
    device = still_device()
    for _ in range(100):
        assert not breakdown.is_out_of_service(device, device.born_ms + 100, 4)
        assert not breakdown.is_out_of_service(device, device.born_ms + breakdown.SHORT_LIFE_MS, 2)
    for _ in range(breakdown.SHORT_LIVES_MAX - 1):
        assert not breakdown.is_out_of_service(device, device.born_ms + 100, 2)
    assert not breakdown.is_out_of_service(device, device.born_ms + 20_000, 2)
    assert device.short_lives == 0


@pytest.fixture
def spinning():
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()


def test_a_stopped_process_is_waited_for(spinning: subprocess.Popen):
    os.kill(spinning.pid, signal.SIGSTOP)
    device = still_device()
    process_of(device).pid = spinning.pid
    device.running = True
    overruns = Overruns(limit_s=0.0, every_s=0.0)
    overruns.limit_s = 1e-9
    assert [overruns.look([device]) for _ in range(20)] == [[]] * 20
    os.kill(spinning.pid, signal.SIGCONT)
    assert any(overruns.look([device]) for _ in range(100_000)), "it goes on computing, and is found"


def test_who_sleeps_or_gets_on_is_left_alone(spinning: subprocess.Popen):
    device = still_device()
    process_of(device).pid = spinning.pid
    overruns = Overruns(limit_s=1e-9, every_s=0.0)
    device.running = False
    assert [overruns.look([device]) for _ in range(200)] == [[]] * 200
    device.running = True
    for _ in range(200):
        device.now_ms += 1
        assert overruns.look([device]) == []
