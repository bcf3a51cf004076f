"""The few things that differ between MicroPython and CPython, under one name each.

`const` folds at compile time on MicroPython. `ticks_*` are milliseconds that wrap (at 2**30 on MicroPython); compare them
only with `ticks_diff`. `MICROPYTHON` says which of the two runs this.
"""

import sys

MICROPYTHON = sys.implementation.name == "micropython"

if MICROPYTHON:
    from time import ticks_add, ticks_diff, ticks_ms

    from micropython import const
else:
    from ._cpython import const, ticks_add, ticks_diff, ticks_ms  # type: ignore

__all__ = ("MICROPYTHON", "const", "ticks_add", "ticks_diff", "ticks_ms")
