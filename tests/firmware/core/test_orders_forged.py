"""From sealed bytes to what is done: no forged, replayed, truncated, foreign or reordered message does anything, each is counted.

The attacker has recorded every message that the bridge ever sent, to this device and to others, and may change, cut, lengthen,
mix and repeat them. It has none of the keys.
"""

import random
import struct
from collections import Counter
from collections.abc import Iterator

from firmware.core import message
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.record import SIZE, STATUS, pack_event
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink
from tests.firmware.core.commanded import Device, World, order_of

ID, KEY_ID = 0x01000007, 3
KEY, OTHER_KEY = bytes(range(16)), bytes(range(1, 17))
CASES = 60_000


def sealed(
    body: bytes, counter: int, key: bytes = KEY, device: int = ID, key_id: int = KEY_ID, kind: int = message.DOWN
) -> bytes:
    buf = bytearray(message.HEADER + len(body) + message.TAG_LENGTH)
    count = len(body) // SIZE if kind == message.RECORDS else len(body)
    message.pack_header(buf, kind, key_id, count, device, counter)
    buf[message.HEADER : message.HEADER + len(body)] = body
    Ccm(key).seal(buf, len(body))
    return bytes(buf)


class Wire:
    """A device's life behind its uplink."""

    def __init__(self, world: World, journal: Journal):
        self.device = Device(world)
        self.uplink = Uplink(journal, Ccm(KEY), ID, KEY_ID, on_body=self.device.orders.take)
        self.journal = journal

    def hear(self, data: bytes, room: int = 0) -> bool:
        buf = bytearray(data) + bytearray(room)  # a carrier's buffer is longer than the message
        return self.uplink.on_down(memoryview(buf), len(data), 0)

    def state(self) -> tuple:
        device, world = self.device, self.device.world
        lease = (device.lease.number, device.lease.period, device.lease.from_s, device.lease.until_s)
        counters = (self.uplink.receipts, self.uplink.last_down, self.uplink.ahead, self.journal.released)
        return device.config, lease, device.key, device.orders.last, dict(world.done), list(world.told), counters

    def counted(self) -> int:
        orders = self.device.orders
        return self.uplink.refused + self.uplink.replayed + orders.refused + orders.replayed


def journal_with(records: int) -> Journal:
    journal = Journal(RamDevice(4))
    assert journal.mount()
    buf = bytearray(SIZE)
    for _ in range(records):
        pack_event(buf, journal.next_seq, 1_700_000_000, 1, 0, STATUS, 0, 0, 90)
        assert journal.append(buf)
    return journal


