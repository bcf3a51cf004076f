"""Measures over stores that a test has written: what is right gives good samples, what is wrong gives bad ones."""

from pathlib import Path

import pytest

from firmware.core import record
from sim.engine.arrivals import Sent
from sim.suite import measures
from sim.suite.arrivals import BRIDGE_MS, first_of
from sim.suite.requirements import BY_NAME
from sim.suite.samples import judge
from tests.sim.suite.takes import MadeUp

MINUTE = 60_000


def holds(made: MadeUp, name: str, key: str) -> bool:
    requirement = BY_NAME[name]
    assert requirement.measure is not None
    figure = next(f for f in requirement.figures if f.key == key)
    return figure.holds(requirement.measure(made.take).get(key, []))


def test_a_record_arrives_by_the_first_message_that_had_a_network():
    sent = [
        Sent("tag-000001", 1, 1, 3, 1000, None),
        Sent("hmu-000001", 1, 1, 2, 5000, 80),
        Sent("tag-000001", 1, 1, 3, 9000, 40),
    ]
    assert first_of(sent) == {(1, 1): 5080, (1, 2): 5080, (1, 3): 9040}


@pytest.mark.parametrize(
    ("dated_ms", "arrived_ms", "good"), [(400, 1500, (True, True)), (2500, 3000, (False, True)), (400, 9800, (True, False))]
)
def test_a_cut_is_measured_on_the_tag_and_on_the_console(tmp_path: Path, dated_ms: int, arrived_ms: int, good: tuple[bool, bool]):
    made = MadeUp(tmp_path, "strap_cut")
    for who in ("cut-hal", "cut-ida"):
        cut_ms, tag = made.done(who, "strap_cut"), made.take.person(who).tag
        seq = made.record(tag, cut_ms + dated_ms, cut_ms + arrived_ms, code=record.STRAP_CUT)
        made.finding(who, "strap_cut", cut_ms + dated_ms, tag, seq)
    assert (holds(made, "strap_cut", "on_tag"), holds(made, "strap_cut", "shown")) == good
    assert measures.strap_cut(made.take)["shown"] == [(arrived_ms + BRIDGE_MS) / 1000] * 2
    assert made.take.missed() == [] and made.take.false() == []


def test_a_cut_that_nobody_told_of_is_missed(tmp_path: Path):
    made = MadeUp(tmp_path, "strap_cut")
    cut_ms = made.done("cut-hal", "strap_cut")
    made.finding("cut-hal", "strap_cut", cut_ms + 200, "tag-000108", made.record("tag-000108", cut_ms + 200))
    assert [text.split(":")[0] for text in made.take.missed()] == ["cut-ida"]


def test_what_nobody_expects_is_false(tmp_path: Path):
    made = MadeUp(tmp_path, "strap_cut")
    made.finding("cut-hal", "boot", 1000)
    made.finding("cut-hal", "jammed", 5 * MINUTE)
    made.finding("cut-ida", "strap_cut", 5 * MINUTE)
    assert [text.split(" at ")[0] for text in made.take.false()] == ["cut-hal: jammed", "cut-ida: strap_cut"]


@pytest.mark.parametrize(("off_m", "radius_m", "good"), [(4, 10, True), (9.5, 9, False)])
def test_a_radius_has_to_hold_the_truth(tmp_path: Path, off_m: float, radius_m: float, good: bool):
    made = MadeUp(tmp_path, "accuracy")
    for i in range(20):
        made.fix("radius-amy", MINUTE + i * 1000, off_m, radius_m)
    assert holds(made, "accuracy", "open") is good
    assert holds(made, "accuracy", "carried")
    made.fix("radius-amy", 2 * MINUTE, 0, None)
    assert not holds(made, "accuracy", "carried")


@pytest.mark.parametrize(("off_m", "good"), [(3, True), (14, False)])
def test_a_position_is_compared_with_the_truth(tmp_path: Path, off_m: float, good: bool):
    made = MadeUp(tmp_path, "position_error")
    for i in range(10):
        made.fix("error-bob", MINUTE + i * 1000, off_m)
    assert holds(made, "position_error", "error") is good
    assert not holds(made, "position_error", "added"), "the receiver said something else than the truth"


@pytest.mark.parametrize(("told_s", "good"), [(20, True), (40, False)])
def test_a_zone_is_timed_from_its_edge(tmp_path: Path, told_s: int, good: bool):
    made = MadeUp(tmp_path, "zone_event")
    centre, radius_m = measures._circle(made.take, made.scenario.file.people[0].conditions[0])
    inside = [t for t in range(0, made.take.ended_ms, 1000) if measures._truth_to(made.take, "zone-fay", centre, t) < radius_m]
    for kind, edge_ms in (("zone_entered", inside[0]), ("zone_left", inside[-1])):
        t_ms = edge_ms + told_s * 1000
        made.finding("zone-fay", kind, t_ms, "tag-000106", made.fix("zone-fay", t_ms))
    assert holds(made, "zone_event", "entered") is good is holds(made, "zone_event", "left")


@pytest.mark.parametrize(("state", "good"), [(record.ZONE_INSIDE, False), (record.ZONE_OUTSIDE, True)])
def test_a_claim_about_a_zone_is_held_against_the_truth(tmp_path: Path, state: int, good: bool):
    made = MadeUp(tmp_path, "zone_test")
    made.record("tag-000107", MINUTE, code=record.ZONE, value_a=state << 16 | 1, value_b=50)
    assert holds(made, "zone_test", "claims") is good


