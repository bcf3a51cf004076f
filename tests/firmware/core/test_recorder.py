"""Records as they are made: numbered, dated or honestly not, and what happens when the flash will not have them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import clock, record
from firmware.core.blockdev import RamDevice
from firmware.core.clock import Clock
from firmware.core.gnss import Fix
from firmware.core.journal import Journal, read_all
from firmware.core.message import pack_receipt
from firmware.core.record import Record
from firmware.core.recorder import Recorder
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink
from tests.firmware.core.mqtt.model import DEVICE, KEY, KEY_ID, UP_TOPIC, seal_down
from tests.firmware.core.test_journal import Counting

BOOT = 0x1_0007  # of which 16 bits are told
UTC_S = 1_780_290_000
SECTOR = 126


class State:
    mode = record.MODE_GPS
    charging = False
    moving = False
    battery: int | None = 77


class Bench:
    """A device's recorder over a journal of a few sectors; `ticks` is moved by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, device: RamDevice | None = None, boot: int = BOOT) -> None:
        self.ticks = 1000
        monkeypatch.setattr(clock, "ticks_ms", lambda: self.ticks)
        self.device = device or RamDevice(4)
        self.state = State()
        self.told: list[bool] = []
        self.restart(boot)

    def restart(self, boot: int = BOOT) -> None:
        self.clock = Clock()
        self.journal = Journal(self.device)
        assert self.journal.mount()
        self.recorder = Recorder(self.journal, self.clock, boot, self.state, self.told.append)

    def records(self) -> list[Record]:
        return [Record(raw) for raw in read_all(self.device)]

    def codes(self) -> list[int]:
        return [one.code for one in self.records()]

    def fill(self, n: int) -> None:
        for _ in range(n):
            self.recorder.event(record.STATUS)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def fix(**values: Any) -> Fix:
    one = Fix()
    one.pos[0], one.pos[1] = 507_154_321, -24_367_000
    known = {"valid": True, "day": UTC_S // 86_400, "tod_s": UTC_S % 86_400, "millis": 250, "radius_dm": 45, "speed_cms": 130}
    for name, value in {**known, "course_deg": 91, "satellites": 9, "hdop_tenths": 8, **values}.items():
        setattr(one, name, value)
    return one


# Dates


def test_before_the_clock_is_known_a_record_has_uptime_and_boot(bench: Bench):
    bench.ticks += 61_500
    bench.recorder.event(record.BOOT, 3, BOOT)
    (one,) = bench.records()
    assert one.flags & record.UNDATED and not one.is_dated
    assert (one.time_s, one.millis, one.seq, one.value_a, one.value_b) == (61, 7, 1, 3, BOOT)


def test_clock_set_carries_both_times_so_that_the_others_can_be_dated(bench: Bench):
    bench.ticks += 100_000
    bench.recorder.event(record.STATUS)
    bench.ticks += 20_000
    assert bench.clock.set(UTC_S, 400)
    bench.recorder.clock_set()
    bench.ticks += 5_600
    bench.recorder.event(record.STATUS)
    early, setting, late = bench.records()
    assert setting.code == record.CLOCK_SET and setting.is_dated and (setting.time_s, setting.millis) == (UTC_S, 400)
    assert (setting.value_a, setting.value_b) == (120, 7)
    assert setting.time_s - setting.value_a + early.time_s == UTC_S - 20
    assert (late.time_s, late.millis) == (UTC_S + 6, 0)


def test_a_fix_is_dated_by_the_receiver_whatever_the_clock_says(bench: Bench):
    bench.recorder.fix(fix())
    (one,) = bench.records()
    assert one.is_dated and (one.time_s, one.millis) == (UTC_S, 250)
    assert (one.lat_e7, one.lon_e7, one.radius_dm, one.speed_cms) == (507_154_321, -24_367_000, 45, 130)
    assert (one.course_deg, one.satellites, one.hdop_tenths, one.battery) == (90, 9, 8, 77)


def test_a_fix_without_a_date_keeps_its_time_of_day_and_says_so(bench: Bench):
    bench.recorder.fix(fix(day=-1, tod_s=3600))
    bench.recorder.fix(fix(day=0))
    undated, doubtful = bench.records()
    assert undated.flags & record.TIME_OF_DAY and undated.time_s == 3600 and not undated.is_dated
    assert doubtful.flags & record.DATE_DOUBTFUL


def test_what_the_receiver_does_not_know_is_unknown(bench: Bench):
    bench.state.battery = None
    bench.recorder.fix(fix(radius_dm=-1, speed_cms=-1, course_deg=-1, satellites=-1, hdop_tenths=-1))
    (one,) = bench.records()
    assert {one.radius_dm, one.speed_cms, one.course_deg, one.satellites, one.hdop_tenths, one.battery} == {None}


def test_the_devices_state_is_in_the_flags(bench: Bench):
    bench.state.mode, bench.state.charging, bench.state.moving = record.MODE_RF, True, True
    bench.recorder.event(record.STATUS)
    (one,) = bench.records()
    assert one.flags == record.MODE_RF | record.CHARGING | record.MOVING | record.UNDATED


def test_the_uplink_is_told_of_each_record_and_how_urgent_it_is(bench: Bench):
    bench.recorder.event(record.STRAP_CUT)
    bench.recorder.event(record.STATUS, urgent=False)
    bench.recorder.fix(fix())
    assert bench.told == [True, False, False]


# A flash that fails


@pytest.mark.parametrize("raising", [False, True])
def test_a_record_that_the_flash_could_not_take_is_made_when_it_answers_a_moment_later(monkeypatch, raising: bool):
    device = Counting(4)
    bench = Bench(monkeypatch, device)
    bench.fill(3)
    device.raising = raising
    device.fail_next = ["read"] * 2  # the read-back, and the mount that would have told
    bench.recorder.event(record.STRAP_CUT)
    assert bench.codes()[-1] == record.STRAP_CUT and bench.recorder.refused == 0
    assert bench.told[-1] is True


def test_a_record_that_could_not_be_told_takes_no_other_with_it(monkeypatch):
    """The flash took STRAP_CUT but died before it could say so; the next record finds the number used."""
    device = Counting(4)
    bench = Bench(monkeypatch, device)
    bench.fill(3)
    device.fail_next = ["read"] * 4
    bench.recorder.event(record.STRAP_CUT)
    device.fail_next = []
    bench.recorder.event(record.STRAP_CLOSED)
    assert bench.recorder.refused in (0, 1)
    assert record.STRAP_CUT in bench.codes() and bench.codes()[-1] == record.STRAP_CLOSED
    assert [one.seq for one in bench.records()] == list(range(1, len(bench.records()) + 1))


def test_what_no_flash_takes_is_counted_and_the_device_lives_on(monkeypatch):
    device = Counting(4)
    bench = Bench(monkeypatch, device)
    bench.fill(2)
    device.fail_next = ["read"] * 1000
    bench.recorder.event(record.STRAP_CUT)
    bench.recorder.event(record.STRAP_CLOSED)
    assert bench.recorder.refused == 2 and bench.told == [True, True]
    device.fail_next = []
    bench.recorder.event(record.STATUS)
    assert bench.codes()[-1] == record.STATUS and bench.told == [True] * 3


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.lists(st.sampled_from(["read", "write", "ok"]), max_size=12), min_size=1, max_size=30))
def test_whatever_fails_numbers_have_no_gap_and_each_record_counted_as_taken_stands(faults: list[list[str]]):
    with pytest.MonkeyPatch.context() as patch:
        device = Counting(4)
        bench = Bench(patch, device)
        for value, fails in enumerate(faults):
            device.fail_next = list(fails)
            taken = bench.recorder.refused
            bench.recorder.event(record.STATUS, value)
            device.fail_next = []
            if bench.recorder.refused == taken:
                assert value in [one.value_a for one in bench.records()]
        seqs = [one.seq for one in bench.records()]
        assert seqs == list(range(1, len(seqs) + 1))
        assert device.violations == 0


