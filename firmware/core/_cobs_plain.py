"""COBS encoding where no native code can be emitted. See `_cobs_viper`."""


def stuff(buf, at, n):
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
