"""A pair of pseudo-terminal ends without any line discipline: what a program takes for a serial port, and its other side."""

import fcntl
import os
import select
import termios
import threading
import tty
from types import TracebackType
from typing import Self


class PtyPair:
    """`name` is the port's, `fd` the descriptor of the other side. The port's end is held open here as well, so that a program
    that closes it and opens it again finds the same line. `read_available` never waits."""

    def __init__(self) -> None:
        self.fd, self._held = os.openpty()
        tty.setraw(self._held)
        os.set_blocking(self.fd, False)
        self.name = os.ttyname(self._held)

    def read_available(self) -> bytes:
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def waiting(self) -> int:
        """Bytes written here that the port's reader has not taken yet."""
        buffer = bytearray(4)
        fcntl.ioctl(self._held, termios.FIONREAD, buffer)
        return int.from_bytes(buffer, "little")

    def write(self, data: bytes) -> None:
        """All of it; waits while the reader is slow."""
        while data:
            try:
                data = data[os.write(self.fd, data) :]
            except BlockingIOError:
                select.select([], [self.fd], [])

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._held)

    def __enter__(self) -> "PtyPair":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Answering:
    """A context manager: `port` is the name of a port that a program opens, and `_run` is what a thread does at its other side
    until `_ends` is set."""

    def __init__(self) -> None:
        self._ends = threading.Event()

    def __enter__(self) -> Self:
        self._pty = PtyPair()
        self.port = self._pty.name
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._pty.close()

    def _run(self) -> None:
        raise NotImplementedError
