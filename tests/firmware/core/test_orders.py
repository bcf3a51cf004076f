"""Orders are done at most once, whole or not at all, never an older one after a newer, and the bridge hears how each ended."""

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core import message
from tests.firmware.core.commanded import BAD, ONCE, ROOM, Cut, Device, Order, World, order_of

KINDS = range(message.ORDER_LEASE, message.ORDER_KEY + 1)
kinds = st.sampled_from([*KINDS, message.ORDER_CONFIG, 9])


class Life(RuleBasedStateMachine):
    """Orders of all kinds, their pieces mixed, lost and repeated, with the power going at any durable operation."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.device = Device(self.world)
        self.orders: dict[int, Order] = {}
        self.highest = 0  # the newest number that was ever done or refused for good
        self.lease = self.config = self.key = 0

    @rule(kind=kinds, gap=st.sampled_from([1, 1, 2, 900, 2**30]), size=st.integers(0, ROOM + 200), seed=st.integers(0, 999))
    def issue(self, kind: int, gap: int, size: int, seed: int):
        number = max(self.orders, default=0) + gap
        if number < 2**32:
            self.orders[number] = order_of(number, kind, seed, size)

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), rng=st.randoms(use_true_random=False), cut=st.none() | st.tuples(st.integers(1, 30), st.booleans()))
    def deliver(self, data: st.DataObject, rng: random.Random, cut: tuple[int, bool] | None):
        numbers = sorted(self.orders)
        of = data.draw(st.lists(st.sampled_from([numbers[-1], *numbers]), min_size=1, max_size=3), label="orders")
        bodies = [body for number in of for body in self.orders[number].pieces()]
        bodies += rng.choices(bodies, k=2)
        if rng.random() < 0.7:
            rng.shuffle(bodies)
        if rng.random() < 0.3:
            bodies = bodies[: rng.randrange(len(bodies) + 1)]
        self._live(lambda: [self.device.take(body) for body in bodies], cut)

    @precondition(lambda self: self.device.pending)
    @rule(status=st.sampled_from([message.DONE, message.NO_FIX]), cut=st.none() | st.tuples(st.integers(1, 2), st.booleans()))
    def answer(self, status: int, cut: tuple[int, bool] | None):
        self._live(lambda: self.device.answer(status), cut)

    @rule()
    def reset(self):
        self.device = Device(self.world)

    def _live(self, action, cut: tuple[int, bool] | None):
        world = self.world
        if cut:
            world.cut_at, world.after = world.operations + cut[0], cut[1]
        try:
            action()
        except Cut:
            world.cut_at = 0
            self.device = Device(world)
        world.cut_at = 0

    @invariant()
    def nothing_is_done_twice(self):
        assert all(times == 1 for times in self.world.done.values())

    @invariant()
    def what_stands_is_whole_and_never_older_than_it_was(self):
        number, blob = self.device.config
        if number:
            assert self.orders[number].kind == message.ORDER_CONFIG and self.orders[number].data == blob
            assert not blob.startswith(BAD)
        lease = self.device.lease
        if lease.number:
            order = self.orders[lease.number]
            assert order.kind == message.ORDER_LEASE
            assert order.data == b"".join(n.to_bytes(4, "little") for n in (lease.period, lease.from_s, lease.until_s))
        assert number >= self.config and lease.number >= self.lease and self.device.orders.last >= self.highest
        self.config, self.lease, self.highest = number, lease.number, self.device.orders.last
        assert self.world.ram.violations == 0

    @invariant()
    def what_was_told_is_true(self):
        for number, status in self.world.told:
            order = self.orders[number]
            if status == message.DONE and order.kind == message.ORDER_CONFIG:
                assert self.config >= number
            elif status == message.DONE and order.kind == message.ORDER_LEASE:
                assert self.lease >= number
            elif status == message.DONE:
                assert order.kind == message.ORDER_KEY or self.world.done[number] == 1
            else:
                assert number not in (self.config, self.lease)

    @invariant()
    def the_last_one_is_told_when_it_is_sent_again(self):
        number = self.device.orders.last
        if number and number not in self.device.pending:
            for body in self.orders[number].pieces():
                self.device.take(body)
            assert number in [told for told, _ in self.world.told]


Life.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None, derandomize=True)
TestLife = Life.TestCase


def until_told(world: World, order: Order, device: Device) -> Device:
    """The bridge sends an order until it hears how it ended."""
    for _ in range(6):
        for body in order.pieces():
            try:
                device.take(body)
                while device.pending:
                    device.answer(message.DONE)
            except Cut:
                device = Device(world)
        if any(number == order.number for number, _ in world.told):
            return device
    raise AssertionError("never told")


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_that_a_cut_meets_at_any_step_is_done_once_or_told_interrupted(kind: int):
    def once(cut_at: int, after: bool) -> World:
        world = World(cut_at=cut_at, after=after)
        old = order_of(40, kind, 1)
        order = Order(50, kind, order_of(50, kind, 3).data if kind != message.ORDER_VIBRATE else b"\2")
        device = until_told(world, old, Device(world))
        device = until_told(world, order, device)
        statuses = {status for number, status in world.told if number == 50}
        if kind in ONCE:
            assert world.done[50] == 1 or statuses == {message.INTERRUPTED}
            assert statuses <= {message.DONE, message.INTERRUPTED} and (world.done[50] or message.DONE not in statuses)
        else:
            assert statuses == {message.DONE}
            if kind == message.ORDER_CONFIG:
                assert device.config == (50, order.data)
            elif kind == message.ORDER_LEASE:
                assert device.lease.number == 50
            else:
                assert device.key == order.data
        told = len(world.told)
        for _ in range(3):
            for body in [*old.pieces(), *order.pieces()]:
                device.take(body)
        assert device.orders.last == 50 and all(n == 1 for n in world.done.values())
        assert len(world.told) <= told + 1 and {status for number, status in world.told if number == 50} == statuses
        assert len(statuses) == 1, "a life that does not know what was told says the same again"
        return world

    total = once(0, False).operations
    assert total > 2
    for at in range(1, total + 1):
        for after in (False, True):
            once(at, after)


def test_an_order_that_is_repeated_while_it_is_done_is_not_told_to_be_interrupted():
    world = World()
    device = Device(world)
    for _ in range(4):
        device.take(message.pack_order(5, message.ORDER_LOCATE, 0, 0, b""))
    assert world.told == [] and device.orders.replayed == 3
    device.answer(message.NO_FIX)
    device.take(message.pack_order(5, message.ORDER_LOCATE, 0, 0, b""))
    assert world.told == [(5, message.NO_FIX)] and world.done == {5: 1}


def test_an_answer_that_comes_after_a_newer_order_takes_nothing_back():
    world = World()
    device = Device(world)
    device.take(message.pack_order(5, message.ORDER_LOCATE, 0, 0, b""))
    device.take(message.pack_order(6, message.ORDER_VIBRATE, 0, 1, b"\1"))
    device.answer(message.DONE)
    assert world.told == [(6, message.DONE), (5, message.DONE)] and device.orders.last == 6
    device = Device(world)
    assert device.orders.last == 6
    device.take(message.pack_order(6, message.ORDER_VIBRATE, 0, 1, b"\1"))
    assert world.done == {5: 1, 6: 1} and world.told[-1] == (6, message.DONE)


def test_a_short_order_between_the_pieces_of_a_configuration_does_not_disturb_it():
    world = World()
    device = Device(world)
    config = Order(9, message.ORDER_CONFIG, bytes(range(250)))
    first, *others = config.pieces()
    device.take(first)
    device.take(message.pack_order(8, message.ORDER_VIBRATE, 0, 1, b"\1"))
    for body in others:
        device.take(body)
    assert device.config == (9, config.data) and world.told == [(8, message.DONE), (9, message.DONE)]


class FullStore(World):
    """A store that keeps nothing more."""

    def keep_blob(self, key: str, value: bytes) -> None:
        raise OSError(-0x1105)


def test_a_store_that_keeps_nothing_refuses_what_must_last_and_raises_nothing():
    world = FullStore()
    device = Device(world)
    for number, kind in enumerate((message.ORDER_LEASE, *ONCE, message.ORDER_KEY), 1):
        for body in Order(number, kind, b"\1" if kind == message.ORDER_VIBRATE else order_of(number, kind, 2).data).pieces():
            device.take(body)
    assert world.done == {} and {status for _, status in world.told} == {message.NO_ROOM}
    assert [number for number, _ in world.told] == [1, 2, 3, 4, 5]
    assert device.lease.number == 0 and not device.lease.holds(1_750_000_000)


class Tight(Device):
    """An application without room for one order."""

    def obey(self, kind: int, number: int, data):
        if number == 4:
            raise MemoryError
        return super().obey(kind, number, data)


@pytest.mark.parametrize("kind", [message.ORDER_CONFIG, message.ORDER_KEY, message.ORDER_LEASE])
def test_what_there_is_no_room_for_is_told_and_the_next_one_is_done(kind: int):
    world = World()
    device = Tight(world)
    old = Order(3, message.ORDER_CONFIG, b"as it was")
    for order in (old, order_of(4, kind, 2), Order(5, message.ORDER_VIBRATE, b"\1")):
        for body in order.pieces():
            device.take(body)
    assert world.told == [(3, message.DONE), (4, message.NO_ROOM), (5, message.DONE)]
    assert device.config == Device(world).config == (3, old.data)


class DeadFlash(World):
    """Flash that takes nothing."""

    def writeblocks(self, block, buf, offset=None):
        raise OSError(5)


def test_flash_that_takes_nothing_is_told_once_and_remembered():
    world = DeadFlash()
    lives = [Device(world), Device(world)]
    for device in lives:
        for body in order_of(4, message.ORDER_CONFIG, 3).pieces():
            device.take(body)
    assert world.told == [(4, message.NO_ROOM)] * 2, "once in each life in which it came"
    assert Device(world).config == (0, b"")


def test_garbage_is_counted_and_raises_nothing(seed: int):
    rng = random.Random(seed)
    world = World()
    device = Device(world)
    counted = silent = 0
    for i in range(12_000):
        body = bytearray(rng.randbytes(rng.randrange(0, 120)))
        if body and i % 2:
            body[0] = message.ORDER
        if len(body) >= message.ORDER_HEADER and i % 4 == 3:  # nearly an order: sizes that fit, small numbers
            size = len(body) - message.ORDER_HEADER
            body[:] = message.pack_order(
                rng.randrange(1, 2**32), rng.randrange(12), rng.choice([0, 96, 5]), rng.choice([size, size + 96]), body[10:]
            )
        orders = device.orders
        before = orders.refused + orders.replayed + len(world.told) + len(device.pending)
        device.take(bytes(body))
        now = orders.refused + orders.replayed + len(world.told) + len(device.pending)
        counted += now - before
        silent += now == before
        if now == before:
            assert body[5] == message.ORDER_CONFIG, "nothing but a piece of a configuration goes without a count"
        while device.pending:
            device.answer(message.DONE)
        if i % 50 == 0:
            world.values.clear()  # so that small numbers are new again
            device = Device(World())
            world = device.world
    print(f"{counted} counted, {silent} pieces of configurations")
    assert counted > 10_000
