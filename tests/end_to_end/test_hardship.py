"""Devices that lose their supply or crash come back by themselves, say why, and lose nothing that they had recorded."""

from pathlib import Path

import pytest

from firmware.core import record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

SCENARIO = Path(__file__).parent / "hardship.yaml"
TAG, UNIT = "tag-000003", "hmu-000003"
PWRON, HARD, DEEPSLEEP = 1, 2, 4
MINUTE = 60_000
START_S = 1_780_297_200  # 2026-06-01T07:00:00Z


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("hardship") / "run", scenario=load(SCENARIO))


def causes(outcome: Outcome, name: str) -> list[int]:
    """Of every start of a device, by its own records."""
    return [r.value_a for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == record.BOOT]


def spent_by(outcome: Outcome, name: str) -> dict[str, int]:
    """ms in each state, on the cell."""
    return outcome.run.kernel.circuit(name).cell.ms_on_cell  # pyright: ignore[reportAttributeAccessIssue]


def test_a_flat_tag_lives_again_when_it_is_charged(outcome: Outcome):
    assert set(causes(outcome, TAG)[:-1]) <= {PWRON, DEEPSLEEP}
    assert (outcome.records_of(TAG)[-1].battery or 0) > 3
    spent = spent_by(outcome, TAG)
    assert spent.get("cpu.off", 0) + spent.get("cpu.deep", 0) > 30 * MINUTE, "it had nothing to live on"
    assert spent.get("gnss.acquiring", 0) < 5 * MINUTE, "in deep sleep its pins let go"


def test_a_crash_is_a_restart_that_the_scenario_wanted(outcome: Outcome):
    assert causes(outcome, TAG)[-1] == HARD
    assert outcome.summary.crashes == []


def test_a_home_unit_whose_cell_is_empty_goes_off_and_comes_back_with_the_mains(outcome: Outcome):
    assert causes(outcome, UNIT) == [PWRON, PWRON, PWRON], "at first, with the mains, and when it was switched on again"
    assert 20 * MINUTE < spent_by(outcome, UNIT)["cpu.off"] < 60 * MINUTE, "while there were no mains"
    times_s = [r.time_s - START_S for r in outcome.records_of(UNIT)]
    assert [t for t in times_s if 40 * 60 < t < 60 * 60] == []


def test_a_home_unit_that_is_switched_off_is_off_for_that_long(outcome: Outcome):
    times_s = [r.time_s - START_S for r in outcome.records_of(UNIT)]
    assert [t for t in times_s if 90 * 60 < t < 100 * 60] == []
    assert [t for t in times_s if t > 100 * 60]


def test_everything_that_was_recorded_is_stored(outcome: Outcome):
    assert outcome.summary.records_made == outcome.summary.records_stored > 20


def test_who_is_not_concerned_never_restarts(outcome: Outcome):
    assert causes(outcome, "tag-000004") == [PWRON]
