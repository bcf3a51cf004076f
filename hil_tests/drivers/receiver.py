"""A serial port in the receiver's place: its TX is wired to the RX pin on which the device hears its GNSS receiver."""

from typing import Annotated

from pydantic import Field

from hil_tests.drivers.base import Driver
from hil_tests.drivers.ports import SerialSettings


class ReceiverSettings(SerialSettings):
    """9600 baud is the L76K's (its data sheet's default, and firmware/boards/drivers/l76k.py)."""

    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 9600


class ReceiverPort(Driver):
    Settings = ReceiverSettings
    settings: ReceiverSettings

    def open(self) -> None:
        self._port = self.settings.open(self.place)

    def speak(self, data: bytes) -> None:
        self._port.read()  # what the device says to its receiver is logged and not answered
        self._port.write(data)

    def close(self) -> None:
        self._port.close()
