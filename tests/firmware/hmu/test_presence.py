"""Presence: home, not home, and unknown, which is never told as either."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.record import PRESENCE_HOME, PRESENCE_NOT_HOME, PRESENCE_UNKNOWN
from firmware.hmu.presence import Presence

WRAP = 1 << 30
ABSENT_S = 300
ABSENT_MS = ABSENT_S * 1000


def test_after_a_start_nothing_is_known_until_a_tag_is_heard_or_has_been_silent():
    start = WRAP - 1000
    heard, silent = Presence(start, ABSENT_S), Presence(start, ABSENT_S)
    for ms in range(0, ABSENT_MS, 10_000):
        assert not heard.tick((start + ms) % WRAP) and heard.state == PRESENCE_UNKNOWN
    assert heard.heard((start + ABSENT_MS - 1) % WRAP) and heard.state == PRESENCE_HOME
    assert not silent.tick((start + ABSENT_MS - 1) % WRAP)
    assert silent.tick((start + ABSENT_MS) % WRAP) and silent.state == PRESENCE_NOT_HOME


def test_each_change_is_told_once():
    presence = Presence(0, ABSENT_S)
    assert presence.heard(10) and not presence.heard(20)
    assert presence.tick(20 + ABSENT_MS) and not presence.tick(30 + ABSENT_MS)
    assert presence.heard(40 + ABSENT_MS)


def test_a_holiday_longer_than_the_ticks_is_one_absence():
    presence = Presence(0, ABSENT_S)
    presence.heard(0)
    told = [t for t in range(0, 2 * WRAP, 3600_000) if presence.tick(t % WRAP)]
    assert told == [3600_000] and presence.state == PRESENCE_NOT_HOME


@settings(derandomize=True, deadline=None)
@given(st.integers(0, WRAP), st.lists(st.tuples(st.integers(0, 400_000), st.booleans()), max_size=60))
def test_what_is_told_is_what_was_heard(start: int, steps: list[tuple[int, bool]]):
    presence = Presence(start % WRAP, ABSENT_S)
    now, last, ever = start, start, False
    state = PRESENCE_UNKNOWN
    for step, is_heard in steps:
        now += step
        changed = presence.heard(now % WRAP) if is_heard else presence.tick(now % WRAP)
        if is_heard:
            last, ever = now, True
        assert changed == (presence.state != state)
        state = presence.state
        if is_heard:
            assert state == PRESENCE_HOME
        elif now - last >= ABSENT_MS:
            assert state == PRESENCE_NOT_HOME
        elif not ever:
            assert state == PRESENCE_UNKNOWN
        else:
            assert state == PRESENCE_HOME


@pytest.mark.parametrize("absent_s", [60, 3600])
def test_the_time_of_absence_is_a_setting(absent_s: int):
    presence = Presence(0, absent_s)
    assert not presence.tick(absent_s * 1000 - 1) and presence.tick(absent_s * 1000)
