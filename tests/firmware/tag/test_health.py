"""Dead parts are told once, and their coming back; what cannot be had (sky, coverage, time) is no dead part."""

import random

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.record import CLOCK_GONE, MODEM_BACK, MODEM_DEAD, MOTION_NO_FIX, RECEIVER_BACK, RECEIVER_DEAD
from firmware.core.settings import Settings
from firmware.tag.health import Health

WRAP = 1 << 30
SETTINGS = Settings({})


class Bench:
    """Rounds of ten seconds."""

    def __init__(self, start: int = WRAP - 45_000) -> None:
        self.now = start
        self.health = Health(SETTINGS, start % WRAP)
        self.sentences = self.bytes = 0
        self.told: list[int] = []

    def receiver(self, rounds: int, is_on: bool = True, sentences: int = 0, garbage: int = 0) -> int:
        """The round in which something was told, counted from 1; 0 for none."""
        at = 0
        for i in range(rounds):
            self.now += 10_000
            self.sentences += sentences
            self.bytes += garbage + 70 * sentences
            code = self.health.receiver(is_on, self.sentences, self.bytes, self.now % WRAP)
            if code:
                self.told.append(code)
                at = at or i + 1
        return at

    def motion(self, rounds: int, moving, seeking: bool = True) -> None:
        for i in range(rounds):
            self.now += 10_000
            code = self.health.motion(moving(i) if callable(moving) else moving, seeking, self.now % WRAP)
            if code:
                self.told.append(code)


def test_a_receiver_without_a_sentence_for_three_times_thirty_seconds_is_dead_and_then_back():
    for garbage in (0, 480):
        bench = Bench()
        bench.receiver(3, sentences=5)
        assert bench.receiver(60, garbage=garbage) in (9, 10) and bench.told == [RECEIVER_DEAD]
        assert (bench.health.value_a > 0) == (garbage > 0)
        assert bench.receiver(3, sentences=1) == 1 and bench.told == [RECEIVER_DEAD, RECEIVER_BACK]


def test_a_receiver_that_is_off_or_sees_no_sky_is_not_dead():
    bench = Bench()
    bench.receiver(10_000, is_on=False)
    bench.receiver(1000, sentences=3)  # sentences without a fix are sentences
    for _ in range(100):
        bench.receiver(360, is_on=False)
        bench.receiver(5)  # a slow start each hour
        bench.receiver(1, sentences=1)
    assert bench.told == []


def test_short_times_on_add_up():
    bench = Bench()
    for _ in range(10):
        bench.receiver(20, is_on=False)
        bench.receiver(5)
    assert bench.told == [RECEIVER_DEAD]


@given(st.lists(st.booleans(), max_size=60))
def test_a_modem_is_dead_after_three_power_ups_without_an_answer_and_back_with_the_first(answers: list[bool]):
    health = Health(SETTINGS, 0)
    dead, silent = False, 0
    for answered in answers:
        silent = 0 if answered else silent + 1
        expected = MODEM_BACK if dead and answered else MODEM_DEAD if not dead and silent == 3 else 0
        assert health.modem(answered) == expected
        dead = (dead or silent >= 3) and not answered
        assert health.modem_dead == dead


def test_a_clock_is_gone_when_time_was_to_be_had_and_is_told_once():
    health = Health(SETTINGS, 0)
    limit = SETTINGS.clock_gone_s
    assert not health.clock(False, limit - 1, True) and not health.clock(False, 10 * limit, False), "in a drawer there is no time"
    assert not health.clock(True, limit, True)
    assert health.clock(False, limit, True) == CLOCK_GONE and health.value_a == limit
    assert not health.clock(False, limit + 1, True)


def test_motion_without_a_fix_is_told_once_and_again_only_after_a_fix():
    bench = Bench()
    bench.motion(89, True)
    assert bench.told == []
    bench.motion(5000, True)
    assert bench.told == [MOTION_NO_FIX] and bench.health.value_a == SETTINGS.motion_no_fix_s
    bench.health.fixed()
    bench.motion(91, True)
    assert bench.told == [MOTION_NO_FIX] * 2


def test_at_rest_at_home_or_with_a_fix_now_and_then_it_is_not_told():
    for moving, seeking, every in ((False, True, 0), (True, False, 0), (True, True, 80), (lambda i: i % 2 == 0, True, 0)):
        bench = Bench()
        for _ in range(100):
            bench.motion(every or 100, moving, seeking)
            if every:
                bench.health.fixed()
        assert bench.told == []


def test_who_rests_first_and_then_goes_is_told_in_time():
    bench = Bench()
    bench.motion(3000, False)
    bench.motion(180, True)
    assert bench.told == [MOTION_NO_FIX]


def test_a_dead_receiver_makes_no_motion_without_a_fix():
    bench = Bench()
    bench.receiver(12)
    bench.motion(500, True)
    assert bench.told == [RECEIVER_DEAD]


def test_an_office_day_without_a_fix_is_not_told_and_a_shift_on_his_feet_is_once():
    told = {"office": 0, "warehouse": 0}
    for kind, share in (("office", 0.15), ("warehouse", 0.85)):
        for seed in range(50):
            rng = random.Random(seed)
            bench = Bench(rng.randrange(WRAP))
            bouts = [rng.random() < share for _ in range(8 * 60)]
            bench.motion(8 * 360, lambda i, bouts=bouts: bouts[i // 6])
            told[kind] += len(bench.told)
    assert told == {"office": 0, "warehouse": 50}
