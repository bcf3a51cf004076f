"""How much processor time a process has used: all of its threads, ended ones too, to the nanosecond.

The ticks of /proc are ten milliseconds, and a device that has just started has used less than one. On Linux every process has a
clock of its own instead, as clock_getcpuclockid(3) gives it; psutil takes many times as long, and there are thousands of them.
"""

import sys
import time

import psutil

_SCHED = 2  # Linux, posix-timers.h: a process's clock is its id, inverted, above three bits that say which of its clocks


def processor_s(pid: int) -> float | None:
    """User and system, s; None when it has ended."""
    if sys.platform == "linux":
        try:
            return time.clock_gettime(~pid << 3 | _SCHED)
        except OSError:
            return None
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system
