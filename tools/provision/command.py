"""`homeward provision`: what somebody at a bench types, and what he is told."""

import getpass
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import WRONG, one_line, say, tells

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tools.board import Link, Port
    from tools.provision.doing import Change, Outcome, Plan, Wish
    from tools.provision.state import State

AT_ONCE = 13  # boards: a full USB hub's worth

StateFolder = Annotated[
    Path,
    typer.Option("--state", metavar="FOLDER", envvar="HOMEWARD_STATE", help="The scheme's folder (see `homeward ca --help`)."),
]
STATE = Path("state")
_WHICH = "Which board"
_CARE = "Care"
_QUESTION = "Provision it all the same?"


@tells
def provision(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]",
            show_default=False,
            help="tag-000001 or hmu-000001; tag or hmu for the next free number. Without it: what the board is already, or the "
            "next free number of what it is flashed as.",
        ),
    ] = "",
    port: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            show_default="where NAME was last, or the only board that is plugged in",
            help="The board's USB serial number (or its end), or its port.",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every board that is plugged in, at the same time.", rich_help_panel=_WHICH)
    ] = False,
    board: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            show_default="what it is flashed for, else the scheme's",
            help="A folder of firmware/boards/.",
            rich_help_panel=_WHICH,
        ),
    ] = None,
    partners: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="NAME",
            show_default="what the inventory says, else the scheme",
            help="The home unit that this tag belongs to; for a home unit, a tag (may come again).",
        ),
    ] = None,
    label: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write its label there: .png, .svg or .pdf. With --all, a sheet.")
    ] = None,
    state: StateFolder = STATE,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask, also when the device is worn or was heard today.", rich_help_panel=_CARE)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.", rich_help_panel=_CARE)
    ] = False,
) -> None:
    """Make a board a device of the scheme: number, keys, certificate, home unit, inventory.

    Plug in a board that is flashed, and type

      homeward provision                                 the next free number

      homeward provision tag-000007 --with hmu-000007    this number and home unit

      homeward provision --all --label sheet.pdf         a bench of 13, and labels

    A board that was provisioned before keeps its number and its records;
    what stands on it is not written again. If it is worn, or was heard within
    a day, you are asked first. If something comes between (a plug is pulled),
    type the same again. Afterwards the board starts.

    Keys go to the board alone and are never shown.

    Exit codes: 0 done · 2 something is wrong or cannot be had, said in a line;
    with --all, in a line for each such board.
    """
    from tools.provision.doing import Wish
    from tools.provision.state import State

    wish = Wish(typed_name(name), tuple(typed_name(partner) for partner in partners or ()), board, getpass.getuser())
    scheme = State(state)
    if label is not None:
        from tools.provision.labels import check_target

        check_target(label)
    engine = scheme.open_store()
    try:
        failed = 0
        if every:
            done, failed = _all(scheme, engine, wish, port, yes, dry_run)
        else:
            done = _one(scheme, engine, wish, port, yes, dry_run)
        if label is not None and done:
            from tools.provision.labels import write_labels

            write_labels(label, [outcome.name for outcome in done])
            typer.echo(f"label: {label}")
        if failed:
            raise typer.Exit(WRONG)
    finally:
        engine.dispose()


def typed_name(name: str) -> str:
    """A device's name as somebody has typed it, or a scanner has read it from a label."""
    from bridge.errors import ConfigError
    from tools.inputs import COMMAND_LINE
    from tools.provision.code import decode

    if name in ("", "tag", "hmu"):
        return name
    try:
        return decode(name)
    except ValueError as error:
        raise ConfigError(COMMAND_LINE, "NAME", name, str(error).partition("expected ")[2]) from None


def _one(scheme: "State", engine: "Engine", wish: "Wish", port: str | None, yes: bool, dry_run: bool) -> "list[Outcome]":
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("looking") as status:

        def ask(name: str, questions: list[str]) -> None:
            status.stop()
            confirm_use(name, questions, yes, _QUESTION)
            status.start()

        outcome = _on(scheme, engine, wish, _find(engine, wish.name, port), ask, status.update, dry_run)
    if outcome is None:
        return []
    _tell(outcome)
    return [outcome]


class InOrder:
    """Has those who plan at the same time do it one after the other, by their numbers: so boards get theirs in the order of their
    USB serial numbers, and not by chance."""

    def __init__(self, count: int) -> None:
        self._left = set(range(count))
        self._news = threading.Condition()

    @contextmanager
    def turn(self, number: int) -> Iterator[None]:
        with self._news:
            self._news.wait_for(lambda: min(self._left) >= number)
        try:
            yield
        finally:
            self.passed(number)

    def passed(self, number: int) -> None:
        """Its turn is over, or will not be taken."""
        with self._news:
            self._left.discard(number)
            self._news.notify_all()


