"""asyncio as boards have it. Its loop is that of CircuitPython's fork (build.py); what the fork changed is changed back here.

`core`, `funcs` and `event` are theirs, `stream` is ours, and tasks are C (image/modasyncio.c).
"""

import sys

from . import core
from .core import *  # noqa: F403  # as MicroPython has it

_places = {
    "wait_for": "funcs",
    "wait_for_ms": "funcs",
    "gather": "funcs",
    "Event": "event",
    "StreamReader": "stream",
    "ThreadSafeFlag": "stream",
}


def __getattr__(name):
    if name not in _places:
        raise AttributeError(name)
    value = getattr(__import__(_places[name], globals(), None, True, 1), name)
    globals()[name] = value
    return value


# Theirs are coroutines. MicroPython's are called, and the caller yields.


def _queue_read(self, stream):
    self._enqueue(stream, 0)


def _queue_write(self, stream):
    self._enqueue(stream, 1)


core.IOQueue.queue_read = _queue_read
core.IOQueue.queue_write = _queue_write


def _tell(loop, context):
    print(context["message"])
    sys.print_exception(context["exception"])


core.Loop.default_exception_handler = _tell
