"""On the air anybody may say anything: replayed, truncated, flipped, reordered, foreign, also after a restart of either end.
Nothing of it is acted on, each is counted, nothing raises; and the honest end still gets across.

`Radio` is driven without tasks: what the attacker says stands in the ring, `attend` takes it.
"""

import random

import pytest

from firmware.core import frame, message
from firmware.core.link import Fragmenter
from firmware.core.radio import Radio

KEY, OTHER_KEY = bytes(range(16)), bytes(range(1, 17))
UNIT, TAG, NEIGHBOUR = 0x02000001, 0x01000001, 0x01000009
CASES = 40_000


class Ring:
    """A board's radio: the frames that stand in it."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.shown = b""

    def pop(self, buf: bytearray) -> int | None:
        if not self.heard:
            return None
        rssi, data = self.heard.pop(0)
        buf[:] = data
        return rssi

    def advertise(self, advertisement: bytes, interval_ms: int) -> None:
        self.shown = bytes(advertisement)


class Counts:
    def __init__(self, kept: int) -> None:
        self.last = kept

    def next(self) -> int:
        self.last += 1
        return self.last


class End:
    """One end of the radio. `acted` holds what its application was told."""

    def __init__(self, device: int, peer: int, kept: int = 0, key: bytes = KEY, slot: int = 0) -> None:
        self.device, self.peer, self.slot = device, peer, slot
        self.ring = Ring()
        self.counter = Counts(kept)
        self.acted: list[bytes] = []
        self.radio = Radio(self.ring, key, device, self.counter, self._on_frame, self._on_message, self._is_ours, slot)

    def _is_ours(self, sender: int, slot: int) -> bool:
        return sender == self.peer and slot == self.slot

    def _on_frame(self, kind: int, sender: int, data: bytes, rssi: int, is_new: bool) -> None:
        if is_new:
            self.acted.append(bytes(data))

    def _on_message(self, sender: int, data: bytes, n: int, slot: int) -> None:
        self.acted.append(bytes(data[:n]))

    def say(self, kind: int, salt: int = 0) -> bytes:
        raw = bytearray(frame.SIZE)
        if kind == frame.BEACON:
            frame.pack_beacon(raw, 0, 50, 0, salt, self.radio.echo)
        elif kind == frame.STATUS:
            frame.pack_status(raw, self.slot, 1, 50, 2, salt, self.radio.echo)
        elif kind == frame.FRAGMENT:
            head = bytearray(message.HEADER)
            message.pack_header(head, message.RECORDS, 1, 1, self.device, 1 + salt)
            sealed = bytes(head) + random.Random(salt // 8).randbytes(40)
            Fragmenter(sealed, len(sealed), salt // 8, self.slot).body_into(raw, salt % 6)
        else:
            raw[9] = salt & 0xF0
            raw[10] = self.slot
            raw[11] = salt & 0xFF
        assert self.radio.show(raw, kind, 100)
        found = frame.find_frame(self.ring.shown)
        assert found is not None
        return bytes(found)

    def hear(self, *frames: bytes, rssi: int = -60) -> list[bytes]:
        """What was acted on of these."""
        before = len(self.acted)
        for data in frames:
            if len(data) == frame.SIZE:  # the driver passes on no others
                self.ring.heard.append((rssi, data))
        self.radio.attend()
        return self.acted[before:]

    @property
    def counted(self) -> int:
        opener = self.radio.opener
        return opener.refused + opener.replayed + opener.unproven


def household(kept: int = 0) -> tuple[End, End]:
    """A home unit and its tag that know each other."""
    unit, tag = End(UNIT, TAG, kept), End(TAG, UNIT, kept)
    meet(unit, tag)
    return unit, tag


def meet(unit: End, tag: End) -> None:
    tag.hear(unit.say(frame.BEACON))
    unit.hear(tag.say(frame.STATUS))
    tag.hear(unit.say(frame.BEACON))
    assert unit.hear(tag.say(frame.STATUS)) and tag.hear(unit.say(frame.BEACON)), "the honest ones are heard"


KINDS_OF = {UNIT: [frame.BEACON, frame.FRAGMENT, frame.ACK], TAG: [frame.STATUS, frame.FRAGMENT, frame.ACK]}


@pytest.mark.parametrize("direction", ["down", "up"])
def test_nothing_forged_is_acted_on_in_either_direction(direction: str, record_property):
    rng = random.Random(11)
    unit, tag = household()
    speaker, listener = (unit, tag) if direction == "down" else (tag, unit)
    foreign = End(speaker.device, listener.device, 10_000, OTHER_KEY)  # knows the names, not the key
    neighbour = End(NEIGHBOUR, listener.device, 10_000)  # has the key, but is not who it should be
    other_slot = End(speaker.device, listener.device, 0, slot=3)
    other_slot.counter = speaker.counter
    recorded = [speaker.say(rng.choice(KINDS_OF[speaker.device]), salt) for salt in range(3000)]
    listener.hear(*recorded)
    newest = listener.radio.opener.last_counter(speaker.device)
    heard = len(listener.acted)
    for case in range(CASES):
        kind = rng.choice(KINDS_OF[speaker.device])
        what = rng.choice(["replayed", "flipped", "truncated", "spliced", "foreign", "reflected", "neighbour", "slot", "noise"])
        if what == "replayed":
            data = rng.choice(recorded[:-1])
        elif what == "flipped":
            data = flipped(speaker.say(kind, case), rng)
        elif what == "truncated":
            data, n = speaker.say(kind, case), rng.randrange(1, 24)
            data = data[:n] + bytes(data[n] ^ 0xFF for _ in range(24 - n))
        elif what == "spliced":  # of two honest frames, behind their counters at the latest
            data = rng.choice(recorded)[: rng.randrange(9, 20)]
            data += speaker.say(kind, case)[len(data) :]
        elif what == "foreign":
            data = foreign.say(kind, case)
        elif what == "reflected":
            data = listener.say(rng.choice(KINDS_OF[listener.device]), case)
        elif what == "neighbour":
            data = neighbour.say(kind, case)
        elif what == "slot":
            data = other_slot.say(rng.choice([frame.FRAGMENT, frame.ACK]), case)
        else:
            data = rng.randbytes(24)
        before = listener.counted + listener.radio.foreign
        assert listener.hear(data, rssi=rng.randrange(-110, -20)) == [], what
        assert listener.counted + listener.radio.foreign > before, f"{what} is not counted"
    assert len(listener.acted) == heard
    assert listener.radio.opener.last_counter(speaker.device) >= newest
    assert listener.hear(speaker.say(KINDS_OF[speaker.device][0])), "who is honest is heard all the same"
    record_property("forged cases", CASES)
    print(f"{CASES} forged frames {direction}")


def flipped(data: bytes, rng: random.Random) -> bytes:
    raw = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        raw[rng.randrange(24)] ^= 1 << rng.randrange(8)
    return bytes(raw) if raw != data else bytes(24)


def test_frames_that_come_in_another_order_are_heard_once_or_not_at_all():
    rng = random.Random(5)
    for _ in range(300):
        unit, tag = household()
        said = [unit.say(frame.BEACON, n) for n in range(12)]
        order = said * 2
        rng.shuffle(order)
        acted = tag.hear(*order)
        counters = [frame.counter_of(data) for data in acted]
        assert counters == sorted(set(counters)) and counters[-1] == frame.counter_of(said[-1])


@pytest.mark.parametrize("restarted", [TAG, UNIT])
def test_after_a_restart_nothing_of_before_is_heard_and_the_living_peer_is_at_once(restarted: int):
    rng = random.Random(restarted)
    unit, tag = household()
    said = {UNIT: [], TAG: []}
    for n in range(600):  # an attacker records everything, for hours
        for speaker, listener in ((unit, tag), (tag, unit)):
            data = speaker.say(rng.choice(KINDS_OF[speaker.device]), n)
            said[speaker.device].append(data)
            listener.hear(data)
    kept = 1024  # the next block of numbers
    if restarted == TAG:
        listener, peer = End(TAG, UNIT, kept), unit
    else:
        listener, peer = End(UNIT, TAG, kept), tag
    recorded = said[peer.device]
    for _ in range(20_000):
        if not rng.randrange(50):
            listener.say(KINDS_OF[listener.device][0])  # it asks who is there: no recording can have the answer
        assert listener.hear(rng.choice(recorded)) == []
    assert listener.hear(*recorded) == [] and listener.radio.asks and listener.radio.opener.unproven >= 20_000
    own = listener.say(KINDS_OF[listener.device][0])
    peer.hear(own)
    assert listener.hear(peer.say(frame.FRAGMENT)) == [], "a fragment proves nothing"
    fresh = peer.say(KINDS_OF[peer.device][0])
    assert listener.hear(fresh) == [fresh] and not listener.radio.asks
    assert listener.hear(fresh, *recorded) == []


def test_when_both_restart_they_find_each_other_and_no_recording_of_both_together_does():
    rng = random.Random(2)
    unit, tag = household()
    recorded = []
    for _ in range(400):
        for speaker, listener in ((unit, tag), (tag, unit)):
            data = speaker.say(KINDS_OF[speaker.device][0])
            recorded.append(data)
            listener.hear(data)
    unit, tag = End(UNIT, TAG, 1024), End(TAG, UNIT, 1024)
    for _ in range(5000):
        assert unit.hear(rng.choice(recorded)) == [] and tag.hear(rng.choice(recorded)) == []
    meet(unit, tag)


def test_what_another_tag_was_answered_proves_nothing_to_this_one():
    """The numbers of two tags may be the same; the slot in the echo tells them apart."""
    unit, _ = household()
    mine = End(TAG, UNIT, 5000)
    mine.say(frame.STATUS)  # 5001
    raw = bytearray(frame.SIZE)
    other = bytearray(frame.SIZE)
    other[5:9] = (5001).to_bytes(4, "little")
    for slot, heard in ((3, False), (0, True)):
        frame.pack_beacon(raw, 0, 50, 0, 0, frame.echo_for(other, slot))
        assert unit.radio.show(raw, frame.BEACON, 100)
        assert bool(mine.hear(bytes(frame.find_frame(unit.ring.shown) or b""))) == heard


def test_no_answer_is_given_to_fragments_that_were_forged():
    unit, tag = household()
    recorded = [tag.say(frame.FRAGMENT, n) for n in range(6)]
    assert len(unit.hear(*recorded)) == 7, "six fragments and the message"
    unit.radio._acks.clear()
    unit.hear(*recorded, *[flipped(data, random.Random(1)) for data in recorded])
    assert unit.radio._acks == []
