"""`homeward sim fleet`: so many wearers at once, and what they take of this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.failures import INTERRUPTED, tells
from tools.inputs import COMMAND_LINE, check_port, check_target, console_port, parse_speed, parse_until
from tools.options import BrokerPort, ConsolePort

if TYPE_CHECKING:
    from rich.console import Console

    from sim.engine.gauge import Figures, Look
    from sim.engine.run import Options, Run
    from sim.engine.summary import Summary
    from sim.scenario import Scenario

_PACE = "Pace"
_RESULTS = "Results"
_DESCRIPTORS = 3  # of a device, in this process: two pipes and a connection
_SPARE = 300
_UNTIL_MS = 10 * 60_000


@tells
def fleet(
    wearers: Annotated[int, typer.Option("--wearers", metavar="N", help="How many; each with a tag and a home unit.")],
    speed: Annotated[
        float,
        typer.Option(
            parser=parse_speed, metavar="N|max", help="Simulated seconds in one, or as fast as possible.", rich_help_panel=_PACE
        ),
    ] = "1",  # type: ignore[assignment]: the parser's
    until: Annotated[
        int | None,
        typer.Option(
            parser=parse_until, metavar="TIME", show_default="10m", help="How long: 10m, 24h, '1d 12h'.", rich_help_panel=_PACE
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Other people, another day.", rich_help_panel=_PACE)] = 1,
    with_console: Annotated[
        bool, typer.Option("--console", help="With the web console over it; it takes a share of the machine too.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON too.", rich_help_panel=_RESULTS)
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--run",
            metavar="FOLDER",
            show_default="run/fleet-N-<date>-<time>",
            help="Where store, secrets, flash and logs go. It must not exist yet.",
            rich_help_panel=_RESULTS,
        ),
    ] = None,
    console_on: ConsolePort = None,
    broker_on: BrokerPort = 0,
    no_tls: Annotated[bool, typer.Option("--no-tls", help="Devices and bridge reach the broker in clear.")] = False,
) -> None:
    """Run a fleet: many invented wearers at once, and what they take.

    Each has an address of their own in a town that does not exist, a tag, a
    home unit and a typical day that begins on a Monday at 07:30. Every device
    is a process that runs the real firmware, by TLS to the real broker and
    bridge. Prints as it goes what each part takes of a processor, and at the
    end a table: start-up, steady load, private memory of a device.

    [bold]Examples[/]

      homeward sim fleet --wearers 1000

      homeward sim fleet --wearers 13 --speed max --until 7d --json week.json

    [bold]Exit codes[/]

      0 done · 1 not good (it says why) · 2 something given is wrong ·
      130 Ctrl-C
    """
    check_target("--json", json_file)
    check_port("--broker-port", broker_on)
    port = console_port(console_on) if with_console or console_on is not None else None
    if wearers > 0:
        room_for(2 * wearers)

    from rich.console import Console

    from sim.engine.run import Options
    from sim.fleet import fleet as make

    scenario = make(wearers, seed)
    options = Options(until or _UNTIL_MS, speed, port, broker_on, shows_town=port is not None, tls=not no_tls)
    raise typer.Exit(_run(scenario, options, folder, json_file, Console(), Console(stderr=True)))


def room_for(devices: int) -> None:
    """As many open files as this process may have. ConfigError when that is too few."""
    import resource

    from bridge.errors import ConfigError

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _DESCRIPTORS * devices + _SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        most = max(0, hard - _SPARE) // _DESCRIPTORS // 2
        expected = f"at most {most:,}: this process may have {hard:,} files open (ulimit -Hn), and these would be {needed:,}"
        raise ConfigError(COMMAND_LINE, "--wearers", devices // 2, expected)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))


def _run(
    scenario: "Scenario", options: "Options", folder: Path | None, json_file: Path | None, out: "Console", err: "Console"
) -> int:
    import time
    from contextlib import ExitStack

    from rich.markup import escape

    from sim.engine.gauge import Gauge
    from sim.engine.run import Run
    from tools import report
    from tools.running import gone_on_failure
    from tools.stopping import Stop, Stopped

    with Stop() as stop, ExitStack() as stack:
        with gone_on_failure(folder, scenario.name) as made:
            out.print(f"starting [bold]{escape(scenario.name)}[/] in {escape(report.shown(made.path))}", highlight=False)
            began = time.monotonic()
            run = stack.enter_context(Run(scenario, made, options))
            stack.callback(stop.ending)
            stop.check()
        if run.services is not None and run.services.console_url:
            out.print(f"console: [bold cyan]{escape(run.services.console_url)}[/]", soft_wrap=True, highlight=False)
        gauge = Gauge(run)
        out.print(f"provisioned in {run.spawned_at - began:.1f} s", highlight=False)
        gauge.await_start()
        out.print(f"{len(run.kernel.devices):,} devices up in {gauge.start_s:.1f} s", highlight=False)

        def tick(_: "Run") -> None:
            stop.check()
            if (look := gauge.look()) is not None:
                out.print(_line(run, look), highlight=False, soft_wrap=True)

        try:
            run.live(tick)
            gauge.now()
            figures = gauge.figures()
            summary = run.finish(lambda _: stop.check())
        except Stopped:
            out.print("ended before its end; nothing is left running")
            return INTERRUPTED
        values = {"provision_s": round(run.spawned_at - began, 2), **as_dict(figures, summary)}
        _show(out, values)
        report.show_problems(err, summary)
        out.print(f"kept in [bold]{escape(report.shown(made.path))}[/]", soft_wrap=True, highlight=False)
        if json_file is not None:
            report.write_whole(json_file, values)
        return 0 if summary.is_good else 1


def _line(run: "Run", look: "Look") -> str:
    parts = " ".join(f"{part} {100 * share:.0f} %" for part, share in look.cpu.items() if share or part != "console")
    return (
        f"{run.scenario.local_time(look.virtual_ms):%a %H:%M:%S}  {look.up:,} up, {look.connected:,} connected · "
        f"{look.records:,} records, {look.records_per_s:,.0f}/s · {parts} of a core, "
        f"together {100 * sum(look.cpu.values()) / _cores():.0f} % of {_cores()}"
    )


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def as_dict(figures: "Figures", summary: "Summary") -> dict[str, Any]:
    """What `--json` writes: times in seconds, shares in per cent, memory in MiB."""
    values = asdict(figures)
    cpu = values.pop("cpu")
    return {
        **{key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()},
        "cpu_percent_of_a_core": {part: round(100 * share, 2) for part, share in cpu.items()},
        "cpu_percent_of_the_machine": round(100 * figures.machine_share, 2),
        "cores": _cores(),
        "simulated_s": summary.simulated_s,
        "records_made": summary.records_made,
        "records_stored": summary.records_stored,
        "holds_expired": summary.holds_expired,
        "crashes": summary.crashes,
        "good": summary.is_good,
    }


def _show(out: "Console", values: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(style="dim")
    table.add_column(justify="right")
    rows = [
        ("devices", f"{values['devices']:,}"),
        ("provisioned in", f"{values['provision_s']:.1f} s"),
        ("started in", f"{values['start_s']:.1f} s ({values['start_cpu_s']:.1f} s of a processor)"),
    ]
    if values["burst_s"] is None:
        rows.append(("steady", "never: too short, or more than this machine can do"))
    else:
        rows += [("steady after", f"{values['burst_s']:.0f} s"), ("for", f"{values['steady_s']:.0f} s")]
        rows += [(f"{part}, of a core", f"{share:.1f} %") for part, share in values["cpu_percent_of_a_core"].items()]
        rows += [
            (f"together, of {values['cores']} cores", f"{values['cpu_percent_of_the_machine']:.1f} %"),
            ("records stored a second", f"{values['records_per_s']:,.1f}"),
        ]
    rows += [
        ("private memory of a device, mean", f"{values['private_mib_mean']:.2f} MiB"),
        ("private memory of a device, most", f"{values['private_mib_max']:.2f} MiB"),
        ("records made", f"{values['records_made']:,}"),
        ("records stored", f"{values['records_stored']:,}"),
        ("holds expired", f"{values['holds_expired']:,}"),
        ("crashes", f"{len(values['crashes']):,}"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    out.print(table)
