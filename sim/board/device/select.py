"""MicroPython's `select` on a board on a pseudo-terminal: streams written in Python by their `ioctl`, others by the
interpreter's own poll, which waits for inputs of the hardware as well."""

import _channels
import _hw

POLLIN = 1
POLLOUT = 4
POLLERR = 8
POLLHUP = 16

_MP_STREAM_POLL = 3


class poll:
    def __init__(self):
        self._entries = {}
        self._native = _hw.poller()

    def register(self, stream, events=POLLIN | POLLOUT):
        if hasattr(stream, "ioctl"):
            self._entries[id(stream)] = [stream, events]
        else:
            self._native.register(stream, events)

    def unregister(self, stream):
        if self._entries.pop(id(stream), None) is None:
            self._native.unregister(stream)

    def modify(self, stream, events):
        if id(stream) in self._entries:
            self._entries[id(stream)][1] = events
        else:
            self._native.modify(stream, events)

    def _ready(self):
        ready = [entry for entry in self._native.poll(0) if entry[0] is not _hw._inbox]
        for stream, wanted in self._entries.values():
            events = stream.ioctl(_MP_STREAM_POLL, wanted)
            if events > 0:
                ready.append((stream, events))
        return ready

    def ipoll(self, timeout=-1, flags=0):
        deadline = _hw.tick() + timeout if timeout >= 0 else _channels.NEVER
        while True:
            ready = self._ready()
            if ready:
                return ready
            if _hw.tick() >= deadline:
                return ()
            # An input may be an interrupt that made another task ready: like the real one, return to the loop then.
            if _hw.advance(deadline, self._native):
                return self._ready() or ()

    def poll(self, timeout=-1):
        return list(self.ipoll(timeout))
