"""What comes and goes is one episode: told once, and never told to be over while it is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.rules import fold
from bridge.rules.conditions import Period, compile_conditions
from bridge.rules.episodes import WHILE_MS
from bridge.rules.facts import Fact, Finding
from firmware.core import record
from tests.bridge.devices import START_S

TAG, UNIT = 0x01000001, 0x02000001
NOW_MS = START_S * 1000
SECOND, MINUTE = 1000, 60_000
CONDITIONS = compile_conditions("w", [Period(TAG, UNIT, NOW_MS, None, (50.7154, -2.4367))], [], "UTC")
LOST, BACK, STATUS, BOOT, MOVED = record.MAINS_LOST, record.MAINS_BACK, record.STATUS, record.BOOT, record.MOVED


def told(said: list[tuple[int, int]], device: int = UNIT) -> list[Finding]:
    """What is found when a device says these things: (ms after the start, code)."""
    state, found = None, []
    for seq, (at_ms, code) in enumerate(said):
        fact = Fact(device, seq, record.EVENT, 0, NOW_MS + at_ms, 0, None, None, None, None, 80, code, 3700, 0)
        state, findings = fold.step(state, fact, CONDITIONS)
        found += [finding for finding in findings if finding.kind != "boot"]
    return found


def kinds(said: list[tuple[int, int]], device: int = UNIT) -> list[tuple[str, int]]:
    return [(finding.kind, finding.at_ms - NOW_MS) for finding in told(said, device)]


def test_a_plug_that_sits_loosely_is_one_episode_and_counted() -> None:
    said = [(n * 15 * SECOND, (LOST, BACK)[n % 2]) for n in range(12)]
    found = told([*said, (10 * MINUTE, STATUS), (40 * MINUTE, STATUS), (55 * MINUTE, STATUS)])
    assert [finding.kind for finding in found] == ["mains_lost", "mains_back", "flapping", "mains_back"]
    assert found[2].detail == {"device": "home_unit", "what": "mains_lost", "since_ms": NOW_MS}
    over = found[3]
    assert over.at_ms == NOW_MS + 40 * MINUTE, "with the first record by which it has stayed over"
    ended_ms = NOW_MS + 165 * SECOND
    assert over.detail == {"device": "home_unit", "since_ms": NOW_MS, "seconds": 165, "ended_ms": ended_ms, "times": 6}


def test_mains_that_go_again_for_good_are_not_taken_for_back() -> None:
    said = [(0, LOST), (5 * MINUTE, BACK), (6 * MINUTE, LOST), *((n * 15 * MINUTE, STATUS) for n in range(1, 20))]
    assert kinds(said) == [("mains_lost", 0), ("mains_back", 5 * MINUTE), ("flapping", 6 * MINUTE)]


def test_what_goes_again_much_later_is_another_episode() -> None:
    assert [kind for kind, _ in kinds([(0, LOST), (1, BACK), (2 + WHILE_MS, LOST), (3 + WHILE_MS, BACK)])] == [
        *("mains_lost", "mains_back"),
        *("mains_lost", "mains_back"),
    ]


def test_a_home_unit_that_is_carried_about_is_one_finding() -> None:
    said = [(n * 5 * MINUTE, MOVED) for n in range(12)]
    assert kinds([*said, (90 * MINUTE, MOVED)]) == [("moved", 0), ("moved", 90 * MINUTE)]


def test_a_case_that_is_opened_again_stays_latched_and_is_one_finding() -> None:
    opened, closed = record.CASE_OPENED, record.CASE_CLOSED
    found = told([(0, opened), (SECOND, closed), (2 * SECOND, opened), (3 * SECOND, closed), (60 * MINUTE, STATUS)], TAG)
    assert [finding.kind for finding in found] == ["case_opened", "case_closed", "flapping", "case_closed"]
    assert found[1].detail["latched"] and found[3].detail["latched"]


def test_each_cut_of_a_strap_is_told() -> None:
    cut, closed = record.STRAP_CUT, record.STRAP_CLOSED
    assert [kind for kind, _ in kinds([(0, cut), (1, closed), (2, cut), (3, closed)], TAG)] == [
        *("strap_cut", "strap_closed"),
        *("strap_cut", "strap_closed"),
    ]


def test_mains_that_came_back_while_the_home_unit_had_no_power_hide_no_later_loss() -> None:
    day = 24 * 60 * MINUTE
    said = [(0, LOST), (day, BOOT), (day + 45 * MINUTE, STATUS), (9 * day, LOST)]
    assert kinds(said) == [("mains_lost", 0), ("mains_back", day + 45 * MINUTE), ("mains_lost", 9 * day)]


@pytest.mark.parametrize("again", [(LOST,), ()])
def test_a_start_in_the_middle_changes_nothing(again: tuple[int, ...]) -> None:
    said = [(0, LOST), (MINUTE, BOOT), *((MINUTE + 1, code) for code in again), (5 * MINUTE, BACK), (90 * MINUTE, STATUS)]
    assert kinds(said) == [("mains_lost", 0), ("mains_back", 5 * MINUTE)]


SAID = st.lists(
    st.tuples(
        st.sampled_from((0, 1, SECOND, MINUTE, 14 * MINUTE, WHILE_MS, WHILE_MS + 1, 3 * WHILE_MS)),
        st.sampled_from((LOST, BACK, STATUS)),
    ),
    max_size=40,
)


def outages(said: list[tuple[int, int]]) -> list[tuple[int, int | None]]:
    """The oracle: what was truly lost from when until when."""
    out: list[tuple[int, int | None]] = []
    for at_ms, code in said:
        is_lost = bool(out) and out[-1][1] is None
        if code == LOST and not is_lost:
            out.append((at_ms, None))
        elif code == BACK and is_lost:
            out[-1] = (out[-1][0], at_ms)
    return out


@settings(deadline=None)
@given(SAID)
def test_whatever_a_device_says_an_episode_is_told_once_and_nothing_is_hidden(steps: list[tuple[int, int]]) -> None:
    said: list[tuple[int, int]] = []
    at_ms = 0
    for wait_ms, code in steps:
        at_ms += wait_ms
        said.append((at_ms, code))

    lost = outages(said)
    ended = [None, *(end for _, end in lost)]
    groups = [begin for (begin, _), before in zip(lost, ended, strict=False) if before is None or begin - before > WHILE_MS]
    found = kinds(said)
    assert [at for kind, at in found if kind == "mains_lost"] == groups
    flapping = [at for kind, at in found if kind == "flapping"]
    assert len({sum(begun <= at for begun in groups) for at in flapping}) == len(flapping), "once an episode"

    for n in range(1, len(said) + 1):
        is_lost = [end for _, end in outages(said[:n])][-1:] == [None]
        assert not is_lost or kinds(said[:n])[-1][0] != "mains_back", "told to be over, and is not"
    is_lost = ended[-1] is None and bool(lost)
    last = kinds([*said, (at_ms + WHILE_MS + 1, STATUS)])[-1:]
    assert is_lost == bool(last and last[0][0] != "mains_back"), "in the end the truth is told"
