"""Sending a release to devices: asking for it in the store, handing out what a device asks for, and how far each one is.

The bridge sends each device an ORDER_UPDATE; the device then asks for pieces of the release's image by UPDATE records, in its own
time, and says at the end what became of it (`firmware/core/update.py`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, insert, select, update

from bridge.errors import ConfigError
from bridge.orders.asking import device_called, now_ms
from bridge.orders.payloads import update_payload
from bridge.store import schema
from firmware.core import message

from .bundle import Bundle
from .shelf import put

_table = schema.orders


class Wanted(NamedTuple):
    """What an UPDATE record asks for: so many pieces of the image from an offset on; 0 pieces: the device has taken the order."""

    number: int
    offset: int
    pieces: int


def wanted(value_a: int, value_b: int) -> Wanted:
    """Of the record's two values, which are signed."""
    return Wanted(value_a & 0xFFFFFFFF, value_b & 0xFFFFFF, value_b >> 24 & 0xFF)


def pieces(asked: Wanted, image: bytes) -> list[bytes]:
    """The DOWN bodies that answer it; none beyond the image's end."""
    step = message.UPDATE_DATA_MAX
    end = min(asked.offset + asked.pieces * step, len(image))
    return [
        message.pack_update(asked.number, at, image[at : min(at + step, end)]) for at in range(asked.offset, max(end, 0), step)
    ]


def ask(
    engine: Engine, names: Sequence[str], bundle: Bundle, *, by_whom: str, reason: str = "", allow_older: bool = False
) -> list[int]:
    """Have devices sent a release; the ids of their orders. ConfigError, and nobody is asked, when one of them cannot take it."""
    manifest = bundle.manifest
    payload = update_payload(manifest.to_bytes(), manifest.number, manifest.board, allow_older)
    with engine.begin() as connection:
        rows = [device_called(connection, name) for name in dict.fromkeys(names)]
        for row in rows:
            _refuse_unfit(row, bundle)
        put(connection, bundle, by_whom)
        moment = now_ms(connection)
        detail = {"release": bundle.sha256, "version": manifest.version, "build": manifest.build, "size": len(bundle.image)}
        out = []
        for row in rows:
            values = {
                "device_id": row.device_id,
                "kind": message.ORDER_UPDATE,
                "payload": payload,
                "detail": detail,
                "by_whom": by_whom,
                "reason": reason,
                "created_ms": moment,
                "state": "queued",
            }
            out.append(connection.execute(insert(_table).values(values)).inserted_primary_key[0])  # pyright: ignore
    return out


def _refuse_unfit(row: Row[Any], bundle: Bundle) -> None:
    manifest = bundle.manifest
    if row.kind != manifest.kind:
        raise ConfigError(row.name, "device", row.kind, f"a {manifest.kind}: the release is for {manifest.board}")
    if row.board is not None and row.board != manifest.board:
        raise ConfigError(row.name, "board", row.board, f"{manifest.board}, which the release is for")


def noted(connection: Connection, row: Row[Any], asked: Wanted, size: int, at_ms: int) -> None:
    """A device has asked: how far it is, for those who watch."""
    before = row.result or {}
    result = {"at": max(asked.offset, before.get("at", 0)), "size": size, "asks": before.get("asks", 0) + 1, "asked_ms": at_ms}
    connection.execute(update(_table).where(_table.c.id == row.id).values(result=result))


def devices_for(connection: Connection, bundle: Bundle) -> list[str]:
    """The devices whose board, by their own word, is the release's, and that do not run it already."""
    table = schema.device
    mine = (table.c.board == bundle.manifest.board) & table.c.build.is_distinct_from(bundle.manifest.build)
    return list(connection.execute(select(table.c.name).where(mine).order_by(table.c.name)).scalars())


def progress(connection: Connection, ids: Sequence[int] | None = None, limit: int = 200) -> list[Row[Any]]:
    """The updates asked last, the newest first: the order's columns, and of its device `name`, `running` and `heard_ms`."""
    device = schema.device
    columns = (_table, device.c.name, device.c.build.label("running"), device.c.heard_ms)
    statement = select(*columns).join(device).where(_table.c.kind == message.ORDER_UPDATE)
    if ids is not None:
        statement = statement.where(_table.c.id.in_(ids))
    return list(connection.execute(statement.order_by(_table.c.id.desc()).limit(limit)))
