"""`homeward devices`: which tags and home units there are, what runs on them, and when each was heard."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import tells
from tools.order import Data, open_data

if TYPE_CHECKING:
    from sqlalchemy import Engine

_WIDTH = 110  # a narrower terminal folds lines, which is easier to read than folded columns


@tells
def devices(
    data: Data = ".",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on standard output instead of a table.")] = False,
) -> None:
    """The devices that the bridge knows: firmware, board, battery, wearer, and when each was heard.

    Example:  homeward devices --data run/demo
    """
    engine = open_data(data, read_only=True)
    rows = _rows(engine)
    engine.dispose()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("device", "wearer", "online", "heard", "battery", "records"):
        numeric = title in ("battery", "records")
        table.add_column("heard (UTC)" if title == "heard" else title, justify="right" if numeric else "left", no_wrap=True)
    for title in ("board", "firmware"):
        table.add_column(title, overflow="fold")
    for row in rows:
        online = {True: "yes", False: "no", None: "?"}[row["online"]]
        battery = "" if row["battery"] is None else f"{row['battery']} %"
        firmware = f"{row['version'] or ''} {row['build'] or ''}".strip()
        heard = (row["heard"] or "never")[:16]
        table.add_row(
            row["device"], row["wearer"] or "", online, heard, battery, str(row["records"]), row["board"] or "", firmware
        )
    console = Console()
    Console(width=max(console.width, _WIDTH)).print(table)


def _rows(engine: "Engine") -> list[dict[str, Any]]:
    from sqlalchemy import func, select

    from bridge.store.schema import device, record, wear_period

    battery = (
        select(record.c.battery)
        .where(record.c.device_id == device.c.device_id, record.c.battery.is_not(None))
        .order_by(record.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    records = select(func.count()).where(record.c.device_id == device.c.device_id).scalar_subquery()
    wearer = (
        select(wear_period.c.wearer_id)
        .where((wear_period.c.tag_id == device.c.device_id) | (wear_period.c.hmu_id == device.c.device_id))
        .order_by(wear_period.c.from_ms.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (device, battery.label("battery"), records.label("records"), wearer.label("wearer"))
    with engine.connect() as connection:
        found = connection.execute(select(*columns).order_by(device.c.name)).all()
    return [
        {
            "device": row.name,
            "wearer": row.wearer,
            "online": row.online,
            "heard": None if row.heard_ms is None else f"{datetime.fromtimestamp(row.heard_ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}",
            "battery": row.battery,
            "records": row.records,
            "board": row.board,
            "version": row.version,
            "build": row.build,
        }
        for row in found
    ]