# A full journal


def test_when_the_journal_is_full_what_had_to_go_is_told_with_what_is_still_held(bench: Bench):
    bench.fill(4 * SECTOR)
    assert record.JOURNAL_FULL not in bench.codes()
    bench.fill(1)
    first, *_, last = bench.records()
    assert (last.code, last.value_a, last.value_b) == (record.JOURNAL_FULL, SECTOR, first.seq) and first.seq == SECTOR + 1
    bench.fill(2 * SECTOR)
    told = [one for one in bench.records() if one.code == record.JOURNAL_FULL]
    assert [one.value_a for one in told] == [SECTOR, SECTOR, SECTOR][: len(told)] and len(told) >= 2
    assert told[-1].value_b == bench.records()[0].seq


def test_what_was_receipted_may_go_without_a_word(bench: Bench):
    for _ in range(10 * SECTOR):
        bench.fill(1)
        bench.journal.release(bench.journal.next_seq - 1)
    assert record.JOURNAL_FULL not in bench.codes()


def test_a_loss_that_a_power_cut_left_untold_is_told_in_the_next_life_until_it_is_receipted(bench: Bench):
    buf = bytearray(record.SIZE)
    for _ in range(4 * SECTOR + 1):  # the journal alone, as if the power had gone before the JOURNAL_FULL
        record.pack_event(buf, bench.journal.next_seq, 1, record.UNDATED, 1, record.STATUS, 0, 0, None)
        assert bench.journal.append(buf)
    for _ in range(2):
        bench.restart()
        bench.recorder.event(record.BOOT)
        boot, full = bench.records()[-2:]
        assert (boot.code, full.code, full.value_a, full.value_b) == (record.BOOT, record.JOURNAL_FULL, SECTOR, SECTOR + 1)
        bench.fill(3)
        assert bench.codes()[-1] == record.STATUS, "once a life"
    bench.journal.release(bench.journal.next_seq - 1)
    assert bench.journal.sync()
    bench.restart()
    bench.recorder.event(record.BOOT)
    assert bench.codes()[-1] == record.BOOT


