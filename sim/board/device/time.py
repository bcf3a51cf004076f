"""MicroPython's `time` in real time, with the ticks and the epoch of a 32-bit board. `time()` counts from 2000."""

import _hw
import utime

_MASK = (1 << 30) - 1
_HALF = 1 << 29
_EPOCH_2000 = 946_684_800

gmtime = utime.gmtime
localtime = utime.localtime
mktime = utime.mktime


def ticks_ms():
    return _hw.tick() & _MASK


def ticks_us():
    return utime.ticks_us() & _MASK


ticks_cpu = ticks_us


def ticks_add(ticks, delta):
    return ticks + delta & _MASK


def ticks_diff(end, start):
    return (end - start + _HALF & _MASK) - _HALF


def time():
    return int(utime.time()) - _EPOCH_2000


def time_ns():
    return utime.time_ns() - _EPOCH_2000 * 1_000_000_000


def sleep_ms(ms):
    deadline = _hw.tick() + max(0, ms)
    while _hw.now < deadline:
        _hw.advance(deadline)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def sleep_us(us):
    utime.sleep_us(us)