def traffic(rng: random.Random) -> list[bytes]:
    """What the bridge sends in a month: receipts and orders of every kind, each message once."""
    bodies: list[bytes] = []
    number = 100
    for i in range(36):
        if i % 3 == 0:
            bodies.append(message.pack_receipt(i + 1, 1))
            continue
        number += rng.randrange(1, 50)
        bodies += order_of(number, 1 + i * 2 // 3 % 6, rng.getrandbits(20), 300).pieces()
    return [sealed(body, counter) for counter, body in enumerate(bodies, 1)]


def forgeries(rng: random.Random, known: list[bytes], counter: int) -> Iterator[tuple[str, bytes]]:
    """Messages without end that the device must refuse. `counter`: of the newest that it took."""
    order = order_of(1_000_000, message.ORDER_LEASE, 5).pieces()[0]
    while True:
        old = bytearray(rng.choice(known))
        how = rng.randrange(10)
        if how == 0:
            yield "replayed", bytes(old)
        elif how == 1:
            for _ in range(rng.choice([1, 1, 2, 8])):
                old[rng.randrange(len(old))] ^= 1 << rng.randrange(8)
            if bytes(old) not in known:
                yield "bits flipped", bytes(old)
        elif how == 2:
            yield "truncated", bytes(old[: rng.randrange(len(old))])
        elif how == 3:
            yield "lengthened", bytes(old) + rng.randbytes(rng.randrange(1, 30))
        elif how == 4:
            yield "foreign key", sealed(order, counter + rng.randrange(1, 1000), OTHER_KEY)
        elif how == 5:
            yield "another device's", sealed(order, counter + 1, OTHER_KEY, ID + rng.randrange(1, 9))
        elif how == 6:
            struct.pack_into("<I", old, 8, counter + rng.randrange(1, 2**20))
            yield "a new counter on an old message", bytes(old)
        elif how == 7:
            other = rng.choice(known)
            cut = rng.randrange(1, message.HEADER + 1)
            mixed = bytes(old[:cut]) + other[cut:]
            if mixed not in known:
                yield "two mixed", mixed
        elif how == 8:
            # What the device itself has sealed under this very key goes up; it must not be taken when it comes down.
            record = sealed(rng.randbytes(SIZE), counter + 1, kind=message.RECORDS)
            if rng.random() < 0.5:
                record = bytes([record[0] & 0xF0 | message.DOWN]) + record[1:2] + bytes([SIZE]) + record[3:]
            yield "its own", record
        else:
            yield "noise", rng.randbytes(rng.randrange(0, 140))


def test_no_forged_message_does_anything_and_each_is_counted(seed: int):
    rng = random.Random(seed)
    wire = Wire(World(), journal_with(60))
    month = traffic(rng)
    how_many: Counter[str] = Counter()
    for i, genuine in enumerate(month):
        # Between two genuine messages: what was heard so far is all that the attacker can build on, the next one included.
        known = month[: i + 1] if i + 1 < len(month) else month
        source = forgeries(rng, known, i)
        for _ in range(CASES * 11 // 10 // len(month)):
            how, data = next(source)
            if data == genuine or (how == "replayed" and data not in month[:i]):
                continue
            before, counted = wire.state(), wire.counted()
            assert not wire.hear(data, rng.choice([0, 3, 400])), how
            assert wire.state() == before and wire.counted() == counted + 1, how
            how_many[how] += 1
        while wire.device.pending:
            wire.device.answer(message.DONE)
        assert wire.hear(genuine), "the genuine one that follows is taken"
    print(f"{how_many.total()} forged: {dict(how_many)}")
    assert how_many.total() >= CASES and len(how_many) == 10
    assert wire.uplink.receipts == 12 and wire.journal.released == 34
    assert wire.device.lease.number and wire.device.config[0] and wire.device.key


def test_genuine_messages_out_of_order_are_taken_forwards_only(seed: int):
    rng = random.Random(seed)
    for _ in range(60):
        month = traffic(rng)
        wire = Wire(World(), journal_with(60))
        order = list(range(len(month)))
        rng.shuffle(order)
        newest = -1
        for i in order:
            before = wire.state()
            if i > newest:
                assert wire.hear(month[i])
                newest = i
            else:
                replayed = wire.uplink.replayed
                assert not wire.hear(month[i]) and wire.uplink.replayed == replayed + 1
                assert wire.state() == before
            while wire.device.pending:
                wire.device.answer(message.DONE)


def test_after_a_reset_a_whole_recorded_month_takes_nothing_back(seed: int):
    """The down counter is not kept over a reset; the orders' own numbers are."""
    rng = random.Random(seed)
    cases = 0
    for _ in range(20):
        world, journal, month = World(), journal_with(60), traffic(rng)
        wire = Wire(world, journal)
        for genuine in month:
            assert wire.hear(genuine)
            while wire.device.pending:
                wire.device.answer(message.DONE)
        for _ in range(3):
            wire = Wire(world, journal)
            config, lease, key, last, done, told, (*_, released) = wire.state()
            cases += len(month)
            rng.shuffle(month)
            for old in month:
                wire.hear(old)
            assert (wire.device.config, wire.state()[1], wire.device.key) == (config, lease, key)
            assert wire.device.orders.last == last and dict(world.done) == done and journal.released == released
            again = world.told[len(told) :]
            assert len(again) <= 1 and set(again) <= set(told), "at most the last one's end is told again"
    print(f"{cases} replayed over a reset")
