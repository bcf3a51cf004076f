"""The relay store under power cuts at every write and erasure: what it took stands until it is answered, in order, bit for bit.

The journal's own cuts are in test_journal_powercut; here are messages of every length in its slots of 144 bytes, and what the
cut leaves must be read back as messages with their RSSI.
"""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import message
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.link import MESSAGE_MAX
from firmware.hmu.store import RelayStore
from tests.firmware.core.test_journal_powercut import KINDS, CutDevice

TAG = 0x01000001
Kept = tuple[int, bytes]


def sealed(number: int, rng: random.Random) -> bytes:
    """A message of one to three records, as far as anybody without the key can tell."""
    header = bytearray(message.HEADER)
    count = rng.randrange(1, 4)
    message.pack_header(header, message.RECORDS, 1, count, TAG, number)
    return bytes(header) + rng.randbytes(count * 32 + message.TAG_LENGTH)


@dataclass
class Field:
    """What the tags and the bridge know."""

    kept: list[Kept] = field(default_factory=list)  # token n at n - 1
    in_flight: Kept | None = None
    answered: int = 0
    burnt: int = 0

    def put(self, store: RelayStore, rng: random.Random) -> bool:
        assert store.next_seq == len(self.kept) + 1
        self.in_flight = -rng.randrange(30, 110), sealed(store.next_seq, rng)
        if not store.append_message(*self.in_flight):
            return False
        self.kept.append(self.in_flight)
        self.in_flight = None
        return True

    def check_after_cut(self, store: RelayStore) -> None:
        if store.next_seq == len(self.kept) + 2:
            assert self.in_flight is not None, "a message that nobody sent"
            self.kept.append(self.in_flight)
        self.in_flight = None
        self.check(store)

    def check(self, store: RelayStore) -> None:
        assert store.next_seq == len(self.kept) + 1 and store.released <= self.answered
        oldest = store.first_from(1)
        for token in range(oldest, store.next_seq):
            assert held(store, token) == self.kept[token - 1], token
        room = (store._blocks - 2) * store._slots - self.burnt
        assert store.next_seq - oldest >= min(len(self.kept), room), "it forgets too early"
        if not self.answered:
            assert abs(store.lost - (oldest - 1)) <= self.burnt, "messages that went uncounted"

    def copy(self) -> "Field":
        return Field(list(self.kept), self.in_flight, self.answered, self.burnt)


def held(store: RelayStore, token: int) -> Kept | None:
    view = memoryview(bytearray(200))
    n, rssi = store.message_into(token, view, 7)
    return (rssi - 256 if rssi > 127 else rssi, bytes(view[7 : 7 + n])) if n else None


def mounted(device) -> RelayStore:
    store = RelayStore(device)
    assert store.mount()
    return store


def work(store: RelayStore, world: Field, rng: random.Random, n: int, lag: int | None) -> bool:
    for _ in range(n):
        if not world.put(store, rng):
            return False
        through = len(world.kept) - (lag or 0)
        if lag is not None and through > 0 and through % 3 == 0:
            assert store.release(through)
            world.answered = max(world.answered, through)
            store.sync()
    return True


