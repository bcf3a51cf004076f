"""`homeward release …`: the command line of releases."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.failures import tells
from tools.order import Data, Reason, Wait, open_data

if TYPE_CHECKING:
    from bridge.releases import Bundle

app = typer.Typer(help="Releases of the firmware: build, sign, verify, and send to devices.", no_args_is_help=True)

KEYS = Path("release-keys")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A release, homeward-….hwr.", show_default=False)]
Trusted = Annotated[Path, typer.Option("--trust", metavar="FILE", help="The public keys that are trusted, in PEM.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output instead of text.")]


@app.command()
@tells
def keys(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where release.key and release.pub are made.")] = KEYS,
) -> None:
    """Make the pair of keys that releases are signed and verified with.

    release.key (mode 0600) signs: keep it where releases are built, and a copy off the machine. release.pub goes to the bridge.

    Example:  homeward release keys --out ~/homeward-release
    """
    from bridge.releases.signing import fingerprint, load_trusted, make_keys

    private, public = make_keys(out)
    typer.echo(f"{private}: signs; nobody but you can read it, and no bridge needs it")
    typer.echo(f"{public}: for every bridge (release_keys_file); its fingerprint is {fingerprint(load_trusted(public)[0])}")


@app.command()
@tells
def build(
    board: Annotated[list[str] | None, typer.Option("--board", metavar="BOARD", help="For this board; may be repeated.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path("dist"),
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="What signs.")] = KEYS / "release.key",
    number: Annotated[
        int | None, typer.Option(min=1, max=0xFFFFFFFF, metavar="N", help="Its place in time, instead of the sources' own.")
    ] = None,
    arch: Annotated[
        str | None, typer.Option(metavar="ARCH", help='Another processor than the board\'s own: x64 for this host, "" for plain.')
    ] = None,
) -> None:
    """Compile the firmware and sign it: one file a board, for all boards unless some are named.

    The same sources give the same file, byte for byte. Sources that are not committed have no number: give --number.

    Example:  homeward release build --board tag_t_a7670_l76k
    """
    from bridge.releases import load_signer, write_bundle
    from tools.release.build import architecture, boards, compile_release, source_number

    wanted = board or boards()
    for name in wanted:
        architecture(name)  # a wrong name before anything is compiled
    signer = load_signer(key)
    number = source_number() if number is None else number
    for name in wanted:
        manifest, contents = compile_release(name, number, arch)
        bundle = write_bundle(out / (manifest.name + ".hwr"), manifest, contents, signer)
        typer.echo(f"{out / manifest.name}.hwr  {_size(bundle)}  {bundle.sha256[:16]}")


@app.command()
@tells
def verify(file: File, trust: Trusted = KEYS / "release.pub", as_json: AsJson = False) -> None:
    """Whether a trusted key has signed a release and every file in it is what was signed; and what is in it.

    Example:  homeward release verify dist/homeward-0.1.0-tag_t_a7670_l76k.hwr
    """
    from datetime import UTC, datetime

    from bridge.releases import load_trusted, read_bundle
    from bridge.releases.signing import fingerprint, signed_by

    trusted = load_trusted(trust)
    bundle = read_bundle(file, trusted)
    manifest = bundle.manifest
    signer = signed_by(manifest.to_bytes(), bundle.signature, trusted)
    told = {
        "file": str(file),
        "version": manifest.version,
        "build": manifest.build,
        "sources of": f"{datetime.fromtimestamp(manifest.number, UTC):%Y-%m-%d %H:%M:%SZ}",
        "board": manifest.board,
        "compiled for": manifest.arch or "any processor",
        "mpy": manifest.mpy,
        "files": _size(bundle),
        "manifest": bundle.sha256,
        "signed by": fingerprint(signer) if signer is not None else "",
    }
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    for name, value in told.items():
        typer.echo(f"{name:13} {value}")
    typer.echo("the signature and every file are good")


def _size(bundle: "Bundle") -> str:
    return f"{len(bundle.contents)} files, {sum(map(len, bundle.contents.values())):,} bytes"


@app.command()
@tells
def send(
    *,
    devices: Annotated[list[str] | None, typer.Argument(metavar="[DEVICE]…", help="tag-000001, hmu-000001 …")] = None,
    file: Annotated[Path, typer.Option("--release", metavar="FILE", help="A release, homeward-….hwr.", show_default=False)],
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Every device of the release's board that does not run it already.")
    ] = False,
    data: Data = ".",
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="FILE", help="The trusted public keys, if not release.pub beside the store.")
    ] = None,
    reason: Reason = "",
    older: Annotated[bool, typer.Option("--older", help="Also to devices that run a newer release.")] = False,
    wait: Wait = True,
) -> None:
    """Have devices take a release over the air, each in its own time; a device that does not get well under it goes back.

    The signature is verified here, and by the bridge again before it sends anything. Ctrl-C ends the waiting, not the update.

    Example:  homeward release send tag-000001 --release dist/homeward-0.1.0-tag_t_a7670_l76k.hwr --data run/demo
    """
    import getpass

    from bridge.errors import ConfigError
    from bridge.releases import load_trusted, read_bundle, rollout
    from bridge.releases.signing import PUBLIC_FILE
    from tools.inputs import COMMAND_LINE
    from tools.release.watch import watch

    if bool(devices) == all_of_them:
        raise ConfigError(COMMAND_LINE, "DEVICE", devices, "the names of devices, or --all")
    if trust is None:
        trust = (Path(data) if Path(data).is_dir() else Path(data).parent) / PUBLIC_FILE
    bundle = read_bundle(file, load_trusted(trust))
    engine = open_data(data)
    names = list(devices or ())
    if all_of_them:
        with engine.connect() as connection:
            names = rollout.devices_for(connection, bundle)
        if not names:
            raise ConfigError(COMMAND_LINE, "--all", bundle.manifest.board, "a device of that board that does not run it already")
    ids = rollout.ask(engine, names, bundle, by_whom=getpass.getuser(), reason=reason, allow_older=older)
    engine.dispose()
    typer.echo(f"{bundle.manifest.name} build {bundle.manifest.build} for " + ", ".join(names))
    if wait and not watch(data, ids):
        raise typer.Exit(1)


@app.command()
@tells
def status(
    data: Data = ".",
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """The updates asked last: how far each device is, what became of it, and what runs on it now.

    Example:  homeward release status --data run/demo
    """
    from bridge.releases import rollout
    from tools.release.watch import row_of, table_of

    engine = open_data(data, read_only=True)
    with engine.connect() as connection:
        rows = [row_of(row) for row in rollout.progress(connection, None, limit)]
    engine.dispose()
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console

    Console().print(table_of(rows) if rows else "no updates", highlight=False)
