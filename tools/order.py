"""`homeward order …`: ask a device for something, see what came of it, and list what was asked.

The order goes into the bridge's store with who asks and why; the running bridge sends it. Waiting ends with the device's answer,
when the order is too late, or by Ctrl-C: the order then goes on without us.
"""

import getpass
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import tells

if TYPE_CHECKING:
    from sqlalchemy import Engine, Row

app = typer.Typer(help="Orders to tags and home units: where is it, vibrate, test a room, another key.", no_args_is_help=True)

_POLL_S = 0.2
_STORE = "store.db"

Tag = Annotated[str, typer.Argument(metavar="TAG", help="The tag's name, such as tag-000001.", show_default=False)]
Unit = Annotated[str, typer.Argument(metavar="UNIT", help="The home unit's name, such as hmu-000001.", show_default=False)]
Device = Annotated[str, typer.Argument(metavar="DEVICE", help="tag-000001 or hmu-000001.", show_default=False)]
Data = Annotated[
    str, typer.Option("--data", metavar="DIR", help="The bridge's folder, which has store.db in it; or a store's path or URL.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept with the order and who gave it.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the device has answered.")]


@app.command()
@tells
def locate(tag: Tag, data: Data = ".", reason: Reason = "", wait: Wait = True) -> None:
    """Where is it now? A fix at once, or word that there was none. Given up after ten minutes.

    Example:  homeward order locate tag-000001 --data run/demo --reason "call from his sister"
    """
    from firmware.core import message

    _order(data, tag, message.ORDER_LOCATE, reason, wait)


@app.command()
@tells
def vibrate(
    tag: Tag,
    data: Data = ".",
    reason: Reason = "",
    wait: Wait = True,
    pattern: Annotated[str, typer.Option(metavar="short|long|thrice")] = "short",
) -> None:
    """Let the wearer feel it: short, long, or three times."""
    from firmware.core import message

    _order(data, tag, message.ORDER_VIBRATE, reason, wait, pattern=pattern)


@app.command("range-test")
@tells
def range_test(
    unit: Unit,
    room: Annotated[str, typer.Option(metavar="NAME", help="The room in which the tag is now.")],
    data: Data = ".",
    reason: Reason = "installation",
    wait: Wait = True,
    seconds: Annotated[int, typer.Option(metavar="S", help="How long it listens, 1 to 600.")] = 60,
) -> None:
    """How well the home unit hears its tag from a room; the result is kept under the room's name.

    Example:  homeward order range-test hmu-000001 --room "Back bedroom"
    """
    from firmware.core import message

    _order(data, unit, message.ORDER_RANGE_TEST, reason, wait, room=room, seconds=seconds)


@app.command("rotate-key")
@tells
def rotate_key(device: Device, data: Data = ".", reason: Reason = "", wait: Wait = True) -> None:
    """Give the device its next sealing key. The old one is refused as soon as the device has answered under the new one."""
    from firmware.core import message

    _order(data, device, message.ORDER_KEY, reason, wait)


@app.command()
@tells
def lease(tag: Tag, data: Data = ".", reason: Reason = "", wait: Wait = True) -> None:
    """Send the lease that follows from the wear period again. The bridge sends it by itself when it changes."""
    from firmware.core import message

    _order(data, tag, message.ORDER_LEASE, reason, wait)


@app.command()
@tells
def config(device: Device, data: Data = ".", reason: Reason = "", wait: Wait = True) -> None:
    """Send settings and zones again. The bridge sends them by itself when they change."""
    from firmware.core import message

    _order(data, device, message.ORDER_CONFIG, reason, wait)


