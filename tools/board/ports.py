"""Boards and their ports. A board is known by the serial number of its USB interface: port names change with every plug.

Ports come from pyserial, and from the folder that HOMEWARD_BOARDS names, where boards on pseudo-terminals make themselves known
(`python -m sim.board --registry FOLDER`).
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports

from tools.board.errors import BoardError

REGISTRY = "HOMEWARD_BOARDS"


@dataclass(frozen=True)
class Port:
    """`device` is what to open. `serial_number` is "" where the interface has none (or it is no USB port)."""

    device: str
    serial_number: str = ""
    description: str = ""

    @property
    def name(self) -> str:
        """What people know the board by."""
        return self.serial_number or self.device


def list_boards() -> list[Port]:
    """Every USB serial port, and every board on a pseudo-terminal, by serial number."""
    found = [
        Port(each.device, each.serial_number or "", each.description or "")
        for each in list_ports.comports()
        if each.vid is not None
    ]
    registry = os.environ.get(REGISTRY)
    for path in sorted(Path(registry).glob("*.json")) if registry else []:
        try:
            about = json.loads(path.read_text("utf-8"))
            port = Port(about["port"], about["serial_number"], about["description"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it has just gone
        if os.path.exists(port.device):
            found.append(port)
    return sorted(found, key=lambda port: (port.serial_number, port.device))


def find_port(wanted: str) -> Port:
    """By serial number, or its beginning or end if only one board has that; else by the port's own name or a URL of pyserial's.

    BoardError when there is no such board, or more than one.
    """
    boards = list_boards()
    for same in (
        [port for port in boards if port.serial_number == wanted],
        [port for port in boards if os.path.realpath(port.device) == os.path.realpath(wanted)],
        [port for port in boards if len(wanted) >= 3 and port.serial_number.startswith(wanted)],
        [port for port in boards if len(wanted) >= 3 and port.serial_number.endswith(wanted)],
    ):
        if len(same) == 1:
            return same[0]
        if same:
            raise BoardError(wanted, f"{len(same)} boards have that in their serial numbers: {_told(same)}")
    if "://" in wanted or os.path.exists(wanted) or wanted.upper().startswith("COM"):
        return Port(wanted)
    raise BoardError(wanted, f"no such board or port; plugged in: {_told(boards)}")


def _told(ports: list[Port]) -> str:
    return ", ".join(f"{port.serial_number or '(no serial number)'} on {port.device}" for port in ports) or "none"
