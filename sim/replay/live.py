"""A receiver on a serial port, read by a thread of its own so that each piece keeps the moment at which it came."""

import os
import threading
import time
from collections import deque

import serial

from bridge.errors import ConfigError

_WAIT_S = 0.2  # a read returns at least this often, so that `close` is heard
_KEPT = 100_000  # pieces, should nobody take them


class LivePort:
    """A port that pyserial can open: /dev/ttyUSB0, COM3, socket://host:port … ConfigError when it cannot.

    `take()` gives what came since as (time.monotonic(), bytes). `ended` says in words why nothing more will come, or "".
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        self.ended = ""
        self._pieces: deque[tuple[float, bytes]] = deque(maxlen=_KEPT)
        self._closing = False
        try:
            self._port = serial.serial_for_url(name, baudrate=baud, timeout=_WAIT_S)
        except (ValueError, OSError) as error:  # SerialException is an OSError
            number = error.errno if isinstance(error, OSError) else None
            problem = os.strerror(number) if number else str(error)
            raise ConfigError(name, "port", problem, "a serial port that can be opened, or a URL of pyserial") from None
        self._thread = threading.Thread(target=self._read, name="receiver", daemon=True)
        self._thread.start()

    def take(self) -> list[tuple[float, bytes]]:
        out = []
        while self._pieces:
            out.append(self._pieces.popleft())
        return out

    def close(self) -> None:
        self._closing = True
        self._thread.join(5)
        self._port.close()

    def _read(self) -> None:
        while not self._closing:
            try:
                data = self._port.read(1)
                data += self._port.read(min(self._port.in_waiting, 4096)) if data else b""
            except (OSError, TypeError) as error:  # TypeError: pyserial, when the port is closed under it
                self.ended = str(error) or type(error).__name__
                return
            if data:
                self._pieces.append((time.monotonic(), bytes(data)))
