"""Sleep between duties: when nothing is on that the processor must attend to, asyncio's idle time is light sleep.

Every drain of a device is a named state of one of its parts; the processor sleeps only while all others rest:

    processor   awake, asleep                  this module
    receiver    on, off                        `board.gnss.is_on`
    radio       listening or showing, quiet    `board.ble.is_on`
    modem       on, off                        `carrier.is_quiet`: connected and nothing under way counts as resting, for then
                                               the modem keeps what comes until the processor is awake again
    motor       on, off                        the application switches it, and knows

In light sleep the pins that `board.sleep` armed still wake it: a strap that is cut is told at once.
"""

import asyncio

from .port import const, ticks_diff, ticks_ms

_WORTH_MS = const(50)  # shorter idle times are waited through: going to sleep and waking takes some 3 ms (unmeasured)
_LONGEST_MS = const(60_000)


class Sleeper:
    """`may_sleep()` says whether all parts rest; `sleep(ms)` sleeps that long, or until a pin wakes it."""

    def __init__(self, may_sleep, sleep):
        self.asleep_ms = 0
        self._may_sleep = may_sleep
        self._sleep = sleep
        core = asyncio.core  # pyright: ignore[reportAttributeAccessIssue]: MicroPython's own
        self._core = core
        self._wait = core._io_queue.wait_io_event
        core._io_queue.wait_io_event = self._idle

    def _idle(self, ms):
        # Instead of asyncio's wait for its streams: `ms` until its next task, -1 when there is none; then it must not return
        # before there is one.
        while ms < 0 or ms > _WORTH_MS:
            self._wait(0)  # what waits already is served first
            task = self._core._task_queue.peek()
            if task:
                ms = max(ticks_diff(task.ph_key, ticks_ms()), 0)
                if ms <= _WORTH_MS:
                    break
            if not self._may_sleep():
                break
            began = ticks_ms()
            self._sleep(min(ms, _LONGEST_MS) if task else _LONGEST_MS)
            slept = ticks_diff(ticks_ms(), began)
            self.asleep_ms += slept
            if not slept:
                break  # a pin at its waking level lets nobody sleep
        self._wait(ms)
