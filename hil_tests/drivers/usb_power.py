"""Power of a USB port by the program `uhubctl`, on hubs that can switch it (few can: its README lists them).

`uhubctl -l HUB -p PORT -a on|off -r REPEAT`; repeated because some hubs need it. It wants access to the hub's
device: a udev rule, see docs/bench.md.
"""

import shutil
import subprocess
from typing import Annotated

from pydantic import Field

from hil_tests.drivers.base import Driver, DriverError, DriverSettings

_SBIN = "/usr/sbin:/sbin"  # where Debian has it, and not everybody's PATH


class UsbPowerSettings(DriverSettings):
    """`hub` as `uhubctl` alone lists it, such as "1-1.4"; `program` where it is not in PATH."""

    hub: str = Field(pattern=r"^\d+(-\d+(\.\d+)*)?$")
    program: str = "uhubctl"
    repeat: Annotated[int, Field(ge=1, le=100)] = 3
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 20.0


class UsbPower(Driver):
    """Channels are ports of the hub. At rest all are on."""

    Settings = UsbPowerSettings
    settings: UsbPowerSettings

    def check(self, channel: str) -> str:
        return "" if channel.isascii() and channel.isdigit() and 1 <= int(channel) <= 15 else "a port of the hub, 1 to 15"

    def open(self) -> None:
        found = shutil.which(self.settings.program) or shutil.which(self.settings.program, path=_SBIN)
        if found is None:
            raise self.place.wrong("program", self.settings.program, "the program uhubctl (Debian: apt install uhubctl)")
        self._program = found
        self._off: set[str] = set()

    def switch(self, channel: str, on: bool) -> None:
        command = [self._program, "-l", self.settings.hub, "-p", channel, "-a", "on" if on else "off"]
        command += ["-r", str(self.settings.repeat)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.settings.timeout_s)
        except subprocess.TimeoutExpired:
            raise DriverError(f"{self.place.table}: {' '.join(command)!r} did not end in {self.settings.timeout_s} s") from None
        if done.returncode:
            words = " ".join((done.stderr + done.stdout).split()) or f"status {done.returncode}"
            raise DriverError(f"{self.place.table}: {' '.join(command)!r}: {words}")
        (self._off.discard if on else self._off.add)(channel)

    def close(self) -> None:
        for channel in sorted(self._off):
            self.switch(channel, True)
