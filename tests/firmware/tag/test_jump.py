"""Jumps that no vehicle makes become no fix; what is made at rest is told as spoofing; canyons, rooms and ferries are neither."""

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.record import SPOOF_ENDED, SPOOFED
from firmware.tag.detect import Motion
from firmware.tag.jump import Jump, Spoof
from sim.world.gnss import Receiver
from sim.world.plane import distance_m

WRAP = 1 << 30
LAT_M, LON_M = 89.93, 142.0  # 1e-7 degrees a metre at 50.7° north
HERE = (507_000_000, -24_000_000)


def at(east_m: float, north_m: float = 0.0, start=HERE) -> array:
    return array("i", (round(start[0] + north_m * LAT_M), round(start[1] + east_m * LON_M)))


# Jump


@pytest.mark.parametrize("start", [0, WRAP - 65_000])
def test_a_fix_that_jumps_is_held_back_and_the_next_one_denies_it(start: int):
    jump = Jump()
    told = [jump.accepts(at(x), 50, (start + 60_000 * i) % WRAP) for i, x in enumerate([0, 10, 9000, 20, 30])]
    assert told == [True, True, False, True, True] and jump.held == 0


def test_the_third_that_agrees_confirms_a_teleport():
    jump = Jump()
    told = [jump.accepts(at(x), 50, 60_000 * i) for i, x in enumerate([0, 300_000, 300_100, 300_200, 300_300])]
    assert told == [True, False, False, True, True]


def test_a_first_fix_that_was_wrong_itself_does_not_shut_out_the_right_ones():
    jump = Jump()
    assert [jump.accepts(at(x), 50, 60_000 * i) for i, x in enumerate([50_000, 0, 5, 9])] == [True, False, False, True]


def test_jumps_to_different_places_confirm_nothing():
    jump = Jump()
    assert jump.accepts(at(0), 50, 0)
    assert not any(jump.accepts(at(20_000 * (i % 2 + 1) * (-1) ** i), 50, 15_000 * (i + 1)) for i in range(15))
    assert jump.accepts(at(300), 50, 15_000 * 16)


def test_a_fast_train_and_a_long_gap_are_no_jump():
    jump = Jump()
    assert all(jump.accepts(at(65.0 * 60 * i), 50, 60_000 * i) for i in range(50))
    assert jump.accepts(at(65.0 * 60 * 50 + 120_000), 50, 60_000 * 50 + 1800_000)


def test_after_a_flight_the_third_fix_is_accepted_and_the_date_line_is_no_jump():
    jump = Jump()
    told = [
        jump.accepts(at(0, 0, start), 50, t)
        for start, t in [(HERE, 0)] + [((407_000_000, -740_000_000), 7 * 3600_000 + i) for i in range(3)]
    ]
    assert told == [True, False, False, True]
    line = Jump()
    assert line.accepts(array("i", (0, 1_799_999_000)), 50, 0) and line.accepts(array("i", (0, -1_799_999_000)), 50, 15_000)


