"""Times as people write them."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.scenario.moments import parse_clock, parse_duration, parse_moment, to_utc_ms


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59), st.integers(1, 999))
def test_clock_times_and_moments(hours, minutes, seconds, day):
    total = hours * 3600 + minutes * 60 + seconds
    assert parse_clock(f"{hours:02d}:{minutes:02d}:{seconds:02d}") == total
    assert parse_clock(f"{hours}:{minutes:02d}") == total - seconds
    assert parse_moment(f"day {day} {hours:02d}:{minutes:02d}:{seconds:02d}") == (day, total)
    assert parse_moment(f"{hours:02d}:{minutes:02d}") == (1, total - seconds)


@given(st.one_of(st.text(max_size=12), st.integers(), st.none(), st.floats(), st.lists(st.integers(), max_size=2)))
def test_anything_else_is_refused_and_nothing_else_is_raised(value):
    for parse in (parse_clock, parse_moment, parse_duration):
        try:
            parse(value)
        except ValueError as error:
            assert "such as" in str(error)


@pytest.mark.parametrize("text", ["24:00", "7", "07:60", "7:5", "-1:00", "07:00:61", "٠٧:٠٠", "07:00 ", "", 1260, None, True])
def test_what_is_no_clock_time(text):
    with pytest.raises(ValueError, match="clock time"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("text", "ms"), [("24h", 86_400_000), ("90m", 5_400_000), ("1d 12h", 129_600_000), ("30s", 30_000), (45, 45_000)]
)
def test_lengths_of_time(text, ms):
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["0h", "h", "24", "24 h", "-1h", "1h ", "1.5h", "9999d", 0, -5, True, None])
def test_what_is_no_length_of_time(text):
    with pytest.raises(ValueError, match="length of time"):
        parse_duration(text)


def test_local_times_are_those_of_the_zone_that_day():
    london = ZoneInfo("Europe/London")
    hour = 3_600_000
    before = to_utc_ms(date(2026, 10, 24), 1, 7 * 3600, london)  # summer time
    after = to_utc_ms(date(2026, 10, 24), 2, 7 * 3600, london)  # winter time
    assert after - before == 25 * hour
