"""What a scenario asks of devices at a virtual time reaches them then, and the store holds the answer."""

from pathlib import Path

import pytest

from firmware.core import ident, message, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

SCENARIO = load(Path(__file__).parent / "orders.yaml")
TAG, UNIT = "tag-000003", "hmu-000003"
MINUTE = 60_000


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("orders") / "run", scenario=SCENARIO)


def orders(outcome: Outcome, name: str, kind: int) -> list[tuple[str, int | None, float]]:
    """(by whom, status, minutes since the scenario's start of its answer)"""
    rows = outcome.rows(
        "select by_whom, state, status, done_ms from orders where device_id = ? and kind = ? order by id",
        ident.parse_device_name(name), kind,
    )  # fmt: skip
    assert all(state == "done" for _, state, _, _ in rows)
    return [(by_whom, status, (done_ms - SCENARIO.start_utc_ms) / MINUTE) for by_whom, _, status, done_ms in rows]


def test_a_bench_has_given_the_tag_its_lease_and_its_zones_and_the_bridge_knows(outcome: Outcome):
    assert orders(outcome, TAG, message.ORDER_LEASE)[0][0] == "bench"
    assert orders(outcome, TAG, message.ORDER_CONFIG)[0][0] == "bench"


def test_who_is_asked_where_he_is_answers_within_three_minutes(outcome: Outcome):
    ((by_whom, status, minutes),) = orders(outcome, TAG, message.ORDER_LOCATE)
    assert by_whom == "scenario" and status == message.DONE and 30 <= minutes <= 33


def test_a_home_unit_measures_a_room(outcome: Outcome):
    ((_, _, minutes),) = orders(outcome, UNIT, message.ORDER_RANGE_TEST)
    assert 6 <= minutes <= 10
    assert len(outcome.times_ms("jory", "range_test")) == 1


def test_a_motor_is_run_when_the_order_says_so(outcome: Outcome):
    assert len(orders(outcome, TAG, message.ORDER_VIBRATE)) == 1


def test_consent_withdrawn_ends_the_recording_on_the_tag_itself(outcome: Outcome):
    withdrawn = orders(outcome, TAG, message.ORDER_LEASE)[-1]
    assert withdrawn[0] == "bridge" and 45 <= withdrawn[2] <= 51
    end_s = (SCENARIO.start_utc_ms + 51 * MINUTE) // 1000
    assert [r for r in outcome.records_of(TAG) if r.kind == record.FIX and r.time_s > end_s] == []
    assert outcome.summary.is_good, outcome.summary
