"""An ordinary day's losses are told as losses: no tampering, no zone that nobody was in, no record gone."""

from itertools import pairwise
from pathlib import Path

import pytest

import sim.scenarios
from firmware.core import record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

SCENARIO = load(Path(sim.scenarios.__file__ or "").with_name("losses.yaml"))
HOUR = 3_600_000
TAGS = ("tag-000041", "tag-000042")


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("losses") / "run", scenario=SCENARIO)


def test_nothing_of_it_is_tampering_and_nothing_is_lost(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary
    assert {event.kind for event in outcome.events()} <= {"boot", "mode", "presence", "zone_left", "motion_no_fix"}


def test_the_day_had_its_losses(outcome: Outcome):
    for name in TAGS:
        lost = [r for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == record.GNSS_LOST]
        assert len(lost) >= 3


def test_what_drifts_beside_a_zone_does_not_enter_it(outcome: Outcome):
    inside = [
        r
        for r in outcome.records_of("tag-000042")
        if r.kind == record.EVENT and r.code == record.ZONE and r.value_a >> 16 == record.ZONE_INSIDE and r.value_a & 0xFFFF
    ]
    assert inside == [] and outcome.times_ms("yuri", "zone_entered") == []


def test_at_rest_in_a_building_the_receiver_is_tried_and_records_come_at_least_hourly(outcome: Outcome):
    times = sorted(r.time_s for r in outcome.records_of("tag-000041") if r.is_dated)
    assert max(b - a for a, b in pairwise(times)) <= 3700
