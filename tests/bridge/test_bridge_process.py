"""The bridge as a process, over real brokers, with paho as the device: what is receipted is stored, and each record once."""

import random
import sqlite3
import threading
from pathlib import Path

import pytest

from bridge.store import open_store
from tests.bridge.bridges import BridgeProcess, write_config
from tests.bridge.devices import START_S, Device, wear
from tests.brokers import Broker, Party, wait_for


def worn_config(folder: Path, port: int, **more: object) -> Path:
    """Settings for a bridge whose store knows the wearers of both tags."""
    config = write_config(folder, port, **more)
    engine = open_store(folder / "store.db")
    wear(engine, "tag-000001", "tag-000002")
    engine.dispose()
    return config


def stored(store: Path) -> dict[tuple[int, int], bytes]:
    """(device, seq) → raw of every record; AssertionError when one is there twice."""
    with sqlite3.connect(store) as connection:
        rows = connection.execute("SELECT device_id, seq, raw FROM record").fetchall()
    found = {(device, seq): raw for device, seq, raw in rows}
    assert len(found) == len(rows)
    return found


def journal_of(*devices: Device) -> dict[tuple[int, int], bytes]:
    return {(device.id, seq): raw for device in devices for seq, raw in device.journal.items()}


def walk(device: Device, n: int) -> None:
    for i in range(n):
        device.fix((START_S + 60 * i) * 1000, 507154000 + 100 * i)


@pytest.fixture
def bridge(broker: Broker, tmp_path: Path):
    with BridgeProcess(worn_config(tmp_path / "bridge", broker.port)) as process:
        yield process


def test_a_message_is_stored_and_receipted(broker: Broker, bridge: BridgeProcess) -> None:
    tag = Device("tag-000001")
    walk(tag, 70)
    with Party(broker.port, tag.name) as party:
        assert party.subscribe(tag.down)
        for sealed in tag.messages():
            party.publish(tag.up, sealed)
        party.wait(lambda: len(party.heard) == 3, "three receipts")
        receipts = [tag.open_receipt(payload) for payload in party.payloads()]
    assert [(r.first_seq, r.stored_through) for r in receipts] == [(1, 32), (33, 64), (65, 70)]
    assert receipts[0].counter < receipts[1].counter < receipts[2].counter
    assert stored(bridge.store) == journal_of(tag)
    assert bridge.stop() == 0


def test_a_relayed_message_is_receipted_by_way_of_the_home_unit(broker: Broker, bridge: BridgeProcess) -> None:
    tag, hmu = Device("tag-000001"), Device("hmu-000001")
    walk(tag, 3)
    with Party(broker.port, hmu.name) as party:
        assert party.subscribe(hmu.down)
        party.publish(hmu.up, hmu.relay(tag.messages()[0], rssi=-83))
        party.wait(lambda: party.heard, "a receipt")
        receipt = tag.open_receipt(party.payloads()[0])
    assert receipt.relayed and (receipt.first_seq, receipt.stored_through) == (1, 3)
    with sqlite3.connect(bridge.store) as connection:
        assert connection.execute("SELECT DISTINCT device_id, relayed_by, relay_rssi FROM record").fetchall() == [
            (tag.id, hmu.id, -83)
        ]


def test_a_session_keeps_what_comes_while_the_bridge_is_away(broker: Broker, bridge: BridgeProcess) -> None:
    tag = Device("tag-000001")
    walk(tag, 64)
    assert bridge.stop() == 0
    with Party(broker.port, tag.name) as party:
        assert party.subscribe(tag.down)
        for sealed in tag.messages():
            party.publish(tag.up, sealed)
        bridge.start()
        party.wait(lambda: len(party.heard) == 2, "two receipts")
    assert stored(bridge.store) == journal_of(tag)


def test_what_was_receipted_is_in_the_store_after_kill_9(broker: Broker, bridge: BridgeProcess) -> None:
    tag = Device("tag-000001")
    walk(tag, 40)
    for sealed in tag.messages(8):
        with Party(broker.port, tag.name, client_id="device") as party:
            assert party.subscribe(tag.down)
            party.publish(tag.up, sealed)
            party.wait(lambda party=party: party.heard, "a receipt")
            bridge.kill()
            through = max(tag.open_receipt(payload).stored_through for payload in party.payloads())
            assert set(stored(bridge.store)) >= {(tag.id, seq) for seq in range(1, through + 1)}
        bridge.start()
    # The receipt of one round may be the one that was on its way in the round before: then the last message is still to come.
    wait_for(lambda: stored(bridge.store) == journal_of(tag), "every record in the store")


