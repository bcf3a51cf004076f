"""A device as orders see it: flash and store that outlive its lives, an application, and a world that counts what was done.

The power may go at any durable operation (a write or erasure of flash, a value kept in the store, a record made): just before
it or just after it. `Cut` is no Exception, so that nothing of the device can catch it.
"""

import random
import struct
from collections import Counter
from dataclasses import dataclass, field

from firmware.core import message
from firmware.core.blockdev import BLOCK_ERASE, RamDevice
from firmware.core.lease import Lease
from firmware.core.orders import Orders
from firmware.core.slots import Slots

BLOCKS, BLOCK = 8, 512
ROOM = (BLOCKS // 2 - 1) * BLOCK
ONCE = (message.ORDER_LOCATE, message.ORDER_VIBRATE, message.ORDER_RANGE_TEST)
BAD = b"bad"  # a configuration that begins so is refused by the application


class Cut(BaseException):
    """The power has gone."""


@dataclass(frozen=True)
class Order:
    number: int
    kind: int
    data: bytes

    def pieces(self) -> list[bytes]:
        size = message.ORDER_DATA_MAX
        starts = range(0, len(self.data), size) if self.data else [0]
        return [message.pack_order(self.number, self.kind, at, len(self.data), self.data[at : at + size]) for at in starts]


def order_of(number: int, kind: int, seed: int, size: int = 400) -> Order:
    rng = random.Random(seed)
    if kind == message.ORDER_LEASE:
        start = rng.randrange(1_700_000_000, 1_800_000_000)
        return Order(number, kind, struct.pack("<III", number & 0xFFFF, start, start + rng.randrange(-5, 300 * 86400)))
    if kind == message.ORDER_CONFIG:
        return Order(number, kind, (BAD if rng.random() < 0.2 else b"") + rng.randbytes(max(0, size - 3)))
    if kind == message.ORDER_KEY:
        return Order(number, kind, rng.randbytes(17))
    if kind == message.ORDER_LOCATE:
        return Order(number, kind, b"")
    return Order(number, kind, rng.randbytes(rng.choice([1, 3])))


@dataclass
class World:
    """What outlives the power, and what an onlooker knows."""

    ram: RamDevice = field(default_factory=lambda: RamDevice(BLOCKS, BLOCK))
    values: dict[str, bytes] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)
    told: list[tuple[int, int]] = field(default_factory=list)
    operations: int = 0
    cut_at: int = 0  # 0: never
    after: bool = False

    def durable(self, action):
        self.operations += 1
        now = self.operations == self.cut_at
        if now and not self.after:
            raise Cut
        result = action()
        if now:
            raise Cut
        return result

    # The board's store, and its flash

    def blob(self, key: str, size: int):
        data = self.values.get(key, b"")
        assert len(data) <= size
        return memoryview(bytearray(data)) if data else b""

    def keep_blob(self, key: str, value: bytes) -> None:
        self.durable(lambda: self.values.__setitem__(key, bytes(value)))

    def readblocks(self, block, buf, offset=0):
        return self.ram.readblocks(block, buf, offset)

    def writeblocks(self, block, buf, offset=None):
        return self.durable(lambda: self.ram.writeblocks(block, buf, offset))

    def ioctl(self, op, arg):
        return self.durable(lambda: self.ram.ioctl(op, arg)) if op == BLOCK_ERASE else self.ram.ioctl(op, arg)


class Device:
    """One life. `later`: whether LOCATE and RANGE_TEST are answered later, by `answer`."""

    def __init__(self, world: World, later: bool = True):
        self.world = world
        self.later = later
        self.pending: list[int] = []
        self.slots = Slots(world)
        assert self.slots.mount()
        self.lease = Lease(world)
        key = world.blob("key", 21)
        self.key = bytes(key[4:])
        last = struct.unpack("<I", key[:4])[0] if len(key) else 0
        self.orders = Orders(world, self.slots, max(self.slots.number, self.lease.number, last), self)

    @property
    def config(self) -> tuple[int, bytes]:
        buf = bytearray(self.slots.size)
        self.slots.readinto(0, buf)
        return self.slots.number, bytes(buf)

    # The application that `Orders` asks for

    def obey(self, kind: int, number: int, data):
        world = self.world
        if kind == message.ORDER_LEASE:
            return self.lease.take(number, data)
        if kind == message.ORDER_CONFIG:
            start = bytearray(min(data, len(BAD)))
            self.slots.peek(0, start)
            if start == BAD:
                return message.BAD_VALUE
            return message.DONE if self.slots.keep(number, data) else message.NO_ROOM
        if kind == message.ORDER_KEY:
            if len(data) != 17:
                return message.BAD_FORM
            world.keep_blob("key", struct.pack("<I", number) + data)
            self.key = data
            return message.DONE
        if kind not in ONCE:
            return message.NOT_HERE
        if kind == message.ORDER_VIBRATE and len(data) != 1:
            return message.BAD_VALUE
        self.orders.begun(number)
        world.done[number] += 1
        if kind == message.ORDER_VIBRATE or not self.later:
            return message.DONE
        self.pending.append(number)
        return None

    def ordered(self, number: int, status: int) -> None:
        self.world.durable(lambda: self.world.told.append((number, status)))

    def answer(self, status: int) -> None:
        self.orders.finished(self.pending.pop(0), status)

    def take(self, body: bytes) -> None:
        self.orders.take(body, len(body))
