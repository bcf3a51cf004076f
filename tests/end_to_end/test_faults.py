"""What a scenario takes away, is gone for that long: broker and bridge really end, networks are slow or parted, coverage is lost.

All through nothing is lost and nothing doubled; and the same seed gives the same records, whatever the host was doing.
"""

from pathlib import Path
from typing import Any

import pytest

from bridge.store import queries
from sim.engine.run import Run
from sim.scenario import load
from tests.end_to_end.runs import ERRAND, Outcome, run_scenario
from tests.end_to_end.test_kills import assert_each_finding_once, assert_nothing_is_lost_or_doubled
from tests.end_to_end.test_same_seed import busy

FAULTS = """
faults:
  - {kind: coverage_lost, wearer: jory, from: "10:29", until: "10:41"}
  - {kind: bridge_down, from: "10:20", until: "10:27"}
  - {kind: broker_down, from: "10:45", until: "10:52"}
"""
SLOW = """
faults:
  - {kind: bridge_slow, from: "10:05", until: "10:25", delay_s: 12}
  - {kind: broker_slow, from: "10:30", until: "10:40", delay_s: 4}
  - {kind: network_slow, from: "10:45", until: "10:55", kbit_s: 2, latency_ms: 900}
"""
PARTED = """
faults:
  - {kind: network_partition, from: "10:05", until: "10:15"}
  - {kind: network_partition, from: "10:20", until: "10:30", wearer: jory}
  - {kind: network_partition, from: "10:35", until: "10:50", between: bridge}
"""
AT_RANDOM = """
faults:
  - {kind: bridge_down, per_day: 100, minutes: [1, 4]}
  - {kind: broker_down, per_day: 60, minutes: [1, 3]}
  - {kind: network_partition, per_day: 60, minutes: [1, 3]}
"""
# A broker may die here while the bridge is parted from it, or slow: what they had of each other then comes a second time.
OVER_EACH_OTHER = (
    AT_RANDOM
    + """
  - {kind: bridge_slow, per_day: 60, minutes: [1, 3], delay_s: 8}
  - {kind: network_partition, per_day: 40, minutes: [1, 3], between: bridge}
"""
)


def run_with(folder: Path, faults: str, **options: Any) -> Outcome:
    folder.mkdir()
    path = folder / "faulty.yaml"
    path.write_text(Path(ERRAND).read_text() + faults)
    return run_scenario(folder / "run", scenario=load(path), **options)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_with(tmp_path_factory.mktemp("faults") / "first", FAULTS)


def test_what_was_taken_down_went_down_and_came_up_again(outcome: Outcome) -> None:
    assert outcome.run.faults_done == ["bridge down", "bridge up again", "broker down", "broker up again"]
    assert outcome.run.services is not None
    assert outcome.run.services.bridge.starts >= 2


def test_no_fault_in_between_loses_a_record_or_an_event(outcome: Outcome) -> None:
    summary = outcome.summary
    assert summary.is_good, summary
    assert summary.records_made == summary.records_stored == sum(outcome.made_by.values())
    assert summary.holds_expired == 0
    assert len(outcome.times_ms("jory", "strap_cut")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("faults", [FAULTS, SLOW, PARTED], ids=["down", "slow", "parted"])
def test_what_fails_in_between_loses_nothing_and_is_the_same_each_time(faults: str, tmp_path: Path):
    first = run_with(tmp_path / "first", faults)
    assert first.run.faults_done
    assert first.summary.is_good and first.summary.holds_expired == 0
    assert_nothing_is_lost_or_doubled(first)
    assert_each_finding_once(first, tmp_path)
    with busy(3):
        again = run_with(tmp_path / "again", faults)
    assert again.summary.digest == first.summary.digest
    assert again.run.faults_done == first.run.faults_done


@pytest.mark.slow
@pytest.mark.parametrize("faults", [AT_RANDOM, OVER_EACH_OTHER], ids=["at random", "over each other"])
def test_faults_that_meet_lose_nothing_and_double_nothing(faults: str, tmp_path: Path):
    # A broker that comes back while the bridge is down, or the other way round, may give it some messages twice, or not: each
    # has its receipt, and a device that has one more goes on a few seconds sooner or later: no run of these is the same again.
    outcome = run_with(tmp_path / "one", faults)
    assert outcome.summary.is_good
    assert_nothing_is_lost_or_doubled(outcome)
    assert_each_finding_once(outcome, tmp_path)


@pytest.mark.slow
def test_a_bridge_that_is_parted_from_the_broker_stores_nothing_until_it_is_whole_again(tmp_path: Path):
    seen: list[tuple[int, int]] = []

    def tick(run: Run) -> None:
        assert run.engine is not None
        with run.engine.connect() as connection:
            seen.append((run.now_ms, queries.counts(connection)["records"]))

    outcome = run_with(tmp_path / "one", PARTED, tick=tick, speed=600.0)
    parted = [count for now_ms, count in seen if 36 * 60_000 < now_ms < 50 * 60_000]
    assert len(parted) > 5 and len(set(parted)) == 1
    assert outcome.summary.records_stored > parted[0]
