"""The device's own journal, seal and uplink against the bridge's ingest: both ends of one promise, with losses between."""

import random
from pathlib import Path

import pytest

from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store, queries
from firmware.core import record, seal
from firmware.core.blockdev import RamDevice
from firmware.core.clock import Clock
from firmware.core.journal import Journal
from firmware.core.recorder import Recorder
from firmware.core.uplink import Uplink, token_of
from tests.bridge.devices import FLEET_KEY, START_S, Device, wear

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
    wear(engine, "tag-000001")
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


class Household:
    """A device with its own recorder and the bridge, and a way between them that loses nothing."""

    def __init__(self, store: Path, flash: RamDevice) -> None:
        self.tag = Device("tag-000001", key_id=KEY_ID)
        is_new = not store.exists()
        self.engine = open_store(store)
        if is_new:
            wear(self.engine, "tag-000001")
        self.ingest = Ingest(self.engine, Keyring(FLEET_KEY), clock="records")
        self.now = 0
        self.boots = 0
        self.power_up(flash)

    mode, charging, moving, battery = record.MODE_GPS, False, False, 50

    def power_up(self, flash: RamDevice) -> None:
        self.journal = Journal(flash)
        assert self.journal.mount()
        ccm = seal.Ccm(seal.device_key(FLEET_KEY, self.tag.id, KEY_ID))
        self.uplink = Uplink(self.journal, ccm, self.tag.id, KEY_ID, receipt_timeout_ms=1000)
        self.boots += 1
        self.recorder = Recorder(self.journal, Clock(), self.boots, self, lambda urgent: None)
        self.recorder.event(record.BOOT, 1, self.boots)

    def drain(self) -> None:
        self.uplink.restart(self.now)
        for _ in range(1000):
            if self.uplink.drained:
                return
            self.now += 500
            self.uplink.urgent = True
            while (found := self.uplink.next_message(32, self.now)) is not None:
                token, sealed = token_of(found[0]), bytes(found[0][: found[1]])
                self.uplink.acked(token, self.now)
                for down in self.ingest.handle([Inbound(self.tag.up, sealed)]):
                    assert self.uplink.on_down(bytearray(down.payload), len(down.payload), self.now)
            if self.uplink.ahead:
                self.recorder.skip_beyond(self.uplink.take_ahead(self.now))
        raise AssertionError("it never drains")

    def stored(self) -> list[record.Record]:
        with self.engine.connect() as connection:
            return [record.Record(row.raw) for row in queries.records_after(connection, 0, 10_000)]


def test_a_journal_that_ran_full_is_emptied_all_the_same_and_the_loss_is_known(tmp_path: Path) -> None:
    house = Household(tmp_path / "store.db", RamDevice(4))
    house.drain()
    for value in range(700):
        house.recorder.event(record.STATUS, value)
    held = house.journal.first_from(1)
    assert house.journal.lost and held > 2
    house.drain()
    assert house.journal.released == house.journal.next_seq - 1
    with house.engine.connect() as connection:
        gaps = queries.missing(connection)
    assert [seq for gap in gaps for seq in range(gap.first, gap.last + 1)] == list(range(2, held))
    assert all(gap.lost for gap in gaps)
    house.recorder.event(record.STATUS)
    house.drain()
    assert house.ingest.missing() == {}


def test_a_tag_whose_flash_was_replaced_says_so_and_loses_nothing_that_it_makes_from_then_on(tmp_path: Path) -> None:
    house = Household(tmp_path / "store.db", RamDevice(4))
    for value in range(100):
        house.recorder.event(record.STATUS, value)
    house.drain()
    house.power_up(RamDevice(4))
    for value in range(1000, 1020):
        house.recorder.event(record.STRAP_CUT, value)
    house.drain()
    assert house.uplink.drained
    stored = house.stored()
    assert [one.value_a for one in stored if one.code == record.STRAP_CUT] == list(range(1000, 1020))
    (fault,) = [one for one in stored if one.code == record.FAULT]
    assert (fault.value_a, fault.value_b) == (record.FAULT_FLASH_LOST, 101)
    assert [one.value_b for one in stored if one.code == record.BOOT] == [1, 2]
    assert [one.seq for one in stored] == list(range(1, len(stored) + 1))
