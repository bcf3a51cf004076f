"""Three tags and one home unit: what happens to it is told, what it carries is kept, and nobody is away who is not."""

from itertools import pairwise
from pathlib import Path

import pytest

import sim.scenarios
from firmware.core import ident, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario
from tests.end_to_end.witness import Witness

SCENARIO = load(Path(sim.scenarios.__file__ or "").with_name("household.yaml"))
TAGS, UNIT = ("tag-000021", "tag-000022", "tag-000023"), "hmu-000021"
LATENCY_MS = 120


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Outcome:
    folder = tmp_path_factory.mktemp("household") / "run"
    return run_scenario(folder, scenario=SCENARIO, around=witness.watching)


def of(outcome: Outcome, name: str, code: int) -> list[record.Record]:
    return [r for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == code]


def made_ms(outcome: Outcome, name: str, each: record.Record) -> int:
    device = ident.parse_device_name(name)
    ((at_ms,),) = outcome.rows("select at_ms from record where device_id = ? and seq = ?", device, each.seq)
    return at_ms - SCENARIO.start_utc_ms


def test_all_that_the_scenario_expects_is_found_and_nothing_is_lost(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary


@pytest.mark.parametrize(
    ("code", "moment"),
    [
        (record.MAINS_LOST, "08:05"),
        (record.MAINS_BACK, "08:15"),
        (record.MOVED, "08:20"),
        (record.CASE_OPENED, "08:26"),
        (record.CASE_CLOSED, "08:27:30"),
        (record.MOVED, "11:50"),  # after a crash and a restart
    ],
)
def test_what_is_done_to_a_home_unit_is_at_the_bridge_within_a_minute(outcome: Outcome, witness: Witness, code: int, moment: str):
    since_ms = SCENARIO.moment_ms(moment)
    (each,) = [r for r in of(outcome, UNIT, code) if 0 <= made_ms(outcome, UNIT, r) - since_ms < 60_000]
    left_ms = witness.left[ident.parse_device_name(UNIT), each.seq]
    print(f"{moment}: {left_ms - since_ms} ms")
    assert left_ms + LATENCY_MS - since_ms <= 60_000


def test_a_status_each_quarter_of_an_hour_of_every_life(outcome: Outcome):
    lives = sorted(of(outcome, UNIT, record.BOOT) + of(outcome, UNIT, record.STATUS), key=lambda r: r.seq)
    times = [made_ms(outcome, UNIT, r) for r in lives]
    assert max(b - a for a, b in pairwise(times)) <= 15 * 60_000 + 5000


def test_what_it_is_handed_without_a_network_is_kept_and_passed_on_when_there_is_one(outcome: Outcome, witness: Witness):
    lost_ms, back_ms = SCENARIO.moment_ms("08:40"), SCENARIO.moment_ms("10:50")
    kept = [
        (name, r.seq)
        for name in TAGS
        for r in outcome.records_of(name)
        if lost_ms + 60_000 < made_ms(outcome, name, r) < back_ms and witness.by[ident.parse_device_name(name), r.seq] == UNIT
    ]
    assert len(kept) >= 3
    for name, seq in kept:
        assert back_ms <= witness.left[ident.parse_device_name(name), seq] <= back_ms + 5 * 60_000


def test_every_record_of_every_tag_is_stored_once(outcome: Outcome):
    stored = outcome.stored()
    for device, made in outcome.made_by.items():
        assert sorted(stored[device])[:made] == list(range(1, made + 1))


def test_who_goes_out_meanwhile_brings_his_own_records(outcome: Outcome, witness: Witness):
    bram = ident.parse_device_name("tag-000022")
    fixes = [r for r in outcome.records_of("tag-000022") if r.kind == record.FIX and r.mode == record.MODE_GPS]
    assert len(fixes) > 10 and {witness.by[bram, r.seq] for r in fixes} == {"tag-000022"}


def reasons(outcome: Outcome, name: str) -> list[int]:
    return [r.value_b for r in of(outcome, name, record.MODE)]


def test_leaving_a_silent_home_unit_and_doubt_are_three_things(outcome: Outcome):
    assert reasons(outcome, "tag-000022")[1] in (record.MODE_BY_SILENCE, record.MODE_BY_WEAK)
    assert reasons(outcome, "tag-000024")[1] == record.MODE_BY_UNIT_SILENT
    assert reasons(outcome, "tag-000025")[1] == record.MODE_BY_DOUBT
    (silent,) = of(outcome, "tag-000024", record.UNIT_SILENT)
    assert 0 < silent.value_a < 1000, "the radius of the fix that was at home"
    assert len(of(outcome, "tag-000024", record.UNIT_BACK)) == 1


def test_a_silent_home_unit_is_no_absence(outcome: Outcome):
    for wearer in ("dora", "emil"):
        said = outcome.rows(
            "select json_extract(detail, '$.presence') from event where wearer_id = ? and kind = 'presence' and not superseded",
            wearer,
        )
        assert ("not_home",) not in said


def test_it_says_why_it_started_again(outcome: Outcome):
    assert [r.value_a for r in of(outcome, UNIT, record.BOOT)] == [1, 2, 1]
    assert len(of(outcome, UNIT, record.CRASH)) == len(of(outcome, UNIT, record.BROWN_OUT)) == 1
