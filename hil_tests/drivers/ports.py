"""A serial port of a bench: found by its USB serial number or opened by URL, held by one program at a time, all bytes told.

Any URL of pyserial will do: /dev/ttyUSB0, COM3, socket://host:port, rfc2217://host:port (a labgrid exporter's serial port, or
any ser2net's). Boards are found and locked as `homeward flash` and the others do (`tools.board`): by serial number, so that two
programs that mean one board meet whatever it is called. Boards on pseudo-terminals are found by theirs too.
"""

import time
from typing import Annotated, Any

import serial
from pydantic import Field, model_validator

from hil_tests.drivers.base import DriverError, DriverSettings, Place
from hil_tests.drivers.recording import Recorder
from tools.board import BoardError
from tools.board import ports as boards
from tools.board.locks import BoardLock

_SLICE_S = 0.05  # a read returns at least this often


class SerialSettings(DriverSettings):
    """`serial`: the USB serial number, as `python -m serial.tools.list_ports -v` shows it (SER=…). Or `port`: a device or URL."""

    serial: Annotated[str | None, Field(min_length=1)] = None
    port: Annotated[str | None, Field(min_length=1)] = None
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 115200

    @model_validator(mode="after")
    def _one_of_both(self) -> "SerialSettings":
        if (self.serial is None) == (self.port is None):
            raise ValueError('either "serial" (a USB serial number) or "port" (a device or a URL)')
        return self

    def open(self, place: Place) -> "Port":
        """ConfigError when there is no such port, or when another program holds it: it says which."""
        return Port(self, place)


def _found(settings: "SerialSettings", place: Place) -> boards.Port:
    wanted = settings.serial or settings.port or ""
    if "://" in wanted:
        return boards.Port(wanted, wanted)  # locked by its URL
    try:
        return boards.find_port(wanted)
    except BoardError as error:
        raise place.wrong("serial" if settings.serial else "port", wanted, f"a board that is there: {error.value}") from None


class Port:
    """`write`, `read_line`, `read`; all bytes go to `place.heard` and to a recorder, if one is set."""

    recorder: Recorder | None = None

    def __init__(self, settings: SerialSettings, place: Place) -> None:
        self.name = place.table
        self._heard = place.heard
        self.found = _found(settings, place)
        self.device = self.found.device
        self._lock = BoardLock(self.found)
        key = "serial" if settings.serial else "port"
        try:
            self._lock.__enter__()
        except BoardError as error:
            told = " ".join(str(error.value).split())
            raise place.wrong(key, self.found.name, f"a board that is free: {told}") from None
        try:
            self._port: Any = serial.serial_for_url(self.device, baudrate=settings.baud, timeout=_SLICE_S)
        except (ValueError, OSError) as error:
            self._release()
            raise place.wrong(key, self.device, f"a port that can be opened ({error})") from None
        self._waiting = bytearray()

    def write(self, data: bytes) -> None:
        """DriverError when the port has gone."""
        self._tell(">", data)
        try:
            self._port.write(data)
            self._port.flush()
        except OSError as error:
            raise DriverError(f"{self.name}: {self.device} has gone: {error}") from None

    def read(self, timeout_s: float = 0.0) -> bytes:
        """What has come, at least a byte unless none comes in time. DriverError when the port has gone."""
        deadline = time.monotonic() + timeout_s
        while not self._waiting:
            self._fetch()
            if not self._waiting and time.monotonic() >= deadline:
                return b""
        out, self._waiting = bytes(self._waiting), bytearray()
        return out

    def read_line(self, timeout_s: float) -> bytes | None:
        """A line without its end, or None when none has come in time; what came of it is kept."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._waiting:
            self._fetch()
            if b"\n" not in self._waiting and time.monotonic() >= deadline:
                return None
        line, _, rest = bytes(self._waiting).partition(b"\n")
        self._waiting = bytearray(rest)
        return line.rstrip(b"\r")

    def close(self) -> None:
        try:
            self._port.close()
        finally:
            self._release()

    def _release(self) -> None:
        self._lock.__exit__(None, None, None)

    def _fetch(self) -> None:
        try:
            data = self._port.read(1)
            data += self._port.read(min(self._port.in_waiting, 4096)) if data else b""
        except (OSError, TypeError) as error:  # TypeError: pyserial, when the port is closed under it
            raise DriverError(f"{self.name}: {self.device} has gone: {error}") from None
        if data:
            self._tell("<", data)
            self._waiting += data

    def _tell(self, way: str, data: bytes) -> None:
        self._heard(self.name, way, data)
        if self.recorder is not None:
            self.recorder.passed(way, data)
