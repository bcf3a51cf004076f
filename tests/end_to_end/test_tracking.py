"""How often a tag looks where it is; what becomes a fix and what never does; zones, the garden gate, a clock that is gone."""

import math
from itertools import pairwise
from pathlib import Path

import pytest

from firmware.core import ident, record
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario
from tests.end_to_end.witness import Witness

SCENARIO = load(Path(__file__).parent / "tracking.yaml")
LEAP = load(Path(__file__).parent / "leap.yaml")
QUIN, RITA, SAM, TIA, UNA, VIC = (f"tag-00006{n}" for n in range(1, 7))
MINUTE = 60_000
LATENCY_MS = 120


@pytest.fixture(scope="module")
def witness() -> Witness:
    return Witness()


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Outcome:
    return run_scenario(tmp_path_factory.mktemp("tracking") / "run", scenario=SCENARIO, around=witness.watching)


def of(outcome: Outcome, name: str, code: int) -> list[record.Record]:
    return [r for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == code]


def fixes(outcome: Outcome, name: str, since: str = "08:00", until: str = "14:30") -> list[int]:
    """Virtual ms of fixes."""
    start_ms = SCENARIO.start_utc_ms
    rows = outcome.rows(
        "select at_ms from record where device_id = ? and kind = ? and at_ms >= ? and at_ms < ? order by at_ms",
        ident.parse_device_name(name), record.FIX,
        start_ms + SCENARIO.moment_ms(since), start_ms + SCENARIO.moment_ms(until),
    )  # fmt: skip
    return [at_ms - start_ms for (at_ms,) in rows]


def gaps_s(times: list[int]) -> list[float]:
    return [(b - a) / 1000 for a, b in pairwise(times)]


def start_to_fix_s(outcome: Outcome, witness: Witness, name: str, since: str) -> float:
    """From the sky, or the receiver's start if later, to the first fix after a moment."""
    first = fixes(outcome, name, since)[0]
    on = [t for t, is_on in witness.receiver[name] if is_on and t <= first][-1]
    truth = outcome.run.world.wearer_of_tag(name).truth(first)
    return (first - max(on, first - truth.sky_for_ms)) / 1000


def test_nothing_is_lost_and_nothing_crashes(outcome: Outcome):
    assert outcome.summary.is_good, outcome.summary


def test_cold_warm_and_hot_starts_take_their_time_and_no_longer(outcome: Outcome, witness: Witness):
    cold = start_to_fix_s(outcome, witness, QUIN, "08:00")
    hot = start_to_fix_s(outcome, witness, QUIN, "08:23")
    warm = start_to_fix_s(outcome, witness, RITA, "14:15:05")
    print(f"cold {cold:.1f} s, warm {warm:.1f} s, hot {hot:.1f} s")
    assert cold <= 35 and hot <= 6 and warm <= 60


def test_a_fix_each_minute_on_the_move_and_each_hour_at_rest(outcome: Outcome):
    moving = gaps_s(fixes(outcome, QUIN, "08:23", "08:38"))
    assert max(moving) <= 65
    resting = gaps_s(fixes(outcome, QUIN, "09:10", "14:30"))
    assert min(resting) >= 3500 and max(resting) <= 3700


def test_none_while_the_home_unit_is_heard(outcome: Outcome, witness: Witness):
    at_home = ("10:05", "14:10")
    assert fixes(outcome, RITA, *at_home) == []
    assert witness.on_between(RITA, *map(SCENARIO.moment_ms, at_home)) == 0


def metres_inside(outcome: Outcome, t_ms: int) -> float:
    world = outcome.run.world
    truth = world.truth("sam", t_ms)
    x, y = world.town.plane.to_xy(truth.lat, truth.lon)
    cx, cy = world.place("Fairlea Common").point
    return 150 - math.hypot(x - cx, y - cy)


def test_a_fix_each_quarter_of_a_minute_in_and_near_a_zone(outcome: Outcome):
    near = [t for t in range(0, SCENARIO.until_ms, 1000) if metres_inside(outcome, t) > -150]
    times = [t for t in fixes(outcome, SAM) if near[0] + MINUTE <= t <= near[-1]]
    assert len(times) > 20 and max(gaps_s(times)) <= 20


