"""A flag that one task waits for, with a time limit and without garbage."""

from .port import MICROPYTHON, const

if MICROPYTHON:
    from asyncio import core  # type: ignore

FOREVER_MS = const(0x8000000)  # a day and a half: waits are in ticks, which wrap


class Wake:
    """A flag that one task waits for with a time limit. `asyncio.wait_for` does the same with two tasks and 1-2 KB of garbage
    each time; here the sleeping task is brought forward, as its cancellation would do it. Not for interrupt handlers."""

    def __init__(self):
        self._is_set = False
        self._task = None

    def set(self):
        self._is_set = True
        task = self._task
        if task is not None:
            self._task = None
            core._task_queue.remove(task)
            core._task_queue.push(task)

    def clear(self):
        self._is_set = False

    async def wait(self, ms):
        """Until `set` (also before the call), or for so long; the flag is then down again."""
        if not self._is_set:
            self._task = core.cur_task
            try:
                await core.sleep_ms(ms)
            finally:
                self._task = None
        self._is_set = False
