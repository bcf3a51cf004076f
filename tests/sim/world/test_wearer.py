"""A wearer's day: a plain function of time, without a jump, on the streets, as the scenario says."""

import math
import random
from itertools import pairwise

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world import Charging, Deviation, Person, PhysicalEvent, Stop, Trip, World, WorldSpec
from sim.world.motion import MAX_MPS
from sim.world.plane import distance_m

START = 1_780_290_000_000  # 2026-06-01T05:00:00Z, 06:00 in London, a Monday
HOUR = 3_600_000
HOME, WORK, PUB, SHOP = "22 Mallow Lane", "Osier Logistics", "The Wheatsheaf", "Larkfield Supermarket"


def clock(hours, minutes=0):
    """Virtual ms of a local time on the first day."""
    return (hours - 6) * HOUR + minutes * 60_000


def at_s(hours, minutes=0):
    return hours * 3600 + minutes * 60


ROUTINE = (
    Trip("to work", WORK, "car", leave_s=at_s(8), vary_s=300),
    Trip("to the shop", SHOP, "bus", leave_s=at_s(17), vary_s=300),
    Trip("stroll", "Priory Gardens", "walk", arrive_s=at_s(18, 30), via=(Stop("High West Street", 120),)),
    Trip("home", "home", "walk", leave_s=at_s(20), vary_s=300),
)


def world(seed=5, **changes):
    person = {"trips": ROUTINE, "charging": Charging(at_s(22), 90)} | changes
    return World(WorldSpec(seed, START, "Europe/London", people=(Person("w", "W", "tag-000001", "hmu-000001", HOME, **person),)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_same_question_has_the_same_answer_in_any_order(seed, order):
    times = [random.Random(seed).randrange(0, 4 * 24 * HOUR) for _ in range(60)]
    forwards = world(seed)
    first = {t: forwards.truth("w", t) for t in sorted(times)}
    shuffled = list(times)
    order.shuffle(shuffled)
    again = world(seed)
    assert {t: again.truth("w", t) for t in shuffled} == first


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.integers(0, 2 * 24 * HOUR), st.integers(1, 30_000))
def test_nobody_jumps(seed, t, step):
    w = world(seed)
    a, b = w.truth("w", t), w.truth("w", t + step)
    fastest = max(MAX_MPS.values())
    assert distance_m(a.lat, a.lon, b.lat, b.lon) <= fastest * step / 1000 * 1.01 + 0.1


def test_nobody_goes_faster_than_the_way_of_travel_allows():
    w = world()
    before = w.truth("w", 0)
    for t in range(1_000, 24 * HOUR, 1_000):
        now = w.truth("w", t)
        assert now.speed_mps <= MAX_MPS[now.mode] * 1.01, now
        most = max(MAX_MPS[now.mode], MAX_MPS[before.mode])
        assert distance_m(before.lat, before.lon, now.lat, now.lon) <= most * 1.01 + 0.05
        before = now


def test_all_ways_of_travel_occur_and_follow_the_streets():
    w = world()
    network = shapely.union_all([shapely.linestrings(e.points) for e in w.town.streets.edges])
    shapely.prepare(network)
    modes = set()
    for s in w.wearers["w"].stretches(0, 24 * HOUR):
        modes.add(s.mode)
        if s.mode != "still" and s.street:
            assert shapely.distance(network, shapely.points(((s.x0 + s.x1) / 2, (s.y0 + s.y1) / 2))) < 0.1
    assert modes == {"still", "walk", "car", "bus"}


def test_the_stretches_of_a_day_join_without_a_gap():
    stretches = world().wearers["w"].stretches(0, 48 * HOUR)
    for a, b in pairwise(stretches):
        assert a.start_ms < b.start_ms
        assert math.dist((a.x1, a.y1), (b.x0, b.y0)) < 0.01
        if a.mode != "still":
            assert a.end_ms == b.start_ms


def test_the_day_goes_as_the_routine_says():
    w = world()
    assert w.truth("w", 0).place == HOME and w.truth("w", 0).indoors
    assert w.truth("w", clock(12)).place == WORK
    assert w.truth("w", clock(17, 50)).place == SHOP
    assert w.truth("w", clock(19)).place == "Priory Gardens" and not w.truth("w", clock(19)).indoors
    assert w.truth("w", clock(23)).place == HOME
    assert w.truth("w", clock(18, 31)).place == "High West Street"  # `arrive` is for the first pause
    assert w.truth("w", clock(18, 29)).mode == "walk"


def test_days_repeat_with_a_little_variation():
    w = world()
    leaving = []
    for day in range(5):
        t = clock(7, 50) + day * 24 * HOUR
        leaving.append(w.next_change("w", t) - day * 24 * HOUR)
    assert all(clock(7, 55) <= t <= clock(8, 5) for t in leaving)
    assert len(set(leaving)) == 5


def test_a_trip_happens_on_its_weekdays_only():
    weekend = Trip("walk", "Fairlea Common", "walk", leave_s=at_s(10), days=frozenset({6}))
    w = world(trips=(weekend, Trip("home", "home", "walk", leave_s=at_s(12))))
    assert [w.truth("w", clock(11, 30) + day * 24 * HOUR).place == "Fairlea Common" for day in range(8)] == [
        False, False, False, False, False, True, False, False,
    ]  # fmt: skip


def test_who_is_still_on_the_way_leaves_again_on_arrival():
    far = Trip("far", "30 Wren Place", "walk", leave_s=at_s(10))
    back = Trip("back", "home", "walk", leave_s=at_s(10, 1))
    w = world(trips=(far, back))
    stretches = [s for s in w.wearers["w"].stretches(clock(9), clock(13)) if s.mode == "walk"]
    assert all(a.end_ms == b.start_ms for a, b in pairwise(stretches))
    there = w.place("30 Wren Place").point
    assert min(math.dist((s.x1, s.y1), there) for s in stretches) < 0.02
    assert w.truth("w", clock(12)).place == HOME


def test_a_deviation_changes_its_day_and_no_other():
    late = Deviation(1, "home", Trip("home", "home", "walk", leave_s=at_s(21, 40)))
    w = world(deviations=(late,))
    assert w.next_change("w", clock(19)) == clock(21, 40)
    assert w.truth("w", clock(21) + 24 * HOUR).place == HOME
    skip = world(deviations=(Deviation(2, "to work", None), Deviation(2, None, Trip("x", PUB, leave_s=at_s(12)))))
    assert skip.truth("w", clock(11) + 24 * HOUR).place == HOME
    assert skip.truth("w", clock(14) + 24 * HOUR).place == PUB
    assert skip.truth("w", clock(14)).place == WORK


def test_local_clock_times_hold_when_the_clocks_change():
    start = 1_792_814_400_000  # 2026-10-24T04:00Z, the day before the clocks go back
    person = Person(
        "w", "W", "tag-000001", None, HOME, (Trip("out", PUB, leave_s=at_s(9)), Trip("home", "home", leave_s=at_s(11)))
    )
    w = World(WorldSpec(1, start, "Europe/London", people=(person,)))
    first = w.next_change("w", 0)
    home_again = w.next_change("w", first + 3 * HOUR)
    while w.truth("w", home_again + 1).place is not None or home_again < 24 * HOUR:
        home_again = w.next_change("w", home_again)
    assert home_again - first == 25 * HOUR


def test_a_dropped_tag_stays_while_its_wearer_goes_on():
    drop = PhysicalEvent(clock(19), "tag-000001", "tag_dropped")
    w = world(events=(drop,))
    left = w.truth("w", clock(19))
    for t in (clock(20, 5), clock(23), clock(40)):
        now = w.truth("w", t)
        assert (now.lat, now.lon, now.speed_mps, now.mode) == (left.lat, left.lon, 0.0, "still")
    assert w.person("w", clock(23)).place == HOME
    picked = PhysicalEvent(clock(21), "tag-000001", "tag_picked_up")
    assert world(events=(drop, picked)).truth("w", clock(23)).place == HOME


def test_strap_and_mains_are_states_with_their_times():
    w = world(
        events=(
            PhysicalEvent(clock(10), "tag-000001", "strap_cut"),
            PhysicalEvent(clock(11), "tag-000001", "strap_closed"),
            PhysicalEvent(clock(12), "hmu-000001", "mains_off"),
        )
    ).wearers["w"]
    assert [w.strap_closed(clock(10) + d) for d in (-1, 0, HOUR - 1, HOUR)] == [True, False, False, True]
    assert [w.mains_on(clock(12) + d) for d in (-1, 0)] == [True, False]


def test_the_tag_is_charged_each_night_at_home():
    w = world()
    events = w.physical_events(0, 48 * HOUR)
    day = 24 * HOUR
    assert [(e.at_ms, e.kind) for e in events] == [
        (clock(22), "charger_on"), (clock(23, 30), "charger_off"),
        (clock(22) + day, "charger_on"), (clock(23, 30) + day, "charger_off"),
    ]  # fmt: skip
    wearer = w.wearers["w"]
    assert [wearer.charger_on(clock(22) + d) for d in (-1, 0, 90 * 60_000 - 1, 90 * 60_000)] == [False, True, True, False]


def test_a_tag_that_is_not_at_home_is_not_charged():
    w = world(events=(PhysicalEvent(clock(19), "tag-000001", "tag_dropped"),))
    assert [e.kind for e in w.physical_events(0, 24 * HOUR)] == ["tag_dropped"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30 * 24), st.integers(1, 24))
