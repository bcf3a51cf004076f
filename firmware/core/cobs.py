"""Frames on a cable: how they are marked, checked and told apart. Both ends of the cable import this.

On the line a frame is a zero, its body in COBS (Consistent Overhead Byte Stuffing; Cheshire and Baker, IEEE/ACM Transactions
on Networking 7(2), 1999: no zero is in it, and it is at most one byte in 254 longer), and a zero. So whatever else is printed
on the same line, and half a frame of a cable that was pulled, ends at the next zero. The body:

    u8 kind   u16 number   payload   u32 CRC-32 of all that, begun with the session's number

On the way down the code is made harmless besides: a byte below 32, and ESCAPE, goes as ESCAPE and the byte with bit 6 turned.
So whatever listens there, a device that has just started anew or a REPL, never hears a Ctrl-C, a Ctrl-D or the end of a line.

The session's number is what the host drew for START, so that nothing of another session, late out of some buffer, is taken for
one of this; HERE and START themselves have 0. Little-endian. What a kind carries:

    up, from the device
    HERE      0   u8 VERSION, what STATE has, the topic that it speaks under
                  answers a lone zero: until then the host says nothing that a REPL would take for a key
    READY     0   u32 speed of the line from now on, 0: as it was
    MESSAGE   n   a sealed message (`message`: RECORDS or RELAY_UP), unchanged
    STATE     n   u32 first record without a receipt, u32 next record, u32 relayed messages that wait; answers PING n

    down, to the device
    START     0   u32 session, not 0; the speed that is offered in digits, 0: none
    DOWN      n   a sealed message (`message`: DOWN or RELAY_DOWN), unchanged; counted from 1, and taken in order
    PING      n
    BYE       0

    both
    ACK       n   MESSAGE n, or everything down to DOWN n, has come whole. It frees nothing: only the bridge's sealed receipt does

Nobody's word counts here: who holds the cable can neither read nor forge what is sealed, and at worst keeps it back.
"""

import struct
from binascii import crc32

from .port import MICROPYTHON, const

if MICROPYTHON:
    try:
        from ._cobs_viper import stuff
    except (ImportError, SyntaxError, ValueError):  # no native emitter, or one for another machine
        from ._cobs_plain import stuff
else:
    from ._cobs_plain import stuff

VERSION = const(1)

HERE = const(1)
READY = const(2)
MESSAGE = const(3)
STATE = const(4)
START = const(5)
DOWN = const(6)
PING = const(7)
BYE = const(8)
ACK = const(9)

HEAD = const(3)
CRC = const(4)
DOWN_MAX = const(300)  # bytes of a frame on its way down: a DOWN message of 255 bytes relayed, and what is around it
ESCAPE = const(0x7E)
TURN = const(0x40)
GAP = const(16)  # where a body stands that is encoded in place: 1 byte in 254 of it, and three, must fit before it


def room(n):
    """Bytes of a buffer that a body with `n` bytes of payload is encoded in."""
    return GAP + HEAD + n + CRC + 2


def encode(buf, at, n):
    """Encode buf[at:at+n] in place, to buf[0:] with the zeros around it. The length. ValueError when it does not fit."""
    if at < 3 + n // 254 or at + n > len(buf):
        raise ValueError("COBS: %d bytes at %d of %d" % (n, at, len(buf)))
    end = stuff(buf, at, n)
    buf[0] = buf[end] = 0
    return end + 1


def decode(buf, n):
    """Decode the `n` bytes that stood between two zeros, in place. Their length at buf[0:], or -1 when they are no COBS."""
    at = out = 0
    while at < n:
        end = at + buf[at]
        if end == at or end > n:
            return -1
        full = buf[at] == 255
        at += 1
        while at < end:
            if not buf[at]:
                return -1
            buf[out] = buf[at]
            out += 1
            at += 1
        if not full and at < n:
            buf[out] = 0
            out += 1
    return out if n else -1


def seal(buf, view, kind, number, n, session):
    """Make the frame whose `n` bytes of payload stand at buf[GAP+HEAD:]; it then stands at buf[0:]. Its length.

    `view` is a memoryview of buf. The payload is gone afterwards.
    """
    end = GAP + HEAD + n
    struct.pack_into("<BH", buf, GAP, kind, number)
    struct.pack_into("<I", buf, end, crc32(view[GAP:end], session))
    return encode(buf, GAP, HEAD + n + CRC)


def parse(buf, n, session):
    """(kind, number, payload's end) of a decoded body buf[0:n], whose payload begins at HEAD; None when it is not whole, or of
    another session."""
    end = n - CRC
    if end < HEAD:
        return None
    if struct.unpack_from("<I", buf, end)[0] != crc32(memoryview(buf)[:end], session) & 0xFFFFFFFF:
        return None
    kind, number = struct.unpack_from("<BH", buf)
    return kind, number, end
