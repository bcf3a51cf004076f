"""Forty thousand messages that nobody made, or that somebody made something else of: none is taken, each is counted, none raises.

Every case begins with a sound message and does one thing to it. Whatever an authentic message is *not* changed by (another home
unit's name on the wrapper, the RSSI, the token) is told apart: it is a hint of the way, and the tag's records are taken once.
"""

import random
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store, schema
from firmware.core import ident, message
from tests.bridge.devices import FLEET_KEY, START_S, Device, wear

CASES = 40_000
BATCH = 500


class Forger:
    """Makes a bad message out of good ones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.tag, self.other, self.hmu = Device("tag-000001"), Device("tag-000002"), Device("hmu-000001")
        self.stranger = Device("tag-000001", fleet_key=bytes(32))
        for device in (self.tag, self.other, self.stranger):
            for i in range(40):
                device.fix((START_S + 60 * i) * 1000, 507154000 + i)
        self.good = [self.sealed(device) for device in (self.tag, self.other) for _ in range(20)]
        self.downs = [Keyring(FLEET_KEY).seal_down(self.tag.id, 1, n, message.pack_receipt(n, n)) for n in range(1, 30)]
        self.ways = [self.flip, self.truncate, self.lengthen, self.foreign, self.splice, self.turn_back, self.under_another]
        self.ways += [self.noise, self.renumber, self.other_key, self.reorder, self.wrap_wrongly]

    def sealed(self, device: Device) -> bytes:
        first = self.chance.randrange(1, 30)
        return device.message([device.journal[seq] for seq in range(first, first + self.chance.randrange(1, 9))])

    def make(self) -> Inbound:
        return self.chance.choice(self.ways)()

    def sound(self) -> tuple[str, bytes]:
        """An authentic message and its topic, relayed or not."""
        sealed = self.chance.choice(self.good)
        header = message.parse_header(sealed)
        assert header is not None
        name = ident.device_name(header[3])
        if self.chance.random() < 0.5:
            return self.hmu.up, self.hmu.relay(sealed, -60)
        return ident.topic("0", name, ident.UP), sealed

    def flip(self) -> Inbound:
        """One bit, of everything but a relay's own hints."""
        topic, payload = self.sound()
        at = self.chance.randrange(len(payload))
        while topic == self.hmu.up and at in (1, 2, 8, 9, 10, 11):
            at = self.chance.randrange(len(payload))
        broken = bytearray(payload)
        broken[at] ^= 1 << self.chance.randrange(8)
        return Inbound(topic, bytes(broken))

    def truncate(self) -> Inbound:
        topic, payload = self.sound()
        return Inbound(topic, payload[: self.chance.randrange(len(payload))])

    def lengthen(self) -> Inbound:
        topic, payload = self.sound()
        return Inbound(topic, payload + self.chance.randbytes(self.chance.randrange(1, 50)))

    def foreign(self) -> Inbound:
        sealed = self.sealed(self.stranger)
        return Inbound(self.tag.up, sealed) if self.chance.random() < 0.5 else Inbound(self.hmu.up, self.hmu.relay(sealed))

    def splice(self) -> Inbound:
        """The head of one message and the body of another."""
        one, two = self.sealed(self.tag), self.sealed(self.tag)
        while one[: message.HEADER] == two[: message.HEADER]:
            two = self.sealed(self.tag)
        return Inbound(self.tag.up, one[: message.HEADER] + two[message.HEADER :])

    def turn_back(self) -> Inbound:
        """What the bridge sent down comes up again."""
        down = self.chance.choice(self.downs)
        return Inbound(self.tag.up, down) if self.chance.random() < 0.5 else Inbound(self.hmu.up, self.hmu.relay(down))

    def under_another(self) -> Inbound:
        """An authentic message under somebody else's name."""
        name = self.chance.choice(("hw/0/tag-000002/up", "hw/0/hmu-000001/up", "hw/0/tag-000001/down", "hw/0/tag-1/up", "", "x"))
        return Inbound(name, self.sealed(self.tag))

    def noise(self) -> Inbound:
        raw = bytearray(self.chance.randbytes(self.chance.randrange(0, 400)))
        if len(raw) >= message.HEADER and self.chance.random() < 0.7:
            kind = self.chance.choice((message.RECORDS, message.RELAY_UP))
            message.pack_header(raw, kind, 1, self.chance.randrange(256), self.chance.choice((self.tag.id, self.hmu.id)), 1)
        return Inbound(self.chance.choice((self.tag.up, self.hmu.up)), bytes(raw))

    def renumber(self) -> Inbound:
        """Another first sequence number, so that old records would be new."""
        payload = bytearray(self.sealed(self.tag))
        payload[8:12] = self.chance.randrange(41, 2**32).to_bytes(4, "little")
        return Inbound(self.tag.up, bytes(payload))

    def other_key(self) -> Inbound:
        """Another key's number over the same bytes."""
        payload = bytearray(self.sealed(self.tag))
        payload[1] = self.chance.choice((0, *range(2, 256)))
        return Inbound(self.tag.up, bytes(payload))

    def reorder(self) -> Inbound:
        """Blocks of the ciphertext in another order."""
        payload = self.tag.message([self.tag.journal[seq] for seq in (1, 2, 3, 4)])
        head, body = payload[: message.HEADER], payload[message.HEADER :]
        blocks = [body[at : at + 16] for at in range(0, len(body), 16)]
        before = list(blocks)
        while blocks == before:
            self.chance.shuffle(blocks)
        return Inbound(self.tag.up, head + b"".join(blocks))

    def wrap_wrongly(self) -> Inbound:
        """A relay in a relay, by a tag, or of a home unit's own records."""
        sealed = self.sealed(self.tag)
        which = self.chance.randrange(3)
        if which == 0:
            return Inbound(self.hmu.up, self.hmu.relay(self.hmu.relay(sealed)))
        if which == 1:
            return Inbound(self.other.up, self.other.relay(sealed))
        return Inbound(self.hmu.up, self.hmu.relay(self.hmu.message([self.hmu.fix(seq=1)])))


