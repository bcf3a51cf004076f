"""`homeward replay`: a recorded log, a GPX track or a live receiver drives a simulated tag."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.failures import INTERRUPTED, tells
from tools.inputs import check_port, check_target, console_port, parse_speed, parse_until
from tools.options import BrokerPort, ConsolePort

if TYPE_CHECKING:
    from rich.console import Console

    from sim.engine.run import Run
    from sim.replay.replay import Progress, Replayed
    from tools.stopping import Stop

_PACE = "Pace"
_RESULTS = "Results"


@tells
def replay(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PORT",
            help="An NMEA log, a GPX track, or a port: /dev/ttyUSB0, COM3, socket://host:port.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        str,
        typer.Option(
            metavar="every-fix|normal",
            help="[bold]every-fix[/]: the receiver stays on and each valid epoch is recorded. [bold]normal[/]: as worn, a fix a "
            "minute, of those that can be believed; while the receiver sleeps the recording goes on unheard.",
        ),
    ] = "every-fix",
    baud: Annotated[int, typer.Option(min=300, max=4_000_000, help="Of a serial port.")] = 9600,
    speed: Annotated[
        float | None,
        typer.Option(
            parser=parse_speed,
            metavar="N|max",
            show_default="max",
            help="Recorded seconds in one second. A live receiver has its own pace.",
            rich_help_panel=_PACE,
        ),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(
            parser=parse_until,
            metavar="TIME",
            show_default="its end",
            help="How much of it: 90s, 10m, 24h.",
            rich_help_panel=_PACE,
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="No console; exit when it is over.", rich_help_panel=_RESULTS)
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write the stored fixes, one JSON object a line: time, lat, lon, radius_m, seq and how sure the date is.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="FOLDER",
            show_default="run/replay-<date>-<time>",
            help="Where store, secrets, flash and logs go. It must not exist yet.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    console_on: ConsolePort = None,
    broker_on: BrokerPort = 0,
) -> None:
    """Drive a simulated tag with a log, a GPX track or a live receiver.

    The bytes go to the tag's GNSS port as they are; firmware, broker, bridge
    and store are the real ones, and the fixes come back from the store. A live
    receiver plays until Ctrl-C, which ends it in order.

    In the JSON file, a fix whose date the receiver did not give has
    "date_known": false and its time of day on 1970-01-01; one whose date is
    not to be believed (a week rollover) has "doubtful": true and that date.

    [bold]Examples[/]

      homeward replay walk.gpx

      homeward replay receiver.log --headless --json fixes.jsonl

      homeward replay /dev/ttyUSB0 --baud 9600

    [bold]Exit codes[/]

      0 done, also when there was no fix · 1 not good (it says why) ·
      2 something given is wrong · 130 Ctrl-C with --headless before the end
    """
    check_target("--json", json_file)
    check_port("--broker-port", broker_on)
    port = None if headless else console_port(console_on)

    from rich.console import Console

    from bridge.errors import ConfigError
    from sim.replay.live import LivePort
    from sim.replay.replay import POLICIES, run_replay
    from sim.replay.source import open_source
    from tools import report
    from tools.running import make_folder
    from tools.stopping import Stop

    if policy not in POLICIES:
        raise ConfigError("homeward", "--policy", policy, " or ".join(POLICIES))
    out, err = Console(), Console(stderr=True)
    opened = open_source(source, baud)
    live = isinstance(opened, LivePort)
    with Stop() as stop, _shown(out) as shown:
        try:
            made = make_folder(folder, "replay")
        except BaseException:
            if live:
                opened.close()
            raise
        began = False

        def started(run: "Run") -> None:
            nonlocal began
            stop.check()  # nothing has been played yet: then nothing is kept
            began = True
            url = run.services.console_url if run.services else ""
            if url:
                shown.say(f"console: {url}")
            shown.say(f"replaying {source} in {report.shown(made.path)}" + ("; Ctrl-C ends it" if live else ""))

        def stay(run: "Run", replayed: "Replayed") -> None:
            shown.end()
            _conclude(replayed, made.path, json_file, policy, out, err)
            if not headless and not _is_stopped(stop):
                _stay(run, stop, out)
            stop.ending()

        try:
            replayed = run_replay(
                opened,
                made,
                policy=policy,
                json_file=json_file,
                speed=speed or 0.0,
                console_port=port,
                broker_port=broker_on,
                until_ms=until,
                started=started,
                tick=shown.tick,
                is_stopped=lambda: _is_stopped(stop),
                stay=stay,
            )
        except BaseException:
            if not began:
                shutil.rmtree(made.path, ignore_errors=True)
                if folder is None:
                    with suppress(OSError):
                        made.path.parent.rmdir()
            raise
        stopped_early = headless and not live and _is_stopped(stop)
    raise typer.Exit(INTERRUPTED if stopped_early else 0 if replayed.summary.is_good else 1)


def _is_stopped(stop: "Stop") -> bool:
    try:
        stop.check()
    except KeyboardInterrupt:
        return True
    return False


class _Shown:
    """How far it is: a bar on a terminal, nothing but the ends elsewhere."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (
            SpinnerColumn(),
            TextColumn("epochs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fixes]} fixes"),
        )
        self._console = console
        self._bar = Bar(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bar.add_task("epochs", total=None, fixes=0)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        self._bar.start()

    def tick(self, progress: "Progress") -> None:
        if self._bar.disable:
            return
        from bridge.store import queries

        assert progress.run.engine is not None
        with progress.run.engine.connect() as connection:
            fixes = queries.counts(connection)["fixes"]
        self._bar.update(self._task, completed=progress.epochs, total=progress.epochs_total, fixes=fixes)

    def end(self) -> None:
        self._bar.stop()


@contextmanager
def _shown(console: "Console") -> Iterator[_Shown]:
    shown = _Shown(console)
    try:
        yield shown
    finally:
        shown.end()


def _conclude(replayed: "Replayed", folder: Path, json_file: Path | None, policy: str, out: "Console", err: "Console") -> None:
    from tools import report

    fixes = [fix for of_one in replayed.fixes for fix in of_one]
    undated = sum(not fix.date_known for fix in fixes)
    doubtful = sum(fix.doubtful for fix in fixes)
    kinds = [f"{undated:,} without a date"] * bool(undated) + [f"{doubtful:,} with a doubtful date"] * bool(doubtful)
    line = f"{replayed.epochs:,} epochs, {len(fixes):,} fixes stored" + (f" ({', '.join(kinds)})" if kinds else "")
    out.print(line, highlight=False)
    if not fixes and policy == "normal":
        out.print(
            "policy normal takes only fixes that it believes, dated 2024 or later; --policy every-fix takes all", highlight=False
        )
    if replayed.ended:
        out.print(f"the receiver is gone: {replayed.ended}", markup=False, highlight=False, soft_wrap=True)
    kept = f"kept in {report.shown(folder)}" + (f", fixes in {json_file}" if json_file is not None else "")
    out.print(kept, markup=False, highlight=False, soft_wrap=True)
    report.show_problems(err, replayed.summary)


def _stay(run: "Run", stop: "Stop", out: "Console") -> None:
    """It is over; who watches may go on looking at it."""
    url = run.services.console_url if run.services else ""
    out.print(f"the replay has ended; the console stays up until Ctrl-C: {url}", markup=False, highlight=False, soft_wrap=True)
    while not _is_stopped(stop):
        if run.services is not None:
            run.services.watch()
        run.kernel.idle(0.2)
