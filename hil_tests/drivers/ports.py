"""A serial port of a bench: found by its USB serial number or opened by URL, held by one program at a time, all bytes told.

Any URL of pyserial will do: /dev/ttyUSB0, COM3, socket://host:port, rfc2217://host:port (a labgrid exporter's serial port, or
any ser2net's). A port is locked by what it is called in the bench file, so that two programs that mean one board meet, even by
way of different device names.
"""

import os
import time
from typing import Any

import serial
from pydantic import Field, model_validator
from serial.tools import list_ports

from hil_tests.drivers.base import DriverError, DriverSettings, Place
from hil_tests.drivers.locks import Lock
from hil_tests.drivers.recording import Recorder

_SLICE_S = 0.05  # a read returns at least this often


class SerialSettings(DriverSettings):
    """`serial`: the USB serial number, as `python -m serial.tools.list_ports -v` shows it (SER=…). Or `port`: a device or URL."""

    serial: str | None = Field(None, min_length=1)
    port: str | None = Field(None, min_length=1)
    baud: int = Field(115200, ge=300, le=4_000_000)

    @model_validator(mode="after")
    def _one_of_both(self) -> "SerialSettings":
        if (self.serial is None) == (self.port is None):
            raise ValueError('either "serial" (a USB serial number) or "port" (a device or a URL)')
        return self

    def open(self, place: Place) -> "Port":
        """ConfigError when there is no such port, LockError when another program holds it."""
        return Port(self, place)


def find(number: str) -> str | None:
    """The device with this USB serial number."""
    return next((port.device for port in list_ports.comports() if port.serial_number == number), None)


def present() -> str:
    """The USB serial numbers there are, in words."""
    numbers = sorted(port.serial_number for port in list_ports.comports() if port.serial_number)
    return ", ".join(numbers) or "none at all"


class Port:
    """`write`, `read_line`, `read`; all bytes go to `place.heard` and to a recorder, if one is set."""

    recorder: Recorder | None = None

    def __init__(self, settings: SerialSettings, place: Place) -> None:
        self.name = place.table
        self._heard = place.heard
        device = settings.port or find(settings.serial or "")
        if device is None:
            raise place.wrong("serial", settings.serial, f"a board that is plugged in; there are: {present()}")
        self.device = device
        self._lock = Lock(settings.serial or os.path.realpath(device) if "://" not in device else device)
        self._lock.take()
        try:
            self._port: Any = serial.serial_for_url(device, baudrate=settings.baud, timeout=_SLICE_S)
        except (ValueError, OSError) as error:
            self._lock.release()
            raise place.wrong("serial" if settings.serial else "port", device, f"a port that can be opened ({error})") from None
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
            self._lock.release()

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
