"""The power goes at every single write and erasure: what was appended stays, what was torn is never seen, no number repeats.

A cut leaves the flash in one of three ways: clean (the operation was not done), torn (its first bytes were), garbled (every
byte it touched is random; for a write, as far as NOR flash allows: bits only fall from 1 to 0).
"""

import random
from dataclasses import dataclass, field

import pytest

from firmware.core import record
from firmware.core.blockdev import BLOCK_ERASE, RamDevice
from firmware.core.journal import Journal, made, read_all

KINDS = ("clean", "torn", "garbled")
EIO = -5


class CutDevice:
    """A RamDevice whose power goes at its `cut_at`-th write or erasure (0: never); then everything answers -5."""

    def __init__(self, device: RamDevice, cut_at: int = 0, kind: str = "clean", seed: int = 0):
        self.ram = device
        self.operations = 0
        self.dead = False
        self._cut_at = cut_at
        self._kind = kind
        self._rng = random.Random(seed)

    def readblocks(self, block: int, buf, offset: int = 0):
        return EIO if self.dead else self.ram.readblocks(block, buf, offset)

    def writeblocks(self, block: int, buf, offset: int | None = None):
        assert offset is not None, "the journal never rewrites a whole block"
        if self._is_last():
            start = block * self.ram.block_size + offset
            damage(self.ram, self._kind, self._rng, start, bytes(buf))
        return EIO if self.dead else self.ram.writeblocks(block, buf, offset)

    def ioctl(self, op: int, arg: int):
        if op == BLOCK_ERASE:
            if self._is_last():
                damage(self.ram, self._kind, self._rng, arg * self.ram.block_size, None)
            if self.dead:
                return EIO
        return self.ram.ioctl(op, arg)

    def _is_last(self) -> bool:
        self.operations += 0 if self.dead else 1
        now = not self.dead and self.operations == self._cut_at
        self.dead = self.dead or now
        return now


def damage(ram: RamDevice, kind: str, rng: random.Random, start: int, written: bytes | None) -> None:
    """What an interrupted write of `written`, or an interrupted erasure (None), leaves at `start`."""
    length = ram.block_size if written is None else len(written)
    if kind == "clean":
        return
    old = ram.data[start : start + length]
    if kind == "torn":
        done = rng.randrange(length)
        new = b"\xff" * done if written is None else bytes(a & b for a, b in zip(old, written[:done], strict=False))
        ram.data[start : start + done] = new
    else:
        noise = rng.randbytes(length)
        ram.data[start : start + length] = noise if written is None else bytes(a & b for a, b in zip(old, noise, strict=True))


def record_of(seq: int, salt: int) -> bytes:
    raw = bytearray(record.SIZE)
    record.pack_fix(raw, seq, 1_700_000_000 + seq, record.MODE_GPS, salt % 1000, seq * 7, -seq, 120, 50, 90, 9, 8, 77)
    return bytes(raw)


@dataclass
class Field:
    """What the outside world knows: the records that stand, the one in flight, the receipts given."""

    salt: int = 0
    kept: list[bytes] = field(default_factory=list)  # number n at n - 1
    in_flight: bytes = b""
    receipted: int = 0
    synced: int = 0  # receipts that a cut cannot undo
    burnt: int = 0  # places that cuts have cost

    def append(self, journal: Journal) -> bool:
        assert journal.next_seq == len(self.kept) + 1
        self.salt += 1
        self.in_flight = record_of(journal.next_seq, self.salt)
        if not journal.append(bytearray(self.in_flight)):
            return False
        self.kept.append(self.in_flight)
        self.in_flight = b""
        return True

    def release(self, journal: Journal, through: int) -> None:
        assert journal.release(through)
        self.receipted = max(self.receipted, through)

    def sync(self, journal: Journal) -> None:
        if journal.sync():
            self.synced = max(self.synced, journal.released)

    def check_after_cut(self, journal: Journal) -> None:
        """`journal` has just been mounted on what the cut left."""
        if journal.next_seq == len(self.kept) + 2:
            assert self.in_flight, "a record that nobody made"
            self.kept.append(self.in_flight)
        self.in_flight = b""
        self.check(journal)

    def check(self, journal: Journal) -> None:
        assert journal.next_seq == len(self.kept) + 1
        assert self.synced <= journal.released <= self.receipted, "freed without a receipt, or a receipt forgotten"
        oldest = journal.first_from(1)
        buf = bytearray(record.SIZE * (len(self.kept) + 1))
        held = journal.read_into(oldest, buf, 0, len(self.kept) + 1)
        assert held == len(self.kept) + 1 - oldest, "a hole"
        assert bytes(buf[: held * record.SIZE]) == b"".join(self.kept[oldest - 1 :])
        room = (journal._blocks - 2) * journal._slots - self.burnt
        assert held >= min(len(self.kept), room), "the ring forgets too early"
        assert journal.first_unreleased == max(journal.released + 1, oldest)
        assert journal.pending == journal.next_seq - journal.first_unreleased
        if not self.receipted:
            assert abs(journal.lost - (oldest - 1)) <= self.burnt, "records that went uncounted"

    def copy(self) -> "Field":
        return Field(self.salt, list(self.kept), self.in_flight, self.receipted, self.synced, self.burnt)


def mounted(device) -> Journal:
    journal = Journal(device)
    assert journal.mount()
    return journal


