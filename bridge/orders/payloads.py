"""The payloads of orders, packed and taken apart, and their names in words. Pure; `firmware.core.message` tells the layouts."""

import json
import struct
from hashlib import sha256
from typing import Any, NamedTuple

from firmware.core import message
from firmware.core.settings import Settings, SettingsError

LEASE_S_MAX = 400 * 86_400  # a lease is at most this long
_LEASE = struct.Struct("<III")

WORDS = {
    message.ORDER_LEASE: "lease",
    message.ORDER_CONFIG: "config",
    message.ORDER_LOCATE: "locate",
    message.ORDER_VIBRATE: "vibrate",
    message.ORDER_RANGE_TEST: "range-test",
    message.ORDER_KEY: "rotate-key",
    message.ORDER_UPDATE: "update",
}
ANSWERS = {
    message.DONE: "done",
    message.BAD_FORM: "refused: the device cannot read it",
    message.BAD_VALUE: "refused: a setting, a zone or a date is out of its range",
    message.NO_FIX: "no fix came",
    message.NO_LEASE: "refused: it has no lease",
    message.NOT_HERE: "refused: this device, or its state, does not do that",
    message.NO_ROOM: "refused: it has no room for that, or its flash could not be written",
    message.INTERRUPTED: "interrupted: the device started anew while it did it",
    message.WRONG_BOARD: "refused: the release is for another board",
    message.OLDER: "refused: the release is older than the one that runs (--older allows it)",
    message.BAD_RELEASE: "refused: what came is not what was announced",
    message.ROLLED_BACK: "rolled back: the release ran and did not get to the bridge, the one before runs again",
}
PATTERNS = {"short": 1, "long": 2, "thrice": 3}
RANGE_TEST_S_MAX = 600


class Lease(NamedTuple):
    """The tag may track from `from_s` until `until_s` (UTC); until_s <= from_s: it is withdrawn."""

    period_id: int
    from_s: int
    until_s: int


def lease_payload(period_id: int, from_s: int, until_s: int) -> bytes:
    """ValueError naming the field when a number does not fit or the lease is too long."""
    for name, value in (("period_id", period_id), ("from_s", from_s), ("until_s", until_s)):
        if not 0 <= value <= 0xFFFFFFFF:
            raise ValueError(f"{name}: got {value}, expected 0 to {0xFFFFFFFF}")
    if until_s - from_s > LEASE_S_MAX:
        raise ValueError(f"until_s: got {until_s}, expected at most 400 days after from_s {from_s}")
    return _LEASE.pack(period_id, from_s, until_s)


def parse_lease(payload: bytes) -> Lease:
    return Lease(*_LEASE.unpack(payload))


def config_payload(policy: dict[str, int], zone_map: bytes = b"") -> bytes:
    """Settings that differ from the defaults, and a zone map (`zonemap`), which may be empty. ValueError names the setting."""
    try:
        Settings(policy)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    text = json.dumps(policy, sort_keys=True, separators=(",", ":")).encode()
    payload = struct.pack("<H", len(text)) + text + zone_map
    if len(payload) > message.ORDER_TOTAL_MAX:
        raise ValueError(f"config: got {len(payload)} bytes, expected at most {message.ORDER_TOTAL_MAX}")
    return payload


NO_CONFIG = struct.pack("<H", 2) + b"{}"  # what a device runs on that was never told otherwise


def parse_config(payload: bytes) -> tuple[dict[str, int], bytes]:
    """(settings, zone map)."""
    n = struct.unpack_from("<H", payload)[0]
    return json.loads(payload[2 : 2 + n]), payload[2 + n :]


def vibrate_payload(pattern: str) -> bytes:
    """ValueError when there is no such pattern."""
    if pattern not in PATTERNS:
        raise ValueError(f"pattern: got {pattern!r}, expected one of " + ", ".join(PATTERNS))
    return bytes([PATTERNS[pattern]])


def range_test_payload(room: int, seconds: int) -> bytes:
    if not 1 <= room <= 255:
        raise ValueError(f"room: got {room}, expected 1 to 255")
    if not 1 <= seconds <= RANGE_TEST_S_MAX:
        raise ValueError(f"seconds: got {seconds}, expected 1 to {RANGE_TEST_S_MAX}")
    return struct.pack("<BH", room, seconds)


def update_payload(manifest: bytes, number: int, board: str, allow_older: bool = False) -> bytes:
    """`manifest`: the bytes of the release's manifest, whose hash the device holds everything against."""
    return struct.pack("<BIH", 1 if allow_older else 0, number, len(manifest)) + sha256(manifest).digest() + board.encode()


def range_result(value_a: int, value_b: int) -> dict[str, Any]:
    """What a RANGE record says: room << 16 | slot << 12 | frames heard, lowest RSSI << 16 | median, as signed 16-bit numbers."""
    lowest, median = struct.unpack("<hh", struct.pack("<I", (value_b << 16 | (value_b >> 16) & 0xFFFF) & 0xFFFFFFFF))
    return {
        "room": value_a >> 16 & 0xFFFF,
        "slot": value_a >> 12 & 0x0F,
        "frames": value_a & 0x0FFF,
        "lowest_dbm": lowest,
        "median_dbm": median,
    }


def pieces(number: int, kind: int, payload: bytes) -> list[bytes]:
    """The DOWN bodies that an order is sent as; one without a payload is one piece too."""
    step = message.ORDER_DATA_MAX
    starts = range(0, len(payload), step) if payload else (0,)
    return [message.pack_order(number, kind, at, len(payload), payload[at : at + step]) for at in starts]
