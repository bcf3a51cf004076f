"""Whatever cut comes, the blob that is read is the old one or the new one, whole.

The power goes at every write and erasure of a rewrite, and again at each of those of the repair; clean, torn and garbled
(`test_journal_powercut`).
"""

import random
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.blockdev import BLOCK_ERASE, RamDevice
from firmware.core.slots import Slots
from tests.firmware.core.test_journal_powercut import KINDS, CutDevice

BLOCKS, BLOCK = 8, 512
ROOM = (BLOCKS // 2 - 1) * BLOCK
PIECE = 96

blobs = st.binary(max_size=ROOM) | st.integers(0, ROOM).map(lambda n: random.Random(n).randbytes(n))


def mounted(device) -> Slots:
    slots = Slots(device)
    assert slots.mount()
    return slots


def pieces(blob: bytes) -> list[int]:
    return list(range(0, len(blob), PIECE))


def rewrite(slots: Slots, number: int, blob: bytes, order: list[int] | None = None) -> bool:
    if not slots.begin(len(blob)):
        return False
    if not all(slots.write(at, blob[at : at + PIECE]) for at in (pieces(blob) if order is None else order)):
        return False
    return slots.keep(number, len(blob))


def standing(slots: Slots) -> tuple[int, bytes]:
    buf = bytearray(slots.size)
    slots.readinto(0, buf)
    return slots.number, bytes(buf)


def image_with(*kept: tuple[int, bytes]) -> bytes:
    ram = RamDevice(BLOCKS, BLOCK)
    slots = mounted(ram)
    for number, blob in kept:
        assert rewrite(slots, number, blob)
    return bytes(ram.data)


def ram_of(image: bytes) -> RamDevice:
    return RamDevice(BLOCKS, BLOCK, image)


def blob_of(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


NOTHING = (0, b"")
FIRST = (7, blob_of(1, 1100))
SECOND = (8, blob_of(2, 1300))
THIRD = (9, blob_of(3, 700))


@pytest.mark.parametrize("before", [(), (FIRST,), (FIRST, SECOND)], ids=["first blob", "second", "third"])
def test_no_cut_at_any_operation_leaves_less_than_a_whole_blob(before):
    image = image_with(*before)
    old = before[-1] if before else NOTHING
    device = CutDevice(ram_of(image))
    assert rewrite(mounted(device), *THIRD)
    total = device.operations
    cuts = seconds = olds = 0
    for at in range(1, total + 1):
        for kind in KINDS:
            for seed in range(1 if kind == "clean" else 4):
                device = CutDevice(ram_of(image), at, kind, seed)
                assert not rewrite(mounted(device), *THIRD)
                cuts += 1
                left = bytes(device.ram.data)
                found = standing(mounted(ram_of(left)))
                assert found in (old, THIRD), (at, kind, seed)
                olds += found == old
                seconds += cut_again(left, found)
                ram = ram_of(left)
                slots = mounted(ram)
                assert rewrite(slots, 10, FIRST[1]) and standing(slots) == (10, FIRST[1]) == standing(mounted(ram))
                assert ram.violations == 0, "programmed where it was not erased"
    print(f"{cuts} cuts ({olds} left the old one), {seconds} second cuts")
    assert cuts > 100 and seconds > 1000 and olds > cuts // 2


def cut_again(image: bytes, found: tuple[int, bytes]) -> int:
    """The power goes a second time, at each operation of the rewrite that repairs what the first cut left."""
    cuts = at = 0
    while True:
        at += 1
        for kind in KINDS:
            device = CutDevice(ram_of(image), at, kind, at)
            if rewrite(mounted(device), *SECOND):
                return cuts
            cuts += 1
            assert standing(mounted(ram_of(bytes(device.ram.data)))) in (found, SECOND)


def test_a_mount_writes_nothing_so_no_cut_can_meet_it():
    for image in (image_with(), image_with(FIRST), image_with(FIRST, SECOND), bytes(random.Random(4).randbytes(BLOCKS * BLOCK))):
        device = CutDevice(ram_of(image))
        mounted(device)
        assert device.operations == 0 and bytes(device.ram.data) == image


@given(blobs, st.integers(1, 2**32 - 1), st.randoms())
def test_pieces_come_in_any_order_and_again(blob: bytes, number: int, rng: random.Random):
    ram = ram_of(image_with(FIRST))
    order = pieces(blob) + rng.choices(pieces(blob), k=5) if blob else []
    rng.shuffle(order)
    slots = mounted(ram)
    assert rewrite(slots, number, blob, order)
    assert standing(slots) == standing(mounted(ram)) == (number, blob)
    assert ram.violations == 0


@given(blobs, st.data())
def test_any_part_is_read_across_blocks_and_nothing_beyond_the_end(blob: bytes, data: st.DataObject):
    slots = mounted(ram_of(image_with((3, blob))))
    start = data.draw(st.integers(0, len(blob)))
    buf = bytearray(data.draw(st.integers(0, len(blob) - start)))
    slots.readinto(start, buf)
    assert bytes(buf) == blob[start : start + len(buf)]
    for offset, n in ((-1, 1), (len(blob), 1), (start, len(blob) - start + 1)):
        with pytest.raises(ValueError):
            slots.readinto(offset, bytearray(n))


@given(blobs, st.data())
def test_the_new_blob_is_looked_at_before_it_is_kept(blob: bytes, data: st.DataObject):
    slots = mounted(ram_of(image_with(FIRST)))
    assert slots.begin(len(blob)) and all(slots.write(at, blob[at : at + PIECE]) for at in pieces(blob))
    start = data.draw(st.integers(0, len(blob)))
    buf = bytearray(len(blob) - start)
    slots.peek(start, buf)
    assert bytes(buf) == blob[start:]
    assert standing(slots) == FIRST, "not kept yet"


def test_a_blob_that_does_not_fit_touches_nothing():
    ram = ram_of(image_with(FIRST))
    image = bytes(ram.data)
    slots = mounted(ram)
    assert slots.room == ROOM and not slots.begin(ROOM + 1)
    assert bytes(ram.data) == image and standing(slots) == FIRST
    assert rewrite(slots, 8, bytes(ROOM)) and standing(mounted(ram)) == (8, bytes(ROOM))


class Faulty:
    """A device on which the operation with the number `at` goes wrong once: how, `fault` says."""

    def __init__(self, image: bytes, at: int = 0, fault: str = "raises", seed: int = 0):
        self.ram = ram_of(image)
        self.operations = 0
        self._at = at
        self._fault = fault
        self._rng = random.Random(seed)

    def _is_it(self) -> bool:
        self.operations += 1
        return self.operations == self._at

    def _fail(self) -> int:
        if self._fault == "answers -5":
            return -5
        raise OSError(5)

    def readblocks(self, block, buf, offset=0):
        if not self._is_it():
            return self.ram.readblocks(block, buf, offset)
        if self._fault != "flips a bit":
            return self._fail()
        self.ram.readblocks(block, buf, offset)
        if len(buf):
            buf[self._rng.randrange(len(buf))] ^= 1 << self._rng.randrange(8)
        return None

    def writeblocks(self, block, buf, offset=None):
        hit = self._is_it()
        if hit and self._fault == "flips a bit":
            buf = bytearray(buf)
            if len(buf):
                buf[self._rng.randrange(len(buf))] &= self._rng.randrange(255)
        self.ram.writeblocks(block, buf, offset)
        # It may have done it, and say that it has not.
        return self._fail() if hit and self._fault != "flips a bit" else None

    def ioctl(self, op, arg):
        hit = op == BLOCK_ERASE and self._is_it()
        if hit and self._fault != "flips a bit":
            return self._fail()
        return self.ram.ioctl(op, arg)


@pytest.mark.parametrize("fault", ["raises", "answers -5", "flips a bit"])
def test_what_is_told_not_to_be_kept_never_comes_up_and_what_is_told_kept_stands(fault: str):
    image = image_with(FIRST, SECOND)
    device = Faulty(image)
    assert rewrite(mounted(device), *THIRD)
    told = {True: 0, False: 0}
    for at in range(1, device.operations + 1):
        for seed in range(3):
            faulty = Faulty(image, at, fault, seed)
            slots = Slots(faulty)
            kept = slots.mount() and rewrite(slots, *THIRD)
            told[kept] += 1
            after = standing(mounted(ram_of(bytes(faulty.ram.data))))
            if kept:
                assert after == THIRD
            else:
                assert after in (SECOND, FIRST) if fault == "flips a bit" else after == SECOND, at
    assert told[False] > 20


def test_a_device_that_does_not_answer_at_the_start_holds_nothing_and_is_not_written():
    image = image_with(FIRST, SECOND)
    for at in range(1, 12):
        faulty = Faulty(image, at)
        slots = Slots(faulty)
        if slots.mount():
            assert at > 4
            continue
        assert (slots.size, slots.number, slots.room) == (0, 0, 0)
        assert not slots.begin(10) and not slots.begin(0)
        assert bytes(faulty.ram.data) == image
        assert slots.mount() and standing(slots) == SECOND, "the next time it answers"


@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_flash_that_rots_shows_a_whole_older_blob_or_none(rng: random.Random, flips: int):
    image = bytearray(image_with(FIRST, SECOND))
    for _ in range(flips):
        image[rng.randrange(len(image))] ^= 1 << rng.randrange(8)
    assert standing(mounted(ram_of(bytes(image)))) in (NOTHING, FIRST, SECOND)


def test_garbage_is_no_blob(seed: int):
    rng = random.Random(seed)
    for _ in range(2000):
        assert standing(mounted(ram_of(rng.randbytes(BLOCKS * BLOCK)))) == NOTHING


def test_a_header_that_claims_more_than_the_place_holds_is_none():
    ram = ram_of(image_with(FIRST))
    half = BLOCKS // 2
    header = bytearray(24)
    for size in (ROOM + 1, 2**32 - 1):
        for at, value in ((0, 0x48574142), (4, 99), (8, 99), (12, size), (16, 0)):
            header[at : at + 4] = value.to_bytes(4, "little")
        header[20:24] = crc32(header[:20]).to_bytes(4, "little")
        for block in (0, half):
            damaged = ram_of(bytes(ram.data))
            damaged.writeblocks(block, header + b"\xff" * (BLOCK - 24))
            assert standing(mounted(damaged)) in (NOTHING, FIRST)


@given(st.lists(blobs, min_size=1, max_size=9))
def test_a_long_life_wears_both_places_and_the_last_one_stands(life: list[bytes]):
    ram = RamDevice(BLOCKS, BLOCK)
    for number, blob in enumerate(life, 1):
        assert rewrite(mounted(ram), number, blob)
    assert standing(mounted(ram)) == (len(life), life[-1])
    assert ram.violations == 0
