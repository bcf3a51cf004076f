"""The strap loop: a cut within the second, no cut from a bent contact, and a closing that undoes nothing."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.tag.strap import Strap

WRAP = 1 << 30
BOUNCE_MS = 300


def watched(strap: Strap, edges: list[tuple[int, bool]], end_ms: int, start: int = 0) -> list[tuple[int, int]]:
    """The application's loop in small: an interrupt at each edge, then a look each `wait_ms` until the contact has settled.
    Gives (time, +1 or -1)."""
    told = []
    level_at = lambda t: next((closed for at, closed in reversed(edges) if at <= t), not strap.is_cut)  # noqa: E731
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
    assert watched(Strap(True, 0), [(1000, False)], 5000) == [(1300, 1)]


def test_a_bent_contact_is_no_cut():
    edges = [(t, t % 200 == 0) for t in range(100, 3000, 100)] + [(3000, True)]
    assert watched(Strap(True, 0), edges, 9000) == []


def test_a_closing_is_a_second_fact_and_the_next_cut_a_third():
    edges = [(1000, False), (5000, True), (9000, False)]
    assert watched(Strap(True, 0), edges, 20_000) == [(1300, 1), (5300, -1), (9300, 1)]


def test_a_strap_that_is_open_at_the_start_is_cut():
    strap = Strap(False, 0)
    assert strap.is_cut and not strap.update(False, 10_000) and not strap.wait_ms


def test_it_is_asked_to_look_again_only_while_the_contact_differs():
    strap = Strap(True, 0)
    assert not strap.update(True, 10) and not strap.wait_ms
    assert not strap.update(False, 20) and strap.wait_ms == BOUNCE_MS
    assert not strap.update(True, 30) and not strap.wait_ms


@pytest.mark.parametrize("start", [WRAP - 100, WRAP - 1150, 0])
def test_the_ticks_may_wrap_while_it_settles(start: int):
    assert watched(Strap(True, start), [(1000, False)], 5000, start) == [(1300, 1)]


@settings(derandomize=True, deadline=None)
@given(st.booleans(), st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=40), st.integers(0, WRAP))
def test_what_it_says_in_the_end_is_how_the_loop_is(closed: bool, steps: list[tuple[int, bool]], start: int):
    edges, at = [], 0
    for step, level in steps:
        at += step
        edges.append((at, level))
    strap = Strap(closed, start % WRAP)
    told = [change for _, change in watched(strap, edges, at + 10_000, start)]
    assert strap.is_cut == (not (edges[-1][1] if edges else closed))
    assert all(a != b for a, b in itertools.pairwise(told)), "cut and closing take turns"
    assert not told or told[0] == (1 if closed else -1)
