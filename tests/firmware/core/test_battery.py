"""A cell's percent, and the stages at which the wearer and then an officer are told, against a list of what should be told."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.battery import STAGES, TELL, WARN, Gauge, Stages, percent

HYSTERESIS = 3


def test_the_curve_rises_from_empty_to_full_through_the_data_sheets_points():
    curve = [percent(mv) for mv in range(0, 5001)]
    assert curve == sorted(curve) and curve[0] == 0 and curve[-1] == 100
    assert (percent(3000), percent(3450), percent(3830), percent(4180)) == (0, 5, 50, 100)
    assert max(b - a for a, b in itertools.pairwise(curve)) == 1, "no jump that would skip a stage"


def test_a_discharge_tells_each_stage_once():
    stages = Stages()
    assert [p for p in range(100, -1, -1) if stages.update(p)] == list(STAGES)


def test_a_charge_tells_each_stage_once_when_it_is_well_left():
    stages = Stages()
    assert stages.update(0)
    assert [p for p in range(101) if stages.update(p)] == [limit + HYSTERESIS + 1 for limit in reversed(STAGES)]


def test_a_device_that_starts_low_says_so_and_one_that_starts_full_does_not():
    assert Stages().update(7) and not Stages().update(100)


def test_a_rise_over_several_stages_has_the_hysteresis_of_the_one_it_ends_in():
    stages = Stages()
    assert stages.update(5) and stages.update(12), "left 5, and 10 not for good"
    assert not stages.update(10) and not stages.update(13)
    assert stages.update(14) and stages.update(10)


@given(st.lists(st.integers(0, 100), max_size=200))
def test_without_a_lead_whatever_the_level_does_what_was_told_stays_true(levels: list[int]):
    stages = Stages()
    undercut = 0
    for level in levels:
        told = stages.update(level)
        surely = sum(level <= limit for limit in STAGES)
        perhaps = sum(level <= limit + HYSTERESIS for limit in STAGES)
        if told:
            undercut = surely if surely > undercut else perhaps
        assert surely <= undercut <= perhaps, "what was told last is never wrong by more than the hysteresis"


@given(st.integers(0, 100), st.lists(st.integers(-1, 1), max_size=50))
def test_noise_of_one_percent_tells_one_stage_at_most(level: int, noise: list[int]):
    stages = Stages()
    stages.update(level)
    assert sum(stages.update(min(100, max(0, level + n))) for n in noise) <= 1


LEAD_S = 1800
MINUTE_MS = 60_000


class Wearer:
    """A day in minutes: (minute, percent) of each WARN and TELL, in order."""

    def __init__(self) -> None:
        self.stages = Stages(LEAD_S)
        self.minute = 0
        self.warned: list[tuple[int, int]] = []
        self.told: list[tuple[int, int]] = []

    def live(self, minutes: int, level: int, charging: bool = False) -> None:
        for _ in range(minutes):
            self.minute += 1
            due = self.stages.update(level, charging, MINUTE_MS)
            if due & WARN:
                self.warned.append((self.minute, level))
            if due & TELL:
                self.told.append((self.minute, level))


def test_in_an_ordinary_discharge_the_wearer_is_warned_at_each_low_stage_and_an_officer_is_told_after_the_lead():
    wearer = Wearer()
    for level in range(60, -1, -1):
        wearer.live(40, level)
    at = {level: minute for minute, level in wearer.warned}
    assert list(at) == [20, 10, 5]
    # 40 min a percent: the lead at 20 % ends within that percent, so do the shorter ones
    assert [level for _, level in wearer.told] == [50, 30, 20, 10, 5]
    told = {level: minute for minute, level in wearer.told}
    assert [told[level] - at[level] for level in (20, 10, 5)] == [30, 15, 5]


def test_a_collapse_warns_once_and_waits_no_longer_than_the_first_lead_and_not_at_all_near_empty():
    wearer = Wearer()
    wearer.live(1, 60)
    wearer.live(1, 4)
    assert (wearer.warned, wearer.told) == ([(2, 4)], [])
    wearer.live(10, 4)
    assert wearer.told == [(7, 4)]
    empty = Wearer()
    empty.live(1, 60)
    empty.live(1, 2)
    assert empty.warned == empty.told == [(2, 2)], "warned first, told in the same breath"


def test_a_fast_discharge_is_told_within_the_first_stages_lead():
    wearer = Wearer()
    for level in range(60, 2, -1):
        wearer.live(2, level)
    first_warned = wearer.warned[0][0]
    low = [minute for minute, level in wearer.told if level <= 20]
    assert low[0] - first_warned <= LEAD_S // 60 and len(wearer.warned) == 3


def test_charging_in_time_cancels_what_was_to_be_told():
    wearer = Wearer()
    wearer.live(5, 21)
    del wearer.told[:]
    wearer.live(10, 20)
    wearer.live(60, 20, charging=True)
    wearer.live(60, 24, charging=True)
    wearer.live(60, 24)
    assert [level for _, level in wearer.warned] == [20] and wearer.told == []


def test_touching_the_charger_puts_nothing_off_and_warns_no_second_time():
    wearer = Wearer()
    wearer.live(5, 21)
    del wearer.told[:]
    wearer.live(29, 20)
    wearer.live(5, 20, charging=True)
    wearer.live(1, 20)
    assert len(wearer.warned) == 1 and wearer.told == [(40, 20)]


def test_a_night_at_the_level_of_a_stage_is_one_warning():
    wearer = Wearer()
    for minute in range(600):
        wearer.live(1, 20 + minute % 3)
    assert wearer.warned == [(1, 20)]
    assert [minute for minute, _ in wearer.told] == [LEAD_S // 60 + 1]


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 100), st.booleans()), max_size=60))
def test_whatever_happens_the_wearer_knows_before_an_officer_and_an_officer_in_time(steps: list[tuple[int, int, bool]]):
    stages = Stages(LEAD_S)
    warned = 0  # the deepest stage the wearer knows of
    known = 0  # the deepest stage an officer knows of
    due_since = None  # minutes in which an officer should know and does not, the charger off
    for minutes, level, charging in steps:
        for _ in range(minutes):
            due = stages.update(level, charging, MINUTE_MS)
            surely = sum(level <= limit for limit in STAGES)
            perhaps = sum(level <= limit + HYSTERESIS for limit in STAGES)
            if due & WARN:
                assert warned < surely, "no second warning without a recovery between"
                warned = surely
            warned = min(warned, perhaps)
            if due & TELL:
                known = surely if surely > known else perhaps
                assert known <= max(warned, 2), "the wearer was warned of this stage before"
            known = min(known, perhaps)
            if surely <= known or charging:
                due_since = 0
            else:
                due_since = (due_since or 0) + 1
                assert due_since <= LEAD_S // 60 + 1


class Cell:
    mv = 4000

    def millivolts(self) -> int:
        return self.mv


def test_the_gauge_reads_at_its_interval_and_waits_through_the_lead_wherever_the_ticks_wrap():
    wrap = 1 << 30
    cell = Cell()
    start = wrap - 700_000
    gauge = Gauge(cell, 300, LEAD_S)
    told = []
    for second in range(0, 3600, 10):
        cell.mv = 3700 if second < 600 else 3675
        due = gauge.read((start + second * 1000) % wrap)
        if due:
            told.append((second, due, gauge.percent))
    assert told == [(0, TELL, 23), (600, WARN, 19), (2400, TELL, 19)]
