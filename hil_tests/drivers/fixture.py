"""A second board with MicroPython as fixture: its pins drive or read those of the device. Its program: fixture_board.py."""

from typing import Annotated

from pydantic import Field

from hil_tests.drivers.base import Driver, DriverError
from hil_tests.drivers.ports import SerialSettings

_ATTEMPTS = 5  # a board that has just been plugged in may still be starting, or have half a line in its buffer


class FixtureSettings(SerialSettings):
    """`hold_s`: when nothing has been heard for so long, because the test has died, the board lets go of all pins by itself."""

    hold_s: Annotated[int, Field(ge=1, le=3600)] = 120
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 1.0


class Fixture(Driver):
    """Channels are pins as the board calls them: "16", "GP16". At rest all are released."""

    Settings = FixtureSettings
    settings: FixtureSettings

    def check(self, channel: str) -> str:
        good = channel.isascii() and channel.replace("_", "").isalnum() and len(channel) <= 16
        return "" if good else "a pin, such as 16 or GP16, in quotes"

    def open(self) -> None:
        self._port = self.settings.open(self.place)
        try:
            for _ in range(_ATTEMPTS):
                self._port.read()
                self._port.write(b"\nwho\n")
                line = self._port.read_line(self.settings.timeout_s)
                if line is not None and line.startswith(b"ok homeward-fixture 1"):
                    self.identity = line.decode("ascii", "replace").removeprefix("ok ")
                    break
            else:
                raise DriverError(
                    f"{self.place.table}: {self._port.device} runs no fixture_board.py of version 1"
                    f" (mpremote connect {self._port.device} cp hil_tests/drivers/fixture_board.py :main.py + reset)"
                )
            self._ask(f"hold {self.settings.hold_s}")
        except BaseException:
            self._port.close()
            raise

    def switch(self, channel: str, on: bool) -> None:
        self._ask(f"set {channel} {int(on)}")

    def sense(self, channel: str) -> bool:
        return self._ask(f"get {channel}") == "1"

    def pulse(self, channel: str, on: bool, ms: int) -> None:
        """To a level and back after so many milliseconds, timed by the board."""
        self._ask(f"pulse {channel} {int(on)} {ms}", ms / 1000)

    def release(self, channel: str) -> None:
        """The pin drives nothing."""
        self._ask(f"release {channel}")

    def tick(self) -> None:
        self._ask("who")

    def close(self) -> None:
        try:
            self._ask("rest")
        finally:
            self._port.close()

    def _ask(self, line: str, more_s: float = 0.0) -> str:
        self._port.write(line.encode("ascii") + b"\n")
        told = self._port.read_line(self.settings.timeout_s + more_s)
        if told is None:
            raise DriverError(f"{self.place.table}: {line!r} was not answered within {self.settings.timeout_s} s")
        text = told.decode("ascii", "replace")
        if text != "ok" and not text.startswith("ok "):
            raise DriverError(f"{self.place.table}: {line!r} was answered by {text!r}")
        return text[3:]
