"""The MQTT carrier over real brokers: nothing is acknowledged before it is settled, and the connection always comes back."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.broker.authority import Authority
from bridge.carriers.mqtt import MqttCarrier
from bridge.ingest import Inbound, Outbound
from tests.brokers import BROKERS, USERS, Broker, Party, client_context, server_tls, wait_for

UP = "hw/0/tag-000001/up"
DOWN = "hw/0/tag-000001/down"
Make = Callable[..., MqttCarrier]


@pytest.fixture
def make_carrier() -> Iterator[Make]:
    made: list[MqttCarrier] = []

    def make(broker: Broker, **how) -> MqttCarrier:
        carrier = MqttCarrier("127.0.0.1", broker.port, user="bridge", password="password of bridge", **how)
        made.append(carrier)
        carrier.start()
        return carrier

    yield make
    for carrier in made:
        carrier.stop(0)


def take_all(carrier: MqttCarrier, n: int) -> list:
    taken: list = []
    wait_for(lambda: taken.extend(carrier.take(500, 0.05)) or len(taken) >= n, f"{n} messages, got {len(taken)}")
    return taken


def test_messages_come_in_order_and_at_once_what_is_there(broker: Broker, make_carrier: Make) -> None:
    carrier = make_carrier(broker)
    assert carrier.wait_subscribed(10)
    with Party(broker.port, "tag-000001") as tag:
        for i in range(100):
            tag.publish(UP, b"%d" % i)
    taken = take_all(carrier, 100)
    assert [delivery.inbound for delivery in taken] == [Inbound(UP, b"%d" % i) for i in range(100)]
    carrier.settle(taken)


def test_what_was_not_settled_comes_again_to_the_next_process(broker: Broker, make_carrier: Make) -> None:
    first = make_carrier(broker)
    assert first.wait_subscribed(10)
    with Party(broker.port, "tag-000001") as tag:
        for i in range(10):
            tag.publish(UP, b"%d" % i)
    taken = take_all(first, 10)
    first.settle(taken[:4])
    first.stop(0)
    second = make_carrier(broker)
    again = {delivery.inbound.payload for delivery in take_all(second, 6)}
    assert again >= {b"%d" % i for i in range(4, 10)}


def test_an_acknowledgement_dies_with_its_connection(make_broker: Callable[..., Broker], make_carrier: Make) -> None:
    """Packet numbers begin again: the old number would take a new message away unseen."""
    broker = make_broker(*USERS)
    carrier = make_carrier(broker)
    assert carrier.wait_subscribed(10)
    with Party(broker.port, "tag-000001") as tag:
        tag.publish(UP, b"before")
    old = take_all(carrier, 1)
    broker.stop()
    broker.start()
    wait_for(lambda: carrier.counts.get("broker", "connected") == 2 and carrier.wait_subscribed(0), "a new connection")
    carrier.settle(old)
    carrier.stop(0)
    later = make_carrier(broker)
    assert {delivery.inbound.payload for delivery in take_all(later, 1)} == {b"before"}


def test_receipts_go_out_in_order(broker: Broker, make_carrier: Make) -> None:
    carrier = make_carrier(broker)
    assert carrier.wait_subscribed(10)
    with Party(broker.port, "tag-000001") as tag:
        assert tag.subscribe(DOWN)
        carrier.send(Outbound(DOWN, b"%d" % i) for i in range(300))
        tag.wait(lambda: len(tag.heard) == 300, "300 receipts")
        assert tag.payloads() == [b"%d" % i for i in range(300)]


def test_it_takes_only_its_shards(make_broker: Callable[..., Broker], make_carrier: Make) -> None:
    from bridge.broker.nats import bridge_user, device_user

    broker = make_broker(
        device_user("a", "tag-000001", "pa"), device_user("b", "tag-000002", "pb"), bridge_user("password of bridge")
    )
    carrier = make_carrier(broker, shards=("b",))
    assert carrier.wait_subscribed(10)
    with Party(broker.port, "tag-000001", "pa") as tag:
        tag.publish("hw/a/tag-000001/up", b"not mine")
    with Party(broker.port, "tag-000002", "pb") as tag:
        tag.publish("hw/b/tag-000002/up", b"mine")
    assert [delivery.inbound.payload for delivery in take_all(carrier, 1)] == [b"mine"]


def test_states_are_counted_and_not_taken_for_records(broker: Broker, make_carrier: Make) -> None:
    carrier = make_carrier(broker)
    assert carrier.wait_subscribed(10)
    with Party(broker.port, "tag-000001") as tag:
        tag.publish("hw/0/tag-000001/state", b"online", retain=True)
        tag.publish(UP, b"x")
    assert len(take_all(carrier, 1)) == 1
    assert carrier.counts.get("state") == 1


def test_wake_ends_a_wait(broker: Broker, make_carrier: Make) -> None:
    carrier = make_carrier(broker)
    threading.Timer(0.05, carrier.wake).start()
    assert carrier.take(500, 30) == []


def test_a_wrong_password_is_counted_and_tried_again(broker: Broker) -> None:
    carrier = MqttCarrier("127.0.0.1", broker.port, user="bridge", password="wrong")
    carrier.start()
    try:
        wait_for(lambda: carrier.counts.get("broker", "refused") >= 2, "two refusals")
        assert not carrier.wait_subscribed(0)
    finally:
        carrier.stop(0)


def test_by_tls_it_needs_no_password_and_a_broker_of_another_authority_learns_nothing(broker_kind: str, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "tls"), Authority(tmp_path / "stranger")
    with BROKERS[broker_kind](tmp_path / "broker", 0, USERS, tls=server_tls(authority)) as broker:
        context = client_context(authority.certificate_file, authority.client("bridge"))
        carrier = MqttCarrier("127.0.0.1", broker.port, user="ignored", password="ignored", tls=context)
        wary = MqttCarrier("127.0.0.1", broker.port, tls=client_context(stranger.certificate_file, authority.client("bridge")))
        carrier.start()
        wary.start()
        try:
            assert carrier.wait_subscribed(10)
            tag = client_context(authority.certificate_file, authority.client("tag-000001"))
            with Party(broker.port, "tag-000001", tls=tag) as party:
                party.publish(UP, b"records")
            (delivery,) = carrier.take(10, 10)
            assert delivery.inbound == Inbound(UP, b"records")
            carrier.settle([delivery])
            wait_for(lambda: wary.counts.get("broker", "unreachable") >= 2, "it to have tried twice")
            assert not wary.wait_subscribed(0)
        finally:
            carrier.stop()
            wary.stop()
