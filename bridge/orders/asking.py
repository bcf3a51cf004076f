"""Asking a device for something: an order put into the store, for the bridge to send. For the command line, the console, a bench.

Who asks and why is kept with the order for good. The bridge, which may be another process, takes it up within a quarter of a
second and gives it its number; `answer` reads what became of it.
"""

import time
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from bridge.errors import ConfigError
from bridge.store import schema
from bridge.store.settings import get_settings
from firmware.core import ident, message, record

from .payloads import RANGE_TEST_S_MAX, WORDS, range_test_payload, vibrate_payload

EXPIRES_MS = {message.ORDER_LOCATE: 600_000, message.ORDER_VIBRATE: 600_000, message.ORDER_RANGE_TEST: 900_000}
KEY_ID_MAX = 255
_TAGS_ONLY = (message.ORDER_LEASE, message.ORDER_LOCATE, message.ORDER_VIBRATE)
_table = schema.orders


class Answer(NamedTuple):
    """The fix that answers a locate order. Times in ms UTC."""

    lat_e7: int
    lon_e7: int
    radius_dm: int | None
    at_ms: int


def now_ms(connection: Connection) -> int:
    """The time of this store: the host's, or the newest record's where time is simulated."""
    if get_settings(connection).get("clock") == "records":
        return connection.execute(select(func.max(schema.device.c.heard_ms))).scalar() or 0
    return time.time_ns() // 1_000_000


def device_called(connection: Connection, name: str) -> Row[Any]:
    """The device's row. ConfigError when there is none of that name."""
    row = connection.execute(select(schema.device).where(schema.device.c.name == name)).first()
    if row is None:
        names = connection.execute(select(schema.device.c.name).order_by(schema.device.c.name).limit(6)).scalars().all()
        known = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "none is known yet"
        raise ConfigError("order", "device", name, f"the name of a device in this store: {known}")
    return row


def ask(
    engine: Engine, name: str, kind: int, *, by_whom: str, reason: str = "",
    pattern: str = "short", room: str = "", seconds: int = 60, at_ms: int | None = None,
) -> int:  # fmt: skip
    """Put an order into the store; its id. ConfigError naming device, field and value when that device is not asked for this.
    `at_ms`: when it is asked; None is now."""
    with engine.begin() as connection:
        device = device_called(connection, name)
        if kind in _TAGS_ONLY and ident.device_class(device.device_id) != ident.TAG:
            raise ConfigError(name, "device", name, f"a tag: {WORDS[kind]} is nothing for a home unit")
        if kind == message.ORDER_RANGE_TEST and ident.device_class(device.device_id) != ident.HMU:
            raise ConfigError(name, "device", name, "a home unit: a range test is made by one")
        moment = now_ms(connection) if at_ms is None else at_ms
        payload, detail = _content(connection, device, kind, pattern, room, seconds)
        if kind in (message.ORDER_LEASE, message.ORDER_CONFIG):
            _refuse_never_worn(connection, device, kind)
        expires = EXPIRES_MS.get(kind)
        values = {
            "device_id": device.device_id,
            "kind": kind,
            "payload": payload,
            "detail": detail,
            "by_whom": by_whom,
            "reason": reason,
            "created_ms": moment,
            "expires_ms": None if expires is None else moment + expires,
            "state": "queued",
        }
        return connection.execute(insert(_table).values(values)).inserted_primary_key[0]  # pyright: ignore


def note_provisioned(engine: Engine, name: str, kind: int, payload: bytes, number: int) -> None:
    """A lease or config that a bench has put on the device itself: the bridge need not send it again."""
    with engine.begin() as connection:
        put_provisioned(connection, name, kind, payload, number)


def put_provisioned(connection: Connection, name: str, kind: int, payload: bytes, number: int) -> None:
    """`note_provisioned` in a transaction of the caller's. What is on its way and older the device would refuse from now on."""
    device = device_called(connection, name)
    moment = now_ms(connection)
    older = (_table.c.device_id == device.device_id) & (_table.c.kind == kind) & (_table.c.number < number)
    connection.execute(update(_table).where(older, _table.c.state == "sent").values(state="replaced"))
    values = {
        "device_id": device.device_id,
        "number": number,
        "kind": kind,
        "payload": payload,
        "detail": {},
        "by_whom": "bench",
        "reason": "provisioned",
        "created_ms": moment,
        "state": "done",
        "status": message.DONE,
        "done_ms": moment,
    }
    connection.execute(insert(_table).values(values))


