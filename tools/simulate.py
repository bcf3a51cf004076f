"""`homeward sim`: `run` and `check` here, the others in files of their own."""

from pathlib import Path
from typing import Annotated

import typer

from tools.failures import tells
from tools.fleet import fleet
from tools.inputs import check_port, check_targets, console_port, find_scenario, parse_speed, parse_until
from tools.options import BrokerPort, BrokerTls, ConsolePort, Workers, worker_count
from tools.rerun import Record, rerun, wanted_recordings
from tools.suite import suite

WATCHED_SPEED = 60.0

app = typer.Typer(help="Simulated wearers: real firmware, real broker, real bridge, virtual time.", no_args_is_help=True)

SCENARIO = typer.Argument(metavar="SCENARIO", help="A scenario in YAML; [bold]scenarios/demo.yaml[/] is built in.")
_PACE = "Pace"
_RESULTS = "Results"


@app.command("run")
@tells
def run(
    scenario: Annotated[str, SCENARIO],
    speed: Annotated[
        float | None,
        typer.Option(
            parser=parse_speed,
            metavar="N|max",
            show_default="60, or max with --headless",
            help="Simulated seconds in one second, or as fast as possible.",
            rich_help_panel=_PACE,
        ),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(
            parser=parse_until,
            metavar="TIME",
            show_default="as the scenario says",
            help="How long to simulate: 24h, 90m, '1d 12h'.",
            rich_help_panel=_PACE,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, show_default="as the scenario says", help="Another day of the same people.", rich_help_panel=_PACE),
    ] = None,
    acts_file: Annotated[
        Path | None,
        typer.Option(
            "--acts",
            metavar="FILE",
            help="Do again what was done by hand to an earlier run: acts.yaml of its folder. The records are the same.",
            rich_help_panel=_PACE,
        ),
    ] = None,
    headless: Annotated[
        bool,
        typer.Option(
            "--headless",
            help="No console; at the end a summary. Exit code 0 only when every record made is stored, nothing "
            "crashed and the scenario's expectations hold.",
            rich_help_panel=_RESULTS,
        ),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the summary as JSON too.", rich_help_panel=_RESULTS),
    ] = None,
    junit_file: Annotated[
        Path | None,
        typer.Option(
            "--junit", metavar="FILE", help="Write test results as JUnit's XML: a case an expectation.", rich_help_panel=_RESULTS
        ),
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write a report: each wearer's timeline and map, what was found and when, figures. One page, no network.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="FOLDER",
            show_default="run/<scenario>-<date>-<time>",
            help="Where store, secrets, flash and logs go. It must not exist yet.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    console_on: ConsolePort = None,
    broker_on: BrokerPort = 0,
    tls: BrokerTls = False,
    record: Record = "",
    workers: Workers = None,
) -> None:
    """Run a scenario: watch it on a map, or let it pass unattended.

    Starts a broker, the bridge, the console and a MicroPython process for
    each tag and home unit, and prints the console's address, and that of the
    control page, on which wearers are moved, straps cut, programs killed.
    Ctrl-C ends all of it. At the scenario's end the console stays up until
    then.

    [bold]Examples[/]

      homeward sim run scenarios/demo.yaml

      homeward sim run scenarios/demo.yaml --speed 1

      homeward sim run scenarios/demo.yaml --headless --json day.json

      homeward sim run my.yaml --headless --junit day.xml --report day.html

    [bold]Exit codes[/]

      0 done · 1 not good (it says why) · 2 something given is wrong ·
      130 Ctrl-C with --headless
    """
    check_targets({"--json": json_file, "--junit": junit_file, "--report": report_file})
    path = find_scenario(scenario)
    check_port("--broker-port", broker_on)
    port = None if headless else console_port(console_on)

    from rich.console import Console

    from sim.control.acts import load_acts
    from sim.engine.run import Options
    from sim.scenario import load
    from tools.running import Wish
    from tools.running import run as run_wish

    loaded = load(path)
    recorded = wanted_recordings(record, {name for one in loaded.file.people for name in (one.tag, one.home_unit) if name})
    if seed is not None:
        loaded.seed = seed
    if speed is None:
        speed = 0.0 if headless else WATCHED_SPEED
    options = Options(until or loaded.until_ms, speed, port, broker_on, tls=tls, record=recorded, workers=worker_count(workers))
    acts = None if acts_file is None else load_acts(acts_file, loaded)
    wish = Wish(loaded, options, headless, json_file, folder, junit_file, report_file, acts)
    raise typer.Exit(run_wish(wish, Console(), Console(stderr=True)))


@app.command("check")
@tells
def check(scenario: Annotated[str, SCENARIO]) -> None:
    """Say what is wrong with a scenario.

    Names the file and line, the field, the value and what was expected, and
    exits with code 2; nothing is started.

    Example:  homeward sim check my-town.yaml
    """
    path = find_scenario(scenario)

    from sim.scenario import load
    from tools.report import span

    loaded = load(path)
    loaded.world()
    people, expected = len(loaded.file.people), len(loaded.expect)
    start = loaded.local_time(0)
    typer.echo(
        f"{path}: good. {people} wearers, {span(loaded.until_ms / 1000)} from {start:%Y-%m-%d %H:%M %Z}, "
        f"seed {loaded.seed}, {expected} expectations"
    )


app.command("fleet")(fleet)
app.command("suite")(suite)
app.command("rerun")(rerun)
