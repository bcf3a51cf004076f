"""Ctrl-C (and SIGTERM, and a terminal that is closed) as a wish that is looked at, not as an exception at any instruction.

So a process that is just being started is never forgotten. Who asks a second time gets the exception at once; while things are
being ended, further signals are not heard.
"""

import signal
import threading
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """The person wants it to end."""


class Stop:
    """Context manager; in the main thread only. The handlers that were there come back at its end."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._ending = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._ending:
            return
        if self._wished.is_set():
            raise Stopped
        self._wished.set()

    def check(self) -> None:
        """Raises Stopped once somebody wished it."""
        if self._wished.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Raises Stopped as soon as somebody wishes it."""
        self._wished.wait(seconds)
        self.check()

    def ending(self) -> None:
        """From now on signals are ignored: what is left to do is to end things in order."""
        self._ending = True
