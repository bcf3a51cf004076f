"""A day is built as far as it is asked for, and nobody who asks can tell how far that is."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world import Person, Stop, Trip, World, WorldSpec
from sim.world.days import DAY_MS, Days
from sim.world.spec import BACK, Wander
from sim.world.town import Town

START = 1_780_290_000_000  # 2026-06-01T05:00:00Z, 06:00 in London, a Monday
HOME, WORK, PUB, SHOP = "22 Mallow Lane", "Osier Logistics", "The Wheatsheaf", "Larkfield Supermarket"

trips = st.lists(
    st.builds(
        lambda to, by, at, arrives, via, vary: Trip(
            f"to {to}", to, by, via=via, vary_s=vary, **({"arrive_s": at} if arrives else {"leave_s": at})
        ),
        st.sampled_from((HOME, WORK, PUB, SHOP, "home", BACK)),
        st.sampled_from(("walk", "cycle", "bus", "car")),
        st.integers(0, 86_399),
        st.booleans(),
        st.lists(st.builds(Stop, st.sampled_from((HOME, WORK, SHOP, BACK)), st.sampled_from((0, 600))), max_size=2).map(tuple),
        st.sampled_from((0, 900)),
    ),
    max_size=5,
).map(tuple)


def days(trips: tuple[Trip, ...], seed: int = 5, wanders: tuple[Wander, ...] = ()) -> Days:
    person = Person("w", "W", "tag-000001", "hmu-000001", HOME, trips=trips, wanders=wanders)
    world = World(WorldSpec(seed, START, "Europe/London", people=(person,)))
    return Days(world.spec, person, world.town)


@settings(max_examples=60, deadline=None)
@given(trips, st.integers(0, 3), st.lists(st.integers(0, 6 * DAY_MS), min_size=1, max_size=25))
def test_what_goes_on_does_not_depend_on_what_was_asked_before(trips, seed, times):
    wanders = (Wander((PUB, SHOP), 2.0, (600, 3_600), (50_000, 80_000)),)
    whole = days(trips, seed, wanders)
    whole.at(7 * DAY_MS)
    bit_by_bit = days(trips, seed, wanders)
    for t_ms in times:
        assert bit_by_bit.at(t_ms) == whole.at(t_ms)
        until_ms = t_ms + random.Random(t_ms).randrange(2 * DAY_MS)
        assert bit_by_bit.next_start(t_ms, until_ms) == whole.next_start(t_ms, until_ms)
        assert list(days(trips, seed, wanders).between(t_ms, until_ms)) == list(whole.between(t_ms, until_ms))


def test_no_way_is_looked_for_before_somebody_goes_it(monkeypatch: pytest.MonkeyPatch):
    routine = (Trip("to work", WORK, "car", leave_s=8 * 3600), Trip("home", "home", "bus", leave_s=17 * 3600))
    asked = []
    route = Town.route
    monkeypatch.setattr(Town, "route", lambda *given: asked.append(given) or route(*given))
    one = days(routine)
    assert one.at(3_600_000).until_ms == one.next_start(3_600_000, DAY_MS) == 2 * 3_600_000
    assert asked == []
    assert one.at(2 * 3_600_000).stretch.mode == "car"
    assert len(asked) == 1
