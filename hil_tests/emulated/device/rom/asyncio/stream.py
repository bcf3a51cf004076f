"""Of asyncio's streams and flags what firmware uses, as MicroPython has it."""

import io

from . import core


class StreamReader:
    """Waits until a stream has something, and then reads once."""

    def __init__(self, stream):
        self._stream = stream

    def read(self, n):
        yield core._io_queue.queue_read(self._stream)
        return self._stream.read(n)

    def readinto(self, buf):
        yield core._io_queue.queue_read(self._stream)
        return self._stream.readinto(buf)

    def readline(self):
        line = b""
        while True:
            yield core._io_queue.queue_read(self._stream)
            part = self._stream.readline()
            if part is None:
                continue
            line += part
            if not part or line.endswith(b"\n"):
                return line


_POLL = 3  # MP_STREAM_POLL
_READABLE = 1


class ThreadSafeFlag(io.IOBase):
    """Set by an interrupt, waited for by a task: to the loop it is a stream that can be read."""

    def __init__(self):
        self._is_set = False

    def ioctl(self, request, wanted):
        return wanted & _READABLE if self._is_set and request == _POLL else 0

    def set(self):
        self._is_set = True

    def clear(self):
        self._is_set = False

    async def wait(self):
        if not self._is_set:
            yield core._io_queue.queue_read(self)
        self._is_set = False