def next_number(connection: Connection, device_id: int, now_ms: int) -> int:
    """For a device's next order: numbers grow strictly, and are the time in s where that grows faster."""
    last = connection.execute(select(func.max(_table.c.number)).where(_table.c.device_id == device_id)).scalar() or 0
    return max(last + 1, now_ms // 1000)


def answer(connection: Connection, order: Row[Any]) -> Answer | None:
    """The fix that a locate order brought: the last one before the device said that it was done."""
    if order.kind != message.ORDER_LOCATE or order.state != "done" or order.done_seq is None:
        return None
    table = schema.record
    mine = (table.c.device_id == order.device_id) & (table.c.seq < order.done_seq) & (table.c.seq >= order.done_seq - 20)
    statement = select(table).where(mine, table.c.kind == record.FIX, table.c.quarantine.is_(None), table.c.at_ms.is_not(None))
    row = connection.execute(statement.order_by(table.c.seq.desc()).limit(1)).first()
    return None if row is None else Answer(row.lat_e7, row.lon_e7, row.radius_dm, row.at_ms)


def order_of(connection: Connection, order_id: int) -> Row[Any]:
    return connection.execute(select(_table).where(_table.c.id == order_id)).one()


def newest(connection: Connection, limit: int = 50, device_id: int | None = None) -> list[Row[Any]]:
    """The orders asked last, the newest first, with the device's `name`."""
    statement = select(_table, schema.device.c.name).join(schema.device)
    if device_id is not None:
        statement = statement.where(_table.c.device_id == device_id)
    return list(connection.execute(statement.order_by(_table.c.id.desc()).limit(limit)))


def _content(
    connection: Connection, device: Row[Any], kind: int, pattern: str, room: str, seconds: int
) -> tuple[bytes | None, dict[str, Any]]:
    """Payload and detail. None: made when it is sent."""
    try:
        if kind == message.ORDER_LOCATE:
            return b"", {}
        if kind == message.ORDER_VIBRATE:
            return vibrate_payload(pattern), {"pattern": pattern}
        if kind == message.ORDER_RANGE_TEST:
            if not room.strip():
                raise ConfigError(device.name, "room", room, "the name of the room in which the tag is")
            number = _room_number(connection, device.device_id, room)
            if not 1 <= seconds <= RANGE_TEST_S_MAX:
                raise ConfigError(device.name, "seconds", seconds, f"1 to {RANGE_TEST_S_MAX}")
            return range_test_payload(number, seconds), {"room": room, "number": number, "seconds": seconds}
        if kind == message.ORDER_KEY:
            return None, {"key_id": _next_key(connection, device)}
    except ValueError as error:
        raise ConfigError(device.name, "order", WORDS[kind], str(error)) from None
    return None, {}


def _next_key(connection: Connection, device: Row[Any]) -> int:
    if device.key_id is None:
        raise ConfigError(device.name, "device", device.name, "a device that was heard before: its key of now is not known")
    open_now = (_table.c.device_id == device.device_id) & (_table.c.kind == message.ORDER_KEY)
    if connection.execute(select(_table.c.id).where(open_now, _table.c.state.in_(("queued", "sent")))).first():
        raise ConfigError(
            device.name, "key", device.key_id + 1, "the end of the rotation that is on its way (homeward order list)"
        )
    if device.key_id >= KEY_ID_MAX:
        raise ConfigError(device.name, "key", device.key_id, "a number below 255: provision the device anew")
    return device.key_id + 1


def _room_number(connection: Connection, device_id: int, room: str) -> int:
    """The number of a room's name at this home unit: the one it had before, else the next."""
    mine = (_table.c.device_id == device_id) & (_table.c.kind == message.ORDER_RANGE_TEST)
    details = connection.execute(select(_table.c.detail).where(mine)).scalars()
    rooms = {detail["room"]: detail["number"] for detail in details}
    number = rooms.get(room) or max(rooms.values(), default=0) + 1
    if number > 255:
        raise ConfigError(ident.device_name(device_id), "room", room, "one of the 255 that it was tested in")
    return number


def _refuse_never_worn(connection: Connection, device: Row[Any], kind: int) -> None:
    table = schema.wear_period
    worn = select(table.c.id).where((table.c.tag_id == device.device_id) | (table.c.hmu_id == device.device_id))
    if connection.execute(worn).first() is None:
        raise ConfigError(device.name, "wear period", None, f"a wear period in the scheme: {WORDS[kind]} follows from it")
