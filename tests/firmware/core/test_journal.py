"""The journal as the tag uses it: numbers without gaps, receipts, a full ring, a device that fails, a partition of another."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware.core import record
from firmware.core.blockdev import BLOCK_COUNT, BLOCK_SIZE, RamDevice
from firmware.core.journal import Journal, made, read_all
from tests.firmware.core.interpreter import run

BLOCKS_512K = 128


def event(seq: int, value: int = 0) -> bytearray:
    raw = bytearray(record.SIZE)
    record.pack_event(raw, seq, seq, record.UNDATED, 1, record.STATUS, value, -seq, 50)
    return raw


def mounted(device) -> Journal:
    journal = Journal(device)
    assert journal.mount()
    return journal


def fill(journal: Journal, n: int) -> None:
    for _ in range(n):
        assert journal.append(event(journal.next_seq))


def all_of(journal: Journal, seq: int) -> list[bytes]:
    buf = bytearray(32 * 5 + 7)
    found = []
    while n := journal.read_into(seq, buf, 7, 5):
        found += [bytes(buf[7 + i * 32 : 39 + i * 32]) for i in range(n)]
        seq += n
    return found


class Counting(RamDevice):
    """Counts what is read and written, and fails when told to."""

    def __init__(self, *args, **kwargs):
        self.fail_next: list[str] = []
        self.raising = True
        self.erasures = 0
        super().__init__(*args, **kwargs)
        self.bytes_read = self.programs = self.erasures = 0

    def _fails(self, what: str) -> bool:
        if self.fail_next and self.fail_next[0] == what:
            self.fail_next.pop(0)
            if self.raising:
                raise OSError(5)
            return True
        return False

    def readblocks(self, block, buf, offset=0):  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._fails("read"):
            return -5
        self.bytes_read += len(buf)
        return super().readblocks(block, buf, offset)

    def writeblocks(self, block, buf, offset=None):  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._fails("write"):
            return -5
        self.programs += 1
        return super().writeblocks(block, buf, offset)

    def ioctl(self, op, arg):
        if op not in (BLOCK_COUNT, BLOCK_SIZE):
            if self._fails("erase"):
                return -5
            self.erasures += 1
        return super().ioctl(op, arg)


class JournalMachine(RuleBasedStateMachine):
    """Appends, receipts, reads and remounts in any order, against a plain list."""

    @initialize(blocks=st.integers(2, 6), block_size=st.sampled_from([128, 512, 4096]))
    def new_device(self, blocks: int, block_size: int) -> None:
        self.device = RamDevice(blocks, block_size)
        self.journal = mounted(self.device)
        self.made: list[bytes] = []
        self.released = 0
        self.per_sector = block_size // 32 - 2
        self.floor = 1  # the oldest record that must still be there

    @rule(n=st.integers(1, 40), value=st.integers(0, 10**6))
    def append(self, n: int, value: int) -> None:
        for _ in range(n):
            raw = event(self.journal.next_seq, value)
            assert self.journal.append(raw)
            self.made.append(bytes(raw))

    @precondition(lambda self: self.made)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        through = data.draw(st.integers(0, len(self.made)))
        assert self.journal.release(through)
        self.released = max(self.released, through)

    @rule()
    def sync(self) -> None:
        self.journal.sync()

    @rule(beyond=st.integers(1, 1000))
    def a_receipt_for_what_was_never_made_frees_nothing(self, beyond: int) -> None:
        before = self.journal.released
        assert not self.journal.release(len(self.made) + beyond)
        assert self.journal.released == before

    @rule()
    def remount(self) -> None:
        self.journal = mounted(RamDevice(self.device.blocks, self.device.block_size, self.device.data))
        self.device = self.journal._device
        assert self.journal.released <= self.released
        self.released = self.journal.released

    @rule(data=st.data())
    def read_anywhere(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(-1, len(self.made) + 2))
        wanted = data.draw(st.integers(0, 70))
        buf = bytearray(b"\x55" * (data.draw(st.integers(0, 40)) * 32 + 12))
        n = self.journal.read_into(seq, buf, 12, wanted)
        oldest = self.journal.first_from(1)
        if seq < oldest or seq > len(self.made):
            assert n == 0
        else:
            assert n == min(wanted, len(buf) // 32, len(self.made) + 1 - seq)
            assert bytes(buf[12 : 12 + n * 32]) == b"".join(self.made[seq - 1 : seq - 1 + n])
        assert set(buf[:12]) | set(buf[12 + n * 32 :]) <= {0x55} or n < wanted

    @invariant()
    def agrees_with_the_list(self) -> None:
        if not hasattr(self, "journal"):
            return
        journal = self.journal
        assert journal.next_seq == len(self.made) + 1
        assert journal.released == self.released
        oldest = journal.first_from(1)
        assert len(self.made) + 1 - oldest >= min(len(self.made), (self.device.blocks - 1) * self.per_sector)
        assert journal.first_unreleased == max(oldest, self.released + 1)
        assert journal.pending == len(self.made) + 1 - journal.first_unreleased
        assert all_of(journal, oldest) == self.made[oldest - 1 :] == list(read_all(self.device))
        assert made(self.device) == len(self.made)
        assert self.device.violations == 0


TestJournalMachine = JournalMachine.TestCase
TestJournalMachine.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_each_record_is_written_once():
    device = Counting(BLOCKS_512K)
    journal = mounted(device)
    fill(journal, 126 * 3)
    assert device.programs == 126 * 3 + 3, "one write a record, one a sector"
    assert device.erasures == 2, "a blank device's first sector needs none"


def test_a_512_kib_partition_keeps_eleven_days_at_a_fix_a_minute():
    device = RamDevice(BLOCKS_512K)
    journal = mounted(device)
    fill(journal, 40_000)
    assert journal.pending >= 16_002 > 10 * 24 * 60
    assert journal.lost == 40_000 - journal.pending
    journal.release(40_000)
    lost = journal.lost
    fill(journal, 16_000)
    assert journal.lost == lost, "released records are no loss"


def test_mounting_reads_little_of_a_large_partition():
    device = Counting(BLOCKS_512K)
    fill(mounted(device), 126 * 200 + 1)
    device.bytes_read = 0
    mounted(device)
    print(f"mount reads at most {device.bytes_read} bytes of {len(device.data)}")
    assert device.bytes_read < 2 * 4096 + 512 and len(device.data) == 512 * 1024


def test_sectors_wear_evenly():
    device = RamDevice(4, 512)
    fill(mounted(device), 14 * 4 * 10)
    erasures = [int.from_bytes(device.data[block * 512 + 12 : block * 512 + 16], "little") for block in range(4)]
    assert max(erasures) - min(erasures) <= 1 and min(erasures) >= 9


def test_the_loss_of_unreleased_records_is_counted_and_remembered():
    device = RamDevice(4, 512)
    journal = mounted(device)
    fill(journal, 14 * 4)
    journal.release(5)
    assert journal.lost == 0
    fill(journal, 1)
    assert journal.lost == 14 - 5
    assert journal.first_unreleased == 15
    again = mounted(device)
    assert (again.lost, again.first_unreleased) == (9, 15)


def test_a_torn_record_cannot_come_back_when_its_last_bits_settle():
    device = RamDevice(4, 512)
    fill(mounted(device), 3)
    whole = event(4)
    device.data[512 - 512 + 5 * 32 : 5 * 32 + 31] = whole[:31]  # the last byte did not make it
    journal = mounted(device)
    assert journal.next_seq == 4
    assert device.data[5 * 32 : 6 * 32] == bytes(32)
    assert journal.append(event(4, 99))
    assert all_of(journal, 4) == [bytes(event(4, 99))]


def test_a_receipt_is_remembered_often_enough():
    device = Counting(BLOCKS_512K)
    journal = mounted(device)
    for seq in range(1, 2000):
        fill(journal, 1)
        journal.release(seq)
        if seq % 111 == 0:
            assert mounted(RamDevice(BLOCKS_512K, data=device.data)).released > seq - 40
    assert device.programs < 2000 * 1.05


def test_after_a_long_outage_each_mark_halves_what_would_be_sent_again():
    device = RamDevice(BLOCKS_512K)
    journal = mounted(device)
    fill(journal, 16_000)
    for through in range(32, 16_001, 32):
        journal.release(through)
        journal.first_unreleased  # noqa: B018
    assert mounted(device).pending <= 16_000 // 16
    assert journal.sync() or journal.pending == 0


@pytest.mark.parametrize("raising", [True, False], ids=["OSError", "-5"])
@pytest.mark.parametrize("failure", [["write"], ["write", "write"]])
def test_a_failed_write_goes_to_the_next_place(raising: bool, failure: list[str]):
    device = Counting(4, 512)
    journal = mounted(device)
    fill(journal, 3)
    device.raising, device.fail_next = raising, list(failure)
    fill(journal, 5)
    assert journal.faults >= 1 and journal.mounted
    assert all_of(journal, 1) == [bytes(event(seq)) for seq in range(1, 9)] == list(read_all(device))
    assert mounted(device).next_seq == 9


def test_a_sector_that_cannot_be_erased_is_passed_over():
    device = Counting(4, 512)
    journal = mounted(device)
    fill(journal, 14)
    device.fail_next = ["erase"]
    fill(journal, 20)
    assert all_of(journal, 1) == [bytes(event(seq)) for seq in range(1, 35)]
    assert all_of(mounted(device), 1) == all_of(journal, 1)
    fill(journal, 200)
    assert all_of(mounted(device), journal.first_from(1)) == all_of(journal, journal.first_from(1))


def test_a_record_that_could_not_be_read_back_is_looked_for_and_found():
    device = Counting(4, 512)
    journal = mounted(device)
    fill(journal, 3)
    journal.release(2)
    device.fail_next = ["read"]
    assert journal.append(event(4, 7))
    assert (journal.mounted, journal.next_seq, journal.released) == (True, 5, 2)
    assert all_of(journal, 4) == [bytes(event(4, 7))]


def test_a_device_that_stops_answering_loses_nothing_and_goes_on_when_it_answers():
    device = Counting(4, 512)
    journal = mounted(device)
    fill(journal, 3)
    journal.release(1)
    device.fail_next = ["read", "read"]  # the write stands, but that cannot be known
    assert not journal.append(event(4, 7)) and not journal.mounted
    assert (journal.next_seq, journal.released) == (4, 1)
    device.fail_next = ["read"]
    assert not journal.append(event(4, 8)) and not journal.mounted
    assert not journal.append(event(4, 9)), "number 4 was given after all"
    assert journal.mounted and journal.next_seq == 5 and journal.released == 1
    fill(journal, 30)
    assert all_of(journal, 4) == [bytes(event(4, 7)), *(bytes(event(seq)) for seq in range(5, 35))]


def test_a_record_that_did_not_get_through_is_written_when_the_device_answers():
    device = Counting(4, 512)
    journal = mounted(device)
    fill(journal, 3)
    device.fail_next = ["write", "read", "read"]
    assert not journal.append(event(4, 7))
    assert journal.append(event(4, 8))
    assert all_of(journal, 4) == [bytes(event(4, 8))]


def test_a_record_with_another_number_is_a_mistake_of_the_caller():
    journal = mounted(RamDevice(4, 512))
    with pytest.raises(ValueError, match="expected sequence number 1"):
        journal.append(event(2))
    with pytest.raises(ValueError, match="expected"):
        journal.append(event(1)[:31])
    fill(journal, 1)


def test_a_partition_of_something_else_is_left_alone_unless_allowed():
    device = RamDevice(4, 512)
    device.data[700:712] = b"precious dat"
    before = bytes(device.data)
    journal = Journal(device)
    assert not journal.mount() and not journal.mounted and not journal.append(event(1))
    assert device.data == before
    assert journal.mount(allow_format=True)
    fill(journal, 70)
    assert b"precious" not in device.data
    assert mounted(device).next_seq == 71


def test_numbers_go_on_where_the_bridge_says_when_the_flash_was_replaced():
    device = RamDevice(4, 512)
    journal = mounted(device)
    fill(journal, 3)
    journal.skip_to(1000)
    fill(journal, 30)
    again = mounted(device)
    assert again.next_seq == 1030
    assert all_of(again, 1000) == [bytes(event(seq)) for seq in range(1000, 1030)]
    assert all_of(again, 1) == [bytes(event(seq)) for seq in range(1, 4)] and again.first_from(4) == 1000


def test_a_rotten_record_is_stepped_over():
    device = RamDevice(4, 512)
    fill(mounted(device), 20)
    device.data[(2 + 6) * 32 + 9] ^= 1  # record 7
    journal = mounted(device)
    assert len(all_of(journal, 1)) == 6
    assert journal.read_into(7, bytearray(32), 0, 1) == 0
    assert journal.first_from(7) == 8 and len(all_of(journal, 8)) == 13
    journal.release(6)
    assert journal.first_unreleased == 8
    assert [record.seq_of(raw) for raw in read_all(device)] == [*range(1, 7), *range(8, 21)]


@pytest.mark.parametrize("generation", [0, 1, 2, 3], ids=["oldest", "oldest but one", "in the middle", "newest"])
def test_a_rotten_sector_header_costs_no_record_and_gives_no_number_twice(generation: int):
    device = RamDevice(6, 512)
    fill(mounted(device), 14 * 3 + 5)
    device.data[generation * 512 + 9] ^= 4
    journal = mounted(device)
    assert journal.next_seq == 14 * 3 + 6
    assert all_of(journal, 1) == [bytes(event(seq)) for seq in range(1, 14 * 3 + 6)]
    fill(journal, 20)
    assert all_of(mounted(device), 1) == [bytes(event(seq)) for seq in range(1, 14 * 3 + 26)]


@given(st.binary(min_size=4 * 512, max_size=4 * 512), st.booleans())
@settings(max_examples=100)
def test_garbage_in_flash_never_raises_and_is_never_read(garbage: bytes, allow: bool):
    device = RamDevice(4, 512, garbage)
    journal = Journal(device)
    if journal.mount(allow):
        assert journal.next_seq == 1 and journal.pending == 0
        fill(journal, 40)
        assert len(all_of(journal, 1)) == 40


@given(st.lists(st.tuples(st.integers(0, 4 * 512 - 1), st.integers(0, 7)), max_size=40), st.integers(0, 100))
@settings(max_examples=100)
def test_bit_rot_never_raises_and_never_gives_a_wrong_record(flips: list[tuple[int, int]], n: int):
    device = RamDevice(4, 512)
    fill(mounted(device), n)
    for at, bit in flips:
        device.data[at] ^= 1 << bit
    for raw in read_all(device):
        assert raw == bytes(event(record.seq_of(raw)))
    journal = Journal(device)
    if journal.mount():
        fill(journal, 60)


def test_appending_and_releasing_allocate_nothing_on_the_device():
    script = """
