"""CPython's stand-ins for what `port` takes from MicroPython; never sent to a device."""

import time

_PERIOD = 1 << 30  # as on MicroPython, so that a host test meets the wrap too


def const(expr, /):
    return expr


class micropython:
    """The decorator of machine code leaves a function as it is."""

    @staticmethod
    def viper(function, /):
        return function


def ptr8(buffer, /):
    return buffer


ptr32 = ptr8


def ticks_ms():
    return time.monotonic_ns() // 1_000_000 % _PERIOD


def ticks_add(ticks, delta, /):
    return (ticks + delta) % _PERIOD


def ticks_diff(ticks1, ticks2, /):
    return (ticks1 - ticks2 + _PERIOD // 2) % _PERIOD - _PERIOD // 2
