"""Options that more than one command has."""

import os
from typing import Annotated

import typer

_NETWORK = "Network (127.0.0.1 only)"

ConsolePort = Annotated[
    int | None,
    typer.Option(
        "--console-port",
        metavar="P",
        min=0,
        max=65535,
        show_default="8080, or any free one when that is taken",
        help="The console's port.",
        rich_help_panel=_NETWORK,
    ),
]

BrokerPort = Annotated[
    int,
    typer.Option(
        "--broker-port",
        metavar="P",
        min=0,
        max=65535,
        show_default="any free one",
        help="The MQTT broker's port.",
        rich_help_panel=_NETWORK,
    ),
]

BrokerTls = Annotated[
    bool,
    typer.Option(
        "--tls",
        help="Devices and bridge reach the broker by TLS, each with a certificate of its own, as in the field.",
        rich_help_panel=_NETWORK,
    ),
]

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        max=256,
        show_default="one for two cores",
        help="Processes that the households are divided among; devices have their own. The records do not depend on it.",
        rich_help_panel="Pace",
    ),
]


def worker_count(wanted: int | None) -> int:
    """What `--workers` says, or what suits this machine."""
    return wanted or max(1, (os.cpu_count() or 1) // 2)
