"""A programmable supply on a serial port that speaks SCPI (SCPI-99; each command ends with a line feed).

Makers differ in words: every command is a setting, with `{channel}`, `{volts}` and `{state}` (ON, OFF) to be filled in. After
each one `error_query` is asked, and anything but 0 is an error of ours: `SYST:ERR?` answers `0,"No error"` (SCPI-99 volume 2,
section 21.8).
"""

from typing import Annotated

from pydantic import Field

from hil_tests.drivers.base import Driver, DriverError
from hil_tests.drivers.ports import SerialSettings


class ScpiSettings(SerialSettings):
    """`top_millivolts` is never exceeded, whatever a test asks: a lithium cell's 4.2 V and a little."""

    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 9600
    channels: Annotated[int, Field(ge=1, le=8)] = 1
    identify: str = "*IDN?"
    select: str = "INST:NSEL {channel}"
    set_voltage: str = "VOLT {volts:.3f}"
    set_output: str = "OUTP {state}"
    error_query: str = "SYST:ERR?"
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 2.0
    top_millivolts: Annotated[int, Field(ge=1, le=30_000)] = 4250


class ScpiSupply(Driver):
    """Channels "1" … . At rest its outputs are on: a device on the bench keeps its power between tests."""

    Settings = ScpiSettings
    settings: ScpiSettings

    def check(self, channel: str) -> str:
        known = [str(n) for n in range(1, self.settings.channels + 1)]
        return "" if channel in known else f"an output, one of {', '.join(known)}"

    def open(self) -> None:
        self._port = self.settings.open(self.place)
        self._off: set[str] = set()
        try:
            self.identity = self._ask(self.settings.identify)
        except BaseException:
            self._port.close()
            raise

    def supply(self, channel: str, millivolts: int) -> None:
        """DriverError above `top_millivolts`, before anything is sent."""
        if not 0 <= millivolts <= self.settings.top_millivolts:
            raise DriverError(
                f"{self.place.table}: {millivolts} mV, expected 0 to {self.settings.top_millivolts} (top_millivolts)"
            )
        self._select(channel)
        self._do(self.settings.set_voltage.format(channel=channel, volts=millivolts / 1000))

    def switch(self, channel: str, on: bool) -> None:
        self._select(channel)
        self._do(self.settings.set_output.format(channel=channel, state="ON" if on else "OFF"))
        (self._off.discard if on else self._off.add)(channel)

    def close(self) -> None:
        try:
            for channel in sorted(self._off):
                self.switch(channel, True)
        finally:
            self._port.close()

    def _select(self, channel: str) -> None:
        if self.settings.channels > 1:
            self._do(self.settings.select.format(channel=channel))

    def _do(self, command: str) -> None:
        self._port.write(command.encode("ascii") + b"\n")
        answer = self._ask(self.settings.error_query)
        if answer.partition(",")[0].strip().lstrip("+") != "0":
            raise DriverError(f"{self.place.table}: {command!r} was answered by {answer!r}")

    def _ask(self, query: str) -> str:
        self._port.write(query.encode("ascii") + b"\n")
        line = self._port.read_line(self.settings.timeout_s)
        if line is None:
            raise DriverError(f"{self.place.table}: {query!r} was not answered within {self.settings.timeout_s} s")
        return line.decode("ascii", "replace").strip()
