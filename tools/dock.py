"""`homeward dock`: devices on cables hand over what they hold, and take what waits for them."""

import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.failures import say, tells

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.carriers.cable import Backlog
    from bridge.dock import Dock, Way

_SCAN_S = 1.0
_EMPTY_TIMES = 4  # states in a row, two seconds: an order that came down has been answered and its answer stored
_BROKER_S = 5.0


@tells
def dock(
    port: Annotated[
        list[str] | None,
        typer.Option(
            "--port",
            "-p",
            metavar="P",
            show_default="every USB serial port, as it is plugged in",
            help="A board's USB serial number, a port (/dev/ttyUSB0, COM3) or a URL of pyserial's (rfc2217://…, socket://…).",
        ),
    ] = None,
    broker: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Pass on to the broker of this file (broker_host …): no key is needed.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Store, by the bridge's settings in this file; with --broker: if that is not there."),
    ] = None,
    baud: Annotated[int, typer.Option(metavar="N", min=1200, max=4_000_000, help="The speed that a port begins with.")] = 115_200,
    fast: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=4_000_000, help="Offered to the device, for boards that can. 0: none."),
    ] = 921_600,
    once: Annotated[bool, typer.Option("--once", help="End when every device has handed over all.")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1, help="With --once: seconds until those that have not are named, exit code 1.")
    ] = 120.0,
) -> None:
    """Take over the records of devices on cables; receipts, lease, settings and orders go down the same way.

    Tags on their chargers and home units without a network may come and go; unplugged at any moment they lose nothing. What they
    hand over goes [bold]to the broker[/] or [bold]straight into the store[/]; with both, to the broker if that is there when the
    dock starts.

    Example:  homeward dock --broker dock.toml

    Example:  homeward dock --store bridge.toml --port /dev/ttyUSB0 --once
    """
    from rich.console import Console

    from bridge.dock import Dock
    from bridge.errors import ConfigError
    from tools.board.locks import BoardLock
    from tools.board.ports import find_port
    from tools.stopping import Stop

    if broker is None and store is None:
        raise ConfigError("dock", "--broker or --store", None, "a file that says where the records go")
    _only_errors_are_logged()
    way = _way(broker, store)
    console = Console()
    picture = Picture(console)
    docks = Dock(way, picture, baud=baud, fast_baud=fast, guard=lambda url: BoardLock(find_port(url)))
    served = threading.Thread(target=docks.run, name="dock", daemon=True)
    with Stop() as stop, picture:
        served.start()
        try:
            done = _serve(docks, served, picture, port or [], once, timeout, stop)
        except KeyboardInterrupt:
            done = not once
        finally:
            stop.ending()
            docks.stop()
            served.join(10.0)
    if not done:
        for words in picture.unfinished(port or []):
            say(words)
        raise typer.Exit(1)


def _serve(
    docks: "Dock", served: threading.Thread, picture: "Picture", wanted: list[str], once: bool, timeout: float, stop
) -> bool:
    """Until it is stopped, or with `once` until all is done. Whether it is."""
    until = time.monotonic() + timeout
    scanned = 0.0
    while served.is_alive():
        stop.wait(0.1)
        if time.monotonic() - scanned >= _SCAN_S:
            scanned = time.monotonic()
            urls = _ports(wanted, picture)
            for url in docks.urls:
                if url not in urls:
                    docks.remove(url)
            for url in urls:
                docks.add(url)
        if once and picture.is_done(len(wanted)):
            return True
        if once and time.monotonic() >= until:
            return False
    return False


def _ports(wanted: list[str], picture: "Picture") -> list[str]:
    from tools.board.errors import BoardError
    from tools.board.ports import find_port, list_boards

    if not wanted:
        return [board.device for board in list_boards()]
    found = []
    for each in wanted:
        try:
            found.append(find_port(each).device)
        except BoardError as error:
            picture.fault(each, str(error))
    return found


def _way(broker: Path | None, store: Path | None) -> "Way":
    """Where records go. ConfigError when neither can be had."""
    from bridge.dock import ToBroker, ToStore
    from bridge.errors import ConfigError
    from bridge.settings import BrokerLogin, load_as, load_settings

    if broker is None:
        return ToStore(load_settings(store))
    login = load_as(BrokerLogin, broker)
    way = ToBroker(login)
    if store is None:
        return way
    settings = load_settings(store)
    way.start()
    if way.wait_open(_BROKER_S):
        return way
    way.stop()
    if way.refusal:
        raise ConfigError(broker, "broker_user", login.broker_user, f"a login that the broker takes (it said: {way.refusal})")
    return ToStore(settings)


