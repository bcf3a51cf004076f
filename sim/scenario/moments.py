"""Times as people write them in a scenario: "14:20", "day 2 07:15", "24h".

A moment is local clock time of the scenario's time zone; without a day it is the day of the start (day 1).
"""

import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CLOCK_EXPECTED = 'a clock time such as "14:20" or "14:20:30", in quotes'
MOMENT_EXPECTED = 'a moment such as "14:20" (on the first day) or "day 2 07:15", in quotes'
DURATION_EXPECTED = 'a length of time above 0 such as "24h", "90m" or "1d 12h"'
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_UNIT_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def parse_clock(text: object) -> int:
    """Seconds since local midnight. ValueError (with CLOCK_EXPECTED) for anything else."""
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(CLOCK_EXPECTED)  # YAML 1.1 reads 14:20 without quotes as the number 860
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3] or 0)


def parse_moment(text: object) -> tuple[int, int]:
    """(day, seconds since its local midnight)."""
    found = re.fullmatch(r"(?:day ([1-9][0-9]{0,3}) )?([0-9:]+)", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(MOMENT_EXPECTED)
    try:
        return int(found[1] or 1), parse_clock(found[2])
    except ValueError:
        raise ValueError(MOMENT_EXPECTED) from None


def parse_duration(text: object) -> int:
    """Milliseconds of "24h", "90m", "1d 12h"; a plain number is seconds."""
    if isinstance(text, int) and not isinstance(text, bool) and text > 0:
        return text * 1000
    parts = re.findall(r"([0-9]{1,9})([dhms])", text) if isinstance(text, str) else []
    total = sum(int(count) * _UNIT_S[unit] for count, unit in parts)
    whole = isinstance(text, str) and re.fullmatch(r"(?:[0-9]{1,9}[dhms] ?)+(?<! )", text) is not None
    if not whole or not 0 < total <= 1000 * 86_400:
        raise ValueError(DURATION_EXPECTED)
    return total * 1000


def to_utc_ms(day_one: date, day: int, second: int, zone: ZoneInfo) -> int:
    """UTC milliseconds of a local clock time; the first of two where the clocks go back."""
    naive = datetime.combine(day_one + timedelta(days=day - 1), time()) + timedelta(seconds=second)
    return round(naive.replace(tzinfo=zone).timestamp() * 1000)
