"""What only the engine knows of a device once a run is over."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DeviceFigures:
    """`ms_on_cell` by state (`sim.world.energy` has the currents) while the cell fed it, `ms_outside` on charger or mains.

    `bytes_up` and `bytes_down` are those of its connections to the broker: MQTT, and TLS around it when there is any; not TCP/IP.
    `lives` counts its starts.
    """

    name: str
    ms_on_cell: dict[str, int]
    ms_outside: int
    bytes_up: int
    bytes_down: int
    lives: int
    crashes: list[str] = field(default_factory=list)
