"""The whole way up, by chance: a journal, the uplink and a session over a link that is cut, to a broker that loses what it
acknowledged, to a bridge that dies before or after its commit. Nothing is freed unstored; all arrives; order is kept."""

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from firmware.core import record
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.message import pack_receipt
from firmware.core.mqtt.session import Session
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink
from tests.firmware.core.mqtt.model import (
    DEVICE,
    DOWN_TOPIC,
    KEY,
    KEY_ID,
    UP_TOPIC,
    ModelBroker,
    Wire,
    open_records,
    seal_down,
)

WINDOW = 3
SESSION_WINDOW = 2


class TheWayUp(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal(RamDevice(4))
        assert self.journal.mount()
        self.now = 1 << 29
        self.uplink = Uplink(
            self.journal, Ccm(KEY), DEVICE, KEY_ID, UP_TOPIC, window=WINDOW, batch=4, receipt_timeout_ms=10_000,
            report_interval_ms=20_000,
        )  # fmt: skip
        self.session = Session(
            b"tag-000001", None, None, DOWN_TOPIC, (self.uplink,),
            lambda view, n: self.uplink.on_down(view, n, self.now), window=SESSION_WINDOW,
        )  # fmt: skip
        self.broker = ModelBroker()
        self.wire = Wire(self.session, self.broker)
        # The bridge.
        self.stored: dict[int, bytes] = {}
        self.arrivals: list[int] = []
        self.counter = 0
        self.receipted = 0  # the highest prefix that any true receipt ever told
        self.old_downs: list[bytes] = []
        self.made: dict[int, bytes] = {}
        self.messages: dict[bytes, bytes] = {}

    # The device.

    @rule(n=st.integers(1, 9), urgent=st.booleans())
    def records_are_made(self, n: int, urgent: bool) -> None:
        buf = bytearray(32)
        for _ in range(n):
            seq = self.journal.next_seq
            record.pack_event(buf, seq, seq, 0, 0, record.STATUS, seq, 0, 90)
            assert self.journal.append(buf)
            self.made[seq] = bytes(buf)
        self.uplink.urgent = self.uplink.urgent or urgent

    @rule(ms=st.sampled_from([1, 999, 5_000, 10_000, 60_000, 400_000]))
    def time_passes(self, ms: int) -> None:
        self.now = (self.now + ms) % (1 << 30)

    # The link.

    @precondition(lambda self: not self.wire.alive)
    @rule()
    def it_connects(self) -> None:
        self.wire.connect(self.now)
        self.wire.pump(self.now)

    @precondition(lambda self: self.wire.alive)
    @rule(lose=st.booleans())
    def the_link_is_cut(self, lose: bool) -> None:
        if lose:
            self.session.next_packet(self.now)  # written, never arrived
        self.wire.cut()

    @rule(packets=st.integers(1, 5))
    def packets_go_up(self, packets: int) -> None:
        self.wire.send(self.now, packets)

    @rule(chunk=st.integers(1, 200))
    def bytes_come_down(self, chunk: int) -> None:
        self.wire.receive(self.now, chunk)

    # The broker.

    @precondition(lambda self: self.wire.alive)
    @rule(n=st.integers(1, 4))
    def the_broker_acknowledges(self, n: int) -> None:
        self.broker.puback(n)

    @rule()
    def the_broker_dies_with_all_it_held(self) -> None:
        self.wire.cut()
        self.broker.queue.clear()
        self.broker.down.clear()
        self.broker.had_session = False

    @rule()
    def the_broker_sends_down(self) -> None:
        self.broker.push_down()

    # The bridge.

    def _store(self) -> int:
        raw = self.broker.queue.pop(0)
        records = open_records(raw)
        assert records is not None, "what the device sends opens"
        assert self.messages.setdefault(raw[:12], raw) == raw, "the same header is the same message, bit for bit"
        for one in records:
            seq = record.seq_of(one)
            assert self.made[seq] == one
            if seq not in self.stored:
                self.arrivals.append(seq)
            self.stored[seq] = one
        return int.from_bytes(raw[8:12], "little")

    def _prefix(self) -> int:
        through = 0
        while through + 1 in self.stored:
            through += 1
        return through

    def _answer(self, first: int) -> None:
        self.counter += 1
        self.receipted = max(self.receipted, self._prefix())
        down = seal_down(self.counter, pack_receipt(self._prefix(), first))
        self.old_downs.append(down)
        self.broker.down.append(down)

    @precondition(lambda self: bool(self.broker.queue))
    @rule(answers=st.booleans())
    def the_bridge_stores(self, answers: bool) -> None:
        first = self._store()
        if answers:
            self._answer(first)

    @precondition(lambda self: bool(self.broker.queue))
    @rule()
    def the_bridge_dies_before_its_commit_and_the_broker_forgets(self) -> None:
        self.broker.queue.pop(0)

    # The adversary.

    @precondition(lambda self: bool(self.old_downs))
    @rule(data=st.data())
    def somebody_replays(self, data: st.DataObject) -> None:
        self.broker.down.append(data.draw(st.sampled_from(self.old_downs)))

    @rule(through=st.integers(1, 50), counter=st.integers(1, 1 << 31))
    def somebody_forges(self, through: int, counter: int) -> None:
        self.broker.down.append(seal_down(counter, pack_receipt(through, 1), key=bytes(16)))

    @precondition(lambda self: bool(self.old_downs))
    @rule(data=st.data())
    def somebody_cuts_or_flips(self, data: st.DataObject) -> None:
        raw = bytearray(data.draw(st.sampled_from(self.old_downs)))
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        self.broker.down.append(bytes(raw[: data.draw(st.integers(0, len(raw)))]))

    # What always holds.

    @invariant()
    def nothing_is_freed_unreceipted(self) -> None:
        assert self.journal.released <= self.receipted <= self._prefix()

    @invariant()
    def windows_are_bounded(self) -> None:
        assert self.uplink.in_flight <= WINDOW
        assert self.session.in_flight <= SESSION_WINDOW
        assert len(self.broker.unacked_ids) <= SESSION_WINDOW

    @invariant()
    def nothing_authentic_comes_from_an_adversary(self) -> None:
        assert self.uplink.last_down <= self.counter

    def teardown(self) -> None:
        """Once all is well again, all arrives, within a bounded number of exchanges."""
        for _ in range(60):
            self.now = (self.now + 20_000) % (1 << 30)
            if not self.wire.alive:
                self.wire.connect(self.now)
            for _ in range(20):
                self.wire.pump(self.now)
                self.broker.puback()
                while self.broker.queue:
                    self._answer(self._store())
                self.broker.push_down()
            if self.uplink.drained:
                break
        assert self.uplink.drained
        assert self.stored == self.made
        assert self.journal.released == self.journal.next_seq - 1


TheWayUp.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestTheWayUp = TheWayUp.TestCase


def test_order_is_kept_when_nothing_is_lost_after_its_acknowledgement() -> None:
    """Cuts alone never reorder: first arrivals at the bridge come in sequence."""
    for seed in range(40):
        way = TheWayUp()
        for step in range(120):
            dice = hash((seed, step)) % 100
            if dice < 20:
                way.records_are_made(dice % 7 + 1, dice % 2 == 0)
            elif dice < 35 and way.wire.alive:
                way.the_link_is_cut(dice % 2 == 0)
            elif dice < 50 and not way.wire.alive:
                way.it_connects()
            elif dice < 65:
                way.packets_go_up(dice % 4 + 1)
            elif dice < 75:
                way.bytes_come_down(dice)
            elif dice < 85 and way.wire.alive:
                way.the_broker_acknowledges(2)
            elif dice < 95 and way.broker.queue:
                way.the_bridge_stores(True)
            else:
                way.the_broker_sends_down()
            way.nothing_is_freed_unreceipted()
        way.teardown()
        assert way.arrivals == sorted(way.arrivals)
