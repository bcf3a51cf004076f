"""A seed's own edition of a scenario: other moments and homes, the same story."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.moments import parse_moment
from sim.suite.requirements import scenario_of
from sim.suite.vary import HOME_M, SHIFT_S, later, shift_s, varied

SEEDS = range(1, 21)


def test_an_edition_is_a_function_of_the_seed():
    assert varied(scenario_of("strap_cut"), 3).file == varied(scenario_of("strap_cut"), 3).file
    assert len({varied(scenario_of("strap_cut"), seed).file.model_dump_json() for seed in SEEDS}) == len(SEEDS)


def test_what_happens_to_a_household_and_what_is_expected_of_it_move_together():
    base = scenario_of("home_unit")
    for seed in SEEDS:
        here = varied(base, seed)
        by_ms = shift_s(seed, "home_unit", "hmu-000116") * 1000
        assert 0 <= by_ms < SHIFT_S * 1000
        for before, after in zip(base.file.people[0].events, here.file.people[0].events, strict=True):
            assert here.moment_ms(after.at) - base.moment_ms(before.at) == by_ms
        for before, after in zip(base.expect, here.expect, strict=True):
            assert (after.from_ms - before.from_ms, after.until_ms - before.until_ms) == (by_ms, by_ms)


def test_faults_and_orders_move_with_whom_they_concern():
    base, here = scenario_of("late_records"), varied(scenario_of("late_records"), 5)
    cut = here.moment_ms(here.file.people[0].events[0].at) - base.moment_ms(base.file.people[0].events[0].at)
    assert here.faults[0].from_ms - base.faults[0].from_ms == cut == shift_s(5, "late_records", "late-lou") * 1000
    base, here = scenario_of("range_test"), varied(scenario_of("range_test"), 5)
    assert {b.at_ms - a.at_ms for a, b in zip(base.orders, here.orders, strict=True)} == {
        shift_s(5, "range_test", "hmu-000117") * 1000
    }


def test_homes_are_other_houses_nearby_and_positions_stay():
    base = scenario_of("strap_cut")
    town = base.town()
    homes = set()
    for seed in SEEDS:
        place = varied(base, seed).file.people[0].home.place
        assert place is not None
        homes.add(place)
        (ax, ay), (bx, by) = town.place(place).point, town.place("9 Laurel Place").point
        assert (ax - bx) ** 2 + (ay - by) ** 2 <= HOME_M**2
    assert len(homes) > 10
    assert varied(scenario_of("first_fix"), 2).file.people[0].home == scenario_of("first_fix").file.people[0].home


def test_who_lives_together_goes_on_living_together():
    for seed in SEEDS:
        assert len({p.home.place for p in varied(scenario_of("curfew"), seed).file.people}) == 1


@settings(max_examples=50)
@given(st.integers(1, 9), st.integers(0, 86_399), st.integers(0, 86_400))
def test_later_is_later_by_so_much(day: int, second: int, by_s: int):
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    moment = clock if day == 1 else f"day {day} {clock}"
    after_day, after_second = parse_moment(later(moment, by_s))
    assert (after_day - day) * 86_400 + after_second - second == by_s
