"""The `homeward` command: its composition root. Only what `--help` needs is loaded here."""

import os
import sys
from typing import Annotated

import typer

from tools import ca, devices, dock, inventory, measure, order, replay, serve, simulate
from tools.flash.command import flash
from tools.provision.command import provision
from tools.release import command as release

# Defects show a plain traceback: one that prints local variables would print keys.
app = typer.Typer(
    name="homeward",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_TRY = "Try it"
_OPERATE = "Operate it"
app.add_typer(simulate.app, name="sim", rich_help_panel=_TRY)
app.command("replay", rich_help_panel=_TRY)(replay.replay)
app.command("flash", rich_help_panel=_OPERATE)(flash)
app.command("bench", rich_help_panel=_TRY)(measure.bench)
app.command("provision", rich_help_panel=_OPERATE)(provision)
app.add_typer(inventory.app, name="inventory", rich_help_panel=_OPERATE)
app.add_typer(ca.app, name="ca", rich_help_panel=_OPERATE)
app.add_typer(serve.bridge_app, name="bridge", rich_help_panel=_OPERATE)
app.command("dock", rich_help_panel=_OPERATE)(dock.dock)
app.add_typer(order.app, name="order", rich_help_panel=_OPERATE)
app.command("devices", rich_help_panel=_OPERATE)(devices.devices)
app.add_typer(serve.console_app, name="console", rich_help_panel=_OPERATE)
app.add_typer(release.app, name="release", rich_help_panel=_OPERATE)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"homeward {version('homeward')}")
        raise typer.Exit


@app.callback()
def homeward(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Voluntary GPS tagging, open and complete: firmware, bridge, simulator and console.

    [bold]Start here[/]

      homeward sim run scenarios/demo.yaml      four simulated wearers on a map

      homeward sim check my-town.yaml           what is wrong with a scenario

      homeward replay walk.gpx                  a track you walked, through it all

    Every command says more with --help.
    """


def main() -> None:
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read what we print has gone: nothing is left to say, also not at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
