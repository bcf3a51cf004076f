"""`homeward order` against a running bridge: asked on the command line, answered by a tag over a real broker."""

import sqlite3
import time
from pathlib import Path

import pytest

from bridge.keys import Keyring
from bridge.orders.payloads import parse_lease
from firmware.core import message, record
from tests.bridge.bridges import BridgeProcess, write_config
from tests.bridge.devices import FLEET_KEY, Device
from tests.brokers import Broker, Party, wait_for
from tests.tools.commands import homeward, refused, started

SCHEME = """
timezone: Europe/London
wearers:
  - {id: w1, name: W, tag: tag-000001, home_unit: hmu-000001, from: 2026-06-01T05:00:00Z}
"""


@pytest.fixture
def bridge(broker: Broker, tmp_path: Path):
    config = write_config(tmp_path / "bridge", broker.port, scheme_file="scheme.yaml")
    (tmp_path / "bridge" / "scheme.yaml").write_text(SCHEME)
    with BridgeProcess(config) as process:
        yield process


class Tag(Device):
    """Answers orders as a tag does, over MQTT."""

    def __init__(self, party: Party) -> None:
        super().__init__("tag-000001")
        self.party = party
        self.done: list[int] = []
        assert party.subscribe(self.down)

    def say(self, *raws: bytes) -> None:
        self.party.publish(self.up, self.message(raws))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def order(self, kind: int) -> tuple[int, bytes]:
        """Wait for the next order of this kind; (number, data)."""
        found: list[tuple[int, bytes]] = []

        def look() -> bool:
            for payload in self.party.payloads():
                body = Keyring(FLEET_KEY).open(payload)
                parsed = message.parse_order(body) if body is not None else None
                if parsed and parsed[1] == kind and parsed[0] not in self.done:
                    assert body is not None
                    found.append((parsed[0], body[message.ORDER_HEADER :]))
                    return True
            return False

        wait_for(look, f"order {kind}")
        self.done.append(found[0][0])
        return found[0]

    def answer(self, number: int, *before: bytes) -> None:
        self.say(*before, self.event(record.ORDER_DONE, self.now_ms(), number, 0))


def test_where_is_it_now(broker: Broker, bridge: BridgeProcess, tmp_path: Path) -> None:
    with Party(broker.port, "tag-000001") as party:
        tag = Tag(party)
        tag.say(tag.fix(tag.now_ms()))
        number, lease = tag.order(message.ORDER_LEASE)
        assert parse_lease(lease).until_s > time.time() + 34 * 86_400
        tag.answer(number)
        asking = started("order", "locate", "tag-000001", "--data", bridge.store.parent, "--reason", "a call", cwd=tmp_path)
        began = time.monotonic()
        number, _ = tag.order(message.ORDER_LOCATE)
        tag.answer(number, tag.fix(tag.now_ms(), 507154321, -24367000, radius_dm=123))
        assert asking.wait(30) == 0
        assert time.monotonic() - began < 20
    out = (tmp_path / "out").read_text()
    assert "50.7154321, -2.4367000  ± 12.3 m (95 %)" in out and "done after" in out and ("GMT" in out or "BST" in out)
    with sqlite3.connect(bridge.store) as connection:
        (row,) = connection.execute("SELECT state, reason, done_ms - created_ms FROM orders WHERE kind = 3").fetchall()
    assert row[:2] == ("done", "a call") and 0 <= row[2] < 20_000
    listed = homeward("order", "list", "--data", bridge.store.parent, cwd=tmp_path).stdout
    assert "locate" in listed and "a call" in listed and "wear period 1 of w1" in listed


def test_an_order_reaches_the_broker_within_a_quarter_of_a_second_of_being_asked(
    broker: Broker, bridge: BridgeProcess, tmp_path: Path
) -> None:
    from bridge.orders import asking
    from bridge.store import open_store

    engine = open_store(bridge.store)
    with Party(broker.port, "tag-000001") as party:
        tag = Tag(party)
        tag.say(tag.fix(tag.now_ms()))
        tag.answer(tag.order(message.ORDER_LEASE)[0])
        took = []
        for _ in range(8):
            asking.ask(engine, "tag-000001", message.ORDER_VIBRATE, by_whom="test")
            began = time.monotonic()
            number, _ = tag.order(message.ORDER_VIBRATE)
            took.append(time.monotonic() - began)
            tag.answer(number)
    assert sorted(took)[len(took) // 2] < 0.25, took


def test_what_cannot_be_asked_is_told_by_device_field_and_value(tmp_path: Path) -> None:
    from bridge.cases.scheme import apply_scheme, load_scheme
    from bridge.store import open_store

    (tmp_path / "scheme.yaml").write_text(SCHEME)
    assert "--data: got 'nowhere'" in refused("order", "locate", "tag-000001", "--data", "nowhere", cwd=tmp_path)
    engine = open_store(tmp_path / "store.db")
    apply_scheme(engine, load_scheme(tmp_path / "scheme.yaml"))
    engine.dispose()
    assert "device: got 'tag-000009'" in refused("order", "locate", "tag-000009", cwd=tmp_path)
    assert "hmu-000001: device: got 'hmu-000001', expected a tag" in refused("order", "locate", "hmu-000001", cwd=tmp_path)
    assert "expected a home unit" in refused("order", "range-test", "tag-000001", "--room", "Hall", cwd=tmp_path)
    assert "hmu-000001: seconds: got 601" in refused(
        "order", "range-test", "hmu-000001", "--room", "Hall", "--seconds", "601", cwd=tmp_path
    )
    assert "pattern: got 'morse'" in refused("order", "vibrate", "tag-000001", "--pattern", "morse", cwd=tmp_path)
    assert "heard before" in refused("order", "rotate-key", "tag-000001", cwd=tmp_path)
    assert homeward("order", "list", cwd=tmp_path).stdout.strip() == "no orders"
