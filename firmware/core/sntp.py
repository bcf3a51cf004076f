"""Time from the network for a device without a receiver: one SNTP request (RFC 5905 section 14), and what its answer says.

NTP is not authenticated, so what it says is checked: version and mode, the echo of our own stamp, and a year that this
firmware can live in. The exchange is `request` and `parse`; `ask` does it over a socket.
"""

import asyncio
import struct

from .port import const

PORT = const(123)
_SIZE = const(48)
_UNIX = 2_208_988_800  # seconds from 1900 to 1970
_EARLIEST = 1_735_689_600  # 2025-01-01: before this firmware was written
_LATEST = 4_102_444_800  # 2100-01-01


def request(stamp):
    """A client packet whose transmit stamp holds 8 bytes of ours."""
    return b"\x23" + bytes(39) + stamp


def parse(packet, stamp):
    """(utc_s, millis) of a server's answer, or None when it is not one, is not ours, or cannot be true."""
    if len(packet) < _SIZE or packet[0] & 0x07 != 4 or not 3 <= packet[0] >> 3 & 7 <= 4 or not 1 <= packet[1] <= 15:
        return None
    if packet[0] >> 6 == 3 or bytes(packet[24:32]) != stamp:
        return None
    seconds, fraction = struct.unpack(">II", packet[40:48])
    if not seconds:
        return None  # the server does not know the time (section 7.3)
    if seconds < 0x80000000:
        seconds += 1 << 32  # the era that begins in 2036
    utc_s = seconds - _UNIX
    return (utc_s, (fraction >> 16) * 1000 >> 16) if _EARLIEST <= utc_s < _LATEST else None


async def ask(sock, address, stamp, timeout_ms):
    """Send a request from a non-blocking datagram socket and wait for the answer. (utc_s, millis) or None."""
    try:
        sock.sendto(request(stamp), address)
        data = await asyncio.wait_for_ms(asyncio.StreamReader(sock).read(_SIZE), timeout_ms)
    except (OSError, asyncio.TimeoutError):
        return None
    return parse(data, stamp) if data else None
