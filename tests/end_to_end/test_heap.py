"""A device lives in the heap of its microcontroller: 128 K words, for a simulated week of everything, without a MemoryError."""

from pathlib import Path

import psutil
import pytest

from firmware.core import ident, message
from sim.engine import zygote
from sim.scenario import load
from tests.end_to_end.burdened import POINTS, TAG, UNIT, ZONES, burdened, heap_kib, watched_heap
from tests.end_to_end.runs import ERRAND, Outcome, run_scenario

HOUR_MS = 3_600_000


def assert_no_device_ran_out_of_memory(outcome: Outcome) -> None:
    assert outcome.summary.crashes == []
    for device in outcome.run.kernel.devices:
        assert device.lives == 1
        console = device.folder / "console.log"
        assert console.read_text() == ""


def test_the_interpreters_heap_is_that_of_a_device():
    assert zygote._INTERPRETER == ["micropython", "-X", "heapsize=128wK"]


def test_two_hours_fit_the_heap(tmp_path: Path):
    seen = []

    def tick(run) -> None:
        if not seen:
            seen.extend(psutil.Process(device.process.pid).memory_full_info().uss for device in run.kernel.devices)

    outcome = run_scenario(tmp_path / "run", scenario=load(ERRAND), until_ms=2 * HOUR_MS, tick=tick)
    assert_no_device_ran_out_of_memory(outcome)
    # Beside its heap a device's process owns next to nothing: what it can use is bounded.
    assert len(seen) == 4 and max(seen) < 6 << 20


def orders(outcome: Outcome, name: str) -> list[tuple[int, str, int | None]]:
    """(kind, state, status) of what was asked for at a time of the scenario, in that order."""
    return outcome.rows(
        "select kind, state, status from orders where device_id = ? and by_whom != 'bench' order by id",
        ident.parse_device_name(name),
    )


def assert_every_order_is_done(outcome: Outcome, name: str, times: int) -> None:
    found = orders(outcome, name)
    for needed in (message.ORDER_CONFIG, message.ORDER_KEY):
        assert found.count((needed, "done", message.DONE)) >= times
    for kind, state, status in found:
        if kind == message.ORDER_CONFIG and state != "done":
            # The evening's goes by the household's radio, three pieces at a time: it is finished out of doors, or overtaken.
            assert state in ("sent", "replaced")
        else:
            assert state == "done" or status == message.NO_FIX, (kind, state, status)


def live(
    tmp_path: Path, patch: pytest.MonkeyPatch, days: int, every: int, until_ms: int | None = None, tls: bool = False
) -> Outcome:
    scenario = burdened(tmp_path, days)
    with watched_heap(patch, every):
        outcome = run_scenario(tmp_path / "run", scenario=scenario, until_ms=until_ms, tls=tls)
    for name in (TAG, UNIT):
        most, least = heap_kib(outcome.run, name)
        print(
            f"{name}: {most:.1f} KiB of 128 at most, {least:.1f} KiB free in one piece at least; {outcome.summary.wall_s:.0f} s"
        )
    return outcome


@pytest.mark.slow
def test_the_largest_map_of_zones_is_taken_and_lived_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert ZONES + 1 == 64 and POINTS == 64
    outcome = live(tmp_path, monkeypatch, 1, 20, 6 * HOUR_MS)
    assert_no_device_ran_out_of_memory(outcome)
    assert_every_order_is_done(outcome, TAG, 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("tls", [False, True], ids=["in clear", "TLS"])
def test_a_week_of_everything_fits_the_heap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool):
    outcome = live(tmp_path, monkeypatch, 7, 200, tls=tls)
    assert_no_device_ran_out_of_memory(outcome)
    for name in (TAG, UNIT):
        assert_every_order_is_done(outcome, name, 2)
    assert outcome.summary.records_made == outcome.summary.records_stored
