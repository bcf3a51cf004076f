"""One run of a scenario, from an empty folder to its summary: what `homeward sim run` does once its arguments are good.

Whatever ends it, nothing that it started is left: broker, bridge, console, devices. A folder in which nothing has been recorded
yet is taken away again when the start fails.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge.errors import ConfigError
from bridge.store import queries
from sim.control.acts import Act
from sim.control.hand import Hand
from sim.engine.folder import RunFolder, new_run_folder
from sim.engine.run import Options, Run
from sim.engine.summary import Summary
from sim.scenario import Scenario
from tools import report
from tools.failures import INTERRUPTED
from tools.inputs import COMMAND_LINE
from tools.progress import Display, LiveView, Looker, PlainLines, Progress
from tools.stopping import Stop, Stopped

Look = Callable[[bool], None]  # of the control page: whether the scenario is over


@dataclass(frozen=True)
class Wish:
    """What was asked for, checked. `folder` None makes `run/<scenario>-<stamp>` here."""

    scenario: Scenario
    options: Options
    headless: bool
    json_file: Path | None
    folder: Path | None
    junit_file: Path | None = None
    report_file: Path | None = None
    acts: Sequence[Act] | None = None  # None: nothing but what somebody does at the control page


def run(wish: Wish, out: Console, err: Console) -> int:
    """The exit code. Mendable errors are raised, with nothing left running."""
    with Stop() as stop:
        try:
            return _run(wish, stop, out, err)
        except Exception:
            # Ctrl-C goes to the whole terminal: a compiler that it ended is no error of its own.
            stop.check()
            raise


def _run(wish: Wish, stop: Stop, out: Console, err: Console) -> int:
    with ExitStack() as stack:
        with gone_on_failure(wish.folder, wish.scenario.name) as folder:
            out.print(f"starting [bold]{escape(wish.scenario.name)}[/] in {escape(report.shown(folder.path))}", highlight=False)
            in_hand = wish.acts is not None or not wish.headless
            hand = Hand(wish.scenario, folder.path, wish.acts or ()) if in_hand else None
            going = stack.enter_context(Run(wish.scenario, folder, wish.options, hand=hand))
            stack.callback(stop.ending)  # called first: from then on nothing disturbs the end
            stop.check()
        url = going.services.console_url if going.services else ""
        if url:
            # A line of its own, for who looks for it in a log; and whole, for who clicks on it.
            out.print(f"console: [bold cyan]{escape(url)}[/]", soft_wrap=True, highlight=False)
        look: Look = lambda is_over: None  # noqa: E731
        if hand is not None and not wish.headless:
            look = _serve_control(going, hand, stack, out)
        try:
            return _live_and_finish(going, wish, stop, url, look, out, err)
        except Stopped:
            out.print(_ended_early(going), soft_wrap=True, highlight=False)
            return INTERRUPTED if wish.headless else 0


def _serve_control(going: Run, hand: Hand, stack: ExitStack, out: Console) -> Look:
    from sim.control.desk import Desk
    from sim.control.server import ControlServer  # late: nobody needs it without a console

    desk = Desk(hand)
    server = ControlServer(desk, going.folder.path)
    stack.callback(server.close)
    out.print(f"control: [bold cyan]{escape(server.url)}[/]", soft_wrap=True, highlight=False)
    return lambda is_over: desk.look(going, is_over)


def _live_and_finish(going: Run, wish: Wish, stop: Stop, url: str, look: Look, out: Console, err: Console) -> int:
    display: Display = LiveView(out, wish.scenario.name, url) if out.is_terminal else PlainLines(out)
    progress = Progress(Looker(going), display)

    def tick(_: Run) -> None:
        stop.check()
        progress.tick()
        look(is_over)

    is_over = False
    with display:
        going.live(tick)
        is_over = True
        summary = going.finish(tick)
        progress.now()
    _conclude(going, summary, wish, out, err)
    if not wish.headless:
        look(True)
        _stay(going, stop, url, out)
    return 0 if summary.is_good else 1


def _conclude(going: Run, summary: Summary, wish: Wish, out: Console, err: Console) -> None:
    folder = going.folder.path
    report.show(out, summary, folder)
    report.show_problems(err, summary)
    if wish.json_file is not None:
        with _writing("--json", wish.json_file):
            report.write_json(wish.json_file, summary, folder)
    if wish.junit_file is not None:
        from sim.report import junit

        with _writing("--junit", wish.junit_file):
            junit.write(wish.junit_file, summary)
    if wish.report_file is not None:
        from sim.report import gather, html  # late: matplotlib takes most of a second

        story = gather.gather_run(going, summary)
        with _writing("--report", wish.report_file):
            html.write(wish.report_file, story)
        out.print(f"report: {escape(report.shown(wish.report_file.absolute()))}", soft_wrap=True, highlight=False)


@contextmanager
def _writing(option: str, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(COMMAND_LINE, option, str(target), f"a file that can be written ({error.strerror})") from None


def _stay(going: Run, stop: Stop, url: str, out: Console) -> None:
    """The scenario is over; who watches may go on looking at it."""
    where = f": {escape(url)}" if url else ""
    out.print(f"the scenario has ended; the console stays up until Ctrl-C{where}", soft_wrap=True, highlight=False)
    try:
        while True:
            stop.check()
            if going.services is not None:
                going.services.watch()
            going.kernel.idle(0.2)
    except Stopped:
        pass


def _ended_early(going: Run) -> str:
    assert going.engine is not None
    with going.engine.connect() as connection:
        counts = queries.counts(connection)
    local = going.scenario.local_time(min(going.now_ms, going.options.until_ms))
    took = report.span(time.monotonic() - going.started_at)
    what = f"{counts['records']:,} records ({counts['fixes']:,} fixes) and {counts['events']:,} events"
    return f"ended at {local:%H:%M:%S %Z} of the scenario after {took}: {what} in {escape(report.shown(going.folder.path))}"


def make_folder(wanted: Path | None, name: str) -> RunFolder:
    """The run's folder, made new. ConfigError when there is one already or it cannot be made."""
    path = wanted or Path.cwd() / "run"
    try:
        return RunFolder(path) if wanted is not None else new_run_folder(path, name)
    except FileExistsError:
        raise ConfigError(COMMAND_LINE, "--run", str(path), "a folder that does not exist yet") from None
    except OSError as error:
        raise ConfigError(COMMAND_LINE, "--run", str(path), f"a folder that can be made ({error.strerror})") from None


@contextmanager
def gone_on_failure(wanted: Path | None, name: str) -> Iterator[RunFolder]:
    """A new folder for a run, which is taken away again, with the folders made around it, when the start fails."""
    around = [path for path in ((wanted or Path("run") / name).absolute().parents) if not path.exists()]
    folder = make_folder(wanted, name)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        for path in around:
            with suppress(OSError):
                path.rmdir()
        raise
