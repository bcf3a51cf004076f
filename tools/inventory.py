"""`homeward inventory …`: the devices of a scheme, their boards, pairs and labels."""

import getpass
import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import tells
from tools.provision.command import STATE, StateFolder, typed_name

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

app = typer.Typer(
    no_args_is_help=True,
    help="The devices of a scheme: which board each is, who belongs to whom, what the bench did, and labels to print.",
)
Device = Annotated[
    str, typer.Argument(metavar="NAME", help="tag-000001, or what a scanner reads from its label.", show_default=False)
]
_STATES = {"planned": "planned", "begun": "half done: provision it again", "ready": "ready", "retired": "retired"}


@app.command("list")
@tells
def list_devices(
    state: StateFolder = STATE,
    everything: Annotated[bool, typer.Option("--all", help="Retired ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on standard output instead of a table.")] = False,
) -> None:
    """The devices: home unit and slot, board, USB serial number, certificate, and what is still to be done."""
    from bridge import inventory

    engine = _store(state)
    with engine.connect() as connection:
        rows = [_told(connection, row) for row in inventory.entries(connection) if everything or row.state != "retired"]
    engine.dispose()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("device", "home unit", "slot", "state", "USB", "provisioned", "certificate"):
        table.add_column(title, no_wrap=True)
    table.add_column("board", overflow="fold")
    for row in rows:
        is_stale = row["state"] == "ready" and row["stale"]
        words = "ready, but its pair changed: provision it again" if is_stale else _STATES[row["state"]]
        slot = "" if row["slot"] is None else str(row["slot"])
        table.add_row(
            row["device"], row["home_unit"] or "", slot, words, row["usb_serial"] or "", (row["provisioned"] or "never")[:10],
            row["certificate_until"] or "", row["board"] or "",
        )  # fmt: skip
    console = Console()
    Console(width=max(console.width, 130)).print(table if rows else "the inventory is empty", highlight=False)


@app.command()
@tells
def show(
    name: Device,
    state: StateFolder = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output.")] = False,
) -> None:
    """All that is known of a device, and what the bench did to it, by whom and when."""
    from bridge import inventory

    engine = _store(state)
    device = typed_name(name)
    with engine.connect() as connection:
        device_id = inventory.known(connection, device).device_id
        row = next(row for row in inventory.entries(connection) if row.device_id == device_id)
        about = _told(connection, row)
        use = inventory.use_of(connection, device_id)
        log = [
            {"at": _moment(entry.at_ms), "by": entry.by_whom, "what": entry.what, "detail": entry.detail}
            for entry in inventory.history(connection, device_id)
        ]
    engine.dispose()
    if as_json:
        typer.echo(json.dumps({**about, "use": use, "log": log}, indent=1))
        return
    for key, value in about.items():
        if value not in (None, "", []):
            typer.echo(f"{key.replace('_', ' '):18} {', '.join(value) if isinstance(value, list) else value}")
    if use:
        typer.echo(f"{'in use':18} {use}")
    for entry in log:
        typer.echo(f"{entry['at']}  {entry['what']} by {entry['by']}: {_detail(entry['what'], entry['detail'])}")


@app.command()
@tells
def retire(
    name: Device,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.")],
    state: StateFolder = STATE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, also when it is in use.")] = False,
) -> None:
    """For good: broken, lost or stolen. Nobody gets its number again; its board may become another device.

    The broker lets it in until it has its users anew (homeward inventory users).

    Example:  homeward inventory retire tag-000007 --reason "strap clip broken"
    """
    from bridge import inventory
    from tools.provision.command import confirm_use

    engine = _store(state)
    device = typed_name(name)
    with engine.connect() as connection:
        row = inventory.known(connection, device)
        use = inventory.use_of(connection, row.device_id)
    if row.state != "retired" and use:
        confirm_use(device, [use], yes, "Retire it all the same?")
    with engine.begin() as connection:
        inventory.retire(connection, device, getpass.getuser(), reason)
    engine.dispose()
    typer.echo(f"{device}: retired")


@app.command()
@tells
def pair(
    tag: Annotated[str, typer.Argument(metavar="TAG", show_default=False)],
    unit: Annotated[str, typer.Argument(metavar="UNIT", show_default=False)],
    state: StateFolder = STATE,
) -> None:
    """This tag belongs to this home unit. Both learn of it when they are provisioned, which `inventory list` says.

    Example:  homeward inventory pair tag-000007 hmu-000003
    """
    from bridge import inventory

    scheme = _state(state)
    engine = scheme.open_store()
    names = typed_name(tag), typed_name(unit)
    with engine.begin() as connection:
        is_news = inventory.pair(connection, *names, getpass.getuser(), scheme.site.shard)
    typer.echo(f"{names[0]} belongs to {names[1]}" + ("" if is_news else " already"))
    _tell_stale(engine)


@app.command()
@tells
def unpair(name: Device, state: StateFolder = STATE) -> None:
    """This tag belongs to no home unit; or this home unit has no tags."""
    from bridge import inventory

    engine = _store(state)
    device = typed_name(name)
    with engine.begin() as connection:
        tags = inventory.unpair(connection, inventory.known(connection, device).device_id, getpass.getuser())
    typer.echo("unpaired: " + (", ".join(tags) or "nothing was"))
    _tell_stale(engine)


