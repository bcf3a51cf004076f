"""A cell's percent and the stages at which somebody is told, against a list of what should be told."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.battery import STAGES, Stages, percent

HYSTERESIS = 3


def test_the_curve_rises_from_empty_to_full_through_the_data_sheets_points():
    curve = [percent(mv) for mv in range(0, 5001)]
    assert curve == sorted(curve) and curve[0] == 0 and curve[-1] == 100
    assert (percent(3000), percent(3450), percent(3830), percent(4180)) == (0, 5, 50, 100)
    assert max(b - a for a, b in itertools.pairwise(curve)) == 1, "no jump that would skip a stage"


def test_a_discharge_tells_each_stage_once():
    stages = Stages()
    assert [p for p in range(100, -1, -1) if stages.update(p)] == list(STAGES)


def test_a_charge_tells_each_stage_once_when_it_is_well_left():
    stages = Stages()
    assert stages.update(0)
    assert [p for p in range(101) if stages.update(p)] == [limit + HYSTERESIS + 1 for limit in reversed(STAGES)]


def test_a_device_that_starts_low_says_so_and_one_that_starts_full_does_not():
    assert Stages().update(7) and not Stages().update(100)


def test_a_rise_over_several_stages_has_the_hysteresis_of_the_one_it_ends_in():
    stages = Stages()
    assert stages.update(5) and stages.update(12), "left 5, and 10 not for good"
    assert not stages.update(10) and not stages.update(13)
    assert stages.update(14) and stages.update(10)


@given(st.lists(st.integers(0, 100), max_size=200))
def test_whatever_the_level_does_what_was_told_stays_true(levels: list[int]):
    stages = Stages()
    undercut = 0
    for level in levels:
        told = stages.update(level)
        surely = sum(level <= limit for limit in STAGES)
        perhaps = sum(level <= limit + HYSTERESIS for limit in STAGES)
        if told:
            undercut = surely if surely > undercut else perhaps
        assert surely <= undercut <= perhaps, "what was told last is never wrong by more than the hysteresis"


@given(st.integers(0, 100), st.lists(st.integers(-1, 1), max_size=50))
def test_noise_of_one_percent_tells_one_stage_at_most(level: int, noise: list[int]):
    stages = Stages()
    stages.update(level)
    assert sum(stages.update(min(100, max(0, level + n))) for n in noise) <= 1
