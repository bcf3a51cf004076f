"""The bridge's loop under faults: of the store, and of our own code."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bridge.carriers.mqtt import Delivery, MqttCarrier
from bridge.counts import Counts
from bridge.findings import Findings
from bridge.ingest import Inbound, Ingest, Outbound
from bridge.ingest.state import States
from bridge.keys import Keyring
from bridge.main import Bridge
from bridge.orders.service import Orders
from bridge.store import open_store, schema
from tests.bridge.devices import FLEET_KEY, Device, wear
from tests.brokers import wait_for


class Pipe(MqttCarrier):
    """A carrier whose broker is this test: what is put in comes out of `take`, in order."""

    def __init__(self) -> None:
        super().__init__("127.0.0.1", 1)
        self.sent: list[Outbound] = []
        self.settled: list[int] = []

    def put(self, *inbound: Inbound) -> None:
        for each in inbound:
            self._queue.put(Delivery(each, len(inbound), 0))

    def send(self, receipts) -> None:
        self.sent += receipts

    def settle(self, taken) -> None:
        self.settled += [delivery.packet_id for delivery in taken]


class Faulty(Ingest):
    """Fails as told, each entry once: an exception to raise, or a payload that it cannot stand."""

    failures: list[Exception]
    hated: bytes = b""

    def handle(self, batch):
        batch = list(batch)
        if self.failures:
            raise self.failures.pop(0)
        if any(inbound.payload == self.hated for inbound in batch):
            raise ZeroDivisionError
        return super().handle(batch)


@pytest.fixture
def bridge(tmp_path: Path):
    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001")
    counts = Counts()
    orders = Orders(engine, Keyring(FLEET_KEY), counts=counts)
    ingest = Faulty(engine, Keyring(FLEET_KEY), counts=counts, orders=orders)
    ingest.failures = []
    bridge = Bridge(Pipe(), ingest, orders, Findings(engine, counts=counts), States(engine, counts), counts)
    thread = threading.Thread(target=bridge.run)
    yield bridge, thread, engine
    bridge.stop()
    if thread.is_alive():
        thread.join(30)
    assert not thread.is_alive()


def stored(engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(schema.record.c.seq)).scalars())


def test_a_full_disk_delays_and_loses_nothing(bridge) -> None:
    loop, thread, engine = bridge
    loop.ingest.failures = [OperationalError("", {}, Exception("database or disk is full"))] * 2
    tag = Device("tag-000001")
    loop.carrier.put(Inbound(tag.up, tag.message([tag.fix()])))
    thread.start()
    wait_for(lambda: loop.carrier.settled, "the message to be settled")
    assert loop.counts.get("store", "failed") == 2
    assert stored(engine) == [1] and len(loop.carrier.sent) == 1


def test_one_message_that_breaks_us_does_not_stop_the_others(bridge) -> None:
    loop, thread, engine = bridge
    tag = Device("tag-000001")
    messages = [tag.message([tag.fix()]) for _ in range(5)]
    loop.ingest.hated = messages[2]
    loop.carrier.put(*[Inbound(tag.up, each) for each in messages])
    thread.start()
    wait_for(lambda: len(loop.carrier.settled) == 5, "all messages to be settled")
    assert stored(engine) == [1, 2, 4, 5]
    assert [tag.open_receipt(each.payload).stored_through for each in loop.carrier.sent] == [1, 2, 2, 2]


def test_records_are_receipted_whatever_becomes_of_the_findings(bridge) -> None:
    loop, thread, _ = bridge

    def fail() -> bool:
        raise ZeroDivisionError

    loop.findings.run = fail
    tag = Device("tag-000001")
    thread.start()
    for n in range(1, 4):
        loop.carrier.put(Inbound(tag.up, tag.message([tag.fix()])))
        wait_for(lambda n=n: len(loop.carrier.sent) == n, "a receipt")
    wait_for(lambda: loop.counts.get("faults", "findings"), "the fault to be counted")


def test_what_has_arrived_when_it_is_told_to_stop_is_stored_first(bridge) -> None:
    loop, thread, engine = bridge
    tag = Device("tag-000001")
    loop.carrier.put(*[Inbound(tag.up, tag.message([tag.fix()])) for _ in range(700)])
    loop.stop()
    thread.start()
    thread.join(30)
    assert len(stored(engine)) == 700 and len(loop.carrier.settled) == 700
