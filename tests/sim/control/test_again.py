"""What was done by hand is done again from its log: the same records, to the byte, at another pace."""

from pathlib import Path
from typing import Any

import pytest

from sim.control.acts import load_acts
from sim.control.hand import LOG, Hand
from sim.engine.run import Run
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

ONE = Path(__file__).with_name("one.yaml")
MINUTE = 60_000

# (minute, what, values): roughly when somebody did it; exactly when is for the log to say.
DONE: list[tuple[float, str, dict[str, Any]]] = [
    (3, "case_opened", {}),
    (4, "moved", {"lat": 50.7185, "lon": -2.4400}),
    (6, "charger_on", {}),
    (9, "jam", {"fall_db": 40, "ramp_s": 5}),
    (12, "jam_over", {}),
    (13, "coverage_lost", {}),
    (15.5, "strap_cut", {}),
    (18, "coverage_lost_over", {}),
    (20, "bridge_killed", {}),
    (22, "mains_off", {}),
    (23, "network_partition", {}),
    (25, "unit_moved", {}),
    (27, "network_partition_over", {}),
    (28, "let_go", {"by": "walk"}),
    (30, "bridge_down", {}),
    (33, "bridge_down_over", {}),
    (34, "tag_crash", {}),
]
OF_NOBODY = ("bridge_killed", "bridge_down", "bridge_down_over")


def by_hand(folder: Path, speed: float) -> Outcome:
    scenario = load(ONE)
    folder.mkdir()
    hand = Hand(scenario, folder)
    left = list(DONE)

    def tick(run: Run) -> None:
        while left and run.now_ms >= left[0][0] * MINUTE:
            _, what, values = left.pop(0)
            hand.wish(what, None if what in OF_NOBODY else "jory", values)

    outcome = run_scenario(folder / "run", scenario=scenario, tick=tick, speed=speed, hand=hand)
    assert not left
    return outcome


def again(folder: Path, acts: Path) -> Outcome:
    scenario = load(ONE)
    folder.mkdir()
    return run_scenario(folder / "run", scenario=scenario, hand=Hand(scenario, folder, load_acts(acts, scenario)))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    folder = tmp_path_factory.mktemp("hand") / "first"
    return by_hand(folder, 400.0), folder / LOG


def test_what_is_done_by_hand_is_recorded_and_found(done: tuple[Outcome, Path]):
    outcome, log = done
    summary = outcome.summary
    assert summary.records_made == summary.records_stored and summary.holds_expired == 0
    assert summary.crashes == [], "a crash that is wanted is none"
    acts = {act.what: act.at_ms for act in load_acts(log, load(ONE))}
    assert set(acts) == {what for _, what, _ in DONE}
    (cut_ms,) = outcome.times_ms("jory", "strap_cut")
    assert acts["strap_cut"] <= cut_ms <= acts["strap_cut"] + 2000
    assert outcome.times_ms("jory", "case_opened")
    assert min(outcome.times_ms("jory", "mains_lost")) >= acts["mains_off"]
    assert outcome.times_ms("jory", "moved")
    assert outcome.run.faults_done == [
        "bridge killed", "network parted", "network whole again", "bridge down", "bridge up again",
    ]  # fmt: skip


@pytest.mark.slow
def test_done_again_it_gives_the_same_records(done: tuple[Outcome, Path], tmp_path: Path):
    outcome, log = done
    assert again(tmp_path / "again", log).summary.digest == outcome.summary.digest
