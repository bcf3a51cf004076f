"""Several boards at a time, and what is seen of it: a bar for each on a terminal, plain lines elsewhere."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bridge.errors import ConfigError
from tools.board import Link, Port
from tools.flash.session import Asked, Outcome, Reporter, Session
from tools.flash.wanted import Wanted, WrongKindError


class Bars:
    """A `Reporter` for any number of boards, from any thread. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[stage]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._progress.stop()

    def _task(self, board: str) -> TaskID:
        with self._lock:
            if board not in self._tasks:
                self._tasks[board] = self._progress.add_task(escape(board), total=None, stage="")
            return self._tasks[board]

    def stage(self, board: str, text: str) -> None:
        self._progress.update(self._task(board), stage=escape(text))
        if text.startswith("again") and not self._console.is_terminal:
            self._console.print(f"{board}: {text}", markup=False, highlight=False, soft_wrap=True)

    def total(self, board: str, size: int) -> None:
        self._sizes[board] = max(size, 1)
        self._progress.update(self._task(board), total=max(size, 1), completed=0 if size else 1)

    def sent(self, board: str, size: int) -> None:
        self._progress.update(self._task(board), advance=size)

    def done(self, outcome: Outcome) -> None:
        """Its line, as soon as it is known."""
        task = self._task(outcome.board)
        if outcome.is_good:
            size = self._sizes.get(outcome.board, 1)
            self._progress.update(task, total=size, completed=size)
        self._progress.update(task, stage="done" if outcome.is_good else "failed")
        self._console.print(f"{outcome.board}: {outcome.text}", markup=False, highlight=False, soft_wrap=True)


def flash_board(
    port: Port, wanted: Wanted, asked: Asked, reporter: Reporter, before: Callable[[Link], None] | None = None
) -> Outcome:
    """One board, whole. `before`: what is done with the port first (MicroPython itself). BoardError when a person has to act."""
    with Link(port) as link:
        if before is not None:
            before(link)
        return Session(link, wanted, asked, reporter).run()


def flash_boards(
    ports: Sequence[Port],
    wanted: Wanted,
    asked: Asked,
    bars: Bars,
    before: Callable[[Link], None] | None = None,
    spares_others: bool = False,
) -> list[Outcome]:
    """All of them at once; what a person has to mend on one is its outcome, and the others go on. With `spares_others` a board of
    the other kind is as it should be."""

    def one(port: Port) -> Outcome:
        try:
            outcome = flash_board(port, wanted, asked, bars, before)
        except WrongKindError as error:
            outcome = Outcome(port.name, spares_others, "left alone: " + str(error).removeprefix(f"{port.name}: "))
        except ConfigError as error:
            outcome = Outcome(port.name, False, str(error).removeprefix(f"{port.name}: "))
        bars.done(outcome)
        return outcome

    with ThreadPoolExecutor(max(1, len(ports))) as pool:
        return list(pool.map(one, ports))
