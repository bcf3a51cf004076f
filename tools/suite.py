"""`homeward sim suite`: the requirements, measured."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tools.failures import INTERRUPTED, WRONG, say, tells
from tools.inputs import COMMAND_LINE, check_target

_WHICH = "Which"
_RESULTS = "Results"
_WIDE = 180


@tells
def suite(
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="NAME[,NAME]", help="These requirements alone; --list names them.", rich_help_panel=_WHICH
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=10_000, help="How many seeds each.", rich_help_panel=_WHICH)] = 20,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The first of them.", rich_help_panel=_WHICH)] = 1,
    long: Annotated[
        bool, typer.Option("--long", help="The long ones too: ten days without coverage.", rich_help_panel=_WHICH)
    ] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="Name the requirements and run nothing.", rich_help_panel=_WHICH)
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, max=256, show_default="one a core", help="Runs at the same time.", rich_help_panel=_RESULTS
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the table as JSON too.", rich_help_panel=_RESULTS)
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep", metavar="FOLDER", help="Keep the folders of runs that do not hold here.", rich_help_panel=_RESULTS
        ),
    ] = None,
) -> None:
    """Measure what the field asks of a tagging system, over many seeds.

    A row for each requirement: the figure asked, the one measured, what was
    missed, what was found that is not so. A seed moves homes, moments, routes
    and all that is random; the same seeds give the same table.

    [bold]Examples[/]

      homeward sim suite --json suite.json

      homeward sim suite --only strap_cut,zone_event --seeds 5

    [bold]Exit codes[/]

      0 all that was run held · 1 something did not (it says what, and how to
      run that seed alone) · 2 something given is wrong · 130 Ctrl-C
    """
    from rich.console import Console

    from bridge.errors import ConfigError
    from sim.suite.requirements import BY_NAME, REQUIREMENTS

    out = Console()
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(width=_WIDE)  # a log or a pipe has room
    if show_list:
        _list(out)
        return
    wanted = list(REQUIREMENTS)
    if only is not None:
        names = [name.strip() for name in only.split(",") if name.strip()]
        for name in names:
            if name not in BY_NAME:
                raise ConfigError(COMMAND_LINE, "--only", name, "a requirement; --list names them")
        if not names:
            raise ConfigError(COMMAND_LINE, "--only", only, "a requirement; --list names them")
        wanted = [each for each in REQUIREMENTS if each.name in names]
        long = long or any(each.long for each in wanted)
    check_target("--json", json_file)
    if keep is not None and keep.exists() and not keep.is_dir():
        raise ConfigError(COMMAND_LINE, "--keep", str(keep), "a folder")
    raise typer.Exit(
        _suite(wanted, range(first_seed, first_seed + seeds), long, jobs or os.cpu_count() or 1, json_file, keep, out)
    )


def _list(out) -> None:
    from rich.table import Table

    from sim.suite.requirements import REQUIREMENTS

    table = Table(header_style="bold", pad_edge=False)
    for heading in ("requirement", "section", "what is asked", "figure"):
        table.add_column(heading, overflow="fold")
    for each in REQUIREMENTS:
        figures = "\n".join(f"{figure.words} {figure.asked}" for figure in each.figures) or f"not shown: {each.not_shown}"
        table.add_row(each.name + (" (long)" if each.long else ""), str(each.section), each.words, figures)
    out.print(table)


def _suite(wanted, seeds: range, long: bool, jobs: int, json_file: Path | None, keep: Path | None, out) -> int:
    import json

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from sim.suite import table
    from sim.suite.runner import run_all, tasks_of
    from sim.suite.samples import judge
    from tools.stopping import Stop, Stopped

    now = [each for each in wanted if not each.not_shown and (long or not each.long)]
    if not now:
        table.show(out, wanted, [])
        say("nothing of this can be run")
        return WRONG
    tasks = tasks_of(now, list(seeds), keep)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn())
    err = Console(stderr=True)
    with Stop() as stop:
        try:
            with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
                bar = progress.add_task("requirements", total=len(tasks))
                found = run_all(tasks, min(jobs, len(tasks)), lambda task, _: progress.advance(bar), stop.check)
        except Stopped:
            say("ended before its end; nothing is left running")
            return INTERRUPTED
    verdicts = [judge(each.name, each.figures, [f for f in found if f.requirement == each.name]) for each in now]
    table.show(out, wanted, verdicts)
    if json_file is not None:
        json_file.write_text(json.dumps(table.as_dict(wanted, verdicts), indent=2) + "\n")
    return 0 if all(verdict.held for verdict in verdicts) else 1
