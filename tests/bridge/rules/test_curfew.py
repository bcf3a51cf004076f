"""Curfew windows in local time: nights that span midnight, days that have 23 and 25 hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.rules.conditions import Conditions, Curfew, Period, compile_conditions

LONDON = "Europe/London"


def curfew(start: str, end: str, days: list[str] | None = None, timezone: str = LONDON, grace_min: int = 5) -> Curfew:
    spec = {"from": start, "until": end, "days": days, "grace_min": grace_min}
    return compile_conditions("w", [], [("curfew", "c", spec)], timezone).curfews[0]


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def hours(window) -> float:
    return (window.end_ms - window.start_ms) / 3_600_000


def test_a_night_across_midnight() -> None:
    window = curfew("21:00", "07:00").window_after(ms("2026-06-01T12:00:00+01:00"))
    assert window == (ms("2026-06-01T21:00:00+01:00"), ms("2026-06-02T07:00:00+01:00"), ms("2026-06-01T21:05:00+01:00"))


def test_a_night_that_is_running_is_the_one() -> None:
    assert curfew("21:00", "07:00").window_after(ms("2026-06-02T03:00:00+01:00")).start_ms == ms("2026-06-01T21:00:00+01:00")


@pytest.mark.parametrize(("evening", "length"), [("2026-03-28", 9), ("2026-10-24", 11), ("2026-06-01", 10)])
def test_the_night_the_clocks_change_ends_by_the_clock_on_the_wall(evening: str, length: float) -> None:
    assert hours(curfew("21:00", "07:00").window_after(ms(f"{evening}T12:00:00+00:00"))) == length


@pytest.mark.parametrize(
    ("start", "end", "at", "utc_start", "utc_end"),
    [
        ("01:30", "05:00", "2026-03-29T00:10Z", "01:30", "04:00"),  # 01:30 is left out: the clocks say 02:30
        ("22:00", "01:30", "2026-03-28T12:00Z", "22:00", "01:30"),  # its end is left out
        ("01:30", "05:00", "2026-10-25T00:10Z", "00:30", "05:00"),  # 01:30 comes twice: the first
        ("22:00", "01:30", "2026-10-24T12:00Z", "21:00", "01:30"),  # its end comes twice: the second
    ],
)
def test_times_that_are_left_out_or_come_twice(start: str, end: str, at: str, utc_start: str, utc_end: str) -> None:
    window = curfew(start, end).window_after(ms(at))
    assert datetime.fromtimestamp(window.start_ms / 1000, UTC).strftime("%H:%M") == utc_start
    assert datetime.fromtimestamp(window.end_ms / 1000, UTC).strftime("%H:%M") == utc_end


def test_only_the_nights_that_begin_on_its_days() -> None:
    weekend = curfew("22:00", "06:00", ["fri", "sat"])
    window = weekend.window_after(ms("2026-06-01T12:00:00+01:00"))  # a Monday
    assert window.start_ms == ms("2026-06-05T22:00:00+01:00")
    assert weekend.window_after(window.end_ms).start_ms == ms("2026-06-06T22:00:00+01:00")
    assert weekend.window_after(ms("2026-06-07T07:00:00+01:00")).start_ms == ms("2026-06-12T22:00:00+01:00")


times = st.integers(0, 1439)


@given(
    times,
    times,
    st.integers(ms("2026-01-01T00:00:00Z"), ms("2027-01-01T00:00:00Z")),
    st.sampled_from([LONDON, "Australia/Lord_Howe", "UTC"]),
)
def test_a_window_contains_just_the_local_times_between(start: int, end: int, at_ms: int, timezone: str) -> None:
    """Oracle: look at the clock on the wall. Left alone are the hours around a change of the clocks."""
    if start == end:
        return
    zone = ZoneInfo(timezone)
    here = datetime.fromtimestamp(at_ms / 1000, zone)
    near = [here + timedelta(hours=h) for h in (-30, 30)]
    if near[0].utcoffset() != near[1].utcoffset():
        return
    minute = here.hour * 60 + here.minute
    inside = start <= minute < end if start < end else minute >= start or minute < end
    text = [f"{m // 60:02d}:{m % 60:02d}" for m in (start, end)]
    window = curfew(text[0], text[1], timezone=timezone).window_after(at_ms)
    assert window.end_ms > at_ms
    assert (window.start_ms <= at_ms) == inside


def test_the_period_of_a_device_at_a_time() -> None:
    first, second = Period(1, 2, 0, 100, None), Period(3, None, 100, None, None)
    conditions = Conditions("w", (first, second))
    assert conditions.period_of(1, 99) == first and conditions.period_of(2, 0) == first
    assert conditions.period_of(1, 100) is None and conditions.period_of(3, 100) == second
    assert conditions.period_of(4, 50) is None
