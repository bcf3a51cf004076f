"""What else is on the air and in the network: other people's radios, a body in the way, slow areas and such that swallow."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.frame import REFUSED, FrameOpener, find_frame
from sim.world import CoverageHole, Person, World, WorldSpec
from sim.world.cellular import Quality
from sim.world.spec import Radio, Stop, Trip

START = 1_780_290_000_000
HOUR = 3_600_000
TAG, UNIT = "tag-000001", "hmu-000001"
RIDE = Trip("ride", "Westgate Print Works", "bus", leave_s=9 * 3600)
QUIET = Radio()
OUT = Trip("out", "back", leave_s=9 * 3600, via=(Stop("High West Street", 3600),))


def world(radio=QUIET, holes=(), trips=(OUT,), seed=3):
    people = (Person("w", "W", TAG, UNIT, "22 Mallow Lane", trips),)
    return World(WorldSpec(seed, START, "Europe/London", people=people, coverage_holes=holes, radio=radio))


def test_there_are_no_others_unless_the_scenario_says_so():
    assert not list(world().bystanders(TAG, 0, 24 * HOUR))


def test_a_bus_is_busier_than_a_flat_and_as_busy_as_said():
    w = world(Radio(bystanders_per_min=600), trips=(RIDE,))
    rides = [t for t in range(2 * HOUR, 5 * HOUR, 10_000) if w.truth("w", t).mode == w.truth("w", t + 9_999).mode == "bus"]
    on_the_bus = sum(len(list(w.bystanders(TAG, t, t + 10_000))) for t in rides)
    assert len(rides) > 5 and on_the_bus == pytest.approx(600 / 6 * len(rides), rel=0.15)
    flat = len(list(w.bystanders(TAG, 12 * HOUR, 12 * HOUR + 60_000 * 5)))
    assert flat == pytest.approx(600 * 5 * 0.4, rel=0.15)
    assert len(list(w.bystanders(UNIT, 12 * HOUR, 12 * HOUR + 60_000 * 5))) == pytest.approx(600 * 5 * 0.4, rel=0.15)


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(0.1, 200), cuts=st.lists(st.integers(0, 10 * 60_000), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_it_does_not_matter_how_it_is_asked_for(rate, cuts, seed):
    radio = Radio(rate, 0.5)
    whole = list(world(radio, seed=seed).bystanders(TAG, 0, 10 * 60_000))
    again = world(radio, seed=seed)
    parts = []
    for low, high in zip([0, *sorted(cuts)], [*sorted(cuts), 10 * 60_000], strict=True):
        parts += again.bystanders(TAG, low, high)
    assert parts == whole and [h.t_ms for h in whole] == sorted(h.t_ms for h in whole)
    assert all(len(h.address) == 6 and len(h.data) <= 31 and -95 <= h.rssi_dbm <= -60 for h in whole)


def test_lookalikes_look_like_ours_and_are_refused():
    heard = list(world(Radio(300, 0.25)).bystanders(UNIT, 0, HOUR))
    opener = FrameOpener(bytes(16), 0x02000001)
    frames = [frame for h in heard if (frame := find_frame(h.data)) is not None]
    assert len(frames) == pytest.approx(len(heard) / 4, rel=0.1)
    assert {opener.open(frame) for frame in frames} == {REFUSED}


def test_a_turning_body_takes_more_and_less_but_the_same_on_average():
    def levels(turning_db):
        w = world(Radio(turning_db=turning_db), trips=())
        heard = [w.tag_to_home_unit_dbm(TAG, UNIT, 3.0, t) for t in range(0, 6 * HOUR, 1000)]
        return [level if level is not None else pytest.fail("not heard at home") for level in heard]

    plain, turned = levels(0), levels(6)
    change = [b - a for a, b in zip(plain, turned, strict=True)]
    assert -6.001 <= min(change) < -5 and 5 < max(change) <= 6.001
    assert abs(statistics.mean(change)) < 1.0


def test_a_bad_network_is_where_and_when_the_scenario_says():
    w = world()
    lat, lon = w.town.latlon(w.town.place("High West Street"))
    slow = CoverageHole(lat, lon, 150, quality="slow", kbit_s=8.0, latency_ms=700)
    slower = CoverageHole(lat, lon, 80, from_ms=3 * HOUR + 20 * 60_000, quality="slow", kbit_s=2.0)
    deaf = CoverageHole(lat, lon, 40, until_ms=3 * HOUR + 30 * 60_000, quality="half_open")
    w = world(holes=(slow, slower, deaf))
    assert w.network(TAG, 0) == Quality() and not list(world().bad_network(24 * HOUR))
    assert w.has_coverage(TAG, 4 * HOUR - 30 * 60_000)
    assert w.network(TAG, 3 * HOUR + 25 * 60_000) == Quality(2.0, 700, True)
    assert w.network(TAG, 3 * HOUR + 45 * 60_000) == Quality(2.0, 700, False)
    spans = list(w.bad_network(24 * HOUR))
    for (_, begin, end, how), (_, later, *_) in zip(spans, [*spans[1:], (None, 24 * HOUR)], strict=True):
        assert w.network(TAG, begin) == w.network(TAG, end - 1000) == how != Quality() and end <= later
    inside = sum(end - begin for _, begin, end, _ in spans)
    sampled = sum(w.network(TAG, t) != Quality() for t in range(0, 24 * HOUR, 1000)) * 1000
    assert inside == pytest.approx(sampled, abs=3000) and inside > HOUR
