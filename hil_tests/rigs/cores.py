"""The firmware's pure core without a device around it, on this host's MicroPython and on an emulated Cortex-M3."""

from collections.abc import Mapping
from pathlib import Path

from hil_tests.emulated.core import on_mcu, on_unix


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
