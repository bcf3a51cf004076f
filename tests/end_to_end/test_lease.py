"""Nothing is followed without a lease, and what officers ask for is answered in time: at home, in a building and on the way."""

from pathlib import Path

import pytest

import sim.scenarios
from bridge.ingest.worn import HEALTH
from firmware.core import ident, message, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario
from tests.end_to_end.witness import Witness

SCENARIO = load(Path(sim.scenarios.__file__ or "").with_name("lease.yaml"))
LENA, MICK, NORA, OWEN, PIA = (f"tag-00003{n}" for n in range(1, 6))
UNIT = "hmu-000031"
MINUTE = 60_000


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("lease") / "run", scenario=SCENARIO, around=witness.watching)


def answer(outcome: Outcome, name: str, kind: int, asked: str) -> tuple[int | None, float]:
    """The status of the order asked for at a moment, and the seconds until its answer was made on the device."""
    since_ms = SCENARIO.start_utc_ms + SCENARIO.moment_ms(asked)
    rows = outcome.rows(
        "select o.status, r.at_ms from orders o join record r on r.device_id = o.device_id and r.seq = o.done_seq "
        "where o.device_id = ? and o.kind = ? and o.by_whom = 'scenario' order by o.id",
        ident.parse_device_name(name), kind,
    )  # fmt: skip
    status, at_ms = min((row for row in rows if row[1] >= since_ms - 1000), key=lambda row: row[1])
    print(f"{name} order {kind}: status {status} after {(at_ms - since_ms) / 1000:.1f} s")
    return status, (at_ms - since_ms) / 1000


def of(outcome: Outcome, name: str, code: int) -> list[record.Record]:
    return [r for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == code]


def clock_ms(each: record.Record) -> int:
    return each.time_s * 1000 - SCENARIO.start_utc_ms


def test_all_that_the_scenario_expects_is_found_and_nothing_is_lost(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary


def test_whoever_is_asked_for_at_home_in_a_building_answers_within_three_minutes_that_there_is_no_sky(outcome: Outcome):
    status, seconds = answer(outcome, LENA, message.ORDER_LOCATE, "08:15")
    assert status == message.NO_FIX and seconds <= 180


def test_whoever_is_asked_for_outside_answers_within_three_minutes(outcome: Outcome):
    for asked in ("08:20", "09:10"):  # the second under the new key
        status, seconds = answer(outcome, MICK, message.ORDER_LOCATE, asked)
        assert status == message.DONE and seconds <= 180


@pytest.mark.parametrize(("name", "asked"), [(LENA, "08:50"), (MICK, "08:24")])
def test_the_motor_runs_within_two_minutes_of_the_order(outcome: Outcome, name: str, asked: str):
    status, seconds = answer(outcome, name, message.ORDER_VIBRATE, asked)
    assert status == message.DONE and seconds <= 120


@pytest.mark.parametrize(("name", "asked"), [(LENA, "08:35"), (MICK, "08:50")])
def test_a_new_key_is_taken_at_home_and_outside_and_records_go_on_without_a_gap(outcome: Outcome, name: str, asked: str):
    status, _ = answer(outcome, name, message.ORDER_KEY, asked)
    assert status == message.DONE
    seqs = [r.seq for r in outcome.records_of(name)]
    assert seqs == list(range(1, len(seqs) + 1))
    after = [r for r in outcome.records_of(name) if clock_ms(r) > SCENARIO.moment_ms(asked) + MINUTE]
    assert after, "sealed under the new key"


def test_a_range_test_is_measured_and_kept(outcome: Outcome):
    status, seconds = answer(outcome, UNIT, message.ORDER_RANGE_TEST, "08:25")
    assert status == message.DONE and seconds <= 90
    ((result,),) = outcome.rows(
        "select result from orders where device_id = ? and kind = ?", ident.parse_device_name(UNIT), message.ORDER_RANGE_TEST
    )
    assert "median" in result


def test_a_zone_that_is_new_holds_at_once_for_who_stands_in_it(outcome: Outcome):
    configs = outcome.rows(
        "select r.at_ms from orders o join record r on r.device_id = o.device_id and r.seq = o.done_seq "
        "where o.device_id = ? and o.kind = ? and o.by_whom = 'bridge' and o.status = 0",
        ident.parse_device_name(MICK), message.ORDER_CONFIG,
    )  # fmt: skip
    (known_ms,) = configs[-1]
    inside = [r for r in of(outcome, MICK, record.ZONE) if r.value_a >> 16 == record.ZONE_INSIDE]
    seconds = (clock_ms(inside[0]) + SCENARIO.start_utc_ms - known_ms) / 1000
    print(f"inside a new zone: {seconds:.0f} s after the tag knew it")
    assert seconds <= 150  # three fixes at the pace of one who moves


def ended_ms(outcome: Outcome, name: str, state: int) -> int:
    (each,) = [r for r in of(outcome, name, record.LEASE) if r.value_b == state]
    return clock_ms(each)


@pytest.mark.parametrize(
    ("name", "state", "moment", "minutes"),
    # A withdrawal reaches the tag with the next thing that it says: the simulated bridge looks then.
    [(NORA, record.LEASE_ENDED, "08:30", 2), (OWEN, record.LEASE_ENDED, "08:40", 1)],
)
def test_when_a_lease_is_over_the_receiver_goes_off_and_nothing_but_health_is_recorded(
    outcome: Outcome, witness: Witness, name: str, state: int, moment: str, minutes: int
):
    end_ms = ended_ms(outcome, name, state)
    assert end_ms <= SCENARIO.moment_ms(moment) + minutes * MINUTE
    assert witness.on_between(name, 0, end_ms) > 0
    assert witness.on_between(name, end_ms + 1000, SCENARIO.until_ms) == 0
    later = [r for r in outcome.records_of(name) if clock_ms(r) > end_ms + 1000]
    assert {r.code if r.kind == record.EVENT else "fix" for r in later} <= HEALTH


def test_who_has_withdrawn_is_not_to_be_located(outcome: Outcome):
    status, _ = answer(outcome, NORA, message.ORDER_LOCATE, "09:00")
    assert status == message.NO_LEASE


def test_before_a_lease_begins_the_receiver_tells_the_time_and_nothing_else(outcome: Outcome, witness: Witness):
    begins_ms = SCENARIO.moment_ms("08:40")
    first = outcome.records_of(PIA)
    assert [r for r in first if r.kind == record.FIX and clock_ms(r) < begins_ms] == []
    (clock,) = of(outcome, PIA, record.CLOCK_SET)
    assert witness.on_between(PIA, clock_ms(clock) + 2000, begins_ms - 1000) == 0
    (begun,) = of(outcome, PIA, record.LEASE)
    assert begun.value_b == record.LEASE_BEGUN and 0 <= clock_ms(begun) - begins_ms <= 30_000
    assert [r for r in first if r.kind == record.FIX and begins_ms < clock_ms(r) < begins_ms + 2 * MINUTE]
