"""The console's process: `python -m bridge.console --store sqlite:////path/store.db`. The only place that wires it.

Prints one line on stdout when it answers: `{"event": "console ready", "url": "http://127.0.0.1:PORT/?key=…"}`. The address holds
this run's key and is printed nowhere else. Ends cleanly on SIGTERM and SIGINT; exits 2 with one line on stderr when something
given is wrong.
"""

import argparse
import asyncio
import json
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from bridge.console.app import create_app
from bridge.console.reading import open_read_only
from bridge.console.settings import ConsoleSettings, make_settings
from bridge.errors import ConfigError


def parse_arguments(argv: Sequence[str] | None) -> ConsoleSettings:
    parser = argparse.ArgumentParser(
        prog="python -m bridge.console", description="The web console of Homeward, over the bridge's store."
    )
    parser.add_argument("--store", metavar="URL", help="the bridge's store, such as sqlite:////var/lib/homeward/store.db")
    parser.add_argument("--port", type=int, metavar="P", help="8080 unless given; 0 takes any free port")
    parser.add_argument("--host", help="127.0.0.1 (default), ::1 or localhost")
    parser.add_argument("--town", type=Path, metavar="FILE", help="base map as GeoJSON; else the one that the store names")
    parser.add_argument("--tiles", metavar="TEMPLATE", help="your own tiles instead: an address with {z}, {x} and {y}")
    parser.add_argument("--tiles-attribution", metavar="TEXT", help="what the owner of the tiles wants to be named by")
    given = parser.parse_args(argv)
    settings = make_settings(
        "console",
        store_url=given.store,
        port=given.port,
        host=given.host,
        town=given.town,
        tile_url=given.tiles,
        tile_attribution=given.tiles_attribution,
    )
    if not settings.store_url:
        raise ConfigError("console", "--store", None, "the address of the bridge's store, such as sqlite:////path/store.db")
    return settings


class AnnouncingServer(uvicorn.Server):
    """Says so once it answers, so that whoever started it need not try."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(json.dumps({"event": "console ready", "url": self._url}), flush=True)


def bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError("console", "--port", port, f"a free port on {host} ({error.strerror})") from None
    return bound


def run_console(settings: ConsoleSettings) -> None:
    """Serve until a signal. ConfigError before anything is served."""
    engine = open_read_only(settings.store_url)
    try:
        app = create_app(engine, settings)
        with bind(settings.host, settings.port) as listening:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            url = f"http://{host}:{listening.getsockname()[1]}/?key={settings.access_key}"
            # No access log: the first request's address holds the key.
            config = uvicorn.Config(
                app, access_log=False, log_level="warning", server_header=False, ws="none", timeout_graceful_shutdown=3
            )
            # The server hands SIGTERM on when it has ended: an orderly end, not a death.
            signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
            asyncio.run(AnnouncingServer(config, url).serve(sockets=[listening]))
    finally:
        engine.dispose()


def main(argv: Sequence[str] | None = None) -> int:
    try:
        run_console(parse_arguments(argv))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        pass
    return 0
