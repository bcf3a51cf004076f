"""`homeward release …`: the command line of releases."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.failures import tells

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
