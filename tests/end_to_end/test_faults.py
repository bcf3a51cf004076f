"""What a scenario takes away, is gone for that long: the broker and the bridge really end, and coverage is lost."""

from pathlib import Path

import pytest

from sim.scenario import load
from tests.end_to_end.runs import ERRAND, Outcome, run_scenario

FAULTS = """
faults:
  - {kind: coverage_lost, wearer: jory, from: "10:29", until: "10:41"}
  - {kind: bridge_down, from: "10:20", until: "10:27"}
  - {kind: broker_down, from: "10:45", until: "10:52"}
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("faults")
    path = folder / "faulty.yaml"
    path.write_text(Path(ERRAND).read_text() + FAULTS)
    return run_scenario(folder / "run", scenario=load(path))


def test_what_was_taken_down_went_down_and_came_up_again(outcome: Outcome) -> None:
    assert outcome.run.faults_done == ["bridge down", "bridge up again", "broker down", "broker up again"]
    assert outcome.run.services is not None
    assert outcome.run.services.bridge.starts >= 2


def test_no_fault_in_between_loses_a_record_or_an_event(outcome: Outcome) -> None:
    summary = outcome.summary
    assert summary.is_good, summary
    assert summary.records_made == summary.records_stored == sum(outcome.made_by.values())
    assert len(outcome.times_ms("jory", "strap_cut")) == 1
