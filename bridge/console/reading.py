"""The console's questions to the store, each one statement on an index. Read-only: the connection itself refuses to write.

A reader is synchronous (call it from a thread) and keeps no state. Records that nobody may see (quarantined) or that have no
date yet are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Engine, Select, and_, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.console.shapes import Cursor, Period
from bridge.errors import ConfigError
from bridge.store import queries, schema
from bridge.store.opening import open_store
from bridge.store.settings import get_settings
from firmware.core.record import FIX

_FIX_NAMES = ("device_id", "at_ms", "lat_e7", "lon_e7", "radius_dm", "speed_cms", "mode", "received_ms")
_FIX_COLUMNS = [schema.record.c[name] for name in _FIX_NAMES]
_SHOWN = and_(schema.record.c.at_ms.is_not(None), schema.record.c.quarantine.is_(None))

Rows = list[dict[str, Any]]


def open_read_only(url: str) -> Engine:
    """An engine that cannot write. ConfigError when there is no store at `url`, or none that this version can read."""
    engine = open_store(url, read_only=True)
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(postgresql_readonly=True)
    try:
        with engine.connect() as connection:
            connection.execute(select(schema.setting)).all()
    except SQLAlchemyError as error:
        engine.dispose()
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ConfigError("console", "store", reason, "a store that can be read") from None
    return engine


@dataclass(frozen=True)
class Scheme:
    """What changes seldom: settings, people, who wears what, conditions."""

    timezone: str
    clock: str
    town: str | None
    wearers: tuple[dict[str, Any], ...]
    periods: tuple[dict[str, Any], ...]
    conditions: tuple[dict[str, Any], ...]
    device_names: dict[int, str]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def worn(self) -> list[Period]:
        return [Period(p["wearer_id"], p["tag_id"], p["from_ms"], p["until_ms"]) for p in self.periods]


@dataclass(frozen=True)
class News:
    """What lies between two cursors."""

    cursor: Cursor
    fixes: Rows
    newest_at_ms: int | None  # of any record seen, fixes or not
    events: Rows
    redated: set[int]  # devices some of whose stored records got their date only now
    complete: bool  # False: there is more, ask again


class Reader:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def scheme(self) -> Scheme:
        with self._engine.connect() as connection:
            settings = get_settings(connection)
            timezone = settings.get("timezone", "UTC")
            try:
                ZoneInfo(timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ConfigError("store", "setting.timezone", timezone, "a time zone such as Europe/London") from None
            return Scheme(
                timezone=timezone,
                clock="records" if settings.get("clock") == "records" else "wall",
                town=settings.get("town") or None,
                wearers=tuple(_rows(connection, select(schema.wearer).order_by(schema.wearer.c.wearer_id))),
                periods=tuple(_rows(connection, select(schema.wear_period).order_by(schema.wear_period.c.id))),
                conditions=tuple(_rows(connection, select(schema.condition).order_by(schema.condition.c.id))),
                device_names={row.device_id: row.name for row in connection.execute(select(schema.device))},
            )

    def cursor(self) -> Cursor:
        with self._engine.connect() as connection:
            return _cursor(connection)

    def live(self) -> Rows:
        with self._engine.connect() as connection:
            return _rows(connection, select(schema.live))

    def newest_at_ms(self) -> int | None:
        """The newest event time of any device: what "now" means in a simulation. One step on the index for each device."""
        with self._engine.connect() as connection:
            newest = [
                connection.scalar(
                    select(schema.record.c.at_ms)
                    .where(schema.record.c.device_id == device_id, _SHOWN)
                    .order_by(schema.record.c.at_ms.desc())
                    .limit(1)
                )
                for device_id in connection.scalars(select(schema.device.c.device_id)).all()
            ]
        return max((at_ms for at_ms in newest if at_ms is not None), default=None)

    def news(self, after: Cursor, through: Cursor | None = None, limit: int = 5_000) -> News:
        """What came after one cursor, up to another (else to the end) or to `limit` records and `limit` events."""
        record, found, dated = schema.record, schema.event, schema.dated
        with self._engine.connect() as connection:
            end = through or _cursor(connection)
            rows = _rows(
                connection,
                select(record.c.id, record.c.kind, record.c.quarantine, *_FIX_COLUMNS)
                .where(record.c.id > after.record_id, record.c.id <= end.record_id)
                .order_by(record.c.id)
                .limit(limit),
            )
            events = _rows(
                connection,
                select(found).where(found.c.id > after.event_id, found.c.id <= end.event_id).order_by(found.c.id).limit(limit),
            )
            redated: set[int] = set()
            if end.dated_id > after.dated_id:
                redated = set(
                    connection.scalars(
                        select(record.c.device_id)
                        .join(dated, dated.c.record_id == record.c.id)
                        .where(dated.c.id > after.dated_id, dated.c.id <= end.dated_id)
                        .distinct()
                    )
                )
        shown = [row for row in rows if row["at_ms"] is not None and row["quarantine"] is None]
        reached = Cursor(
            rows[-1]["id"] if len(rows) == limit else max(end.record_id, after.record_id),
            events[-1]["id"] if len(events) == limit else max(end.event_id, after.event_id),
            max(end.dated_id, after.dated_id),
        )
        return News(
            cursor=reached,
            fixes=[row for row in shown if row["kind"] == FIX and row["lat_e7"] is not None and row["lon_e7"] is not None],
            newest_at_ms=max((row["at_ms"] for row in shown), default=None),
            events=events,
            redated=redated,
            complete=len(rows) < limit and len(events) < limit,
        )

    def track(self, wearer_id: str, from_ms: int, until_ms: int) -> Rows:
        """The fixes of `from_ms <= at_ms < until_ms` that a tag made while this wearer wore it, by time."""
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in queries.track(connection, wearer_id, from_ms, until_ms)]

    def events(self, after: int | None, before: int | None, wearer_id: str | None, limit: int) -> Rows:
        """Events by id, ascending: the first `limit` after an id, else the newest `limit` (before an id)."""
        found = schema.event
        query = select(found).limit(limit)
        if wearer_id is not None:
            query = query.where(found.c.wearer_id == wearer_id)
        if before is not None:
            query = query.where(found.c.id < before)
        query = query.where(found.c.id > after).order_by(found.c.id) if after is not None else query.order_by(found.c.id.desc())
        with self._engine.connect() as connection:
            return sorted(_rows(connection, query), key=lambda row: row["id"])

    def events_of(self, kinds: Iterable[str], since_ms: int, limit: int = 5_000) -> Rows:
        """Events of some kinds since a time, ascending by id; the newest `limit` of them."""
        found = schema.event
        query = (
            select(found).where(found.c.kind.in_(list(kinds)), found.c.at_ms >= since_ms).order_by(found.c.id.desc()).limit(limit)
        )
        with self._engine.connect() as connection:
            return sorted(_rows(connection, query), key=lambda row: row["id"])

    def superseded(self) -> set[int]:
        """Events that later records have shown to be otherwise: seldom any."""
        with self._engine.connect() as connection:
            return set(connection.scalars(select(schema.event.c.id).where(schema.event.c.superseded)))


def _rows(connection: Connection, query: Select[Any]) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]


def _cursor(connection: Connection) -> Cursor:
    def last(table: Any) -> int:
        return connection.scalar(select(func.max(table.c.id))) or 0

    # Events follow from records: read in this order, an event seen never lacks its record.
    event_id, dated_id = last(schema.event), last(schema.dated)
    return Cursor(last(schema.record), event_id, dated_id)