def too_far(a: tuple[int, float, int], b: tuple[int, float, int]) -> bool | None:
    """Of (time, metres east, radius in dm); None near the limit."""
    limit = min((a[2] + b[2]) / 10 + 50 + ((b[0] - a[0]) // 1000 + 1) * 70, 200_000)
    metres = distance_m(HERE[0] / 1e7, (HERE[1] + a[1] * LON_M) / 1e7, HERE[0] / 1e7, (HERE[1] + b[1] * LON_M) / 1e7)
    return None if abs(metres - limit) < 0.005 * limit + 2 else metres > limit


@given(
    st.lists(st.tuples(st.integers(1, 4000), st.floats(-300_000, 300_000), st.integers(1, 3000)), min_size=1, max_size=40),
    st.integers(0, WRAP),
)
def test_whatever_comes_only_plausible_or_confirmed_fixes_are_accepted(steps, start: int):
    """Against the list of all fixes; the limit itself is left out by a margin."""
    jump = Jump()
    good, held, now = None, [], start
    for seconds, x, radius_dm in steps:
        now += seconds * 1000
        said = jump.accepts(at(x), radius_dm, now % WRAP)

        verdicts = [too_far(good, (now, x, radius_dm))] if good else []
        verdicts += [too_far(held[-1], (now, x, radius_dm))] if held else []
        if None in verdicts:
            return
        if good and verdicts[0]:
            held = [*held, (now, x, radius_dm)] if held and not verdicts[1] else [(now, x, radius_dm)]
            assert said == (len(held) == 3)
        else:
            assert said
        if said:
            good, held = (now, x, radius_dm), []


# Spoof


class Bench:
    """A tag with a motion input and a fix now and then."""

    def __init__(self, start: int = WRAP - 400_000) -> None:
        self.now = start
        self.motion = Motion(False, start % WRAP)
        self.spoof = Spoof(self.motion)
        self.told: list[tuple[int, int]] = []

    def live(self, seconds: int, moving: bool = False) -> None:
        for _ in range(seconds):
            self.motion.update(moving, self.now % WRAP)
            self.now += 1000
            self.motion.update(moving, self.now % WRAP)

    def fix(self, east_m: float, north_m: float = 0.0, *, radius_m: int = 8, speed_cms: int = 10) -> int:
        code = self.spoof.fix(at(east_m, north_m), radius_m * 10, speed_cms, self.now % WRAP)
        if code:
            self.told.append((self.now, code))
        return code

    def rest(self) -> None:
        self.live(200)
        assert not self.fix(0)


def test_positions_elsewhere_while_the_tag_lies_still_are_told_once_and_their_end_too():
    bench = Bench()
    bench.rest()
    began = bench.now
    for _ in range(30):
        bench.live(60)
        bench.fix(800)
    assert [code for _, code in bench.told] == [SPOOFED] and bench.told[0][0] - began <= 360_000
    assert abs(bench.spoof.value_a - 800) < 15
    for _ in range(5):
        bench.live(60)
        bench.fix(3)
    assert [code for _, code in bench.told] == [SPOOFED, SPOOF_ENDED]


def test_a_slow_drag_off_is_told_once_it_is_far():
    bench = Bench()
    bench.rest()
    for i in range(40):
        bench.live(60)
        bench.fix(20.0 * i, speed_cms=33)
    assert [code for _, code in bench.told] == [SPOOFED]


def test_a_leap_that_then_goes_on_driving_is_told_and_a_smooth_ferry_is_not():
    leap, ferry = Bench(), Bench()
    for bench, first in ((leap, 19_000.0), (ferry, 0.0)):
        bench.rest()
        for i in range(30):
            bench.live(60)
            bench.fix(first + 480.0 * (i + 1), speed_cms=800)
    assert [code for _, code in leap.told] == [SPOOFED] and not ferry.told


def test_a_single_wrong_fix_or_some_that_come_and_go_are_not_told():
    bench = Bench()
    bench.rest()
    for i in range(200):
        bench.live(60)
        assert not bench.fix(900 if i % 5 < 4 else 0)


def test_a_leg_that_turns_over_hides_nothing_and_a_walk_ends_it():
    bench = Bench()
    bench.rest()
    bench.live(4, moving=True)
    for _ in range(8):
        bench.live(60)
        bench.fix(800)
    assert bench.spoof.state == SPOOFED
    bench.live(60, moving=True)
    assert bench.fix(800) == SPOOF_ENDED and not bench.spoof.state


@pytest.mark.parametrize("indoors,canyon", [(True, 0.0), (False, 1.0), (False, 0.5), (False, 0.0)])
def test_ordinary_errors_at_rest_are_not_spoofing(indoors: bool, canyon: float):
    """60 days of a tag at rest, a fix a minute by the world's receivers in a room, a street canyon and the open."""
    fixes = 0
    for seed in range(25):
        receiver = Receiver(seed, 7)
        rng = random.Random(seed)
        bench = Bench(rng.randrange(WRAP))
        bench.live(130)
        for minute in range(10 * 1440 // 4):
            bench.now += 60_000
            bench.motion.update(False, bench.now % WRAP)
            if minute % 360 == 0:
                bench.live(25, moving=True)  # he sits down elsewhere: another place of rest
            east, north = receiver.error_m(bench.now + 1_800_000_000_000, indoors, canyon)
            fixes += 1
            bench.fix(east, north, radius_m=6, speed_cms=rng.randrange(0, 200))
        assert not bench.told
    assert fixes == 25 * 3600
