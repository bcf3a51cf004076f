"""The firmware's pure core without a device around it: on this host's MicroPython, and on an emulated Cortex-M3."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from hil_tests.emulated.build import missing
from hil_tests.emulated.core import on_mcu, on_unix
from hil_tests.rigs import RigSpec
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
    """The rig `emulated`; without its programs it has nothing, and says which they are."""
    lacking = missing(firmware)

    def opened(folder: Path, steps: Steps, wanted: frozenset[str]) -> AbstractContextManager[Rig]:
        return nullcontext(Rig("emulated", core=EmulatedCore(firmware)))

    return RigSpec("emulated", frozenset() if lacking else frozenset({"core"}), opened, {"core": lacking} if lacking else {})
