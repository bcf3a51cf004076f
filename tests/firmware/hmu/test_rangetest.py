"""The range test's figures: lowest and median of what was heard, for each tag; nothing heard is a result."""

import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.hmu.rangetest import SECONDS_MAX, RangeTest


def result(value_a: int, value_b: int) -> tuple[int, int, int, int, int]:
    low, median = (number - 0x10000 if number & 0x8000 else number for number in (value_b >> 16, value_b & 0xFFFF))
    return value_a >> 16, value_a >> 12 & 0xF, value_a & 0xFFF, low, median


@settings(derandomize=True, deadline=None)
@given(
    st.integers(0, 255), st.dictionaries(st.integers(0, 15), st.lists(st.integers(-127, 0), min_size=1, max_size=400), max_size=4)
)
def test_each_tag_that_was_heard_has_its_figures(room: int, heard: dict[int, list[int]]):
    test = RangeTest(room, 60, 16, 0)
    for slot, levels in heard.items():
        for level in levels:
            test.heard(slot, level)
    expected = [(room, slot, len(x), min(x), statistics.median_low(x)) for slot, x in sorted(heard.items())]
    assert [result(*values) for values in test.results()] == (expected or [(room, 0, 0, 0, 0)])


def test_levels_that_no_radio_gives_do_not_break_it():
    test = RangeTest(1, 60, 1, 0)
    for level in (-300, -128, 20):
        test.heard(0, level)
    assert [result(*values) for values in test.results()] == [(1, 0, 3, -127, -127)]


def test_it_ends_and_is_bounded():
    test = RangeTest(1, 5000, 1, 1000)
    assert not test.is_over(1000 + SECONDS_MAX * 1000 - 1) and test.is_over(1000 + SECONDS_MAX * 1000)
    assert test.is_over(500), "the clock jumped"
