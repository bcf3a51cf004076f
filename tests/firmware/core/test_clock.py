"""UTC carried on by ticks that wrap, against plain arithmetic that does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import clock
from firmware.core.clock import Clock
from firmware.core.port import ticks_diff

WRAP = 1 << 30
SIX_DAYS_MS = 6 * 86_400_000
UTC_MS = 1_780_290_000_123


class Ticks:
    """The hardware's counter, and what it would be if it did not wrap."""

    def __init__(self, start: int) -> None:
        self.ms = start

    def __call__(self) -> int:
        return self.ms % WRAP


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    source = Ticks(WRAP - 5000)
    monkeypatch.setattr(clock, "ticks_ms", source)
    return source


def set_to(one: Clock, utc_ms: int) -> bool:
    return one.set(utc_ms // 1000, utc_ms % 1000)


def utc_ms(one: Clock) -> int:
    one.read()
    return one.utc_s * 1000 + one.millis


@given(st.integers(0, WRAP), st.lists(st.tuples(st.integers(0, SIX_DAYS_MS), st.booleans()), max_size=30))
def test_uptime_and_utc_go_on_over_any_number_of_wraps(start: int, steps: list[tuple[int, bool]]):
    ticks = Ticks(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "ticks_ms", ticks)
        one = Clock()
        known = False
        for step_ms, reference in steps:
            ticks.ms += step_ms
            truth_ms = UTC_MS + ticks.ms - start
            if reference:
                assert set_to(one, truth_ms) is not known, "only the first reference makes it known"
                known = True
                assert one.drift_ms == 0
            one.read()
            assert one.uptime_s == (ticks.ms - start) // 1000
            assert one.is_set is known
            if known:
                assert utc_ms(one) == truth_ms and 0 <= one.millis < 1000


def test_a_slow_crystal_is_corrected_and_the_correction_is_told(ticks: Ticks):
    one = Clock()
    set_to(one, UTC_MS)
    ticks.ms += 86_400_000
    assert not set_to(one, UTC_MS + 86_400_864)
    assert one.drift_ms == 864 and utc_ms(one) == UTC_MS + 86_400_864
    set_to(one, UTC_MS + 86_400_000)
    assert one.drift_ms == -864 and utc_ms(one) == UTC_MS + 86_400_000


@pytest.mark.parametrize("step_ms", [901_000, -901_000, 10**12])
def test_another_time_altogether_is_taken_and_is_no_drift(ticks: Ticks, step_ms: int):
    one = Clock()
    set_to(one, UTC_MS)
    set_to(one, UTC_MS + step_ms)
    assert one.drift_ms == 900_000 and utc_ms(one) == UTC_MS + step_ms


def test_uptime_is_not_moved_by_a_reference(ticks: Ticks):
    one = Clock()
    ticks.ms += 7_999
    set_to(one, UTC_MS)
    one.read()
    assert one.uptime_s == 7
    ticks.ms += 1
    one.read()
    assert one.uptime_s == 8 and utc_ms(one) == UTC_MS + 1


def test_the_oracle_wraps_where_the_firmware_does():
    assert ticks_diff(5, WRAP - 5) == 10


def offered(one: Clock, at_ms: int) -> bool:
    return one.offer(at_ms // 1000, at_ms % 1000)


@pytest.mark.parametrize("step_ms", [901_000, -901_000, 10**12])
def test_a_receiver_that_tells_another_time_is_believed_after_five_times_in_ten_minutes(ticks: Ticks, step_ms: int):
    one = Clock()
    assert offered(one, UTC_MS), "the first time is taken as it comes"
    for minute in range(1, 11):
        ticks.ms += 60_000
        offered(one, UTC_MS + minute * 60_000 + step_ms)
        assert utc_ms(one) == UTC_MS + minute * 60_000, f"not after {minute - 1} minutes of it"
        assert not one.agrees((UTC_MS + minute * 60_000 + step_ms) // 1000)
    ticks.ms += 60_000
    offered(one, UTC_MS + 660_000 + step_ms)
    assert utc_ms(one) == UTC_MS + 660_000 + step_ms


def test_other_times_that_differ_among_themselves_are_never_believed(ticks: Ticks):
    one = Clock()
    offered(one, UTC_MS)
    for minute in range(1, 100):
        ticks.ms += 60_000
        offered(one, UTC_MS + minute * 60_000 + 10_000_000 + minute * 5_000)
    assert utc_ms(one) == UTC_MS + 99 * 60_000


def test_a_time_that_agrees_ends_the_doubt(ticks: Ticks):
    one = Clock()
    offered(one, UTC_MS)
    for minute in range(1, 60):
        ticks.ms += 60_000
        offered(one, UTC_MS + minute * 60_000 + (0 if minute % 8 == 0 else 10_000_000))
    assert utc_ms(one) == UTC_MS + 59 * 60_000


def test_after_a_doubt_the_next_time_is_taken_as_it_comes(ticks: Ticks):
    one = Clock()
    offered(one, UTC_MS + 10**12)
    one.doubt()
    assert not one.is_set
    assert offered(one, UTC_MS), "it is known anew"
    assert utc_ms(one) == UTC_MS