def test_events_of_two_halves_are_the_events_of_the_whole(first_hour, hours):
    w = world(seed=3)
    low, high = first_hour * HOUR, (first_hour + hours) * HOUR
    middle = (low + high) // 2
    assert w.physical_events(low, middle) + w.physical_events(middle, high) == w.physical_events(low, high)


def test_the_next_change_is_when_a_stay_ends():
    w = world()
    t = w.next_change("w", clock(9))
    assert w.truth("w", t - 1).place == WORK and w.truth("w", t).place is None
    assert w.next_change("w", t - 1) == t
    at_home = world(trips=())
    assert at_home.next_change("w", 0) > 24 * HOUR
    assert at_home.truth("w", at_home.next_change("w", 0)).place == HOME


def test_the_sky_counts_from_going_in_or_out():
    w = world()
    leave = w.next_change("w", clock(7))
    assert w.truth("w", leave).sky_for_ms == 0
    assert w.truth("w", leave + 5_000).sky_for_ms == 5_000
    assert w.truth("w", leave - 1).sky_for_ms > 7 * HOUR
    arrive = leave
    while not w.truth("w", arrive).indoors:
        arrive = w.next_change("w", arrive)
    assert w.truth("w", arrive + 60_000).sky_for_ms == 60_000


@pytest.mark.parametrize("t", [0, clock(8, 2), clock(12), clock(18, 35)])
def test_the_course_points_where_the_wearer_goes(t):
    w = world()
    now, then = w.truth("w", t), w.truth("w", t + 500)
    if now.speed_mps and then.course_deg == now.course_deg:
        north = (then.lat - now.lat) * 111_195
        east = (then.lon - now.lon) * 111_195 * math.cos(math.radians(now.lat))
        bearing = math.degrees(math.atan2(east, north)) % 360
        assert abs((bearing - now.course_deg + 180) % 360 - 180) < 3
    assert 0 <= now.course_deg < 360
