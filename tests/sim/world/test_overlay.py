"""What is done to a running world: it takes effect from its time on, and leaves what was as it was."""

import itertools
import math
from dataclasses import replace

import pytest

from sim.scenario import load
from sim.world.overlay import Overlay
from sim.world.spec import PhysicalEvent, Trouble
from sim.world.world import World
from tests.end_to_end.runs import ERRAND

MINUTE = 60_000
PLACED_MS = 25 * MINUTE


@pytest.fixture(scope="module")
def scenario():
    return load(ERRAND)


@pytest.fixture
def world(scenario) -> World:
    return scenario.world()


def metres(world: World, one, lat: float, lon: float) -> float:
    plane = world.town.plane
    return math.dist(plane.to_xy(one.lat, one.lon), plane.to_xy(lat, lon))


def elsewhere(world: World) -> tuple[float, float]:
    return world.town.latlon(world.town.place("Priory Gardens"))


def test_who_is_put_somewhere_was_where_he_was_and_stays_where_he_is_put(scenario, world: World):
    untouched = scenario.world()
    before = [untouched.truth("jory", t) for t in range(0, PLACED_MS, MINUTE)]
    lat, lon = elsewhere(world)
    assert metres(world, untouched.truth("jory", PLACED_MS), lat, lon) > 100
    world.next_change("jory", 0)  # his days are known by now
    Overlay(world).put("jory", PLACED_MS, lat, lon)
    assert [world.truth("jory", t) for t in range(0, PLACED_MS, MINUTE)] == before
    for t_ms in (PLACED_MS, PLACED_MS + 1, PLACED_MS + 3 * 86_400_000):
        truth = world.truth("jory", t_ms)
        assert metres(world, truth, lat, lon) < 0.01 and truth.speed_mps == 0 and not truth.moving


def test_who_is_put_into_a_house_is_indoors(world: World):
    lat, lon = world.town.latlon(world.town.place("26 Pheasant Terrace"))
    Overlay(world).put("jory", PLACED_MS, lat, lon)
    assert world.truth("jory", PLACED_MS).indoors


def test_let_go_he_walks_back_into_his_routine(scenario, world: World):
    routine = scenario.world()
    overlay = Overlay(world)
    lat, lon = elsewhere(world)
    overlay.put("jory", PLACED_MS, lat, lon)
    world.truth("jory", 50 * MINUTE)
    overlay.let_go("jory", 40 * MINUTE)
    walks = [world.truth("jory", t) for t in range(40 * MINUTE, 120 * MINUTE, 1000)]
    plane = world.town.plane
    steps = [math.dist(plane.to_xy(a.lat, a.lon), plane.to_xy(b.lat, b.lon)) for a, b in itertools.pairwise(walks)]
    assert max(steps) < 2.0, "he walks, and does not jump"
    assert walks[0].moving and overlay.held == {}
    for t_ms in (3 * 3_600_000, 24 * 3_600_000, 24 * 3_600_000 + 17 * MINUTE, 30 * 3_600_000):
        assert world.truth("jory", t_ms)[:2] == pytest.approx(routine.truth("jory", t_ms)[:2], abs=1e-6)


def test_it_does_not_depend_on_when_it_is_asked(world: World, scenario):
    other = scenario.world()
    for one, asks in ((world, (70,)), (other, (26, 41, 55, 70 * 24))):
        overlay = Overlay(one)
        overlay.put("tamsin", PLACED_MS, *elsewhere(one))
        for minute in asks:
            if minute < 40:
                one.truth("tamsin", minute * MINUTE)
        overlay.let_go("tamsin", 40 * MINUTE, "car")
        for minute in asks:
            one.truth("tamsin", minute * MINUTE)
    times = range(0, 80 * MINUTE, 7_000)
    assert [world.truth("tamsin", t) for t in times] == [other.truth("tamsin", t) for t in times]


def test_a_tag_that_lies_dropped_stays_when_its_wearer_is_moved(world: World):
    overlay = Overlay(world)
    overlay.happen("jory", PhysicalEvent(5 * MINUTE, "tag-000003", "tag_dropped"))
    lies = world.truth("jory", 6 * MINUTE)
    overlay.put("jory", PLACED_MS, *elsewhere(world))
    assert world.truth("jory", 30 * MINUTE)[:2] == lies[:2]
    assert metres(world, world.person("jory", 30 * MINUTE), *elsewhere(world)) < 0.01


def test_troubles_and_coverage_begin_and_end(world: World):
    overlay = Overlay(world)
    far = 1 << 60
    overlay.begin(Trouble("shield", "jory", 1000, far))
    assert world.troubles.now("shield", "jory", 999) is None and world.troubles.now("shield", "jory", 1000)
    assert world.troubles.now("shield", "tamsin", 2000) is None
    overlay.end("shield", "jory", 5000)
    assert world.troubles.now("shield", "jory", 4999) and not world.troubles.now("shield", "jory", 5000)
    covered = world.has_coverage("tag-000003", 60_000)
    overlay.lose_coverage(None, 50_000)
    assert covered and not world.has_coverage("tag-000003", 60_000) and world.has_coverage("tag-000003", 49_999)
    overlay.restore_coverage(None, 70_000)
    assert not world.has_coverage("tag-000003", 69_999) and world.has_coverage("tag-000003", 70_000)


def test_what_is_over_at_the_moment_at_which_it_began_has_never_been(world: World):
    overlay = Overlay(world)
    overlay.lose_coverage("jory", 50_000)
    overlay.restore_coverage("jory", 50_000)
    assert world.has_coverage("tag-000003", 50_000) and world.has_coverage("tag-000003", 60_000)
    overlay.lose_coverage("jory", 50_000)  # and once more, within the same second of somebody's hand
    assert not world.has_coverage("tag-000003", 50_000)
    overlay.begin(Trouble("shield", "jory", 70_000, 1 << 60))
    overlay.end("shield", "jory", 70_000)
    assert world.troubles.now("shield", "jory", 70_000) is None and world.troubles.now("shield", "jory", 80_000) is None


@pytest.mark.parametrize("kinds", [("strap_cut", "strap_closed"), ("strap_cut", "strap_closed", "strap_cut")])
def test_what_is_done_at_one_moment_is_done_in_that_order(world: World, kinds):
    overlay = Overlay(world)
    for kind in kinds:
        overlay.happen("jory", PhysicalEvent(MINUTE, "tag-000003", kind))
    told = [e.kind for e in world.physical_events(MINUTE, MINUTE + 1) if e.device == "tag-000003"]
    assert told == list(kinds)
    assert world.wearers["jory"].strap_closed(MINUTE) == (kinds[-1] == "strap_closed")


def test_ending_one_wearers_trouble_leaves_everyones(world: World):
    overlay = Overlay(world)
    trouble = Trouble("shield", None, 1000, 1 << 60)
    overlay.begin(trouble)
    overlay.begin(replace(trouble, wearer_id="jory"))
    overlay.end("shield", "jory", 5000)
    assert world.troubles.now("shield", "jory", 6000) == trouble
