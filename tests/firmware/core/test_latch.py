"""A tamper contact: an opening within the second, none from a bent contact, and a closing that undoes nothing."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.latch import Contact

WRAP = 1 << 30
BOUNCE_MS = 300


def watched(strap: Contact, edges: list[tuple[int, bool]], end_ms: int, start: int = 0) -> list[tuple[int, int]]:
    """The application's loop in small: an interrupt at each edge, then a look each `wait_ms` until the contact has settled.
    Gives (time, +1 or -1)."""
    told = []
    level_at = lambda t: next((closed for at, closed in reversed(edges) if at <= t), not strap.is_open)  # noqa: E731
    pending = sorted({at for at, _ in edges})
    now = 0
    while pending:
        now = max(now, pending.pop(0))
        while now <= end_ms:
            change = strap.update(level_at(now), (start + now) % WRAP)
            if change:
                told.append((now, change))
            if not strap.wait_ms:
                break
            now += strap.wait_ms
        pending = [at for at in pending if at > now]
    return told


def test_a_cut_is_told_after_the_bounce_time_and_within_two_seconds():
    assert watched(Contact(True, 0), [(1000, False)], 5000) == [(1300, 1)]


def test_a_bent_contact_is_no_cut():
    edges = [(t, t % 200 == 0) for t in range(100, 3000, 100)] + [(3000, True)]
    assert watched(Contact(True, 0), edges, 9000) == []


def test_a_closing_is_a_second_fact_and_the_next_cut_a_third():
    edges = [(1000, False), (5000, True), (9000, False)]
    assert watched(Contact(True, 0), edges, 20_000) == [(1300, 1), (7000, -1), (9300, 1)]


def test_the_ends_of_a_cut_strap_that_touch_now_and_then_are_one_cut():
    edges = [(1000 + 700 * i, i % 2 == 1) for i in range(200)]
    assert watched(Contact(True, 0), edges, 141_000) == [(1300, 1)]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 290), max_size=30), st.integers(0, WRAP))
def test_a_cut_with_quick_bounces_is_one_event_within_two_seconds_of_the_last(bounces: list[int], start: int):
    edges, at = [], 1000
    for i, step in enumerate([*bounces, 1]):
        at += step
        edges.append((at, i % 2 == 1))
    edges.append((at + 1, False))
    told = watched(Contact(True, start % WRAP), edges, at + 5000, start)
    assert [change for _, change in told] == [1] and told[0][0] <= at + 1 + 2000


def test_a_strap_that_is_open_at_the_start_is_cut():
    strap = Contact(False, 0)
    assert strap.is_open and not strap.update(False, 10_000) and not strap.wait_ms


def test_it_is_asked_to_look_again_only_while_the_contact_differs():
    strap = Contact(True, 0)
    assert not strap.update(True, 10) and not strap.wait_ms
    assert not strap.update(False, 20) and 0 < strap.wait_ms <= BOUNCE_MS
    assert not strap.update(True, 30) and not strap.wait_ms


@pytest.mark.parametrize("start", [WRAP - 100, WRAP - 1150, 0])
def test_the_ticks_may_wrap_while_it_settles(start: int):
    assert watched(Contact(True, start), [(1000, False)], 5000, start) == [(1300, 1)]


@settings(derandomize=True, deadline=None)
@given(st.booleans(), st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=40), st.integers(0, WRAP))
def test_what_it_says_in_the_end_is_how_the_loop_is(closed: bool, steps: list[tuple[int, bool]], start: int):
    edges, at = [], 0
    for step, level in steps:
        at += step
        edges.append((at, level))
    strap = Contact(closed, start % WRAP)
    told = [change for _, change in watched(strap, edges, at + 10_000, start)]
    assert strap.is_open == (not (edges[-1][1] if edges else closed))
    assert all(a != b for a, b in itertools.pairwise(told)), "cut and closing take turns"
    assert not told or told[0] == (1 if closed else -1)


@settings(derandomize=True, deadline=None)
@given(st.booleans(), st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=40), st.integers(0, WRAP))
def test_it_tells_what_the_readings_say(closed: bool, readings: list[tuple[int, bool]], start: int):
    """Against the list of all readings: an opening after 300 ms of open ones, a closing after 2 s of closed ones."""
    contact = Contact(closed, start % WRAP)
    is_open, since, now = not closed, None, start
    for step, level in readings:
        now += step
        told = contact.update(level, now % WRAP)
        if level != is_open:
            since = None
            expected = 0
        else:
            since = now if since is None else since
            expected = 0 if now - since < (2000 if level else 300) else (-1 if level else 1)
        if expected:
            is_open, since = not level, None
        assert told == expected and contact.is_open == is_open and bool(contact.wait_ms) == (since is not None)
        assert contact.wait_ms <= 300
