"""Cells that run down, programs that hang and crash: the wearer is warned first, nothing is lost, and the tag comes back."""

from itertools import pairwise
from pathlib import Path

import pytest

from firmware.core import ident, message, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario
from tests.end_to_end.witness import Witness

SCENARIO = load(Path(__file__).parent / "power.yaml")
ADA, BEN, CAT, DAN = (f"tag-00005{n}" for n in range(1, 5))
PWRON, HARD, WDT, DEEPSLEEP = 1, 2, 3, 4
MINUTE = 60_000


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("power") / "run", scenario=SCENARIO, around=witness.watching)


def of(outcome: Outcome, name: str, *codes: int) -> list[record.Record]:
    return [r for r in outcome.records_of(name) if r.kind == record.EVENT and r.code in codes]


def at_ms(outcome: Outcome, name: str, each: record.Record) -> int:
    """When it was made; also of one that was dated afterwards."""
    device = ident.parse_device_name(name)
    ((utc_ms,),) = outcome.rows("select at_ms from record where device_id = ? and seq = ?", device, each.seq)
    return utc_ms - SCENARIO.start_utc_ms


def fixes(outcome: Outcome, name: str, since: str, until: str) -> list[int]:
    low, high = SCENARIO.moment_ms(since), SCENARIO.moment_ms(until)
    made = [at_ms(outcome, name, r) for r in outcome.records_of(name) if r.kind == record.FIX]
    return [t for t in made if low <= t < high]


def test_nothing_is_lost_and_nothing_crashes_that_was_not_to(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary


def test_the_wearer_is_warned_half_an_hour_before_anybody_is_told(outcome: Outcome):
    (warned,) = of(outcome, ADA, record.WARNED)
    told = next(r for r in of(outcome, ADA, record.BATTERY) if r.seq > warned.seq)
    assert warned.value_a == told.value_a == 20
    lead_min = (at_ms(outcome, ADA, told) - at_ms(outcome, ADA, warned)) / MINUTE
    print(f"lead {lead_min:.1f} min")
    assert 28 <= lead_min <= 36
    (low_ms,) = outcome.times_ms("ada", "battery_low")
    assert low_ms == at_ms(outcome, ADA, told)


def test_a_charger_is_told_when_it_comes_and_goes(outcome: Outcome):
    on, off = of(outcome, ADA, record.CHARGER_ON, record.CHARGER_OFF)
    for each, moment in ((on, "11:10"), (off, "11:50")):
        assert 0 <= at_ms(outcome, ADA, each) - SCENARIO.moment_ms(moment) <= MINUTE


def test_a_flat_tag_sleeps_without_a_word_and_lives_again_within_a_quarter_of_an_hour_of_the_charger(
    outcome: Outcome, witness: Witness
):
    first, again = of(outcome, BEN, record.BOOT)
    assert (first.value_a, again.value_a) == (PWRON, DEEPSLEEP) and again.value_b - first.value_b >= 4, "it looked meanwhile"
    charged_ms = SCENARIO.moment_ms("10:40")
    assert 0 <= at_ms(outcome, BEN, again) - charged_ms <= 15 * MINUTE + 5000
    slept_ms = max(at_ms(outcome, BEN, r) for r in outcome.records_of(BEN) if at_ms(outcome, BEN, r) < charged_ms)
    assert witness.on_between(BEN, slept_ms + MINUTE, charged_ms) == 0
    assert fixes(outcome, BEN, "10:45", "10:50")


def test_a_program_that_hangs_is_ended_by_the_watchdog(outcome: Outcome):
    _, second, _ = of(outcome, CAT, record.BOOT)
    assert second.value_a == WDT
    hung_s = (at_ms(outcome, CAT, second) - SCENARIO.moment_ms("08:30")) / 1000
    print(f"watchdog after {hung_s:.0f} s")
    assert hung_s <= 185
    (crash,) = of(outcome, CAT, record.CRASH)
    assert crash.value_a == 0, "no module of ours: a reset"
    assert fixes(outcome, CAT, "08:33", "08:36")


def test_a_supply_that_failed_is_told(outcome: Outcome):
    assert of(outcome, CAT, record.BOOT)[-1].value_a == PWRON
    (failed,) = of(outcome, CAT, record.BROWN_OUT)
    assert abs(at_ms(outcome, CAT, failed) - SCENARIO.moment_ms("09:30:02")) <= 2000 and failed.value_a > 3000
    assert len(outcome.times_ms("cat", "brown_out")) == 1


def test_three_crashes_in_ten_minutes_end_in_the_safe_tracker_and_after_an_hour_all_is_back(outcome: Outcome):
    assert len(of(outcome, DAN, record.CRASH)) == 3
    safe, whole = of(outcome, DAN, record.SAFE_MODE)
    assert (safe.value_a, whole.value_a) == (1, 0)
    assert -2000 <= at_ms(outcome, DAN, safe) - SCENARIO.moment_ms("08:26") <= 5000  # dated by an uptime in whole seconds
    hour_min = (at_ms(outcome, DAN, whole) - at_ms(outcome, DAN, safe)) / MINUTE
    print(f"safe for {hour_min:.1f} min")
    assert 59 <= hour_min <= 62
    assert len(of(outcome, DAN, record.BOOT)) == 5
    assert outcome.times_ms("dan", "safe_mode") and outcome.times_ms("dan", "safe_mode_ended")


def test_the_safe_tracker_takes_a_fix_a_minute_tells_of_the_strap_and_answers(outcome: Outcome, witness: Witness):
    made = fixes(outcome, DAN, "08:28", "09:20")
    assert max(b - a for a, b in pairwise(made)) <= 65_000
    cut = of(outcome, DAN, record.STRAP_CUT)[0]  # a start with an open strap tells it again
    cut_ms = SCENARIO.moment_ms("08:40:07")
    assert abs(at_ms(outcome, DAN, cut) - cut_ms) <= 3000
    assert witness.left[ident.parse_device_name(DAN), cut.seq] - cut_ms <= 10_000
    ((status, done_ms),) = outcome.rows(
        "select o.status, r.at_ms from orders o join record r on r.device_id = o.device_id and r.seq = o.done_seq "
        "where o.device_id = ? and o.kind = ?",
        ident.parse_device_name(DAN), message.ORDER_LOCATE,
    )  # fmt: skip
    assert status == message.DONE and done_ms - SCENARIO.start_utc_ms - SCENARIO.moment_ms("08:50") <= 180_000


def test_after_the_safe_hour_the_whole_tracker_looks_again(outcome: Outcome):
    assert fixes(outcome, DAN, "09:35", "11:59")
