"""A device lives in the heap that its microcontroller has: 128 K words, for a simulated day, without a MemoryError."""

from pathlib import Path

import psutil
import pytest

from sim.engine import zygote
from sim.scenario import load
from tests.end_to_end.runs import ERRAND, run_scenario
from tests.end_to_end.test_same_seed import DEMO

HOUR_MS = 3_600_000


def assert_no_device_ran_out_of_memory(outcome) -> None:
    assert outcome.summary.crashes == []
    for device in outcome.run.kernel.devices:
        assert device.lives == 1
        console = device.folder / "console.log"
        assert console.read_text() == ""


def test_the_interpreters_heap_is_that_of_a_device():
    assert zygote._INTERPRETER_ARGUMENTS == ["micropython", "-X", "heapsize=128wK"]


def test_two_hours_fit_the_heap(tmp_path: Path):
    seen = []

    def tick(run) -> None:
        if not seen:
            seen.extend(psutil.Process(device.process.pid).memory_full_info().uss for device in run.kernel.devices)

    outcome = run_scenario(tmp_path / "run", scenario=load(ERRAND), until_ms=2 * HOUR_MS, tick=tick)
    assert_no_device_ran_out_of_memory(outcome)
    # Beside its heap a device's process owns next to nothing: what it can use is bounded.
    assert len(seen) == 4 and max(seen) < 6 << 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_whole_day_fits_the_heap(tmp_path: Path):
    outcome = run_scenario(tmp_path / "run", scenario=load(DEMO))
    assert_no_device_ran_out_of_memory(outcome)
    assert outcome.summary.is_good