@pytest.mark.slow
def test_kill_9_of_the_bridge_at_random_moments_loses_and_doubles_nothing(
    broker: Broker, bridge: BridgeProcess, seed: int
) -> None:
    """Two devices send on until the receipts cover all they have, and send again from the receipt when none comes: the field."""
    chance = random.Random(seed)
    devices = [Device("tag-000001"), Device("tag-000002")]
    for device in devices:
        walk(device, 1200)
    done = [threading.Event() for _ in devices]
    counters: list[list[int]] = [[] for _ in devices]
    errors: list[BaseException] = []

    def send(device: Device, end: threading.Event, counters: list[int]) -> None:
        try:
            sealed = {1 + 8 * i: each for i, each in enumerate(device.messages(8))}
            with Party(broker.port, device.name) as party:
                assert party.subscribe(device.down)
                through, read = 0, 0
                while through < len(device.journal):
                    for first in range(through // 8 * 8 + 1, min(through + 64, len(device.journal)), 8):
                        party.publish(device.up, sealed[first])
                    with party._lock:
                        party._lock.wait_for(lambda read=read: len(party.heard) > read, 3.0)  # else: again
                    for payload in party.payloads()[read:]:
                        receipt = device.open_receipt(payload)
                        counters.append(receipt.counter)
                        through = max(through, receipt.stored_through)
                        read += 1
        except BaseException as error:
            errors.append(error)
        finally:
            end.set()

    threads = [threading.Thread(target=send, args=each) for each in zip(devices, done, counters, strict=True)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        threading.Event().wait(chance.uniform(0.0, 0.4))  # the moment of the kill, not a wait for something
        bridge.kill()
        bridge.start()
    for end in done:
        assert end.wait(60), "the devices never got rid of their records"
    for thread in threads:
        thread.join()
    assert not errors, errors
    assert stored(bridge.store) == journal_of(*devices)
    for numbers in counters:
        assert len(set(numbers)) == len(numbers), "a counter sealed two messages"
    assert bridge.stop() == 0


def test_kill_9_at_any_moment_leaves_each_event_once(broker: Broker, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    scheme = """
timezone: Europe/London
wearers:
  - id: w1
    name: One
    tag: tag-000001
    from: 2026-06-01T04:00:00Z
    conditions:
      - {kind: exclusion, name: School, circle: {lat: 50.7204, lon: -2.4367, radius_m: 100}}
"""
    config = write_config(tmp_path / "bridge", broker.port, scheme_file="scheme.yaml", clock="records")
    (config.parent / "scheme.yaml").write_text(scheme, encoding="utf-8")
    tag = Device("tag-000001")
    for i in range(400):  # into the zone and out of it again, 100 times
        tag.fix((START_S + 300 * i) * 1000, (507204000, 507204000, 507304000, 507304000)[i % 4], -24367000)
    sealed = tag.messages(4)
    with BridgeProcess(config) as bridge, Party(broker.port, tag.name) as party:
        assert party.subscribe(tag.down)
        kills = sorted(chance.sample(range(len(sealed)), 4))
        for i, each in enumerate(sealed):
            party.publish(tag.up, each)
            if i in kills:
                threading.Event().wait(chance.uniform(0.0, 0.3))  # the moment of the kill
                bridge.kill()
                bridge.start()

        def events() -> list[tuple[str, int]]:
            with sqlite3.connect(bridge.store) as connection:
                return connection.execute("SELECT kind, seq FROM event WHERE NOT superseded ORDER BY at_ms, id").fetchall()

        wait_for(lambda: len(events()) >= 200, "all events")
        assert bridge.stop() == 0
        assert events() == [("zone_left" if i % 2 else "zone_entered", 1 + 2 * i) for i in range(200)]


def test_garbage_does_not_stop_the_bridge_and_is_not_delivered_again(broker: Broker, bridge: BridgeProcess, seed: int) -> None:
    chance = random.Random(seed)
    tag = Device("tag-000001")
    walk(tag, 4)
    good = tag.messages()[0]
    with Party(broker.port, tag.name) as party:
        assert party.subscribe(tag.down)
        for _ in range(50):
            bad = bytearray(good[: chance.randrange(len(good) + 1)] if chance.random() < 0.5 else good)
            if bad:
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
            party.publish(tag.up, bytes(bad))
        party.publish(tag.up, Device("tag-000002").message([tag.journal[1]]))
        party.publish(tag.up, good)
        party.wait(lambda: party.heard, "a receipt")
        assert [tag.open_receipt(payload).stored_through for payload in party.payloads()] == [4]
    assert stored(bridge.store) == journal_of(tag)
    assert bridge.stop() == 0
    bridge.start()
    assert bridge.stop() == 0
    bridge.wait_line("bridge stopped")
    final = bridge.lines[-1]
    assert not any(key.startswith("refused") for key in final), final


def test_the_broker_may_come_later_and_go(make_broker, tmp_path: Path) -> None:
    from tests.brokers import USERS

    broker = make_broker(*USERS)
    tag = Device("tag-000001")
    walk(tag, 2)
    broker.stop()
    with BridgeProcess(worn_config(tmp_path / "bridge", broker.port, ready_timeout_s=0)) as bridge:
        assert bridge.lines[-1]["subscribed"] is False
        broker.start()
        bridge.wait_line("connected")
        for first in (1, 2):
            with Party(broker.port, tag.name) as party:
                assert party.subscribe(tag.down)
                # A message before the bridge's very first subscription is nobody's: like a device, send again until receipted.
                wait_for(
                    lambda party=party, first=first: (party.publish(tag.up, tag.message([tag.journal[first]])), party.heard)[1],
                    "a receipt",
                )
            if first == 1:
                broker.kill()
                broker.start()
                bridge.wait_line("connected")
        # The first message was sent several times, and so was its receipt: one of these may be what the second round heard.
        wait_for(lambda: stored(bridge.store) == journal_of(tag), "every record in the store")
