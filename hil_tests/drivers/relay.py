"""Relay boards on a serial port that speak the protocol of the LC "USB switch" boards (LCUS-1, -2, -4, -8 with a CH340).

Four bytes switch one relay: A0, its number from 1, 1 or 0, and the sum of the three (from the boards' sales sheets; there is no
standard). Nothing comes back, so nothing is verified. Eight-channel boards differ in what they answer to FF: not used.
"""

from typing import Annotated

from pydantic import Field

from hil_tests.drivers.base import Driver
from hil_tests.drivers.ports import SerialSettings


class RelaySettings(SerialSettings):
    """`channels`: how many relays it has."""

    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 9600
    channels: Annotated[int, Field(ge=1, le=254)] = 1


def frame(number: int, on: bool) -> bytes:
    head = bytes([0xA0, number, int(on)])
    return head + bytes([sum(head) & 0xFF])


class RelayBoard(Driver):
    """Channels "1" to the number of relays. At rest all are off."""

    Settings = RelaySettings
    settings: RelaySettings

    def check(self, channel: str) -> str:
        known = [str(n) for n in range(1, self.settings.channels + 1)]
        return "" if channel in known else f"a relay, one of {', '.join(known)}"

    def open(self) -> None:
        self._port = self.settings.open(self.place)
        self._used: set[int] = set()

    def switch(self, channel: str, on: bool) -> None:
        self._used.add(int(channel))
        self._port.write(frame(int(channel), on))

    def close(self) -> None:
        try:
            for number in sorted(self._used):
                self._port.write(frame(number, False))
        finally:
            self._port.close()
