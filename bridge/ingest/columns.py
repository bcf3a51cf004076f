"""One record taken apart into the columns of the store, and judged: is its date believable, is its place on Earth?

Nothing is thrown away: what is not believed is kept in quarantine, where no map, rule or live marker looks.
"""

import struct
from typing import NamedTuple

from firmware.core import record

FUTURE_MS = 86_400_000  # a clock a day ahead is wrong; less may be a host whose own clock is behind
COLUMNS = (
    "device_id", "seq", "raw", "kind", "flags", "at_ms", "boot", "quarantine",
    "mode", "lat_e7", "lon_e7", "speed_cms", "course_deg", "radius_dm", "satellites", "hdop_tenths", "battery",
    "code", "value_a", "value_b", "received_ms", "relayed_by", "relay_rssi",
)  # fmt: skip

_HEAD = struct.Struct("<IIBBH")
_FIX = struct.Struct("<iiHHBBBB")
_EVENT = struct.Struct("<HHii")
_NOT_DATED = record.UNDATED | record.TIME_OF_DAY


class Facts(NamedTuple):
    """A record's columns but for `received_ms`, which is known when the whole batch is."""

    seq: int
    raw: bytes
    kind: int
    flags: int
    at_ms: int | None
    boot: int | None
    uptime_s: int  # of an undated record
    quarantine: str | None
    fields: tuple  # mode … value_b, in the order of COLUMNS


class ClockSet(NamedTuple):
    """What a CLOCK_SET event says of its boot."""

    seq: int
    boot: int
    zero_ms: int  # when the uptime was 0


def take_apart(raw: bytes) -> Facts:
    """The facts of 32 intact bytes. Date and place judged but for the future, which needs a clock."""
    seq, time_s, kind, flags, millis = _HEAD.unpack_from(raw)
    undated = flags & _NOT_DATED
    at_ms = None if undated else time_s * 1000 + (millis if millis < 1000 else 999)
    boot = millis if flags & record.UNDATED else None
    quarantine = "doubtful" if flags & record.DATE_DOUBTFUL else None
    mode = flags & record.MODE_MASK
    if kind == record.FIX:
        lat, lon, speed, radius, course, satellites, hdop, battery = _FIX.unpack_from(raw, 12)
        if not -900_000_000 <= lat <= 900_000_000 or not -1_800_000_000 <= lon <= 1_800_000_000 or not (lat or lon):
            lat = lon = None  # 0, 0 is where receivers are that know nothing
            quarantine = "position"
        fields = (
            mode,
            lat,
            lon,
            None if speed == 0xFFFF else speed,
            None if course == 0xFF else course * 2,
            None if radius == 0xFFFF else radius,
            None if satellites == 0xFF else satellites,
            None if hdop == 0xFF else hdop,
            None if battery == 0xFF else battery,
            None,
            None,
            None,
        )
    else:
        code, _, value_a, value_b = _EVENT.unpack_from(raw, 12)
        battery = raw[27]
        fields = (mode, None, None, None, None, None, None, None, None if battery == 0xFF else battery, code, value_a, value_b)
    return Facts(seq, raw, kind, flags, at_ms, boot, time_s, quarantine, fields)


def clock_set(facts: Facts) -> ClockSet | None:
    """What this record says of its boot's clock, if it is a CLOCK_SET that is dated beyond doubt."""
    if facts.kind != record.EVENT or facts.at_ms is None or facts.quarantine:
        return None
    code, value_a, value_b = facts.fields[-3:]
    if code != record.CLOCK_SET:
        return None
    return ClockSet(facts.seq, value_b & 0xFFFF, facts.at_ms - (value_a & 0xFFFFFFFF) * 1000)


def first_held(facts: Facts) -> int:
    """The lowest number that the device still holds, if this record is a JOURNAL_FULL that says so; else 0."""
    if facts.kind != record.EVENT or facts.fields[-3] != record.JOURNAL_FULL:
        return 0
    first = facts.fields[-1] & 0xFFFFFFFF
    return first if first <= facts.seq else 0


def uptime_s(raw: bytes) -> int:
    """The uptime in an undated record's 32 bytes."""
    return _HEAD.unpack_from(raw)[1]
