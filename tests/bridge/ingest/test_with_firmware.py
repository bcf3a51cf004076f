"""The device's own journal, seal and uplink against the bridge's ingest: both ends of one promise, with losses between."""

import random
from pathlib import Path

import pytest

from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store, queries
from firmware.core import record, seal
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.uplink import Uplink, token_of
from tests.bridge.devices import FLEET_KEY, START_S, Device

KEY_ID = 1


@pytest.mark.parametrize("max_records", [3, 32])
@pytest.mark.parametrize("relayed", [False, True])
def test_a_device_gets_rid_of_every_record_and_the_store_has_it(
    tmp_path: Path, seed: int, max_records: int, relayed: bool
) -> None:
    chance = random.Random(seed)
    tag, hmu = Device("tag-000001", key_id=KEY_ID), Device("hmu-000001")
    journal = Journal(RamDevice(32))
    journal.mount()
    uplink = Uplink(journal, seal.Ccm(seal.device_key(FLEET_KEY, tag.id, KEY_ID)), tag.id, KEY_ID, receipt_timeout_ms=1000)
    engine = open_store(tmp_path / "store.db")
    ingest = Ingest(engine, Keyring(FLEET_KEY), clock="records")
    made = bytearray()
    raw = bytearray(record.SIZE)
    for i in range(300):
        record.pack_fix(raw, journal.next_seq, START_S + i, record.MODE_GPS, 0, 507154000 + i, -24367000, 0, 50, 0, 9, 8, 80)
        journal.append(raw)
        made += raw
    now = 0
    uplink.restart(now)
    while not uplink.drained:
        now += 500
        assert now < 10_000_000, "it never drains"
        uplink.urgent = True
        while (message := uplink.next_message(max_records, now)) is not None:
            token, sealed = token_of(message[0]), bytes(message[0][: message[1]])
            if chance.random() < 0.2:
                uplink.failed(token, now)
                break
            uplink.acked(token, now)
            up = Inbound(hmu.up, hmu.relay(sealed)) if relayed else Inbound(tag.up, sealed)
            for down in ingest.handle([up] * chance.choice((0, 1, 1, 2))):
                if chance.random() < 0.8:
                    payload = bytearray(down.payload[12:] if relayed else down.payload)
                    assert uplink.on_down(payload, len(payload), now)
        if chance.random() < 0.1:
            ingest = Ingest(engine, Keyring(FLEET_KEY), clock="records")
    assert uplink.refused == uplink.replayed == 0
    with engine.connect() as connection:
        assert b"".join(row.raw for row in queries.fixes(connection)) == bytes(made)
