"""Figures against bounds: what holds, what does not, and that nothing measured holds nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.suite.samples import Figure, Found, judge, percentile

DELAY = Figure("s", "delay", 10, "s")
SHARE = Figure("share", "share", 0.95, "", "share", at_least=True)


def found(seed: int, *values: float, **more) -> Found:
    return Found("x", seed, {"s": list(values)}, wearer_days=0.5, **more)


def test_the_worst_of_all_samples_counts():
    verdict = judge("x", [DELAY], [found(2, 3, 9), found(1, 10)])
    assert verdict.held and verdict.seeds == [1, 2]
    line = verdict.lines[0]
    assert (line.median, line.worst, line.measured) == (9, 10, 10)
    late = judge("x", [DELAY], [found(1, 3), found(2, 10.5)])
    assert not late.held and late.failing() == [2]


@pytest.mark.parametrize("more", [{"missed": ["cut"]}, {"false": ["jam"]}, {"crash": "ended"}])
def test_what_is_missed_or_false_or_crashed_is_not_held_however_good_the_rest(more: dict):
    verdict = judge("x", [DELAY], [found(1, 1), found(7, 1, **more)])
    assert not verdict.held and verdict.failing() == [7]


def test_false_findings_are_told_by_the_wearer_day():
    assert judge("x", [DELAY], [found(1, 1, false=["a"]), found(2, 1)]).false_a_wearer_day == 1.0


def test_nothing_measured_holds_nothing():
    assert not DELAY.holds([]) and not judge("x", [DELAY], []).held
    assert not judge("x", [DELAY, SHARE], [found(1, 1)]).held


def test_a_statistic_over_all_may_hold_where_a_seed_does_not():
    figure = Figure("s", "x", 0.5, "", "share", True)
    verdict = judge("x", [figure], [found(1, 0, 0), found(2, 1, 1, 1)])
    assert verdict.held and verdict.failing() == []
    worse = judge("x", [figure], [found(1, 0, 0), found(2, 1)])
    assert not worse.held and worse.failing() == [1]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_not_exceeded_by_so_many(values: list[float], percent: int):
    at = percentile(values, percent)
    assert at in values
    assert sum(value <= at for value in values) * 100 >= percent * len(values)
    assert sum(value < at for value in values) * 100 < percent * len(values)


@given(st.permutations([found(seed, float(seed)) for seed in range(1, 6)]))
def test_the_order_in_which_runs_end_changes_nothing(order: list[Found]):
    assert judge("x", [DELAY], order) == judge("x", [DELAY], sorted(order, key=lambda each: each.seed))
