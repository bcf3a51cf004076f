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


def knowing(*senders: int, key: bytes = KEY, own: int = 0) -> frame.FrameOpener:
    """An opener for whom these senders have proved themselves, with counters that nobody has used since."""
    opener = frame.FrameOpener(key, own)
    for sender in senders:
        assert opener.hear_after(sender, 1)
    return opener


def beacon(counter: int, sender: int = HMU, key: bytes = KEY, kind: int = frame.BEACON, body: bytes = b"hello") -> bytearray:
    buf = bytearray(frame.SIZE)
    buf[9 : 9 + len(body)] = body
    assert frame.FrameSealer(key, sender, Numbers(counter)).seal(buf, kind)
    return buf


@given(
    senders,
    senders.filter(lambda n: n > 1),
    st.integers(1, 4),
    st.binary(min_size=11, max_size=11),
    st.binary(min_size=16, max_size=16),
)
def test_a_frame_is_what_the_layout_and_cryptography_say(sender: int, counter: int, kind: int, body: bytes, key: bytes):
    buf = beacon(counter, sender, key, kind, body)
    clear = bytes([1 << 4 | kind]) + sender.to_bytes(4, "little") + counter.to_bytes(4, "little") + body
    assert buf == clear + AESCCM(key, tag_length=4).encrypt(clear[1:9] + b"RF\0\0\0", b"", clear)
    assert knowing(sender, key=key).open(bytes(buf)) == frame.FRESH
    assert (frame.kind_of(buf), frame.sender_of(buf), frame.counter_of(buf)) == (kind, sender, counter)


def test_the_same_frame_again_is_a_duplicate_and_an_older_one_a_replay():
    opener = knowing(HMU)
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
    opener = knowing(HMU, TAG)
    assert opener.open(beacon(100, HMU)) == frame.FRESH
    assert opener.open(beacon(3, TAG)) == frame.FRESH
    assert opener.open(beacon(100, HMU)) == frame.DUPLICATE


def test_a_neighbours_beacon_and_ones_own_are_not_heard():
    opener = knowing(HMU, own=TAG)
    assert opener.open(beacon(2, key=bytes(16))) == frame.REFUSED
    assert opener.open(beacon(2, sender=TAG)) == frame.REFUSED
    assert opener.refused == 2 and opener.last_counter(HMU) == 1
    assert opener.open(beacon(2)) == frame.FRESH


def test_of_a_sender_of_whom_no_counter_is_known_nobody_can_say_whether_it_is_fresh():
    opener = frame.FrameOpener(KEY)
    assert opener.open(beacon(49)) == opener.open(beacon(50)) == frame.UNPROVEN and opener.unproven == 2
    assert opener.last_counter(HMU) == 0, "hearing it proves nothing"
    assert opener.hear_after(HMU, 50) and opener.hear_after(HMU, 40)
    assert opener.open(beacon(50)) == frame.DUPLICATE
    assert opener.open(beacon(49)) == frame.REPLAYED
    assert opener.open(beacon(51)) == frame.FRESH


@given(st.integers(0, 2**32 - 20_000), st.integers(1, 10_000), st.integers(0, 15), st.data())
def test_an_echo_is_known_by_whoever_said_the_number_lately_and_in_this_life(
    kept: int, said: int, slot: int, data: st.DataObject
):
    numbers = iter(range(kept + 1, kept + said + 1))
    sealer = frame.FrameSealer(KEY, TAG, Numbers())
    setattr(sealer, "_counter", type("Counts", (), {"next": lambda self: next(numbers)})())  # noqa: B010 (not its own type)
    buf = bytearray(frame.SIZE)
    for number in (kept + 1, kept + said) if said > 1 else (kept + 1,):
        numbers = iter([number])
        assert not sealer.has_said(frame.echo_for(buf, slot)) or number == kept + said > kept + 1
        sealer.seal(buf, frame.STATUS)
    age = data.draw(st.integers(0, 2**20 - 1))
    echo = bytearray(frame.SIZE)
    echo[5:9] = ((kept + said - age) % 2**32).to_bytes(4, "little")
    assert sealer.has_said(frame.echo_for(echo, slot)) == (age <= min(said - 1, 4095))


def test_the_number_of_senders_is_bounded():
    opener = frame.FrameOpener(KEY)
    assert [opener.hear_after(sender, 1) for sender in range(1, 40)] == [True] * frame.SENDERS_MAX + [False] * 22
    assert opener.open(beacon(2, 1)) == frame.FRESH and opener.open(beacon(2, 39)) == frame.UNPROVEN


@given(st.integers(0, 24 * 8 - 1))
def test_one_flipped_bit_is_refused_and_leaves_the_counter_alone(bit: int):
    opener = knowing(HMU)
    bad = beacon(7)
    bad[bit // 8] ^= 1 << bit % 8
    assert opener.open(bad) == frame.REFUSED
    assert opener.last_counter(HMU) == 1
    assert opener.open(beacon(7)) == frame.FRESH


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_garbage_is_counted_and_never_raises(garbage: list[bytes]):
    opener = frame.FrameOpener(KEY)
    assert all(opener.open(data) == frame.REFUSED for data in garbage)
    assert opener.refused == len(garbage)


u24 = st.integers(0, 2**24 - 1)


@given(u8, u8, u16, st.integers(0, 0xFFFFFFFF), u24)
def test_a_beacons_body_comes_back(flags: int, battery: int, pending: int, utc_s: int, echo: int):
    buf = bytearray(b"\xaa" * 24)
    frame.pack_beacon(buf, flags, battery, pending, utc_s, echo)
    assert frame.echo_of(buf) == echo
    assert frame.parse_beacon(buf) == (flags, battery, pending)
    assert frame.beacon_time(buf) == utc_s
    body = bytes([flags, battery]) + pending.to_bytes(2, "little") + utc_s.to_bytes(4, "little") + echo.to_bytes(3, "little")
    assert buf[9:20] == body
    assert buf[20:] == b"\xaa" * 4


@given(u8, u8, u8, u8, u32, u24)
def test_a_statuss_body_comes_back(slot: int, flags: int, battery: int, mode: int, last_seq: int, echo: int):
    buf = bytearray(b"\xaa" * 24)
    frame.pack_status(buf, slot, flags, battery, mode, last_seq, echo)
    assert frame.echo_of(buf) == echo
    assert frame.parse_status(buf) == (slot, flags, battery, mode, last_seq)
    assert buf[9:20] == bytes([slot, flags, battery, mode]) + last_seq.to_bytes(4, "little") + echo.to_bytes(3, "little")


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
opener.hear_after(0x02000001, 1)
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
