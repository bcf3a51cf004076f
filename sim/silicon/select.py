"""MicroPython's `select` on virtual time: asks each stream's own `ioctl`, and only then lets time move."""

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
        self._order = ()

    def register(self, stream, events=POLLIN | POLLOUT):
        if not hasattr(stream, "ioctl"):
            return  # the interpreter's own stdin: at a simulated device nobody types
        self._entries[id(stream)] = [stream, events]
        self._order = tuple(self._entries.values())

    def unregister(self, stream):
        self._entries.pop(id(stream), None)
        self._order = tuple(self._entries.values())

    def modify(self, stream, events):
        if id(stream) in self._entries:
            self._entries[id(stream)][1] = events

    def _ready(self):
        ready = None
        entries = self._order
        i = len(entries)
        while i:  # no `for`: it would take this function's variables from the heap
            i -= 1
            entry = entries[i]
            events = entry[0].ioctl(_MP_STREAM_POLL, entry[1])
            if events > 0:
                ready = ready or []
                ready.insert(0, (entry[0], events))
        return ready

    def ipoll(self, timeout=-1, flags=0):
        deadline = _hw.now + timeout if timeout >= 0 else _channels.NEVER
        while True:
            ready = self._ready()
            if ready:
                return ready
            if _hw.now >= deadline:
                return ()
            # An input may be an interrupt that made another task ready: like the real one, return to the loop then.
            if _hw.advance(deadline):
                return self._ready() or ()

    def poll(self, timeout=-1):
        return list(self.ipoll(timeout))