class Broker(StrEnum):
    nats = "nats"
    mosquitto = "mosquitto"


@app.command()
@tells
def users(
    broker: Annotated[Broker, typer.Option(help="Whose form.")] = Broker.nats,
    state: StateFolder = STATE,
) -> None:
    """Whom the broker lets in, and to which topics: for its configuration.

    Everybody is known by certificate, so there is no secret in it. A retired device
    is not in it any more: have the broker read it again after each change.

    Example:  homeward inventory users > /etc/nats/users.conf
    """
    from bridge import inventory
    from bridge.broker import mosquitto, nats

    engine = _store(state)
    with engine.connect() as connection:
        found = inventory.broker_users(connection)
    engine.dispose()
    typer.echo((nats.authorization_text(found, True) if broker == Broker.nats else mosquitto.acl_text(found)).rstrip())


@app.command("import")
@tells
def take_over(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A bench's own folder, as `homeward ca kit` made it.", show_default=False)
    ],
    state: StateFolder = STATE,
) -> None:
    """Enter what a bench with a kit has done. Its folder is of no more use then: delete it.

    Example:  homeward inventory import /media/stick/thursday
    """
    from bridge import inventory

    bench, engine = _state(folder).open_store(read_only=True), _store(state)
    with bench.connect() as theirs, engine.begin() as connection:
        news = inventory.take_over(connection, theirs)
    for each in (bench, engine):
        each.dispose()
    typer.echo("entered: " + (", ".join(news) or "nothing that was not here"))


@app.command()
@tells
def label(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", show_default="all that are ready")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A .png, .svg or .pdf; several labels are a sheet.")] = Path(
        "labels.pdf"
    ),
    text: Annotated[str, typer.Option(metavar="TEXT", help='A line below the name, such as "If found: 01234 567890".')] = "",
    skip: Annotated[int, typer.Option(metavar="N", min=0, max=23, help="Places of the sheet that are gone already.")] = 0,
    state: StateFolder = STATE,
) -> None:
    """Draw labels: a QR code, the name, and nothing about any wearer. Sheets are A4 with 24 labels of 63.5 × 33.9 mm (L7159).

    Example:  homeward inventory label tag-000007 hmu-000007 --out two.pdf --skip 3
    """
    from bridge import inventory
    from bridge.errors import ConfigError
    from tools.provision.labels import check_target, write_labels

    check_target(out, "--out")
    engine = _store(state)
    with engine.connect() as connection:
        if names:
            devices = [typed_name(name) for name in names]
            for device in devices:
                inventory.known(connection, device)
        else:
            devices = [row.name for row in inventory.entries(connection) if row.state == "ready"]
    engine.dispose()
    if not devices:
        raise ConfigError("inventory", "devices", "none", "devices that are provisioned, or names")
    write_labels(out, devices, text, skip)
    typer.echo(f"{out}: {len(devices)} label{'s' if len(devices) > 1 else ''}")


def _state(folder: Path) -> Any:
    from tools.provision.state import State

    return State(folder)


def _store(folder: Path) -> "Engine":
    return _state(folder).open_store()


def _told(connection: "Connection", row: "Row[Any]") -> dict[str, Any]:
    from bridge import inventory
    from firmware.core import ident
    from tools.provision.code import encode

    partners, slot, unit = inventory.place_of(connection, row.device_id)
    is_tag = ident.device_class(row.device_id) == ident.TAG
    return {
        "device": row.name,
        "state": row.state,
        "stale": row.state == "ready" and inventory.is_stale(connection, row),
        "home_unit": ident.device_name(unit) if is_tag and unit is not None else None,
        "slot": slot if is_tag and unit is not None else None,
        "tags": [] if is_tag else [ident.device_name(partner) for partner in partners],
        "board": row.board,
        "chip": row.chip,
        "usb_serial": row.usb_serial,
        "shard": row.shard,
        "key": row.key_id,
        "certificate": row.certificate,
        "certificate_until": None if row.certificate_until_ms is None else _moment(row.certificate_until_ms)[:10],
        "provisioned": None if row.provisioned_ms is None else _moment(row.provisioned_ms),
        "heard": None if row.heard_ms is None else _moment(row.heard_ms),
        "label": encode(row.name),
    }


def _moment(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def _detail(what: str, detail: dict[str, Any]) -> str:
    if what == "provisioned":
        return "wrote " + (", ".join(detail["wrote"]) or "nothing new")
    if what == "retired":
        return str(detail["reason"])
    return f"{detail['tag']} and {detail['home_unit']}, slot {detail['slot']}" if "slot" in detail else json.dumps(detail)


def _tell_stale(engine: "Engine") -> None:
    from bridge import inventory

    with engine.connect() as connection:
        for row in inventory.entries(connection):
            if row.state == "ready" and inventory.is_stale(connection, row):
                typer.echo(f"  {row.name} does not know of it yet: plug it in, and `homeward provision {row.name}`")
    engine.dispose()
