"""A flag that one task waits for, with a time limit and without garbage; one for tasks, and one that an interrupt may set."""

import asyncio

from .port import MICROPYTHON, const, ticks_add, ticks_ms

if MICROPYTHON:
    from asyncio import core  # type: ignore

FOREVER_MS = const(0x8000000)  # a day and a half: waits are in ticks, which wrap


class Wake:
    """A flag that one task waits for: `await wake.wait(ms)`. `asyncio.wait_for` does the same with two tasks and 1-2 KB of
    garbage each time; here nothing is allocated, and the sleeping task is brought forward, as its cancellation would do it.
    Not for interrupt handlers: they may come while asyncio looks at its queue (`Alarm`)."""

    def __init__(self):
        self._is_set = False
        self._task = None
        self._until = None
        self._end = StopIteration()

    def set(self):
        self._is_set = True
        self._bring_forward()

    def _bring_forward(self):
        task = self._task
        if task is not None:
            self._task = None
            if not task.done():  # it was cancelled: then it waits nowhere
                core._task_queue.remove(task)
                core._task_queue.push(task)

    def clear(self):
        self._is_set = False

    def wait(self, ms):
        """To be awaited: until `set` (also before the call), or for so long; the flag is then down again."""
        self._until = ticks_add(ticks_ms(), ms if ms > 0 else 0)
        return self

    # As asyncio's own sleep does it: awaited, it yields once.

    def __iter__(self):
        return self

    if not MICROPYTHON:

        def __await__(self):  # for those who check types: MicroPython asks for `__iter__` alone
            yield

    def __next__(self):
        until = self._until
        if until is not None:
            self._until = None
            self._task = core.cur_task  # before the flag is looked at: `Alarm.set` does it the other way round
            if not self._is_set:
                core._task_queue.push(core.cur_task, until)
                return
        self._task = None
        self._is_set = False
        self._end.__traceback__ = None
        raise self._end


class Alarm(Wake):
    """A Wake that an interrupt may set. A task of its own passes it on, when somebody waits at all."""

    def __init__(self):
        super().__init__()
        self._flag = asyncio.ThreadSafeFlag()  # pyright: ignore[reportAttributeAccessIssue]: MicroPython's own
        asyncio.create_task(self._pass_on())

    def set(self):
        self._is_set = True
        if self._task is not None:
            self._flag.set()

    async def _pass_on(self):
        while True:
            await self._flag.wait()
            if self._is_set:
                self._bring_forward()
