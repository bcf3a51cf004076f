"""Devices that lose their supply or crash come back by themselves, say why, and lose nothing that they had recorded."""

from itertools import pairwise
from pathlib import Path

import pytest

from firmware.core import record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

SCENARIO = Path(__file__).parent / "hardship.yaml"
TAG, UNIT = "tag-000003", "hmu-000003"
PWRON, HARD = 1, 2
MINUTE = 60_000
START_S = 1_780_297_200  # 2026-06-01T07:00:00Z


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("hardship") / "run", scenario=load(SCENARIO))


def causes(outcome: Outcome, name: str) -> list[int]:
    """Of every start of a device, by its own records."""
    return [r.value_a for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == record.BOOT]


def device_of(outcome: Outcome, name: str):
    return next(device for device in outcome.run.kernel.devices if device.name == name)


def test_a_flat_tag_is_silent_until_it_is_charged_and_then_starts_as_from_a_new_supply(outcome: Outcome):
    assert causes(outcome, TAG)[:2] == [PWRON, PWRON]
    times = sorted(r.time_s - START_S for r in outcome.records_of(TAG) if r.time_s > START_S)
    gap_s = max(later - sooner for sooner, later in pairwise(times))
    assert gap_s > 10 * 60, "no power, no records"


def test_a_crash_is_a_restart_that_the_scenario_wanted(outcome: Outcome):
    assert causes(outcome, TAG)[2:] == [HARD]
    assert device_of(outcome, TAG).lives == 3
    assert outcome.summary.crashes == []


def test_a_home_unit_without_any_power_is_off_for_that_long(outcome: Outcome):
    assert causes(outcome, UNIT) == [PWRON, PWRON]
    off = [r for r in outcome.records_of(UNIT) if 90 * 60 < r.time_s - START_S < 100 * 60]
    assert off == []


def test_everything_that_was_recorded_is_stored(outcome: Outcome):
    assert outcome.summary.records_made == outcome.summary.records_stored > 20
    assert len(outcome.times_ms("jory", "moved")) >= 1


def test_who_is_not_concerned_never_restarts(outcome: Outcome):
    assert causes(outcome, "tag-000004") == [PWRON]
