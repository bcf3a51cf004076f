"""RF frames: heard once, only from the household, and never the worse for what else is in the air."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import frame
from tests.firmware.core.interpreter import run

KEY = bytes(range(16))
HMU, TAG = 0x02000001, 0x01000001
u32 = st.integers(0, 2**32 - 1)
u16 = st.integers(0, 2**16 - 1)
u8 = st.integers(0, 255)
senders = st.integers(1, 2**32 - 1)


class Numbers:
    """Counters given by hand."""

    def __init__(self, *numbers: int):
        self.numbers = list(numbers)

    def next(self) -> int:
        return self.numbers.pop(0)


def beacon(counter: int, sender: int = HMU, key: bytes = KEY, kind: int = frame.BEACON, body: bytes = b"hello") -> bytearray:
    buf = bytearray(frame.SIZE)
    buf[9 : 9 + len(body)] = body
    assert frame.FrameSealer(key, sender, Numbers(counter)).seal(buf, kind)
    return buf


@given(senders, senders, st.integers(1, 4), st.binary(min_size=11, max_size=11), st.binary(min_size=16, max_size=16))
def test_a_frame_is_what_the_layout_and_cryptography_say(sender: int, counter: int, kind: int, body: bytes, key: bytes):
    buf = beacon(counter, sender, key, kind, body)
    clear = bytes([1 << 4 | kind]) + sender.to_bytes(4, "little") + counter.to_bytes(4, "little") + body
    assert buf == clear + AESCCM(key, tag_length=4).encrypt(clear[1:9] + b"RF\0\0\0", b"", clear)
    opener = frame.FrameOpener(key)
    assert opener.open(bytes(buf)) == frame.FRESH
    assert (frame.kind_of(buf), frame.sender_of(buf), frame.counter_of(buf)) == (kind, sender, counter)


def test_the_same_frame_again_is_a_duplicate_and_an_older_one_a_replay():
    opener = frame.FrameOpener(KEY)
    first, second, third = beacon(5), beacon(6), beacon(900)
    assert [opener.open(f) for f in (first, first, second, second, first, third, second)] == [
        frame.FRESH,
        frame.DUPLICATE,
        frame.FRESH,
        frame.DUPLICATE,
        frame.REPLAYED,
        frame.FRESH,
        frame.REPLAYED,
    ]
    assert (opener.replayed, opener.refused) == (2, 0)
    assert opener.last_counter(HMU) == 900


def test_each_sender_has_its_own_counter():
    opener = frame.FrameOpener(KEY)
    assert opener.open(beacon(100, HMU)) == frame.FRESH
    assert opener.open(beacon(3, TAG)) == frame.FRESH
    assert opener.open(beacon(100, HMU)) == frame.DUPLICATE


def test_a_neighbours_beacon_and_ones_own_are_not_heard():
    opener = frame.FrameOpener(KEY, own=TAG)
    assert opener.open(beacon(1, key=bytes(16))) == frame.REFUSED
    assert opener.open(beacon(1, sender=TAG)) == frame.REFUSED
    assert opener.refused == 2 and opener.last_counter(HMU) == 0
    assert opener.open(beacon(1)) == frame.FRESH


def test_what_was_heard_before_a_restart_can_be_kept_from_coming_back():
    opener = frame.FrameOpener(KEY)
    opener.hear_after(HMU, 50)
    opener.hear_after(HMU, 40)
    assert opener.open(beacon(50)) == frame.DUPLICATE
    assert opener.open(beacon(49)) == frame.REPLAYED
    assert opener.open(beacon(51)) == frame.FRESH


def test_the_number_of_senders_is_bounded():
    opener = frame.FrameOpener(KEY)
    results = [opener.open(beacon(1, sender)) for sender in range(1, 40)]
    assert results == [frame.FRESH] * frame.SENDERS_MAX + [frame.REFUSED] * (39 - frame.SENDERS_MAX)
    assert opener.open(beacon(2, 1)) == frame.FRESH


@given(st.integers(0, 24 * 8 - 1))
def test_one_flipped_bit_is_refused_and_leaves_the_counter_alone(bit: int):
    opener = frame.FrameOpener(KEY)
    bad = beacon(7)
    bad[bit // 8] ^= 1 << bit % 8
    assert opener.open(bad) == frame.REFUSED
    assert opener.last_counter(HMU) == 0
    assert opener.open(beacon(7)) == frame.FRESH


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_is_counted_and_never_raises(garbage: list[bytes]):
    opener = frame.FrameOpener(KEY)
    assert all(opener.open(data) == frame.REFUSED for data in garbage)
    assert opener.refused == len(garbage)


@given(u8, u8, u16, st.integers(0, 0xFFFFFFFF))
def test_a_beacons_body_comes_back(flags: int, battery: int, pending: int, utc_s: int):
    buf = bytearray(b"\xaa" * 24)
    frame.pack_beacon(buf, flags, battery, pending, utc_s)
    assert frame.parse_beacon(buf) == (flags, battery, pending)
    assert frame.beacon_time(buf) == utc_s
    body = bytes([flags, battery]) + pending.to_bytes(2, "little") + utc_s.to_bytes(4, "little") + bytes(3)
    assert buf[9:20] == body
    assert buf[20:] == b"\xaa" * 4


@given(u8, u8, u8, u8, u32)
def test_a_statuss_body_comes_back(slot: int, flags: int, battery: int, mode: int, last_seq: int):
    buf = bytearray(b"\xaa" * 24)
    frame.pack_status(buf, slot, flags, battery, mode, last_seq)
    assert frame.parse_status(buf) == (slot, flags, battery, mode, last_seq)
    assert buf[9:20] == bytes([slot, flags, battery, mode]) + last_seq.to_bytes(4, "little") + bytes(3)


ad = st.tuples(st.integers(0, 255), st.binary(max_size=28)).map(lambda pair: bytes([len(pair[1]) + 1, pair[0]]) + pair[1])


@given(st.lists(ad.filter(lambda data: data[1] != 0xFF), max_size=3), st.lists(ad, max_size=2))
def test_a_frame_is_found_among_other_advertising_data(before: list[bytes], after: list[bytes]):
    sent = beacon(3)
    data = b"".join(before) + bytes(frame.to_advertisement(sent)) + b"".join(after)
    found = frame.find_frame(data)
    assert found is not None and bytes(found) == sent


def test_an_advertisement_fits_the_31_bytes_of_ble():
    data = frame.to_advertisement(beacon(1))
    assert len(data) == frame.ADVERTISEMENT_SIZE == 28 <= 31
    assert bytes(data[:4]) == b"\x1b\xff\xff\xff"
    assert frame.to_advertisement(beacon(2), data) is data


@given(st.binary(max_size=64))
@settings(max_examples=300)
def test_foreign_advertising_data_never_raises(data: bytes):
    found = frame.find_frame(data)
    assert found is None or len(found) == frame.SIZE


class Nvs:
    """What a power cut leaves of a counter."""

    def __init__(self) -> None:
        self.kept = 0
        self.writes = 0
        self.broken = False

    def load(self) -> int:
        return self.kept

    def store(self, limit: int) -> None:
        if self.broken:
            raise OSError(5)
        self.kept = limit
        self.writes += 1


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 16))
def test_no_counter_comes_twice_across_power_cuts(lives: list[int], step: int):
    nvs = Nvs()
    given_out: list[int] = []
    for frames in lives:
        counter = frame.Counter(nvs.load, nvs.store, step)
        given_out += [counter.next() for _ in range(frames)]
    assert all(a < b for a, b in zip([0, *given_out], given_out, strict=False))
    assert nvs.writes <= sum(frames // step + 1 for frames in lives)


def test_without_a_counter_nothing_is_sent():
    nvs = Nvs()
    nvs.broken = True
    sealer = frame.FrameSealer(KEY, HMU, frame.Counter(nvs.load, nvs.store))
    buf = bytearray(24)
    assert not sealer.seal(buf, frame.BEACON) and buf == bytes(24)
    nvs.broken = False
    assert sealer.seal(buf, frame.BEACON) and frame.counter_of(buf) == 1
    nvs.kept = 2**32 - 2
    last = frame.Counter(nvs.load, nvs.store)
    assert [last.next(), last.next(), last.next()] == [2**32 - 1, 0, 0]


def test_the_device_makes_and_hears_the_same_frames_without_allocating():
    script = """
import micropython
from firmware.core import frame
sealer = frame.FrameSealer(bytes(range(16)), 0x02000001, frame.Counter(lambda: 41, print))
opener = frame.FrameOpener(bytes(range(16)))
buf = bytearray(24)
adv = bytearray(28)
result = again = 0
def both():
    global result, again
    frame.pack_beacon(buf, 3, 99, 5)
    sealer.seal(buf, frame.BEACON)
    result = opener.open(buf)
    again = opener.open(buf)
    frame.to_advertisement(buf, adv)
both()
micropython.heap_lock()
both()
micropython.heap_unlock()
print(result, again, buf.hex(), bytes(frame.find_frame(adv)) == buf)
"""
    expected = bytearray(24)
    frame.pack_beacon(expected, 3, 99, 5)
    frame.FrameSealer(KEY, HMU, Numbers(43)).seal(expected, frame.BEACON)
    assert run(script) == ["1065", f"{frame.FRESH} {frame.DUPLICATE} {expected.hex()} True"]


@pytest.mark.parametrize("kind", [0, 5, 15])
def test_a_kind_that_is_none_is_refused(kind: int):
    assert frame.FrameOpener(KEY).open(beacon(1, kind=kind)) == frame.REFUSED
