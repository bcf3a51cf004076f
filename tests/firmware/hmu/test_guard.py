"""What the home unit tells of itself: a movement that comes back is one, a slammed door is none; comms by their duration."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core.record import COMMS_BACK, COMMS_LOST
from firmware.hmu.guard import Comms, Movement

WRAP = 1 << 30


def told(changes: list[int], until: int, first: int = 0, start: int = WRAP - 5_000) -> list[int]:
    """When a tilt switch that changes at these times is told as a movement: looked at by interrupt and when it asks for it."""
    moved = Movement(first, 65_534)
    level, edges, now, found = first, 65_534, 0, []
    ahead = sorted(changes)
    while True:
        wake = now + moved.wait_ms if moved.wait_ms else until + 1
        if ahead and ahead[0] <= wake:
            now = ahead.pop(0)
            level ^= 1
            edges = edges + 1 & 0xFFFF
        else:
            now = wake
        if now > until:
            return found
        if moved.update(level, edges, (start + now) % WRAP):
            found.append(now)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ([100], "tipped over, and left so"),
        ([100, 1_500], "lifted and set down again"),
        ([100, 700], "tilted for as little as half a second"),
        ([100, 200, 300, 400], "shaken"),
        ([100, 150, 1_800, 1_850], "twice within the three seconds"),
        ([100, 101, 102, 103, 104], "bounces and stays"),
    ],
)
def test_a_change_that_lasts_or_repeats_is_a_movement_told_after_three_seconds(changes: list[int], why: str):
    assert told(changes, 20_000) == [3_100], why
    assert told(changes, 20_000, first=1) == [3_100], why


@pytest.mark.parametrize("changes", [[100, 150], [100, 500], [100, 101], [100, 200, 5_000, 5_100, 10_000, 10_200]])
def test_a_slammed_door_is_none(changes: list[int]):
    assert told(changes, 200_000) == []


def test_a_unit_that_is_carried_about_for_ten_minutes_moved_once():
    changes = list(range(1_000, 600_000, 2_700))
    assert told(changes, 900_000) == [4_000]


def test_when_it_has_stood_still_the_next_movement_is_told_again_wherever_it_stood():
    assert told([1_000, 100_000, 100_900, 200_000], 400_000) == [4_000, 103_000, 203_000]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 400_000), max_size=40, unique=True), st.integers(0, 1))
def test_what_is_told_is_told_within_three_seconds_of_a_change_and_no_more_often_than_it_stands_still(
    changes: list[int], first: int
):
    found = told(changes, 500_000, first)
    assert found == told(changes, 500_000, first, start=7)
    for at in found:
        assert any(at - 3_000 <= change <= at for change in changes)
    for one, other in pairwise(found):
        assert other - one >= 30_000
    ahead = sorted(changes)
    for i, change in enumerate(ahead):  # a change that lasts, out of a long rest
        alone = (i == 0 or change - ahead[i - 1] > 60_000) and (i + 1 == len(ahead) or ahead[i + 1] - change > 3_000)
        if alone:
            assert change + 3_000 in found


def test_lost_comms_are_told_once_after_their_time_and_back_with_their_duration():
    comms = Comms(0, 300)
    assert [comms.update(False, s) for s in (10, 299)] == [None, None]
    assert comms.update(False, 305) == (COMMS_LOST, 305) and comms.update(False, 4_000) is None
    assert comms.update(True, 90_000) == (COMMS_BACK, 90_000)
    assert comms.update(True, 90_010) is None
    assert comms.update(False, 90_309) is None and comms.update(True, 90_311) is None, "short gaps are nobody's business"
    assert comms.update(False, 90_600) is None and comms.update(False, 90_611) == (COMMS_LOST, 300)
