"""The air between an ankle and a home unit, and the mobile network over the town."""

import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world.cellular import LATENCY_MS, REGISTRATION_MS, Cellular
from sim.world.radio import CLIP_DB, SENSITIVITY_DBM, max_range_m, mean_rssi_dbm, rssi_dbm
from sim.world.spec import CoverageHole

LAT, LON = 50.7154, -2.4367
PER_M = 1 / 111_195.0
metres = st.floats(0, 600)
flags = st.booleans()


def heard(distance, t_ms=0, seed=1, link="a~b", power=0.0, in1=False, in2=True, same=False) -> Any:
    return rssi_dbm(power, LAT, LON, LAT + distance * PER_M, LON, in1, in2, same, t_ms, seed, link)


def average(distance, **where):
    """Over links and times, what is not heard counted as the sensitivity."""
    levels = [heard(distance, t_ms=i * 60_000, link=f"l{i % 25}", **where) for i in range(200)]
    return statistics.fmean(SENSITIVITY_DBM if level is None else level for level in levels)


@given(metres, st.integers(0, 10**9), st.integers(0, 99), flags, flags)
def test_the_same_packet_is_always_heard_the_same(distance, t_ms, seed, in1, in2):
    first = heard(distance, t_ms, seed, in1=in1, in2=in2)
    heard(distance + 3, t_ms + 1, seed + 1)
    assert heard(distance, t_ms, seed, in1=in1, in2=in2) == first


@given(metres, st.integers(0, 10**9), st.floats(-20, 10), flags, flags, flags)
def test_nothing_is_heard_below_sensitivity_or_beyond_the_range(distance, t_ms, power, in1, in2, same):
    level = heard(distance, t_ms, power=power, in1=in1, in2=in2, same=same)
    if level is not None:
        assert level >= SENSITIVITY_DBM
        assert distance <= max_range_m(power) * 1.01
        assert abs(level - mean_rssi_dbm(power, distance, in1, in2, same)) <= CLIP_DB + 0.1
        if in2 and not same:
            assert distance <= max_range_m(power, walls=1 + in1) * 1.01


def test_it_weakens_with_distance_and_walls_on_average():
    outdoors = [average(d, in2=False) for d in (1, 3, 10, 30, 60)]
    assert outdoors == sorted(outdoors, reverse=True)
    assert outdoors[0] - outdoors[-1] > 30
    assert average(5, in2=False) > average(5, in2=True) + 10
    assert average(5, in2=True) > average(5, in1=True, in2=True) + 5


def test_inside_the_home_it_is_strong_and_at_the_garden_gate_weak():
    for distance in (1.5, 4, 9):
        assert -82 < average(distance, in1=True, in2=True, same=True) < -50
    assert -95 < average(17) < -87
    assert heard(400) is None


def test_a_step_changes_little_and_a_street_changes_all():
    near = statistics.fmean(abs(heard(8, i * 10**7) - heard(8.3, i * 10**7)) for i in range(200))
    far = statistics.fmean(abs(heard(8, i * 10**7) - heard(8, i * 10**7 + 10**6)) for i in range(200))
    assert near < 1.0 < 1.5 < far


def test_packets_fade_independently():
    levels = [heard(8, t) for t in range(0, 2_000, 10)]
    assert 1.5 < statistics.pstdev(levels) < 2.6


@settings(max_examples=50)
@given(st.integers(0, 1 << 32), st.integers(0, 10**6), st.integers(0, 10**9))
def test_latency_and_registration_stay_in_their_bounds(device, index, t_ms):
    cell = Cellular(7)
    assert LATENCY_MS[0] <= cell.latency_ms(device, index) <= LATENCY_MS[1]
    assert REGISTRATION_MS[0] <= cell.registration_ms(device, t_ms) <= REGISTRATION_MS[1]
    assert Cellular(7).latency_ms(device, index) == cell.latency_ms(device, index)


def test_latency_uses_its_whole_range():
    values = {Cellular(7).latency_ms(1, i) for i in range(5_000)}
    assert values == set(range(40, 121))


def test_the_town_is_covered_except_in_holes_and_only_while_they_last():
    hole = CoverageHole(LAT, LON, 100.0, 1_000, 5_000)
    cell = Cellular(1, (hole,))
    assert [cell.in_coverage(LAT, LON, False, t) for t in (999, 1_000, 4_999, 5_000)] == [True, False, False, True]
    assert cell.in_coverage(LAT + 101 * PER_M, LON, True, 2_000)
    assert not cell.in_coverage(LAT + 99 * PER_M, LON, True, 2_000)
    for_ever = Cellular(1, (CoverageHole(LAT, LON, 100.0),))
    assert not for_ever.in_coverage(LAT, LON, False, 10**12)


def test_indoors_the_network_is_weaker():
    cell = Cellular(1)
    outdoors = cell.signal_dbm(LAT, LON, False, 0)
    assert outdoors is not None
    assert cell.signal_dbm(LAT, LON, True, 0) == pytest.approx(outdoors - 12)