def test_presence_that_is_not_so_is_found(tmp_path: Path):
    made = MadeUp(tmp_path, "presence")
    at_home, away = 5 * MINUTE, 30 * MINUTE
    made.finding("presence-wes", "presence", at_home, presence="home")
    made.finding("presence-wes", "presence", away, presence="not_home")
    made.live("presence-yan", presence=record.PRESENCE_UNKNOWN)
    assert holds(made, "presence", "wrong") and holds(made, "presence", "unknown")
    made.finding("presence-wes", "presence", away + MINUTE, presence="home")
    assert not holds(made, "presence", "wrong")


@pytest.mark.parametrize("presence", [record.PRESENCE_HOME, record.PRESENCE_NOT_HOME])
def test_unknown_must_be_shown_as_unknown(tmp_path: Path, presence: int):
    made = MadeUp(tmp_path, "presence")
    made.live("presence-yan", presence=presence)
    assert not holds(made, "presence", "unknown")


def test_a_fix_made_up_for_a_silence_is_found(tmp_path: Path):
    made = MadeUp(tmp_path, "missing_data")
    ((from_ms, until_ms),) = made.take.trouble_ms("gap-zoe", "shield")
    for t_ms in (from_ms - MINUTE, from_ms - 1000, until_ms + MINUTE, until_ms + 2 * MINUTE):
        made.fix("gap-zoe", t_ms)
    assert holds(made, "missing_data", "claimed") and holds(made, "missing_data", "silences")
    made.fix("gap-zoe", (from_ms + until_ms) // 2)
    assert not holds(made, "missing_data", "claimed")


def test_sentinels_are_known_by_place_and_by_date(tmp_path: Path):
    made = MadeUp(tmp_path, "sentinels")
    made.fix("sentinel-pip", MINUTE, 20)
    assert holds(made, "sentinels", "stored")
    made.record("tag-000140", 2 * MINUTE, kind=1, lat_e7=0, lon_e7=0)
    assert measures.sentinels(made.take)["stored"] == [1]
    made.fix("sentinel-pip", -46 * 365 * 86_400_000)
    assert measures.sentinels(made.take)["stored"] == [2]


def test_a_number_that_is_not_in_the_store_is_lost(tmp_path: Path):
    made = MadeUp(tmp_path, "duplicates")
    for _ in range(3):
        made.record("tag-000138", MINUTE)
    assert holds(made, "duplicates", "missing") and holds(made, "duplicates", "twice")
    made.record("tag-000138", MINUTE, seq=9)
    assert measures.duplicates(made.take)["missing"] == [5]


def test_late_is_marked_and_dated_where_it_belongs(tmp_path: Path):
    made = MadeUp(tmp_path, "late_records")
    cut_ms = made.done("late-lou", "strap_cut")
    made.finding("late-lou", "strap_cut", cut_ms + 300, late=False)
    assert holds(made, "late_records", "dated") and not holds(made, "late_records", "marked")


def test_a_strap_that_counts_as_closed_is_no_latch(tmp_path: Path):
    made = MadeUp(tmp_path, "tamper_latches")
    made.finding("latch-cal", "strap_closed", 20 * MINUTE, latched=True)
    made.live("latch-cal", strap="cut")
    assert holds(made, "tamper_latches", "latched")
    made.finding("latch-cal", "case_closed", 30 * MINUTE)
    assert not holds(made, "tamper_latches", "latched")


@pytest.mark.parametrize(("warned_min", "good"), [(20, True), (40, False), (None, False)])
def test_the_wearer_is_warned_before_an_officer_or_it_is_not_held(tmp_path: Path, warned_min: int | None, good: bool):
    made = MadeUp(tmp_path, "battery_warnings")
    if warned_min is not None:
        made.finding("battery-oda", "wearer_warned", warned_min * MINUTE)
    made.finding("battery-oda", "battery_low", 39 * MINUTE, device="tag", percent=19)
    assert holds(made, "battery_warnings", "lead") is good
    assert holds(made, "battery_warnings", "stages")


@pytest.mark.parametrize(("kinds", "good"), [(["late_home", "out_all_night"], True), (["left_home"], False), ([], False)])
def test_late_early_and_all_night_are_not_the_same(tmp_path: Path, kinds: list[str], good: bool):
    made = MadeUp(tmp_path, "curfew")
    start_ms = made.scenario.start_utc_ms + made.scenario.moment_ms("10:20")
    for kind in kinds:
        made.finding("curfew-una", kind, 25 * MINUTE, start_ms=start_ms, due_ms=start_ms + 5 * MINUTE)
    assert measures.curfew(made.take)["kinds"][2] == float(good)


def test_each_way_of_interference_has_its_own_finding(tmp_path: Path):
    made = MadeUp(tmp_path, "interference")
    made.finding("foil-sid", "shielded", 18 * MINUTE)
    made.finding("jam-tess", "shielded", 18 * MINUTE)
    values = measures.interference(made.take)
    assert values["shield"] == [240.0] and values["jam"] == [measures.NEVER_S]
    assert values["right"] == [1.0, 0.0, 0.0]


def test_a_verdict_of_a_take_names_the_seed(tmp_path: Path):
    from sim.suite.runner import found_of

    made = MadeUp(tmp_path, "strap_cut")
    requirement = BY_NAME["strap_cut"]
    verdict = judge("strap_cut", requirement.figures, [found_of(requirement, made.take, 17)])
    assert not verdict.held and verdict.failing() == [17]
    assert {"cut-hal", "cut-ida", "tag-000108", "tag-000109", "hmu-000109"} == {
        text.split(":")[0] for each in verdict.found for text in each.missed
    }
