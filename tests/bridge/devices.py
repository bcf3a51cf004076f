"""A tag or home unit as the bridge sees it, for tests: makes records, seals messages, opens receipts. Its journal is a dict."""

import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Engine, insert, select

from bridge.cases.scheme import ensure_device
from bridge.keys import Keyring
from bridge.orders.asking import note_provisioned
from bridge.orders.payloads import lease_payload
from bridge.orders.wanted import Worn, wanted_lease
from bridge.store import schema
from firmware.core import ident, message, record

FLEET_KEY = bytes(range(32))
SHARD = "0"
START_S = 1_780_290_000  # 2026-06-01T05:00:00Z


class Receipt(NamedTuple):
    device_id: int
    counter: int
    stored_through: int
    first_seq: int
    relayed: bool


class Device:
    def __init__(self, name: str, fleet_key: bytes = FLEET_KEY, key_id: int = 1) -> None:
        self.name = name
        self.id = ident.parse_device_name(name)
        self.key_id = key_id
        self.up = ident.topic(SHARD, name, ident.UP)
        self.down = ident.topic(SHARD, name, ident.DOWN)
        self.journal: dict[int, bytes] = {}
        self._keyring = Keyring(fleet_key)

    @property
    def next_seq(self) -> int:
        return max(self.journal, default=0) + 1

    def fix(
        self, at_ms: int = START_S * 1000, lat_e7: int = 507154000, lon_e7: int = -24367000, *, flags: int = record.MODE_GPS,
        radius_dm: int | None = 50, speed_cms: int | None = 0, battery: int | None = 80, seq: int | None = None,
    ) -> bytes:  # fmt: skip
        raw = bytearray(record.SIZE)
        seq = seq or self.next_seq
        time_s, millis = divmod(at_ms, 1000)
        record.pack_fix(raw, seq, time_s, flags, millis, lat_e7, lon_e7, speed_cms, radius_dm, 90, 9, 8, battery)
        self.journal[seq] = bytes(raw)
        return bytes(raw)

    def event(
        self, code: int, at_ms: int = START_S * 1000, a: int = 0, b: int = 0, *, flags: int = record.MODE_GPS,
        battery: int | None = 80, seq: int | None = None,
    ) -> bytes:  # fmt: skip
        raw = bytearray(record.SIZE)
        seq = seq or self.next_seq
        time_s, millis = divmod(at_ms, 1000)
        record.pack_event(raw, seq, time_s, flags, millis, code, a, b, battery)
        self.journal[seq] = bytes(raw)
        return bytes(raw)

    def undated(self, code: int, uptime_s: int, boot: int, a: int = 0, b: int = 0) -> bytes:
        """An event from before the clock of this boot was known."""
        return self.event(code, uptime_s * 1000 + boot, a, b, flags=record.UNDATED)

    def clock_set(self, at_ms: int, uptime_s: int, boot: int) -> bytes:
        return self.event(record.CLOCK_SET, at_ms, uptime_s, boot)

    def message(self, raws: Sequence[bytes]) -> bytes:
        """One sealed RECORDS message of these records."""
        first = struct.unpack_from("<I", raws[0])[0]
        return self._keyring.seal(message.RECORDS, self.id, self.key_id, first, len(raws), b"".join(raws))

    def messages(self, batch: int = 32) -> list[bytes]:
        """The whole journal, in order."""
        raws = [self.journal[seq] for seq in sorted(self.journal)]
        return [self.message(raws[at : at + batch]) for at in range(0, len(raws), batch)]

    def relay(self, sealed: bytes, rssi: int = -70, token: int = 0) -> bytes:
        """Another device's message as this home unit passes it on."""
        header = bytearray(message.HEADER)
        message.pack_header(header, message.RELAY_UP, 0, rssi, self.id, token)
        return bytes(header) + sealed

    def open_receipt(self, payload: bytes) -> Receipt:
        """What a message down says, opened with this device's key. AssertionError when it is none."""
        header = message.parse_header(payload)
        assert header is not None
        relayed = header[0] == message.RELAY_DOWN
        if relayed:
            assert header[3] == self.id and header[2] == 0
            payload = payload[message.HEADER :]
            header = message.parse_header(payload)
            assert header is not None
        assert header[0] == message.DOWN and header[3] == self.id and header[1] == self.key_id
        body = self._keyring.open(payload)
        assert body is not None
        parsed = message.parse_receipt(body)
        assert parsed is not None
        return Receipt(self.id, header[4], parsed[0], parsed[1], relayed)


def wear(engine: Engine, *names: str, from_ms: int = 0, until_ms: int | None = None, home_unit: str | None = None) -> None:
    """Each of these tags is worn by somebody, since ever unless told otherwise: what they record may be stored. A bench has given
    them the lease that goes with it, by the clock of this host."""
    now_ms = time.time_ns() // 1_000_000
    leases: dict[str, bytes] = {}
    with engine.begin() as connection:
        for name in names:
            tag_id = ensure_device(connection, name, SHARD)
            hmu_id = ensure_device(connection, home_unit, SHARD) if home_unit else None
            wearer_id = f"wears-{name}"
            if connection.execute(select(schema.wearer).where(schema.wearer.c.wearer_id == wearer_id)).first() is None:
                connection.execute(insert(schema.wearer).values(wearer_id=wearer_id, name=wearer_id))
            values = {"wearer_id": wearer_id, "tag_id": tag_id, "hmu_id": hmu_id, "from_ms": from_ms, "until_ms": until_ms}
            period_id = connection.execute(insert(schema.wear_period).values(values)).inserted_primary_key[0]  # pyright: ignore
            lease = wanted_lease(Worn(period_id, wearer_id, tag_id, hmu_id, from_ms, until_ms, None, 100), None, now_ms)
            leases[name] = lease_payload(*lease) if lease is not None else b""
    for name, payload in leases.items():
        if payload:
            note_provisioned(engine, name, message.ORDER_LEASE, payload, 1)
