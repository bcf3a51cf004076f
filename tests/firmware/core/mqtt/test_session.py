"""The MQTT session, fed with bytes and times: nothing lost over a cut link, nothing out of order, dead links given up."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.mqtt import session as states
from firmware.core.mqtt.codec import PUBACK, encode_publish
from firmware.core.mqtt.retained import Retained
from firmware.core.mqtt.session import Session
from tests.firmware.core.mqtt.model import DOWN_TOPIC, UP_TOPIC, ModelBroker, Wire


class Queue:
    """A source of numbered messages, sent in order and done when acknowledged."""

    retain = False
    topic = UP_TOPIC

    def __init__(self) -> None:
        self.made = 0
        self.open: list[int] = []
        self.unsent: list[int] = []
        self.done: list[int] = []

    def add(self, n: int = 1) -> None:
        for _ in range(n):
            self.open.append(self.made)
            self.unsent.append(self.made)
            self.made += 1

    def drop(self, token: int) -> None:
        for tokens in (self.open, self.unsent):
            if token in tokens:
                tokens.remove(token)

    def poll(self, now: int) -> int:
        return self.unsent[0] if self.unsent else -1

    def render(self, token: int, view: memoryview) -> int:
        text = b"message %d" % token
        view[: len(text)] = text
        return len(text)

    def sent(self, token: int, now: int) -> None:
        self.unsent.remove(token)

    def acked(self, token: int, now: int) -> None:
        if token in self.open:
            self.open.remove(token)
            self.done.append(token)

    def restart(self, now: int) -> None:
        self.unsent = list(self.open)

    def due_ms(self, now: int) -> int:
        return -1


class Bench:
    def __init__(self, take: Callable[[bytes], bool | None] = lambda _: None, **options: int) -> None:
        self.source = Queue()
        self.heard: list[bytes] = []
        self.take = take
        self.session = Session(
            b"tag-000001", b"tag-000001", b"secret", DOWN_TOPIC, (self.source,), self._hear,
            b"hw/0/tag-000001/state", b"offline", **options,
        )  # fmt: skip
        self.broker = ModelBroker()
        self.wire = Wire(self.session, self.broker)

    def _hear(self, view: memoryview, n: int) -> bool | None:
        assert len(view) == n
        self.heard.append(bytes(view))
        return self.take(bytes(view))

    def up(self, now: int = 0) -> "Bench":
        self.wire.connect(now)
        self.wire.pump(now)
        assert self.session.state == states.UP
        return self

    def payloads(self) -> list[bytes]:
        return [payload for _, _, payload in self.broker.seen]


def test_it_logs_in_with_a_durable_session_and_a_last_will() -> None:
    bench = Bench().up()
    assert bench.broker.connect == {
        "client_id": b"tag-000001", "user": b"tag-000001", "password": b"secret", "clean": False, "keepalive_s": 240,
        "will_topic": b"hw/0/tag-000001/state", "will": b"offline", "will_qos": 1, "will_retain": True,
    }  # fmt: skip
    assert not bench.session.session_present
    bench.wire.cut()
    assert Bench.up(bench).session.session_present


def test_at_most_a_window_of_messages_is_without_an_acknowledgement() -> None:
    bench = Bench(window=3).up()
    bench.source.add(10)
    bench.wire.pump(0)
    assert (len(bench.broker.seen), bench.session.in_flight) == (3, 3)
    bench.broker.puback(2)
    bench.wire.pump(0)
    assert (len(bench.broker.seen), bench.session.in_flight) == (5, 3)
    while bench.broker.unacked_ids:
        bench.broker.puback(1)
        bench.wire.pump(0)
    assert bench.payloads() == [b"message %d" % i for i in range(10)]
    assert bench.source.done == list(range(10)) and bench.session.in_flight == 0


def test_what_was_not_acknowledged_goes_again_in_order_with_its_id_and_dup() -> None:
    bench = Bench(window=4).up()
    bench.source.add(4)
    bench.wire.pump(0)
    first_time = list(bench.broker.seen)
    bench.broker.puback(1)
    bench.wire.receive(0)
    bench.wire.cut()
    bench.source.add(2)
    bench.broker.seen.clear()
    bench.up()
    again = bench.broker.seen
    assert [(i, p) for i, _, p in again[:3]] == [(i, p) for i, _, p in first_time[1:]]
    assert [dup for _, dup, _ in again] == [True, True, True, False]
    assert bench.payloads() == [b"message 1", b"message 2", b"message 3", b"message 4"]
    assert bench.session.resent == 3


def test_a_message_that_is_done_elsewhere_meanwhile_is_not_sent_again_and_does_not_block_the_window() -> None:
    bench = Bench(window=2).up()
    bench.source.add(2)
    bench.wire.pump(0)
    bench.wire.cut()
    bench.source.drop(0)
    bench.source.drop(1)
    bench.source.add(3)
    bench.broker.seen.clear()
    bench.up()
    bench.broker.puback()
    bench.wire.pump(0)
    assert bench.payloads() == [b"message 2", b"message 3", b"message 4"]


def test_a_full_window_does_not_block_an_earlier_message_that_has_to_go_again() -> None:
    # Acknowledged by the broker but lost by it: the source gives it again, ahead of those that fill the window.
    bench = Bench(window=2).up()
    bench.source.add(2)
    bench.wire.pump(0)
    bench.wire.cut()
    bench.source.open.insert(0, 77)
    bench.broker.seen.clear()
    bench.up()
    bench.broker.puback()
    bench.wire.pump(0)
    assert bench.payloads() == [b"message 77", b"message 0", b"message 1"]


def test_a_message_is_acknowledged_after_the_application_took_it_and_not_when_it_refused() -> None:
    took = [False]
    bench = Bench(take=lambda _: took[0]).up()
    bench.broker.down = [b"receipt"]
    bench.broker.push_down()
    bench.wire.pump(0)
    assert bench.heard == [b"receipt"] and bench.broker.down == [b"receipt"] and PUBACK not in bench.broker.protocol
    bench.wire.cut()
    took[0] = True
    bench.up()
    bench.broker.push_down()
    bench.wire.pump(0)
    assert bench.heard == [b"receipt", b"receipt"] and bench.broker.down == []


def test_a_message_before_the_suback_is_taken_on_a_resumed_session() -> None:
    bench = Bench().up()
    bench.wire.cut()
    bench.wire.connect(0)
    bench.wire.send(0)
    bench.broker.down = [b"early"]
    bench.broker.push_down()  # stands behind the CONNACK, before the client has even subscribed
    bench.wire.pump(0)
    assert bench.heard == [b"early"] and bench.broker.down == []


def test_a_message_longer_than_the_device_can_hold_is_acknowledged_and_counted() -> None:
    bench = Bench(rx_size=64).up()
    bench.broker.down = [bytes(500), b"after"]
    bench.broker.push_down()
    bench.wire.pump(0)
    assert bench.heard == [b"after"] and bench.broker.down == [] and bench.session.too_long == 1


def test_a_message_of_another_topic_is_acknowledged_and_not_heard() -> None:
    bench = Bench().up()
    buf = bytearray(100)
    n = encode_publish(buf, b"hw/0/tag-000002/down", b"x", 9)
    bench.broker.to_client += buf[:n]
    bench.wire.pump(0)
    assert bench.heard == [] and bench.session.strays == 1 and bench.broker.protocol[-1] == PUBACK


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_a_refused_login_says_so(code: int) -> None:
    bench = Bench()
    bench.broker.connect_code = code
    bench.wire.connect(0)
    bench.wire.pump(0)
    assert (bench.wire.alive, bench.session.reason, bench.session.code) == (False, states.REFUSED, code)


def test_a_refused_subscription_says_so() -> None:
    bench = Bench()
    bench.broker.suback_code = 0x80
    bench.wire.connect(0)
    bench.wire.pump(0)
    assert (bench.wire.alive, bench.session.reason, bench.session.code) == (False, states.REFUSED, 0x80)


def test_an_idle_link_is_probed_once_each_keepalive() -> None:
    bench = Bench(keepalive_s=60).up(1000)
    assert bench.session.due_ms(1000) == 60_000
    bench.wire.pump(60_999)
    assert bench.broker.pings == 0
    bench.wire.pump(61_000)
    assert bench.broker.pings == 1 and bench.session.is_alive(61_000)
    assert bench.session.due_ms(61_000) == 60_000


@pytest.mark.parametrize("what", ["connack", "suback", "puback", "pingresp"])
def test_a_link_is_given_up_when_an_answer_is_overdue(what: str) -> None:
    bench = Bench(response_timeout_ms=20_000, keepalive_s=60)
    now = 5
    bench.wire.connect(now)
    if what == "connack":
        bench.wire.send(now)
    elif what == "suback":
        bench.wire.send(now)
        bench.broker.to_client[4:] = b""
        bench.wire.receive(now)
        bench.wire.send(now)
    else:
        bench.wire.pump(now)
        if what == "pingresp":
            now += 60_000
        else:
            bench.source.add()
        assert bench.wire.send(now) == 1
    bench.broker.to_client.clear()
    assert bench.session.due_ms(now) == 20_000
    assert bench.session.is_alive(now + 19_999)
    assert not bench.session.is_alive(now + 20_000)
    assert bench.session.reason == states.TIMEOUT


def test_a_broker_that_answers_pings_but_acknowledges_nothing_is_given_up() -> None:
    bench = Bench(response_timeout_ms=20_000, keepalive_s=10).up()
    bench.source.add()
    now = 0
    while bench.session.is_alive(now):
        bench.wire.pump(now)
        now += 1000
        assert now < 100_000
    assert now == 60_000 and bench.broker.pings > 0


def test_with_a_full_window_nothing_is_due_before_an_answer() -> None:
    bench = Bench(window=2, response_timeout_ms=20_000).up()
    bench.source.add(5)
    bench.source.due_ms = lambda now: 0  # type: ignore[method-assign]
    assert bench.session.due_ms(0) == 0
    bench.wire.send(0)
    assert bench.session.due_ms(0) == 20_000


def test_nothing_is_due_on_an_idle_link_without_keepalive() -> None:
    bench = Bench(keepalive_s=0).up()
    assert bench.session.due_ms(0) > 86_400_000
    assert bench.session.is_alive(500_000_000) and not bench.session.next_packet(500_000_000)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x20\x02\0\0", id="a second CONNACK"),
        pytest.param(b"\x34\x1a\0\x14hw/0/tag-000001/down\0\1xx", id="QoS 2"),
        pytest.param(b"\xff", id="no packet"),
        pytest.param(b"\x40\x02\0\0", id="malformed"),
    ],
)
def test_what_makes_no_sense_ends_the_connection(raw: bytes) -> None:
    bench = Bench().up()
    bench.broker.to_client += raw + b"\0" * 3
    bench.wire.receive(0)
    assert (bench.wire.alive, bench.session.reason) == (False, states.PROTOCOL)


def test_an_answer_before_the_login_ends_the_connection() -> None:
    bench = Bench()
    bench.wire.connect(0)
    bench.broker.to_client += b"\xd0\0"
    bench.wire.receive(0)
    assert bench.session.reason == states.PROTOCOL


def test_acknowledgements_of_nothing_are_passed_over() -> None:
    bench = Bench().up()
    bench.broker.to_client += b"\x40\x02\x12\x34" + b"\x90\x03\x43\x21\x01" + b"\xd0\0"
    bench.wire.pump(0)
    assert bench.wire.alive


def test_an_acknowledgement_of_what_was_not_sent_on_this_connection_counts_for_nothing() -> None:
    bench = Bench(window=2).up()
    bench.source.add(1)
    bench.wire.pump(0)
    packet_id = bench.broker.seen[0][0]
    bench.wire.cut()
    bench.wire.connect(0)
    bench.wire.send(0)
    bench.broker.to_client += bytes([0x40, 2, packet_id >> 8, packet_id & 255])
    bench.wire.receive(0)
    assert bench.source.done == []
    bench.wire.pump(0)
    bench.broker.puback()
    bench.wire.pump(0)
    assert bench.source.done == [0]


def test_a_retained_state_follows_its_value_and_comes_back_after_a_reconnection() -> None:
    bench = Bench()
    state = Retained(b"hw/0/tag-000001/state", b"online")
    bench.session = Session(b"x", None, None, DOWN_TOPIC, (state, bench.source), bench._hear)
    bench.wire = Wire(bench.session, bench.broker)
    bench.up()
    state.set(b"online")
    state.set(b"asleep")
    bench.wire.pump(0)
    bench.broker.puback()
    bench.wire.pump(0)
    bench.wire.cut()
    bench.up()
    assert bench.payloads() == [b"online", b"asleep", b"asleep"]


@given(st.data(), st.integers(1, 5))
def test_over_any_cuts_every_message_arrives_and_first_arrivals_keep_the_order(data: st.DataObject, window: int) -> None:
    bench = Bench(window=window)
    bench.source.add(data.draw(st.integers(1, 20)))
    now = data.draw(st.integers(0, (1 << 30) - 1))
    for _ in range(data.draw(st.integers(0, 25))):
        step = data.draw(st.sampled_from(["connect", "cut", "send", "receive", "puback", "add"]))
        if step == "connect" and not bench.wire.alive:
            bench.wire.connect(now)
        elif step == "cut" and bench.wire.alive:
            bench.wire.cut()
        elif step == "send":
            bench.wire.send(now, data.draw(st.integers(1, 4)))
        elif step == "receive":
            bench.wire.receive(now, data.draw(st.integers(1, 20)))
        elif step == "puback" and bench.wire.alive:
            bench.broker.puback(data.draw(st.integers(1, 3)))
        elif step == "add":
            bench.source.add()
        assert len(bench.broker.unacked_ids) <= window
        assert bench.session.in_flight <= window
    if bench.wire.alive:
        bench.wire.cut()
    bench.wire.connect(now)
    for _ in range(100):
        bench.wire.pump(now)
        bench.broker.puback()
    bench.wire.pump(now)
    assert sorted(bench.source.done) == list(range(bench.source.made))
    first_arrivals = list(dict.fromkeys(bench.payloads()))
    assert first_arrivals == [b"message %d" % i for i in range(bench.source.made)]
