"""CPython's stand-ins for what `port` takes from MicroPython; never sent to a device."""

import time

_PERIOD = 1 << 30  # as on MicroPython, so that a host test meets the wrap too


def const(expr, /):
    return expr


def ticks_ms():
    return time.monotonic_ns() // 1_000_000 % _PERIOD


def ticks_add(ticks, delta, /):
    return (ticks + delta) % _PERIOD


def ticks_diff(ticks1, ticks2, /):
    return (ticks1 - ticks2 + _PERIOD // 2) % _PERIOD - _PERIOD // 2