@pytest.mark.parametrize("round_number", range(2))
def test_nothing_that_was_forged_is_taken(tmp_path: Path, seed: int, round_number: int) -> None:
    forger = Forger(random.Random(seed))
    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001", "tag-000002")
    ingest = Ingest(engine, Keyring(FLEET_KEY), clock="records")
    ingest._log = Quiet()  # pyright: ignore
    for _ in range(CASES // 2 // BATCH):
        assert ingest.handle([forger.make() for _ in range(BATCH)]) == []
    refused = {name: n for name, n in ingest.counts.as_dict().items() if name.startswith("refused")}
    assert sum(refused.values()) == CASES // 2, refused
    assert len(refused) >= 5 and ingest.counts.get("messages") == 0
    with engine.connect() as connection:
        for table in (schema.record, schema.record_conflict, schema.declined, schema.lost, schema.event):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0


def test_what_is_replayed_or_comes_in_any_order_is_stored_once(tmp_path: Path, seed: int) -> None:
    """By itself or by any home unit: a message that was taken before changes nothing but a count."""
    forger = Forger(random.Random(seed))
    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001", "tag-000002")
    ingest = Ingest(engine, Keyring(FLEET_KEY), clock="records")
    for _ in range(10):
        ingest.handle([Inbound(*forger.sound()) for _ in range(BATCH)])
    with engine.connect() as connection:
        rows = connection.execute(select(schema.record.c.device_id, schema.record.c.seq, schema.record.c.raw)).all()
    made = {(device.id, seq): raw for device in (forger.tag, forger.other) for seq, raw in device.journal.items()}
    assert len(rows) == len({row[:2] for row in rows}) and all(made[row.device_id, row.seq] == row.raw for row in rows)
    assert ingest.counts.get("repeated") > 1000 and ingest.counts.get("conflicts") == 0


class Quiet:
    """No log: the broker's strangers write as many lines as they like here."""

    def warning(self, *_: object, **__: object) -> None: ...

    info = error = warning
