"""What is done to a tag is told by the tag, and found by the bridge, within minutes; the shipped scenario shows it."""

from pathlib import Path

import pytest

import sim.scenarios
from firmware.core import ident, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario
from tests.end_to_end.witness import Witness

SCENARIO = load(Path(sim.scenarios.__file__ or "").with_name("tampering.yaml"))
LATENCY_MS = 120


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Outcome:
    folder = tmp_path_factory.mktemp("tampering") / "run"
    return run_scenario(folder, scenario=SCENARIO, around=witness.watching)


def told(outcome: Outcome, wearer: str, kind: str, since: str) -> float:
    """Seconds from a moment of the scenario until the first finding of a kind after it."""
    at_ms = SCENARIO.moment_ms(since)
    return min(t for t in outcome.times_ms(wearer, kind) if t >= at_ms - 2000) / 1000 - at_ms / 1000


def test_all_that_the_scenario_expects_is_found_and_nothing_is_lost(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary


def test_a_cut_strap_is_told_within_two_seconds_and_at_the_bridge_within_ten(outcome: Outcome, witness: Witness):
    cut = next(r for r in outcome.records_of("tag-000011") if r.kind == record.EVENT and r.code == record.STRAP_CUT)
    device = ident.parse_device_name("tag-000011")
    cut_ms = SCENARIO.moment_ms("10:25:03")
    assert abs(told(outcome, "ash", "strap_cut", "10:25:03")) <= 2
    assert witness.left[device, cut.seq] + LATENCY_MS - cut_ms <= 10_000


def test_a_strap_that_is_closed_again_is_a_second_event_and_the_cut_stands(outcome: Outcome):
    assert 0 <= told(outcome, "ash", "strap_closed", "10:31:00") <= 3
    assert outcome.rows("select strap from live where wearer_id = 'ash'") == [("cut",)]
    ((latched,),) = outcome.rows(
        "select json_extract(detail, '$.latched') from event where wearer_id = 'ash' and kind = 'strap_closed'"
    )
    assert latched


def test_a_case_is_told_within_a_round_of_the_radio(outcome: Outcome):
    assert 0 <= told(outcome, "ash", "case_opened", "10:35:00") <= 25
    assert 0 <= told(outcome, "ash", "case_closed", "10:36:30") <= 25


@pytest.mark.parametrize(
    ("wearer", "kind", "since", "minutes"),
    [
        ("bea", "shielded", "10:15", 8),
        ("cal", "jammed", "10:15", 6),
        ("dee", "spoofed", "10:15", 8),
        ("ivy", "shielded", "10:40", 8),
        ("eli", "receiver_dead", "10:12", 8),
        ("eli", "receiver_back", "10:24", 2),
        ("hew", "receiver_dead", "10:32", 8),
        ("hew", "receiver_back", "10:44", 2),
        ("fay", "modem_dead", "10:15", 8),
        ("fay", "modem_back", "10:35", 11),
        ("gus", "motion_no_fix", "10:14", 17),
    ],
)
def test_it_is_told_within_minutes(outcome: Outcome, wearer: str, kind: str, since: str, minutes: int):
    seconds = told(outcome, wearer, kind, since)
    print(f"{wearer}: {kind} after {seconds:.0f} s")
    assert seconds <= 60 * minutes


def test_each_of_them_is_one_finding_and_no_other(outcome: Outcome):
    disturbing = {
        "shielded", "jammed", "spoofed", "receiver_dead", "modem_dead", "motion_no_fix", "unit_silent", "clock_gone",
        "strap_cut", "case_opened",
    }  # fmt: skip
    found: dict[str, list[str]] = {}
    for event in outcome.events():
        if event.kind in disturbing:
            found.setdefault(event.wearer, []).append(event.kind)
    assert found == {
        "ash": ["strap_cut", "case_opened"],
        "bea": ["shielded"],
        "cal": ["jammed"],
        "dee": ["spoofed"],
        "eli": ["receiver_dead"],
        "fay": ["modem_dead"],
        "gus": ["motion_no_fix"],
        "hew": ["receiver_dead"],
        "ivy": ["shielded"],
    }
