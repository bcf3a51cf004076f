"""`homeward sim rerun`: one device again from what `homeward sim run --record` kept of it."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from bridge.errors import ConfigError
from tools.failures import tells
from tools.inputs import COMMAND_LINE, parse_until

Record = Annotated[
    str,
    typer.Option(
        "--record",
        metavar="DEVICE,…|all",
        show_default="none",
        help="Keep what reaches these devices, in recordings/ of the run's folder, for [bold]homeward sim rerun[/].",
        rich_help_panel="Results",
    ),
]


def wanted_recordings(given: str, known: set[str]) -> frozenset[str]:
    """The names in what was typed. ConfigError for a device that the scenario has not."""
    names = frozenset(filter(None, (name.strip() for name in given.split(","))))
    for name in sorted(names - known - {"all"}):
        raise ConfigError(COMMAND_LINE, "--record", name, f'"all", or a device of the scenario: {", ".join(sorted(known))}')
    return names


@tells
def rerun(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A .rec file below a run's recordings/.")],
    until: Annotated[
        int | None,
        typer.Option(parser=parse_until, metavar="TIME", show_default="all of it", help="How far, from the scenario's start."),
    ] = None,
    from_life: Annotated[
        int, typer.Option("--from-life", metavar="N", min=1, help="Enter at the device's Nth start, with its flash of then.")
    ] = 1,
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Go on behind the first difference: inputs come as recorded, whatever the device says."),
    ] = False,
    trace: Annotated[
        bool, typer.Option("--trace", help="Tell every input and output. What is secret is told by its length alone.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Tell the process's id and wait for Enter, so that a debugger can be attached.")
    ] = False,
    wait_at: Annotated[
        int | None,
        typer.Option("--wait-at", parser=parse_until, metavar="TIME", show_default="the start", help="The same, before TIME."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            show_default="none",
            help="Keep the device's flash and console there. It must not exist yet; it holds keys.",
        ),
    ] = None,
) -> None:
    """Run one recorded device again, alone, with the firmware as it is now.

    It is handed what it was handed in its run; no broker, bridge or world is
    needed. What it prints is shown with its virtual time. Each answer is
    compared with the recorded one, and its flash at each start: the first
    difference is named, and ends the run.

    [bold]Examples[/]

      homeward sim run errand.yaml --headless --run out --record tag-000004

      homeward sim rerun out/recordings/tag-000004.rec --trace

    [bold]Exit codes[/]

      0 all as recorded · 1 a difference · 2 something given is wrong
    """
    from sim.engine.recording import Reader, RecordingError
    from sim.engine.rerun import Rerun, Watcher, Wish
    from sim.engine.telling import moment

    def show(t_ms: int, text: str) -> None:
        print(f"{moment(t_ms):>15}  {text}", flush=True)

    def pause(pid: int) -> None:
        print(f"its process is {pid}: attach a debugger (gdb -p {pid}), then press Enter", flush=True)
        sys.stdin.readline()

    watcher = Watcher(
        printed=lambda t_ms, text: show(t_ms, f"│ {text}"),
        traced=show if trace else None,
        noted=lambda t_ms, text: show(t_ms, f"* {text}"),
        pause=pause,
    )
    waits_at_ms = wait_at if wait_at is not None else 0 if wait else None
    if folder is not None and folder.exists():
        raise ConfigError(COMMAND_LINE, "--folder", str(folder), "a folder that does not exist yet")
    try:
        reader = Reader(recording)
        head = reader.head
        print(f"{head.device}, scenario {head.scenario}, seed {head.seed}, firmware of then {head.build}", flush=True)
        with tempfile.TemporaryDirectory(prefix="homeward-rerun-") as scratch:
            place = folder or Path(scratch) / "device"
            place.mkdir(mode=0o700, parents=True)
            with Rerun(reader, Path(scratch) / "image", place, watcher) as again:
                outcome = again.run(Wish(until, from_life, go_on, waits_at_ms))
    except RecordingError as error:
        raise ConfigError(COMMAND_LINE, "RECORDING", str(recording), f"a recording that can be run again ({error})") from None
    except OSError as error:
        words = f"a file that can be read ({os.strerror(error.errno or 0)})"
        raise ConfigError(COMMAND_LINE, "RECORDING", error.filename or str(recording), words) from None
    if not reader.is_whole:
        show(outcome.t_ms, "* the recording ends here: its run was killed")
    lives = "one life" if outcome.lives == 1 else f"{outcome.lives} lives"
    print(f"{lives}, {outcome.runs} turns, to {moment(outcome.t_ms)}: ", end="")
    print(f"not as recorded from {outcome.difference}" if outcome.difference else "all as recorded", flush=True)
    if outcome.difference:
        raise typer.Exit(1)