def work(journal: Journal, world: Field, records: int, lag: int | None) -> bool:
    """Append `records`; when `lag` is given, receipts follow that many records behind, in strides."""
    for _ in range(records):
        if not world.append(journal):
            return False
        through = len(world.kept) - (lag or 0)
        if lag is not None and through > 0 and through % 5 == 0:
            world.release(journal, through)
        if lag is not None and len(world.kept) % 4 == 0:
            world.sync(journal)
    return True


def operations_of(image: bytes, blocks: int, block_size: int, records: int, lag: int | None, world: Field) -> int:
    device = CutDevice(RamDevice(blocks, block_size, image))
    assert work(mounted(device), world.copy(), records, lag)
    return device.operations


@pytest.mark.parametrize(
    "lag",
    [None, *(pytest.param(lag, marks=pytest.mark.slow) for lag in (0, 40)), 9],
    ids=lambda lag: "no receipts" if lag is None else f"receipts {lag} behind",
)
def test_no_cut_at_any_operation_loses_or_doubles_a_record(lag: int | None, record_property):
    blocks, block_size, records = 4, 512, 66
    blank = bytes(RamDevice(blocks, block_size).data)
    cuts = seconds = 0
    for at in range(1, operations_of(blank, blocks, block_size, records, lag, Field()) + 1):
        for kind in KINDS:
            for seed in range(1 if kind == "clean" else 4):
                world = Field()
                device = CutDevice(RamDevice(blocks, block_size, blank), at, kind, seed)
                work(mounted(device), world, records, lag)
                assert device.dead
                cuts += 1
                world.burnt += 1
                image = bytes(device.ram.data)
                seconds += cut_again(image, blocks, block_size, world.copy(), lag)
                ram = RamDevice(blocks, block_size, image)
                journal = mounted(ram)
                world.check_after_cut(journal)
                assert work(journal, world, 20, lag)
                world.check(journal)
                assert ram.violations == 0, "programmed where it was not erased"
                assert list(read_all(ram)) == world.kept[journal.first_from(1) - 1 :]
                assert made(ram) == len(world.kept)
    record_property("cuts", cuts)
    record_property("second cuts", seconds)
    print(f"{cuts} cuts, {seconds} second cuts during recovery")
    assert cuts > 500 and seconds > 2000


def cut_again(image: bytes, blocks: int, block_size: int, world: Field, lag: int | None) -> int:
    """The power goes a second time at each of the first operations after the first cut. How many such cuts there were."""
    seen = mounted(RamDevice(blocks, block_size, image)).next_seq
    cuts = 0
    for at in range(1, 4):
        for kind in KINDS:
            again = world.copy()
            device = CutDevice(RamDevice(blocks, block_size, image), at, kind, at)
            journal = Journal(device)
            if journal.mount():
                again.check_after_cut(journal)
                work(journal, again, 3, lag)
            assert device.dead
            again.burnt += 1
            ram = RamDevice(blocks, block_size, bytes(device.ram.data))
            journal = mounted(ram)
            assert journal.next_seq >= seen, "what had been visible is gone"
            again.check_after_cut(journal)
            assert work(journal, again, 3, lag)
            again.check(journal)
            assert ram.violations == 0
            cuts += 1
    return cuts


def lives(seed: int, lives_n: int, blocks: int, block_size: int) -> int:
    """A device's life of many power cuts at random moments of random work. How many there were."""
    rng = random.Random(seed)
    world = Field()
    image = bytes(RamDevice(blocks, block_size).data)
    capacity = blocks * (block_size // 32 - 2)
    lag = rng.choice([None, 0, 3, 50])
    for life in range(lives_n):
        device = CutDevice(
            RamDevice(blocks, block_size, image), rng.randrange(1, capacity), rng.choice(KINDS), rng.getrandbits(32)
        )
        journal = Journal(device)
        if journal.mount():
            if life:
                world.check_after_cut(journal)
            while work(journal, world, 1, None):
                if lag is not None and rng.random() < 0.2:
                    world.release(journal, max(journal.released, len(world.kept) - rng.randrange(lag + 1)))
                if rng.random() < 0.05:
                    world.sync(journal)
        image = bytes(device.ram.data)
        world.burnt += 1
    ram = RamDevice(blocks, block_size, image)
    world.check_after_cut(mounted(ram))
    assert ram.violations == 0
    return lives_n


def test_many_cuts_in_many_lives_lose_nothing(seed: int):
    rng = random.Random(seed)
    cuts = sum(lives(rng.getrandbits(32), 8, rng.choice([4, 6, 16]), 512) for _ in range(120))
    cuts += sum(lives(rng.getrandbits(32), 6, rng.choice([2, 3, 8]), 4096) for _ in range(12))
    print(f"{cuts} cuts at random")
    assert cuts > 1000


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_while_the_first_sector_of_a_new_device_is_made_leaves_it_mountable(kind: str):
    for at in (1, 2):
        for seed in range(20):
            device = CutDevice(RamDevice(4, 512), at, kind, seed)
            work(mounted(device), Field(), 3, None)
            world = Field()
            journal = mounted(RamDevice(4, 512, device.ram.data))
            if journal.next_seq == 2:
                world.kept.append(record_of(1, 1))
            world.burnt = 2
            world.check(journal)
            assert work(journal, world, 60, None)
            world.check(journal)