def _all(
    scheme: "State", engine: "Engine", wish: "Wish", port: str | None, yes: bool, dry_run: bool
) -> "tuple[list[Outcome], int]":
    from bridge.errors import ConfigError
    from tools.board import list_boards
    from tools.inputs import COMMAND_LINE
    from tools.provision.doing import KINDS

    if port is not None:
        raise ConfigError(COMMAND_LINE, "--port", port, "no port together with --all")
    if wish.partners or (wish.name and wish.name not in KINDS):
        given = wish.name if wish.name not in KINDS else "--with"
        raise ConfigError(COMMAND_LINE, "--all", given, "tag, hmu or no name, and pairs from the inventory (inventory pair)")
    ports = list_boards()
    if not ports:
        raise ConfigError(COMMAND_LINE, "--all", "no board", "boards that are plugged in")
    turns = InOrder(len(ports))

    def ask(name: str, questions: list[str]) -> None:
        confirm_use(name, questions, yes, _QUESTION, nobody=True)

    def one(number: int) -> "Outcome | None":
        try:
            return _on(scheme, engine, wish, ports[number], ask, lambda text: None, dry_run, turns.turn(number))
        finally:
            turns.passed(number)

    done, failed = [], 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        under_way = {pool.submit(one, number): port for number, port in enumerate(ports)}
        for each in as_completed(under_way):
            name = under_way[each].name
            try:
                outcome = each.result()
            except ConfigError as error:
                failed += 1
                say(f"{name}: {one_line(error).removeprefix(f'{name}: ')}")
                continue
            if outcome is not None:
                _tell(outcome, f"{name}  ")
                done.append(outcome)
    if failed:
        say(f"{failed} of {len(ports)} boards are not done; the same command does what is left")
    return sorted(done, key=lambda outcome: outcome.name), failed


def _on(
    scheme: "State",
    engine: "Engine",
    wish: "Wish",
    port: "Port",
    ask: Callable[[str, list[str]], None],
    tell: Callable[[str], None],
    dry_run: bool,
    planning: "AbstractContextManager[Any] | None" = None,
) -> "Outcome | None":
    """One board. None for a dry run."""
    from tools.board import Link, LinkError
    from tools.provision.bench import Bench
    from tools.provision.doing import look_ahead, provision

    begun = ""

    def note(name: str) -> None:
        nonlocal begun
        begun = name

    with Link(port) as link:
        try:
            bench = Bench(link)
            if dry_run:
                _foretell(*look_ahead(bench, scheme, engine, wish), port.name)
                link.reset()
                return None
            outcome = provision(bench, scheme, engine, wish, ask, tell, note, planning)
        except LinkError as error:
            if begun:
                words = str(error).removeprefix(f"{port.name}: ")
                raise LinkError(port.name, f"{words}; {begun} is half done: plug it in and type the same again") from None
            raise
        except BaseException:
            _let_go(link)
            raise
        _let_go(link)
    return outcome


def _let_go(link: "Link") -> None:
    from tools.board import LinkError

    try:
        link.reset()
    except LinkError:
        pass  # it starts when it is plugged in again


def _find(engine: "Engine", name: str, port: str | None) -> "Port":
    """The board to work on: the one that is named, the one that NAME was, or the only one."""
    from bridge import inventory
    from bridge.errors import ConfigError
    from firmware.core import ident
    from tools.board import find_port, list_boards
    from tools.inputs import COMMAND_LINE

    if port is not None:
        return find_port(port)
    boards = list_boards()
    try:
        with engine.connect() as connection:
            row = inventory.entry(connection, ident.parse_device_name(name))
    except ValueError:
        row = None
    if row is not None and row.usb_serial:
        known = [board for board in boards if board.serial_number == row.usb_serial]
        if len(known) == 1:
            return known[0]
        raise ConfigError(
            COMMAND_LINE, "NAME", name, f"its board: it was on USB {row.usb_serial}, which is not plugged in (--port)"
        )
    if len(boards) == 1:
        return boards[0]
    there = ", ".join(board.name for board in boards) or "none is plugged in"
    raise ConfigError(COMMAND_LINE, "--port", port, f"one of the boards that are plugged in: {there}")


def confirm_use(name: str, questions: list[str], yes: bool, words: str, nobody: bool = False) -> None:
    """ConfigError unless somebody says yes to what a device is in use for."""
    from bridge.errors import ConfigError

    if yes:
        return
    reason = "; ".join(questions)
    if nobody or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(name, "in use", reason, "--yes, if that is meant")
    typer.echo(f"{name}: {reason}", err=True)
    if not typer.confirm(words, err=True):
        raise ConfigError(name, "in use", reason, "yes: nothing was changed")


def _tell(outcome: "Outcome", before: str = "") -> None:
    wrote = "wrote " + ", ".join(outcome.changed) if outcome.changed else "nothing to do: all of it stands on the board"
    typer.echo(f"{before}{outcome.name}: {wrote}")
    for note in outcome.notes:
        typer.echo(f"{before}  {note}")
    for name in outcome.again:
        typer.echo(f"{before}  {name} does not know of it yet: plug it in, and `homeward provision {name}`")


def _foretell(plan: "Plan", change: "Change", port: str) -> None:
    unit = f", home unit {plan.home_unit}" if plan.home_unit not in (None, plan.name) else ""
    typer.echo(f"{port}: {plan.name} on a {plan.board}{unit}, broker {plan.place.broker[0]}:{plan.place.broker[1]}")
    typer.echo("  would write " + (", ".join(change.words) or "nothing"))
    if plan.wipes:
        typer.echo("  would erase journal, configuration and keys that are on it")
    for line in (*plan.questions, *plan.notes, *change.notes):
        typer.echo(f"  {line}")
