"""`homeward ca …`: the scheme's own authority, its fleet key, and how to keep both off the machine at the bench."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import tells
from tools.provision.command import STATE, StateFolder

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tools.provision.state import State

app = typer.Typer(
    no_args_is_help=True,
    help="""The scheme's own authority, and the folder of its secrets.

    A scheme has two secrets that everything else follows from: [bold]fleet.key[/]
    (every device's keys) and [bold]tls/ca.key[/] (who is who at the broker). `ca init`
    makes both, in one folder of mode 0700 with files of 0600; nothing ever prints
    or logs them. Whoever has them can be any device, so keep them off the laptop
    at the bench:

    [bold]1. On a stick.[/] Keep the whole folder on an encrypted stick, plug it in to
    provision, and name it in --state, or once for all in HOMEWARD_STATE.
    Keep a second one in another safe: without fleet.key nobody can open what
    devices send.

    [bold]2. On a machine without network.[/] There, `ca kit` puts the keys and
    certificates of the devices that are to be provisioned, and nothing else, into
    another folder. Carry that one to the bench, give it to --state, and delete it
    when they are done. A kit that is lost costs its own devices, not the scheme.

    [bold]3. Certificates alone.[/] Take tls/ca.key away, to a stick or to that machine.
    Then `ca request NAME` makes a key that stays where it is used, and a request;
    `ca sign`, where ca.key is, answers it; `ca accept` takes the answer. So the
    broker's key never leaves the broker's machine.

    The bridge needs fleet.key, for it opens records; it never needs ca.key.
    A device that is lost or retired is let in until the broker has its users anew
    (homeward inventory users).
    """,
)
NameArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="broker, bridge, or a device's name such as tag-000001.", show_default=False),
]
Names = Annotated[
    list[str] | None, typer.Option("--name", metavar="HOST", help="Another name or address of the broker; may come again.")
]


@app.command()
@tells
def init(
    broker: Annotated[
        str, typer.Option(metavar="HOST[:PORT]", help="The broker as devices reach it; port 8883 if none is given.")
    ],
    state: StateFolder = STATE,
    scheme: Annotated[str, typer.Option(metavar="NAME", help="Stands in the authority's certificate.")] = "homeward",
    store: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="The bridge's store: a path or URL.", show_default="store.db in the folder"),
    ] = None,
) -> None:
    """Begin a scheme: fleet key, authority, the broker's and the bridge's certificate, and the bridge's settings.

    What is there stays as it is; what is missing is made.

    Example:  homeward ca init --broker broker.example --state /media/stick/scheme
    """
    from tools.provision.state import begin

    made = begin(state, broker, store, scheme)
    typer.echo(f"{state}: " + ("made " + ", ".join(made) if made else "all of it is there already"))
    if "fleet.key" in made or "tls/ca.crt" in made:
        typer.echo(
            "Keep a copy of this folder in a safe: without fleet.key nobody can open what devices send. homeward ca --help"
        )


@app.command()
@tells
def show(
    state: StateFolder = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output instead of a table.")] = False,
) -> None:
    """The authority's fingerprint, what it has issued and until when, and which secrets lie in this folder."""
    from cryptography.hazmat.primitives.hashes import SHA256

    from bridge.broker.authority import RENEW_DAYS
    from tools.provision.state import KITS

    scheme = _scheme(state)
    authority = scheme.authority
    issued = {name: identity.certificate for name, identity in authority.issued().items()}
    kits = sorted(path.stem for path in (scheme.folder / KITS).glob("*.json"))
    about: dict[str, Any] = {
        "authority": authority.certificate.subject.rfc4514_string(),
        "sha256": authority.certificate.fingerprint(SHA256()).hex(":").upper(),
        "until": _day(authority.certificate),
        "broker": scheme.site.broker,
        "secrets_here": {"fleet_key": scheme.has_fleet_key, "authority_key": authority.can_issue, "kits": len(kits)},
        "issued": [
            {
                "name": name,
                "until": _day(certificate),
                "days_left": _days_left(certificate),
                "serial_number": f"{certificate.serial_number:x}",
                "renew": _days_left(certificate) < RENEW_DAYS["server" if name == "broker" else "client"],
            }
            for name, certificate in issued.items()
        ],
    }
    if as_json:
        typer.echo(json.dumps(about, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{about['authority']}, until {about['until']}\nSHA-256 {about['sha256']}")
    here = [name for name, is_here in (("fleet.key", scheme.has_fleet_key), ("tls/ca.key", authority.can_issue)) if is_here]
    here += [f"{len(kits)} kits"] if kits else []
    typer.echo(f"secrets in {scheme.folder}: {', '.join(here) or 'none'}\nbroker {about['broker']}\n")
    table = Table("name", "until", "days left", "", box=None, pad_edge=False, header_style="bold")
    for row in about["issued"]:
        table.add_row(row["name"], row["until"], str(row["days_left"]), "renew" if row["renew"] else "")
    Console().print(table if issued else "nothing was issued yet", highlight=False)


@app.command()
@tells
def renew(names: NameArgument, state: StateFolder = STATE, hosts: Names = None) -> None:
    """A new key and certificate for each. A device gets its own the next time that it is provisioned.

    Example:  homeward ca renew broker --name broker.example --name 192.0.2.7
    """
    scheme = _scheme(state)
    for name in names:
        if name == "broker":
            identity = scheme.authority.server([scheme.broker[0], *(hosts or ())], renew=True)
        else:
            identity = scheme.authority.client(name, renew=True)
        typer.echo(f"{name}: until {_day(identity.certificate)}")


@app.command()
@tells
def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ca, broker or bridge.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to; made if it is not there.")],
    state: StateFolder = STATE,
) -> None:
    """Copy what another machine needs: the authority's certificate, and with broker or bridge its certificate and key (0600).

    Example:  homeward ca export broker --out /media/stick/for-the-broker
    """
    from bridge.broker.process import write_secret
    from bridge.errors import ConfigError
    from tools.inputs import COMMAND_LINE

    authority = _scheme(state).authority
    files = [authority.certificate_file]
    if name != "ca":
        identity = authority.issued().get(name)
        if identity is None:
            known = ", ".join(["ca", *authority.issued()])
            raise ConfigError(COMMAND_LINE, "NAME", name, f"one of {known}")
        files += [identity.certificate_file, identity.key_file]
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in files:
        if not file.exists():
            raise ConfigError(file, "key", "no such file", "a key: was it made on another machine, by `homeward ca request`?")
        write_secret(out / file.name, file.read_text("utf-8"))
        typer.echo(out / file.name)


@app.command()
@tells
def kit(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Devices; TAG:UNIT pairs a tag with its home unit.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder to carry to the bench; made if it is not there.")],
    state: StateFolder = STATE,
    key: Annotated[int, typer.Option(metavar="N", min=1, max=255, help="The key's number, when the bench asks for another.")] = 1,
) -> None:
    """Put the keys and certificates of some devices into a folder for the bench.

    There:  homeward ca kit tag-000007:hmu-000007 hmu-000007 --out THURSDAY

    At the bench:  homeward provision tag-000007 --state THURSDAY

    And back where the inventory is:  homeward inventory import THURSDAY
    """
    import getpass

    from bridge import inventory
    from bridge.errors import ConfigError
    from firmware.core import ident
    from tools.inputs import COMMAND_LINE

    scheme = _scheme(state)
    shard, me = scheme.site.shard, getpass.getuser()
    wanted = []
    for given in names:
        name, _, unit = given.partition(":")
        try:
            device_id = ident.parse_device_name(name)
            if unit and (name[:3], ident.device_class(ident.parse_device_name(unit))) != ("tag", ident.HMU):
                raise ValueError
        except ValueError:
            raise ConfigError(COMMAND_LINE, "NAME", given, "tag-000007:hmu-000007, tag-000007 or hmu-000007") from None
        wanted.append((name, device_id, unit))
    engine = scheme.open_store()
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    with engine.begin() as connection:
        # All pairs before the first kit: a home unit's holds its tags.
        for name, device_id, unit in wanted:
            inventory.plan(connection, name, shard)
            if unit:
                inventory.pair(connection, name, unit, me, shard)
            inventory.pair_by_scheme(connection, device_id, me, shard)
        for name, device_id, _ in wanted:
            partners, slot, home = inventory.place_of(connection, device_id)
            called = [ident.device_name(partner) for partner in partners]
            household = None if home is None else ident.device_name(home)
            typer.echo(scheme.write_kit(out, name, household, called, slot, key))
    engine.dispose()


@app.command()
@tells
def request(
    name: Annotated[str, typer.Argument(metavar="NAME", help="broker, bridge, or a device's name.", show_default=False)],
    state: StateFolder = STATE,
) -> None:
    """Make a key that stays here, and a request for its certificate, to be signed where the authority's key is."""
    typer.echo(_scheme(state).authority.request(name))


@app.command()
@tells
def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A request that `ca request` has made.", show_default=False)],
    state: StateFolder = STATE,
    hosts: Names = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is the request that you expect.")] = False,
) -> None:
    """Sign a request, and put the certificate beside it."""
    import sys

    from bridge.broker.process import write_secret
    from bridge.errors import ConfigError

    scheme = _scheme(state)
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise ConfigError(file, "request", str(file), f"a file that can be read ({error.strerror})") from None
    name, certificate = scheme.authority.sign(pem, [scheme.broker[0], *(hosts or ())])
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(file, "name", name, "--yes, if a certificate for that name is meant")
        if not typer.confirm(f"Sign a certificate for {name}?"):
            raise typer.Exit(1)
    target = file.with_suffix(".crt")
    write_secret(target, certificate.decode("ascii"))
    typer.echo(target)


@app.command()
@tells
def accept(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The certificate that came back.", show_default=False)],
    state: StateFolder = STATE,
) -> None:
    """Take the certificate that answers a request of this folder."""
    from bridge.errors import ConfigError

    try:
        pem = file.read_bytes()
    except OSError as error:
        raise ConfigError(file, "certificate", str(file), f"a file that can be read ({error.strerror})") from None
    identity = _scheme(state).authority.accept(pem)
    typer.echo(f"{identity.certificate_file}: until {_day(identity.certificate)}")


def _scheme(folder: Path) -> "State":
    from tools.provision.state import State

    return State(folder)


def _day(certificate: "Certificate") -> str:
    return f"{certificate.not_valid_after_utc:%Y-%m-%d}"


def _days_left(certificate: "Certificate") -> int:
    return (certificate.not_valid_after_utc - datetime.now(UTC)).days
