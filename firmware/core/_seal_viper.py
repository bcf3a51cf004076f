"""The byte loops of `seal` as machine code. No bounds are checked here: the caller has done it.

MicroPython only; `_seal_bytes` and `_seal_cpython` do the same.
"""
# pyright: reportUndefinedVariable=false, reportGeneralTypeIssues=false

import micropython


@micropython.viper
def copy_bytes(to: ptr8, to_at: int, source: ptr8, at: int, n: int):  # noqa: F821
    """to[to_at:to_at+n] = source[at:at+n]; the two do not overlap."""
    i = 0
    while i < n:
        to[to_at + i] = source[at + i]
        i += 1


@micropython.viper
def xor_bytes(to: ptr8, to_at: int, source: ptr8, at: int, n: int):  # noqa: F821
    """to[to_at:to_at+n] ^= source[at:at+n]."""
    i = 0
    while i < n:
        to[to_at + i] = to[to_at + i] ^ source[at + i]
        i += 1
