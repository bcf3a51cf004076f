"""Presence: home, not home, and unknown, which is never told as either."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.record import PRESENCE_HOME, PRESENCE_NOT_HOME, PRESENCE_UNKNOWN
from firmware.hmu.presence import Presence

WRAP = 1 << 30
ABSENT_S = 300
ABSENT_MS = ABSENT_S * 1000
ROUND_MS = 10_000
START_MS = 130_000
HELD_UP_MS = 70_000


def rounds(presence: Presence, start: int, until: int, hears: bool = True) -> list[tuple[int, int]]:
    """Ticks each ten seconds in (start, until]; what was told and when."""
    told = []
    for now in range(start + ROUND_MS, until + 1, ROUND_MS):
        if presence.tick(now % WRAP, hears):
            told.append((now, presence.state))
    return told


def test_after_a_start_nothing_is_told_before_a_tag_had_the_time_to_be_heard():
    start = WRAP - 1000
    heard, silent = Presence(start, ABSENT_S), Presence(start, ABSENT_S)
    assert rounds(heard, start, start + 120_000) == [] and heard.state == PRESENCE_UNKNOWN
    assert heard.heard((start + 121_000) % WRAP) and heard.state == PRESENCE_HOME
    assert rounds(silent, start, start + 2 * ABSENT_MS) == [
        (start + START_MS, PRESENCE_UNKNOWN),
        (start + ABSENT_MS, PRESENCE_NOT_HOME),
    ]


def test_each_change_is_told_once():
    presence = Presence(0, ABSENT_S)
    assert presence.heard(10) and not presence.heard(20)
    assert rounds(presence, 20, 20 + 3 * ABSENT_MS) == [(20 + ABSENT_MS, PRESENCE_NOT_HOME)]
    assert presence.heard(40 + 3 * ABSENT_MS)


def test_a_holiday_longer_than_the_ticks_is_one_absence():
    presence = Presence(0, ABSENT_S)
    presence.heard(0)
    told = [t for t in range(0, 2 * WRAP, 60_000) if presence.tick(t % WRAP)]
    assert told == [ABSENT_MS] and presence.state == PRESENCE_NOT_HOME


def test_a_unit_that_could_not_hear_says_unknown_and_not_absent():
    presence = Presence(0, ABSENT_S)
    presence.heard(0)
    assert rounds(presence, 0, 2 * ABSENT_MS, hears=False) == [(ABSENT_MS, PRESENCE_UNKNOWN)]
    # Hearing again, it needs the whole time of silence before it says anything.
    assert rounds(presence, 2 * ABSENT_MS, 4 * ABSENT_MS) == [(3 * ABSENT_MS, PRESENCE_NOT_HOME)]
    assert rounds(presence, 4 * ABSENT_MS, 6 * ABSENT_MS, hears=False) == [(5 * ABSENT_MS, PRESENCE_UNKNOWN)]


def test_a_short_deafness_delays_what_is_told_by_as_much():
    presence = Presence(0, ABSENT_S)
    presence.heard(0)
    assert rounds(presence, 0, 100_000) == []
    assert rounds(presence, 100_000, 200_000, hears=False) == []
    assert rounds(presence, 200_000, 600_000) == [(ABSENT_MS + 100_000, PRESENCE_NOT_HOME)]


@pytest.mark.parametrize("jump", [HELD_UP_MS + 1, 3600_000, -5_000])
def test_a_jump_of_the_clock_is_no_silence(jump: int):
    presence = Presence(WRAP // 4, ABSENT_S)
    presence.heard(WRAP // 4)
    presence.tick(WRAP // 4 + 290_000 - 290_000 % ROUND_MS)
    now = WRAP // 4 + jump
    presence.tick(now)
    assert presence.state != PRESENCE_NOT_HOME


@settings(derandomize=True, deadline=None)
@given(st.integers(0, WRAP), st.lists(st.tuples(st.integers(0, 90_000), st.sampled_from("htd")), max_size=80))
def test_what_is_told_follows_from_what_was_heard_and_listened_for(start: int, steps: list[tuple[int, str]]):
    """h: heard, t: a round of listening, d: a deaf one. The model adds up listened and deaf time since the last sign."""
    presence = Presence(start % WRAP, ABSENT_S)
    now, silent, deaf, state, is_told = start, 0, 0, PRESENCE_UNKNOWN, False
    for step, what in steps:
        now += step
        told = presence.heard(now % WRAP) if what == "h" else presence.tick(now % WRAP, what == "t")
        before = (state, is_told)
        if what == "h":
            silent = deaf = 0
            state, is_told = PRESENCE_HOME, True
        elif what == "d" or step > HELD_UP_MS:
            deaf += step
            if deaf >= ABSENT_MS:
                silent, state, is_told = 0, PRESENCE_UNKNOWN, True
        else:
            silent += step
            if silent >= ABSENT_MS:
                deaf, state, is_told = 0, PRESENCE_NOT_HOME, True
            elif not is_told and silent + deaf >= START_MS:
                is_told = True
        assert presence.state == state and told == ((state, is_told) != before)
        if state == PRESENCE_NOT_HOME:
            assert silent >= ABSENT_MS, "never told as absent without having listened"


@pytest.mark.parametrize("absent_s", [60, 3600])
def test_the_time_of_absence_is_a_setting(absent_s: int):
    presence = Presence(0, absent_s)
    presence.heard(0)
    assert rounds(presence, 0, absent_s * 1000) == [(absent_s * 1000, PRESENCE_NOT_HOME)]