def _only_errors_are_logged() -> None:
    import logging
    import sys

    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        processors=[structlog.processors.LogfmtRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


@dataclass
class _Docked:
    """A device: how much it had when it docked, has now, and since when."""

    device: str
    backlog: "Backlog"
    first: int
    total: int
    since_s: float
    bar: int
    relayed: int = 0
    empty: int = 0  # how often in a row there was nothing
    empty_s: float = 0.0  # and since when


class Picture:
    """What is seen: a bar for each device that hands something over, and a line for what has happened. Called by any thread."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("records"), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._docked: dict[str, _Docked] = {}  # by port
        self._finished: dict[str, str] = {}  # port → device
        self._faults: dict[str, str] = {}
        self._is_open = False

    def __enter__(self) -> "Picture":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def is_done(self, wanted: int) -> bool:
        """Whether so many devices, and every one that is docked, have handed over all."""
        with self._lock:
            there = {url for url, docked in self._docked.items() if docked.empty < _EMPTY_TIMES}
            return not there and len(self._finished) >= max(wanted, 1)

    def unfinished(self, wanted: list[str]) -> list[str]:
        """A line for each port or device that is not done."""
        with self._lock:
            lines = [
                f"{docked.device} on {url}: {_records(docked.backlog)} not handed over"
                for url, docked in self._docked.items()
                if docked.empty < _EMPTY_TIMES
            ]
            lines += [words for url, words in self._faults.items() if url not in self._finished]
            silent = len(self._finished) < max(len(wanted), 1) and not lines
        return lines + (["no device has answered on " + (", ".join(wanted) or "any port")] if silent else [])

    # What the dock tells

    def way(self, is_open: bool, words: str) -> None:
        if is_open or self._is_open:
            self._line(f"records go {words}" if is_open else f"{words}: not there; nothing is taken over until it is")
        else:
            self._line(f"{words}: cannot be reached; nothing is taken over until it can")
        self._is_open = is_open

    def docked(self, url: str, device: str, backlog: "Backlog") -> None:
        with self._lock:
            bar = self._bars.add_task(f"{device} on {url}", total=backlog.records or None)
            self._docked[url] = _Docked(device, backlog, backlog.first, backlog.records, time.monotonic(), bar, backlog.relayed)
            self._finished.pop(url, None)
            self._faults.pop(url, None)
        self._line(f"{device} on {url}: docked, {_records(backlog)} to hand over")

    def backlog(self, url: str, device: str, backlog: "Backlog") -> None:
        with self._lock:
            docked = self._docked.get(url)
            if docked is None:
                return
            docked.backlog = backlog
            docked.total = backlog.next - docked.first
            docked.relayed = max(docked.relayed, backlog.relayed)
            docked.empty = docked.empty + 1 if backlog.is_empty else 0
            if docked.empty == 1:
                docked.empty_s = time.monotonic()
            done = backlog.first - docked.first + docked.relayed - backlog.relayed
            self._bars.update(docked.bar, total=docked.total + docked.relayed or None, completed=done)  # type: ignore[arg-type]
            if docked.empty != _EMPTY_TIMES:
                return
            self._finished[url] = device
            took_s = docked.empty_s - docked.since_s
            had = replace(backlog, first=docked.first, relayed=docked.relayed)
        self._line(f"{device} on {url}: all is stored, {_records(had)} in {took_s:.1f} s")

    def left(self, url: str, device: str, reason: str) -> None:
        from bridge.carriers.cable import STOPPED

        with self._lock:
            docked = self._docked.pop(url, None)
            if docked is not None:
                self._bars.remove_task(docked.bar)  # type: ignore[arg-type]
        if docked is not None and reason != STOPPED:
            left = "" if docked.backlog.is_empty else f", with {_records(docked.backlog)} still on it"
            self._line(f"{device} on {url}: left{left}: {reason}")

    def fault(self, url: str, words: str) -> None:
        with self._lock:
            if self._faults.get(url) == words:
                return
            self._faults[url] = words
        self._line(words)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _records(backlog: "Backlog") -> str:
    relayed = f" and {backlog.relayed:,} relayed messages" if backlog.relayed else ""
    return f"{backlog.records:,} records{relayed}"
