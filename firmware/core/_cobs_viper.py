"""COBS encoding as machine code; no bounds are checked here, `cobs.encode` has done it. MicroPython only."""
# pyright: reportUndefinedVariable=false, reportGeneralTypeIssues=false

import micropython


@micropython.viper
def stuff(buf: ptr8, at: int, n: int) -> int:  # noqa: F821
    """buf[at:at+n] encoded to buf[1:]; where the code ends."""
    code = 1
    out = 2
    end = at + n
    while at < end:
        byte = buf[at]
        at += 1
        if byte:
            buf[out] = byte
            out += 1
        if byte == 0 or (out - code == 255 and at < end):
            buf[code] = out - code
            code = out
            out += 1
    buf[code] = out - code
    return out
