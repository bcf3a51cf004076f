"""Reading the store, for the console and the tools. Plain functions of a connection; rows have the columns of `schema`.

Quarantined records (no such place, a date nobody believes) are left out wherever a time or a place is asked for.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, or_, select

from bridge.ranges import Range, without
from firmware.core.record import FIX

from . import schema
from .schema import device, event, live, record, record_conflict, wear_period, wearer

RowSeq = Sequence[Row[Any]]


class Gap(NamedTuple):
    """Sequence numbers first..last of a device that are not stored though later ones are; `lost`: and will never be, it says."""

    device_id: int
    first: int
    last: int
    lost: bool = False


def live_states(connection: Connection) -> RowSeq:
    """Each wearer with what is known last of him: `wearer_id`, `name` and the columns of `live` (NULL when nothing is)."""
    columns = [column for column in live.c if column.name != "wearer_id"]
    statement = select(wearer.c.wearer_id, wearer.c.name, *columns).select_from(wearer.outerjoin(live))
    return connection.execute(statement.order_by(wearer.c.wearer_id)).all()


def track(connection: Connection, wearer_id: str, from_ms: int, to_ms: int) -> RowSeq:
    """The fixes of from_ms <= at_ms < to_ms that a tag made while this wearer wore it, by event time."""
    worn = and_(
        wear_period.c.wearer_id == wearer_id,
        wear_period.c.tag_id == record.c.device_id,
        record.c.at_ms >= wear_period.c.from_ms,
        or_(wear_period.c.until_ms.is_(None), record.c.at_ms < wear_period.c.until_ms),
    )
    statement = select(record).join(wear_period, worn).where(record.c.at_ms >= from_ms, record.c.at_ms < to_ms)
    statement = statement.where(record.c.kind == FIX, record.c.quarantine.is_(None))
    return connection.execute(statement.order_by(record.c.at_ms, record.c.seq)).all()


def events_after(connection: Connection, event_id: int, limit: int = 1000, wearer_id: str | None = None) -> RowSeq:
    """Events found after the one with this id, in the order they were found."""
    statement = select(event).where(event.c.id > event_id)
    if wearer_id is not None:
        statement = statement.where(event.c.wearer_id == wearer_id)
    return connection.execute(statement.order_by(event.c.id).limit(limit)).all()


def newest_events(connection: Connection, limit: int = 100, wearer_id: str | None = None) -> RowSeq:
    """The events that happened last, the newest first."""
    statement = select(event)
    if wearer_id is not None:
        statement = statement.where(event.c.wearer_id == wearer_id)
    return connection.execute(statement.order_by(event.c.at_ms.desc(), event.c.id.desc()).limit(limit)).all()


def records_after(connection: Connection, record_id: int, limit: int = 1000) -> RowSeq:
    """Records stored after the one with this id, in the order they were stored; quarantined ones too."""
    return connection.execute(select(record).where(record.c.id > record_id).order_by(record.c.id).limit(limit)).all()


def newest_ids(connection: Connection) -> tuple[int, int]:
    """(record id, event id) of the newest rows; 0 where there is none."""
    newest = select(select(func.max(record.c.id)).scalar_subquery(), select(func.max(event.c.id)).scalar_subquery())
    record_id, event_id = connection.execute(newest).one()
    return record_id or 0, event_id or 0


def newest_event_time_ms(connection: Connection) -> int | None:
    """The newest time of any record or event that the rules have seen: "now" when the clock is `records`."""
    return connection.execute(select(func.max(live.c.at_ms))).scalar()


def fixes(connection: Connection, device_id: int | None = None) -> Iterator[Row[Any]]:
    """Every stored fix in order of device and sequence, quarantined and undated ones too."""
    statement = select(record).where(record.c.kind == FIX)
    if device_id is not None:
        statement = statement.where(record.c.device_id == device_id)
    return iter(connection.execution_options(yield_per=1000).execute(statement.order_by(record.c.device_id, record.c.seq)))


def digest(connection: Connection, through: Mapping[int, int] | None = None) -> str:
    """SHA-256 over all raw records in order of device and sequence, in hex.

    `through` limits it: device id → last sequence number that counts; devices that are not in it are left out.
    """
    hashed = hashlib.sha256()
    statement = select(record.c.raw).order_by(record.c.device_id, record.c.seq)
    if through is None:
        for (raw,) in connection.execution_options(yield_per=10_000).execute(statement):
            hashed.update(raw)
    else:
        for device_id, last in sorted(through.items()):
            for (raw,) in connection.execute(statement.where(record.c.device_id == device_id, record.c.seq <= last)):
                hashed.update(raw)
    return hashed.hexdigest()


def missing(connection: Connection) -> list[Gap]:
    """What each device has made and the store has not: gaps below the highest number seen, and what it has lost."""
    droppers = connection.execute(select(schema.lost.c.device_id).distinct()).scalars().all()
    gaps = [Gap(device_id, *gap, True) for device_id in droppers for gap in lost(connection, device_id)]
    behind = connection.execute(select(device).where(device.c.highest_seq > device.c.stored_through)).all()
    for row in behind:
        later = select(record.c.seq).where(record.c.device_id == row.device_id, record.c.seq > row.stored_through)
        stored = sorted((*connection.execute(later).scalars(), *declined(connection, row.device_id, row.stored_through)))
        gaps += (Gap(row.device_id, *gap) for gap in without((row.stored_through + 1, row.highest_seq), stored))
    return sorted(gaps)


def lost(connection: Connection, device_id: int) -> list[Range]:
    """The numbers (first, last) that a device has declared lost, but for those that came after all."""
    gaps: list[Range] = []
    table = schema.lost
    said = connection.execute(select(table.c.first, table.c.last).where(table.c.device_id == device_id).order_by(table.c.first))
    for first, last in said.all():
        came = select(record.c.seq).where(record.c.device_id == device_id, record.c.seq.between(first, last))
        gaps += without((first, last), connection.execute(came.order_by(record.c.seq)).scalars())
    return gaps


def declined(connection: Connection, device_id: int, after: int) -> list[int]:
    """The numbers above `after` of a device's records that were receipted and not stored, in order."""
    table = schema.declined
    statement = select(table.c.first, table.c.last).where(table.c.device_id == device_id, table.c.last > after)
    found = connection.execute(statement.order_by(table.c.first))
    return [seq for first, last in found for seq in range(max(first, after + 1), last + 1)]


def counts(connection: Connection) -> dict[str, int]:
    """How many there are of each; superseded events are not counted."""

    def count(table, *where) -> int:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()

    return {
        "records": count(record),
        "fixes": count(record, record.c.kind == FIX),
        "undated": count(record, record.c.at_ms.is_(None)),
        "quarantined": count(record, record.c.quarantine.is_not(None)),
        "conflicts": count(record_conflict),
        "events": count(event, event.c.superseded.is_(False)),
        "devices": count(device),
        "wearers": count(wearer),
    }