@app.command("list")
@tells
def list_orders(
    data: Data = ".",
    device: Annotated[str | None, typer.Option(metavar="NAME", help="Of this device alone.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000)] = 50,
) -> None:
    """The orders asked last: when, by whom, why, and what came of it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from bridge.orders import asking
    from bridge.orders.payloads import WORDS

    engine = open_data(data, read_only=True)
    with engine.connect() as connection:
        device_id = None if device is None else asking.device_called(connection, device).device_id
        rows = asking.newest(connection, limit, device_id)
    table = Table("order", "asked", "device", "what", "by", "reason", "sent", "state", "took", box=None, pad_edge=False)
    for row in rows:
        took = f"{(row.done_ms - row.created_ms) / 1000:.1f} s" if row.done_ms is not None else ""
        asked = datetime.fromtimestamp(row.created_ms / 1000, UTC)
        words = [
            str(row.id),
            f"{asked:%Y-%m-%d %H:%M:%SZ}",
            row.name,
            WORDS.get(row.kind, str(row.kind)),
            row.by_whom,
            row.reason,
        ]
        table.add_row(*(escape(word) for word in words), f"{row.sent_count}×", _state(row), took)
    Console().print(table if rows else "no orders", highlight=False)
    engine.dispose()


def open_data(data: str, *, read_only: bool = False) -> "Engine":
    """The store in a folder, or the one named. ConfigError unless there is one."""
    from bridge.errors import ConfigError
    from bridge.store import open_store
    from tools.inputs import COMMAND_LINE

    if "://" in data:
        return open_store(data, read_only=read_only)
    path = Path(data)
    if path.is_dir():
        path = path / _STORE
    if not path.is_file():
        raise ConfigError(COMMAND_LINE, "--data", data, f"the bridge's folder with {_STORE} in it, or a store")
    open_store(path, read_only=True).dispose()  # never made, never brought up to date by who only asks
    return open_store(path, read_only=read_only)


def _order(data: str, name: str, kind: int, reason: str, wait: bool, **more: Any) -> None:
    from rich.console import Console

    from bridge.orders import asking
    from bridge.orders.payloads import WORDS

    console = Console()
    engine = open_data(data)
    order_id = asking.ask(engine, name, kind, by_whom=getpass.getuser(), reason=reason, **more)
    console.print(f"order {order_id}: {WORDS[kind]} for {name}", highlight=False)
    good = True
    if wait:
        reader = open_data(data, read_only=True)
        row = _wait(reader, order_id, console)
        _tell(reader, row, console)
        reader.dispose()
        good = row.state == "done"
    engine.dispose()
    if not good:
        raise typer.Exit(1)


def _wait(reader: "Engine", order_id: int, console: Any) -> "Row[Any]":
    """Until it is answered, given up or overtaken; each change is a line, on a terminal a spinner runs as well."""
    from bridge.orders import asking

    told = ""
    with console.status("waiting for the bridge") as status:
        while True:
            with reader.connect() as connection:
                row = asking.order_of(connection, order_id)
            if row.state not in ("queued", "sent"):
                return row
            news = "queued: the bridge has not taken it up yet" if row.state == "queued" else f"sent {row.sent_count}×"
            if news != told:
                told = news
                status.update(news)
                if not console.is_terminal:
                    console.print(news, highlight=False)
            time.sleep(_POLL_S)


def _state(row: "Row[Any]") -> str:
    from bridge.orders.payloads import ANSWERS

    return ANSWERS.get(row.status, f"refused: {row.status}") if row.state == "refused" else row.state


def _tell(engine: "Engine", row: "Row[Any]", console: Any) -> None:
    from zoneinfo import ZoneInfo

    from bridge.orders import asking
    from bridge.store.settings import get_settings

    took = f" after {(row.done_ms - row.created_ms) / 1000:.1f} s" if row.done_ms is not None else ""
    console.print(f"{_state(row)}{took}", highlight=False, markup=False)
    with engine.connect() as connection:
        found = asking.answer(connection, row)
        zone = ZoneInfo(get_settings(connection).get("timezone", "UTC"))
    if found is not None:
        at = datetime.fromtimestamp(found.at_ms / 1000, UTC)
        radius = "unknown radius" if found.radius_dm is None else f"± {found.radius_dm / 10:.1f} m (95 %)"
        where = f"{found.lat_e7 / 1e7:.7f}, {found.lon_e7 / 1e7:.7f}  {radius}"
        console.print(where, highlight=False)
        console.print(f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z} ({at:%H:%M:%S} UTC)", highlight=False)
    if row.result:
        result = row.result
        told = f"{result['frames']} frames, median {result['median_dbm']} dBm, lowest {result['lowest_dbm']} dBm"
        console.print(f"{result['room']}: {told}", highlight=False, markup=False)