@pytest.mark.parametrize(
    "lag",
    [None, pytest.param(0, marks=pytest.mark.slow), 7],
    ids=["unanswered", "answered at once", "answered late"],
)
def test_no_cut_at_any_operation_loses_changes_or_doubles_a_message(lag: int | None, record_property):
    blocks, block_size, n = 4, 1024, 32
    blank = bytes(RamDevice(blocks, block_size).data)
    whole = CutDevice(RamDevice(blocks, block_size, blank))
    assert work(mounted(whole), Field(), random.Random(1), n, lag)
    cuts = seconds = 0
    for at in range(1, whole.operations + 1):
        for kind in KINDS:
            for seed in range(1 if kind == "clean" else 6):
                world, rng = Field(), random.Random(1)
                device = CutDevice(RamDevice(blocks, block_size, blank), at, kind, seed)
                work(mounted(device), world, rng, n, lag)
                assert device.dead
                world.burnt += 1
                cuts += 1
                image = bytes(device.ram.data)
                for again_at in range(1, 4):
                    for again_kind in KINDS:
                        world2 = world.copy()
                        again = CutDevice(RamDevice(blocks, block_size, image), again_at, again_kind, seed)
                        store = RelayStore(again)
                        if store.mount():
                            world2.check_after_cut(store)
                            work(store, world2, rng, 3, lag)
                        assert again.dead
                        world2.burnt += 1
                        ram = RamDevice(blocks, block_size, bytes(again.ram.data))
                        store = mounted(ram)
                        world2.check_after_cut(store)
                        assert work(store, world2, rng, 2, lag) and ram.violations == 0
                        world2.check(store)
                        seconds += 1
                ram = RamDevice(blocks, block_size, image)
                store = mounted(ram)
                world.check_after_cut(store)
                assert work(store, world, rng, 8, lag) and ram.violations == 0
                world.check(store)
    record_property("cuts", cuts)
    record_property("second cuts", seconds)
    print(f"{cuts} cuts, {seconds} second cuts during recovery")
    assert cuts > 400 and seconds > 3600


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from(KINDS), st.integers(0, 2**32)), max_size=8),
    st.sampled_from([(2, 512), (3, 1024), (4, 4096)]),
    st.sampled_from([None, 0, 2, 20]),
)
def test_many_lives_that_end_in_cuts(lives: list[tuple[int, str, int]], shape: tuple[int, int], lag: int | None):
    world, image = Field(), bytes(RamDevice(*shape).data)
    for at, kind, seed in lives:
        device = CutDevice(RamDevice(*shape, image), at, kind, seed)
        store = RelayStore(device)
        if store.mount():
            world.check_after_cut(store)
            while work(store, world, random.Random(seed), 1, lag):
                pass
        image = bytes(device.ram.data)
        world.burnt += 1
    ram = RamDevice(*shape, image)
    store = mounted(ram)
    world.check_after_cut(store)
    assert work(store, world, random.Random(7), 3, lag) and ram.violations == 0
    world.check(store)


def test_the_partition_holds_ten_days_of_a_tag_and_the_ram_does_not_grow_with_them():
    store = mounted(RamDevice(256))
    rng, buffers = random.Random(3), dict(vars(store))
    for number in range(1, 7501):
        assert store.append_message(-70, sealed(number, rng))
    kept = store.next_seq - store.first_unreleased
    assert kept >= 254 * 28 == 7112 and kept * 3 >= 14 * 1440, "days of a fix a minute, three records a message"
    assert store.lost == 7500 - kept
    for name, value in vars(store).items():
        if isinstance(value, bytearray):
            assert len(value) == len(buffers[name])


def test_a_journal_and_a_relay_store_do_not_take_each_other_for_their_own():
    ram = RamDevice(4)
    assert work(mounted(ram), Field(), random.Random(1), 3, None)
    assert not Journal(ram).mount()
    other = RelayStore(ram)
    assert other.mount() and other.next_seq == 4


@pytest.mark.parametrize(
    "data", [b"", bytes(20), b"\x11\x01\x04\x00" + bytes(150), b"\x31" + bytes(30), b"\x11\x01\x01\x00" + bytes(60)]
)
def test_what_is_no_sealed_message_or_too_long_is_not_taken(data: bytes):
    store = mounted(RamDevice(2, 512))
    assert not store.append_message(-50, data) and store.next_seq == 1


def test_a_message_of_the_greatest_length_comes_back():
    store = mounted(RamDevice(2, 512))
    down = bytearray(message.HEADER)
    message.pack_header(down, message.DOWN, 1, MESSAGE_MAX - message.HEADER - message.TAG_LENGTH, TAG, 5)
    data = bytes(down) + bytes(range(MESSAGE_MAX - message.HEADER))
    assert len(data) == MESSAGE_MAX and store.append_message(-128, data) and held(store, 1) == (-128, data)
