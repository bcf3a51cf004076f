"""MicroPython's `time` on virtual time. `time()` counts from 2000, as on the ESP32 port: nobody may take it for Unix time."""

import _hw

_MASK = (1 << 30) - 1  # ticks wrap as on a 32-bit port
_HALF = 1 << 29


def ticks_ms():
    return _hw.now & _MASK


def ticks_us():
    return _hw.now * 1000 & _MASK


def ticks_cpu():
    return _hw.now * 1000 & _MASK


def ticks_add(ticks, delta):
    return ticks + delta & _MASK


def ticks_diff(end, start):
    return (end - start + _HALF & _MASK) - _HALF


def time():
    return _hw.now // 1000


def time_ns():
    return _hw.now * 1_000_000


def sleep_ms(ms):
    deadline = _hw.now + max(0, ms)
    while _hw.now < deadline:
        _hw.advance(deadline)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def sleep_us(us):
    sleep_ms((us + 999) // 1000)
