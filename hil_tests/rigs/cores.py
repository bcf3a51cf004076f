"""The firmware's pure core without a device around it, on this host's MicroPython and on an emulated Cortex-M3; and the rig
`emulated`, which has that and a bare board of the same processor."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hil_tests.emulated.board import ARCHITECTURE, EmulatedBoard
from hil_tests.emulated.build import missing
from hil_tests.emulated.core import on_mcu, on_unix
from hil_tests.rigs import RigSpec
from hil_tests.rigs.ptyboard import PtyBoard
from hil_tests.rigs.rig import Rig
from hil_tests.steps import Steps


class HostCore:
    """64 bits, doubles."""

    def hour(self, seconds: int) -> Mapping[str, str]:
        return on_unix(seconds)


class EmulatedCore:
    """32 bits, single floats, a heap of 128 KiB."""

    def __init__(self, firmware: Path | None) -> None:
        self._firmware = firmware

    def hour(self, seconds: int) -> Mapping[str, str]:
        return on_mcu(seconds, firmware=self._firmware)


def emulated(firmware: Path | None) -> RigSpec:
    """Without its programs it has nothing, and says which they are. On an ELF of one's own only the core is asked for."""
    has = {"core"} if firmware else {"core", "board"}
    lacking = missing(firmware)

    @contextmanager
    def opened(folder: Path, steps: Steps, wanted: frozenset[str]) -> Iterator[Rig]:
        if "board" not in wanted:
            yield Rig("emulated", core=EmulatedCore(firmware))
            return
        with PtyBoard(folder / "rig", steps, EmulatedBoard, ARCHITECTURE) as board:
            yield Rig("emulated", core=EmulatedCore(firmware), board=board)

    return RigSpec("emulated", frozenset() if lacking else frozenset(has), opened, dict.fromkeys(has, lacking) if lacking else {})
