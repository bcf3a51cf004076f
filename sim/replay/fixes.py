"""Stored fixes as a person or a program reads them, one JSON object a line.

    {"time": "2026-06-01T05:00:00.000Z", "lat": 50.7154, "lon": -2.4367, "radius_m": 6.0,
     "seq": 12, "date_known": true, "doubtful": false, "quarantine": null}

time         UTC with milliseconds. Without a date (the receiver gave only the time of day) it is a time on 1970-01-01
lat, lon     degrees, seven decimals: what the record holds
radius_m     95 %; null when the receiver said nothing of accuracy
seq          the record's number on its tag
date_known   whether the receiver gave a date
doubtful     it gave one, but that is not believed (a week rollover, an unset clock): the log's own date, as it stands there
quarantine   why the bridge shows this fix to nobody: "doubtful", "position" (0, 0), "future"; null when it is good
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bridge.store import queries
from firmware.core.record import DATE_DOUBTFUL, Record

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredFix:
    """A line of the file."""

    time: str
    lat: float
    lon: float
    radius_m: float | None
    seq: int
    date_known: bool
    doubtful: bool
    quarantine: str | None


def stored_fixes(connection: Connection, device_id: int, through: int) -> list[StoredFix]:
    """A device's fixes up to a sequence number, in the order in which it made them, from the bytes that it sealed."""
    rows = queries.fixes(connection, device_id)
    return [_fix(Record(row.raw), row.quarantine) for row in rows if row.seq <= through]


def _fix(record: Record, quarantine: str | None) -> StoredFix:
    at = _EPOCH + timedelta(seconds=record.time_s, milliseconds=min(record.millis, 999))
    return StoredFix(
        time=at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z",
        lat=record.lat_e7 / 1e7,
        lon=record.lon_e7 / 1e7,
        radius_m=None if record.radius_dm is None else record.radius_dm / 10,
        seq=record.seq,
        date_known=record.is_dated,
        doubtful=bool(record.flags & DATE_DOUBTFUL),
        quarantine=quarantine,
    )


def write_fixes(target: Path, fixes: Iterable[StoredFix | dict[str, Any]]) -> None:
    """Whole or not at all."""
    new = target.with_name(target.name + ".new")
    with new.open("w", encoding="utf-8") as file:
        for fix in fixes:
            file.write(json.dumps(asdict(fix) if isinstance(fix, StoredFix) else fix) + "\n")
    os.replace(new, target)
