"""Options that more than one command has."""

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