from firmware.core import record
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
import micropython
journal = Journal(RamDevice(8, 512))
assert journal.mount()
raw = bytearray(32)
def one():
    record.pack_event(raw, journal.next_seq, 1, 0, 0, 13, journal.next_seq, 0, 5)
    micropython.heap_lock()
    ok = journal.append(raw)
    micropython.heap_unlock()
    return ok
good = 0
ok = False
for _ in range(500):
    good += one()
micropython.heap_lock()
ok = journal.release(480) and journal.sync()
micropython.heap_unlock()
print(good, ok, journal.pending)
"""
    assert run(script) == ["500 True 20"]


def test_the_device_leaves_the_same_flash_as_the_host():
    script = """
from binascii import crc32
from firmware.core import record
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
device = RamDevice(6, 512)
journal = Journal(device)
journal.mount()
raw = bytearray(32)
x = 12345
for i in range(700):
    x = (x * 1103515245 + 12345) & 0x3FFFFFFF
    if x % 50 == 0:
        journal = Journal(device)
        assert journal.mount()
    elif x % 7 == 0 and journal.pending:
        journal.release(journal.first_unreleased + x % journal.pending)
    record.pack_fix(raw, journal.next_seq, x, 1, 5, 507154000, -24367000, 1, 2, 3, 4, 5, 6)
    assert journal.append(raw)
print(journal.next_seq, journal.released, journal.pending, journal.lost, crc32(device.data))
"""
    here: list[str] = []
    exec(script, {"print": lambda *args: here.append(" ".join(map(str, args)))})
    assert run(script) == here


def test_reading_a_batch_is_bounded_in_memory():
    rng = random.Random(5)
    device = RamDevice(8, 512)
    journal = mounted(device)
    fill(journal, 80)
    for _ in range(200):
        seq, n, room = rng.randrange(1, 81), rng.randrange(0, 40), rng.randrange(0, 1000)
        buf = bytearray(room)
        assert journal.read_into(seq, buf, 0, n) == min(n, room // 32, 81 - seq)
