"""`homeward flash`: the command line."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.failures import tells

if TYPE_CHECKING:
    from tools.board import Port


class Kind(StrEnum):
    tag = "tag"
    hmu = "hmu"


@tells
def flash(
    kind: Annotated[Kind, typer.Argument(help="What the board is to be: a tag or a home unit.", show_default=False)],
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port", metavar="P", help="The board: its USB serial number, or an end of it; or a port. May be repeated."
        ),
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", metavar="B", help="Which of firmware/boards it is, if it is not provisioned yet.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every board that is plugged in and not of the other kind, all at once.")
    ] = False,
    release: Annotated[
        Path | None, typer.Option("--release", metavar="FILE", help="A signed release, instead of the sources here.")
    ] = None,
    trust: Annotated[
        Path, typer.Option("--trust", metavar="FILE", help="The public keys whose releases are taken, in PEM.")
    ] = Path("release-keys/release.pub"),
    firmware: Annotated[
        Path | None, typer.Option("--firmware", metavar="FILE", help="Write this MicroPython first, by esptool, and verify it.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; the board starts anew, nothing is written.")
    ] = False,
    wait: Annotated[float, typer.Option("--wait", min=1, metavar="S", help="Seconds for its first healthy word.")] = 60.0,
) -> None:
    """Put the application on boards, and see them start.

    Only what differs is sent; all is verified by its hash on the board. What ran
    before stays, and comes back when the new one does not report healthy.
    Interrupted anywhere, the same command goes on where it was.

    Exit codes: 0 all boards run it · 1 one did not start, and runs what ran before
    · 2 nothing could be done.

    Example:  homeward flash tag --port PTY-000001
    """
    from rich.console import Console

    from bridge.errors import ConfigError
    from tools.board import list_boards
    from tools.flash.bench import Bars, flash_board, flash_boards
    from tools.flash.session import Asked
    from tools.flash.wanted import Wanted

    if bool(port) == every:
        raise ConfigError("command line", "--port", port or "nothing", "--port P, or --all")
    wanted = Wanted(kind.value, board, release, trust)
    before = None
    if firmware is not None:
        from tools.flash.micropython import Writer

        before = Writer(firmware, wanted, dry_run).write
    console = Console()
    asked = Asked(dry_run, wait)
    if every:
        ports = list_boards()
        if not ports:
            raise ConfigError("command line", "--all", "no board", "boards plugged in by USB")
    else:
        ports = _ports(port or [])
    with Bars(console) as bars:
        if len(ports) == 1 and not every:
            outcomes = [flash_board(ports[0], wanted, asked, bars, before)]
            bars.done(outcomes[0])
        else:
            outcomes = flash_boards(ports, wanted, asked, bars, before, spares_others=every)
    good = sum(outcome.is_good for outcome in outcomes)
    if len(outcomes) > 1:
        console.print(f"{good} of {len(outcomes)} boards", highlight=False)
    if good < len(outcomes):
        raise typer.Exit(1)


def _ports(given: list[str]) -> "list[Port]":
    from bridge.errors import ConfigError
    from tools.board import find_port

    ports = [find_port(one) for one in given]
    for i, one in enumerate(ports):
        if one in ports[:i]:
            raise ConfigError("command line", "--port", given[i], "each board once")
    return ports
