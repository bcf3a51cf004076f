"""Virtual time with real devices: it never sticks, nobody runs too far ahead, and stopping anywhere changes nothing."""

from pathlib import Path

import pytest

from sim.control.acts import Act
from sim.engine.kernel import STRETCH_MS
from sim.engine.run import Run
from sim.scenario import load
from tests.end_to_end.runs import ERRAND, make_run

UNTIL_MS = 14 * 60_000


def test_every_device_lives_to_the_limit_and_none_beyond(tmp_path: Path):
    with make_run(tmp_path / "run", load(ERRAND)) as run:
        for limit_ms in (1, 2, 1000, 1001, 61_000, 300_000):
            run.kernel.run_to(limit_ms)
            assert run.now_ms == limit_ms
            for device in run.kernel.devices:
                assert device.now_ms <= limit_ms and device.horizon_ms <= limit_ms
                assert device.activity_ms > limit_ms and not device.running


def test_what_is_done_by_hand_is_lived_through_before_time_goes_on(tmp_path: Path):
    """However long those to whom it is done would else have rested."""
    with make_run(tmp_path / "run", load(ERRAND)) as run:
        run.kernel.run_to(300_000)
        assert run.part is not None
        tag = next(device for device in run.kernel.devices if device.name == "tag-000003")
        for limit_ms in range(301_000, 331_000, 3_000):
            run.part.do(Act(run.now_ms + 1, "tag_off", "jory"))
            run.kernel.run_to(limit_ms)
            assert tag.is_off and run.now_ms == limit_ms
            run.part.do(Act(run.now_ms + 1, "tag_on", "jory"))
            run.kernel.run_to(limit_ms + 2_000)
            assert not tag.is_off and run.now_ms == limit_ms + 2_000
        assert tag.lives == 11


def test_nobody_gets_far_ahead_of_the_others(tmp_path: Path):
    spread = []

    def tick(run: Run) -> None:
        horizons = [device.horizon_ms for device in run.kernel.devices]
        spread.append(max(horizons) - run.now_ms)

    with make_run(tmp_path / "run", load(ERRAND)) as run:
        run.kernel.run_to(3 * UNTIL_MS, lambda: tick(run), tick_s=0.005)
    assert len(spread) > 10 and max(spread) <= STRETCH_MS


@pytest.mark.parametrize("step_ms", [777, 15_000])
def test_where_time_stops_in_between_changes_no_record(tmp_path: Path, step_ms: int):
    stored = []
    for n, steps in enumerate(([UNTIL_MS], [*range(step_ms, UNTIL_MS, step_ms), UNTIL_MS])):
        with make_run(tmp_path / str(n), load(ERRAND)) as run:
            for limit_ms in steps:
                run.kernel.run_to(limit_ms)
            made = run.made()
            run.options = run.options.__class__(until_ms=UNTIL_MS)
            run.live()
            summary = run.finish()
            assert summary.records_made == sum(made.values()) > 8
            stored.append(summary.digest)
    assert stored[0] == stored[1]
