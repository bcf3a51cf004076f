"""A generated fleet: a scenario like any other, the same from the same seed, with a day and an address for each."""

from collections import Counter

import pytest

from bridge.errors import ConfigError
from sim.fleet import MOST, fleet
from sim.scenario.checks import problems


def test_a_fleet_is_a_scenario_with_nothing_wrong_in_it():
    assert list(problems(fleet(300, seed=7))) == []


def test_the_same_seed_gives_the_same_people_and_another_gives_others():
    assert fleet(40, seed=3).file == fleet(40, seed=3).file
    assert fleet(40, seed=3).file.people != fleet(40, seed=4).file.people


def test_a_larger_fleet_begins_with_the_people_of_a_smaller_one():
    assert fleet(60).file.people[:25] == fleet(25).file.people


def test_each_has_a_tag_a_home_unit_and_an_address_of_their_own():
    people = fleet(500).file.people
    assert [p.tag for p in people] == [f"tag-{n:06d}" for n in range(1, 501)]
    assert [p.home_unit for p in people] == [f"hmu-{n:06d}" for n in range(1, 501)]
    assert len({p.home.place for p in people}) == len({p.id for p in people}) == 500


def test_days_are_of_several_kinds_and_do_not_begin_at_once():
    people = fleet(500).file.people
    leaves = Counter(trip.leave for p in people for trip in p.routine if trip.name == "to work")
    assert 250 < leaves.total() < 420 and max(leaves.values()) < 15
    assert 200 < sum(any(c.kind == "curfew" for c in p.conditions) for p in people) < 350
    assert 40 < sum(any(c.kind == "exclusion" for c in p.conditions) for p in people) < 120


def test_nobody_lives_at_an_address_that_somebody_is_to_keep_away_from():
    people = fleet(500).file.people
    homes = {p.home.place for p in people}
    kept_from = {c.around.place for p in people for c in p.conditions if c.kind == "exclusion" and c.around is not None}
    assert kept_from and not homes & kept_from


def test_a_fleet_larger_than_a_town_of_the_usual_width_lives_in_a_larger_one():
    scenario = fleet(2_600)
    assert len({p.home.place for p in scenario.file.people}) == 2_600 and scenario.file.town.size_m == 4_000


@pytest.mark.parametrize("wearers", [0, -1, MOST + 1])
def test_no_people_and_too_many_are_refused(wearers: int):
    with pytest.raises(ConfigError, match="1 to 5,000"):
        fleet(wearers)