# A flash that was lost


def test_numbers_go_on_beyond_what_the_bridge_has_and_what_was_made_since_is_not_lost(bench: Bench):
    uplink = Uplink(bench.journal, Ccm(KEY), DEVICE, KEY_ID, UP_TOPIC)
    bench.recorder.event(record.BOOT, 3)
    bench.clock.set(UTC_S, 0)
    bench.recorder.clock_set()
    bench.recorder.fix(fix())
    uplink.restart(0)
    assert uplink.next_message(32, 0) is not None
    raw = bytearray(seal_down(1, pack_receipt(1000, 1)))
    assert uplink.on_down(raw, len(raw), 0) and uplink.ahead == 1000
    before = bench.records()

    bench.recorder.skip_beyond(uplink.take_ahead(0))

    after = bench.records()[3:]
    assert [one.seq for one in after] == [1001, 1002, 1003, 1004]
    fault = after[0]
    assert (fault.code, fault.value_a, fault.value_b) == (record.FAULT, record.FAULT_FLASH_LOST, 1000)
    assert [one.raw[4:28] for one in after[1:]] == [one.raw[4:28] for one in before], "the same facts under new numbers"
    assert uplink.ahead == uplink.take_ahead(0) == 0
    uplink.urgent = bench.told[-1]
    found = uplink.next_message(32, 0)
    assert found is not None and int.from_bytes(found[0][8:12], "little") == 1001 and found[0][2] == 4
    raw = bytearray(seal_down(2, pack_receipt(1004, 1001)))
    assert uplink.on_down(raw, len(raw), 0) and uplink.drained
    bench.restart()
    assert bench.journal.next_seq == 1005, "it lasts"


def test_a_bridge_that_is_not_ahead_changes_nothing(bench: Bench):
    bench.fill(5)
    for through in (0, 3, 5):
        bench.recorder.skip_beyond(through)
    assert len(bench.records()) == 5 and bench.journal.next_seq == 6


def test_a_full_journal_may_be_moved_too(bench: Bench):
    bench.fill(4 * SECTOR)
    bench.recorder.skip_beyond(100_000)
    moved = [one for one in bench.records() if one.seq > 100_000]
    held = {one.seq for one in moved}
    assert moved[0].seq > 100_000 and held == set(range(min(held), bench.journal.next_seq))
    assert sum(one.code == record.STATUS for one in moved) > 2 * SECTOR
    assert bench.journal.first_unreleased > 100_000