def test_a_zone_entered_is_found_within_half_a_minute_and_confirmed_by_the_tag_within_one(outcome: Outcome, witness: Witness):
    inside = [t for t in range(0, SCENARIO.until_ms, 1000) if metres_inside(outcome, t) > 0]
    told = [r for r in of(outcome, SAM, record.ZONE) if r.value_a & 0xFFFF]
    told = [r for r in told if (r.time_s * 1000 - SCENARIO.start_utc_ms) > inside[0]]
    assert [r.value_a >> 16 for r in told] == [record.ZONE_INSIDE, record.ZONE_OUTSIDE]
    device = ident.parse_device_name(SAM)
    # He comes in along the edge: the tag cannot be sure before he is a circle and a half beyond it (of 11 m, as its fixes say).
    deep = [t for t in range(0, SCENARIO.until_ms, 1000) if metres_inside(outcome, t) > 17]
    near = [t for t in range(0, SCENARIO.until_ms, 1000) if metres_inside(outcome, t) > -17]
    for each, beyond_ms in zip(told, (deep[0], near[-1]), strict=True):
        seconds = (witness.left[device, each.seq] + LATENCY_MS - beyond_ms) / 1000
        print(f"zone event at the bridge {seconds:.1f} s after the edge was left behind by more than the error")
        # Three fixes, 15 s apart, whose whole circles are on the other side.
        assert seconds <= 60
    (entered,) = [event for event in outcome.events() if (event.wearer, event.kind) == ("sam", "zone_entered")]
    assert entered.seq is not None
    found_s = (witness.left[device, entered.seq] + LATENCY_MS - inside[0]) / 1000
    print(f"the fix that the bridge finds it by is there {found_s:.1f} s after the edge was crossed")
    assert found_s <= 30


def test_an_hour_at_the_garden_gate_is_one_episode_at_most(outcome: Outcome):
    hour = [r for r in of(outcome, TIA, record.MODE) if r.time_s * 1000 - SCENARIO.start_utc_ms >= SCENARIO.moment_ms("09:00")]
    assert len(hour) <= 2, "out, and in again"
    world = outcome.run.world
    levels = [world.tag_to_home_unit_dbm(TIA, "hmu-000064", 3.0, t) for t in range(70 * MINUTE, 110 * MINUTE, 10_000)]
    heard = [level for level in levels if level is not None]
    assert min(heard) < -93 and max(heard) > -90, "it is the edge of range"


def test_what_was_made_before_the_time_was_known_is_dated_afterwards_and_a_clock_that_is_gone_is_told(outcome: Outcome):
    (gone_ms,) = outcome.times_ms("una", "clock_gone")
    assert abs(gone_ms - 30 * MINUTE) <= 60_000
    rows = outcome.rows("select at_ms, raw from record where device_id = ? order by seq limit 3", ident.parse_device_name(UNA))
    assert all(record.Record(raw).flags & record.UNDATED for _, raw in rows)
    boot_ms, *_ = (at_ms - SCENARIO.start_utc_ms for at_ms, _ in rows)
    assert 0 <= boot_ms <= 10_000


@pytest.mark.parametrize("since", ["08:20", "08:40", "09:00", "09:20"])
def test_what_a_receiver_cannot_mean_never_becomes_a_fix(outcome: Outcome, since: str):
    from_ms = SCENARIO.moment_ms(since)
    bad = [t for t in fixes(outcome, VIC) if from_ms <= t < from_ms + 10 * MINUTE]
    assert bad == []
    later = [t for t in fixes(outcome, VIC) if from_ms + 10 * MINUTE <= t < from_ms + 13 * MINUTE]
    assert later, "and then there are fixes again"


def test_all_fixes_are_where_and_when_the_wearer_was(outcome: Outcome):
    world = outcome.run.world
    for name in (QUIN, SAM, VIC):
        for each in (r for r in outcome.records_of(name) if r.kind == record.FIX):
            t_ms = each.time_s * 1000 + each.millis - SCENARIO.start_utc_ms
            truth = world.wearer_of_tag(name).truth(t_ms)
            x, y = world.town.plane.to_xy(truth.lat, truth.lon)
            fx, fy = world.town.plane.to_xy(each.lat_e7 / 1e7, each.lon_e7 / 1e7)
            assert math.hypot(x - fx, y - fy) < 120


def test_a_leap_second_is_no_fix_of_another_day(tmp_path: Path):
    leap = run_scenario(tmp_path / "run", scenario=LEAP)
    made = [r for r in leap.records_of(VIC) if r.kind == record.FIX]
    times = [r.time_s * 1000 - LEAP.start_utc_ms for r in made]
    assert times == sorted(times) and all(0 <= t <= LEAP.until_ms + 3_600_000 for t in times)
    assert [t for t in times if 590_000 <= t <= 610_000], "there was one at that midnight"
