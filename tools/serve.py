"""`homeward bridge run` and `homeward console run`: the two programs that an operator keeps running."""

from pathlib import Path
from typing import Annotated

import typer

from tools.failures import tells

bridge_app = typer.Typer(help="The bridge: stores sealed records, gives receipts, finds events.", no_args_is_help=True)
console_app = typer.Typer(help="The web console over a store.", no_args_is_help=True)


@bridge_app.command("run")
@tells
def run_bridge(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings in TOML; HOMEWARD_… variables win over it.")
    ] = None,
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C; logs one JSON object a line.

    A run's folder holds a complete example of its settings: [bold]run/…/bridge.toml[/].

    Example:  homeward bridge run --config /etc/homeward/bridge.toml
    """
    from bridge import main
    from bridge.settings import load_settings

    settings = load_settings(config)
    main.configure_logging()
    main.run_bridge(settings)


@console_app.command("run")
@tells
def run_console(
    store: Annotated[str, typer.Option(metavar="STORE", help="The bridge's store: a path, or an SQLAlchemy URL.")],
    port: Annotated[int | None, typer.Option(metavar="P", show_default="8080", help="0 takes any free one.")] = None,
    host: Annotated[str | None, typer.Option(show_default="127.0.0.1", help="127.0.0.1, ::1 or localhost.")] = None,
    town: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Base map as GeoJSON; else the one that the store names.")
    ] = None,
    tiles: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Your own tiles instead: an address with {z}, {x} and {y}.")
    ] = None,
    tiles_attribution: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the owner of the tiles wants to be named by.")
    ] = None,
) -> None:
    """Run the console until SIGTERM or Ctrl-C; its address, with the key to it, is the first line that it prints.

    Also shows a run that is over.

    Example:  homeward console run --store run/demo-20260601-060000/store.db
    """
    from bridge.console.main import run_console as serve
    from bridge.console.settings import make_settings
    from bridge.store.opening import store_url

    url = store_url(store).render_as_string(hide_password=False)
    given = {"port": port, "host": host, "town": town, "tile_url": tiles, "tile_attribution": tiles_attribution}
    serve(make_settings("console", store_url=url, **given))
