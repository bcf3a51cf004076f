"""The sealed message's envelope: what stands in clear around sealed bytes, and the nonce that follows from it.

    0  u8   version << 4 | type     version 1
    1  u8   key_id
    2  u8   count                   RECORDS: how many; DOWN: length of the body in bytes; RELAY_*: RSSI as i8 (up), 0 (down)
    3  u8   0
    4  u32  device                  who sealed it, or for DOWN and RELAY_DOWN the device it is for; RELAY_UP: the home unit
    8  u32  number                  RECORDS: first sequence; DOWN: the down counter; RELAY_UP: the home unit's token of this
                                    message; RELAY_DOWN: the token that it answers, 0 for none

RECORDS and DOWN carry ciphertext and an 8-byte tag after the header, which is the associated data. RELAY_* wrap one such
message and are not sealed themselves: a carrier is not trusted, and what it says of the way (its name, the RSSI) is a hint.

The nonce is header bytes 4-11, count, type and key id. Records never change once written, so the same nonce always means
the same plaintext: a message sent again is bit for bit the first one.
"""

import struct

from .port import const
from .record import SIZE as RECORD_SIZE

VERSION = const(1)
HEADER = const(12)
TAG_LENGTH = const(8)
NONCE = const(13)  # CCM with L = 2: payloads below 64 KiB (RFC 3610 section 2)

RECORDS = const(1)
DOWN = const(2)
RELAY_UP = const(3)
RELAY_DOWN = const(4)

RECORDS_MAX = const(64)  # records in one message: 2,068 bytes, which fits one TLS record and a modem's buffer

RECEIPT = const(1)  # DOWN body: u8 kind, u32 stored_through, u32 first sequence of the message that it answers
RECEIPT_SIZE = const(9)

# DOWN body: u8 kind, u32 number, u8 ORDER_*, u16 offset, u16 total, data. A piece of an order; `orders` puts them together.
ORDER = const(2)
ORDER_HEADER = const(10)
ORDER_DATA_MAX = const(96)  # so that a piece fits one message over the household's radio
ORDER_TOTAL_MAX = const(49152)  # 64 polygons of 64 points, their intervals and a policy

ORDER_LEASE = const(1)  # u32 wear period, u32 from_s, u32 until_s (UTC); until <= from withdraws it
ORDER_CONFIG = const(2)  # u16 n, n bytes of JSON (settings that differ), then the zone map (`firmware/tag/zones.py`)
ORDER_LOCATE = const(3)  # answered by a fix, then ORDER_DONE
ORDER_VIBRATE = const(4)  # u8 pattern: 1 short, 2 long, 3 three times
ORDER_RANGE_TEST = const(5)  # home unit: u8 room, u16 seconds
ORDER_KEY = const(6)  # u8 key_id, 16 bytes

# u8 1: also one that is older, u32 number of the release, u16 size of its manifest, 32 bytes SHA-256 of that, the board's name
ORDER_UPDATE = const(7)

# DOWN body: u8 kind, u32 the order's number, u32 offset in the release's image, data. Never by way of a home unit.
UPDATE = const(3)
UPDATE_HEADER = const(9)
UPDATE_DATA_MAX = const(240)  # a DOWN body's length is one byte

# Why an order was not done: value_b of ORDER_DONE.
DONE = const(0)
BAD_FORM = const(1)
BAD_VALUE = const(2)  # a setting, a zone or a date out of range
NO_FIX = const(3)
NO_LEASE = const(4)
NOT_HERE = const(5)  # this kind of device, or this state, does not do it
NO_ROOM = const(6)  # in flash or memory; or flash could not be written
INTERRUPTED = const(7)  # the device stopped in the midst of it
WRONG_BOARD = const(8)  # a release for another board
OLDER = const(9)  # a release older than the one that runs
BAD_RELEASE = const(10)  # what came is not what was announced
ROLLED_BACK = const(11)  # the release ran, and did not get to the bridge: the one before runs again


def pack_header(buf, kind, key_id, count, device, number):
    """Write the 12 bytes into buf[0:12]."""
    struct.pack_into("<BBBBII", buf, 0, VERSION << 4 | kind, key_id, count & 0xFF, 0, device, number)


def parse_header(buf):
    """(type, key_id, count, device, number), or None when these bytes are no message of ours."""
    if len(buf) < HEADER or buf[0] >> 4 != VERSION or buf[3]:
        return None
    first, key_id, count, _, device, number = struct.unpack_from("<BBBBII", buf)
    kind = first & 0x0F
    if not RECORDS <= kind <= RELAY_DOWN:
        return None
    return kind, key_id, count, device, number


def sealed_length(header):
    """Length in bytes of the whole sealed message that begins with this header, or 0 when it is none."""
    parsed = parse_header(header)
    if parsed is None or parsed[0] > DOWN:
        return 0
    return HEADER + parsed[2] * (RECORD_SIZE if parsed[0] == RECORDS else 1) + TAG_LENGTH


def nonce_into(buf, header):
    """Write the 13-byte nonce that belongs to a header into buf."""
    for i in range(8):  # a slice would be allocated
        buf[i] = header[4 + i]
    buf[8] = header[2]
    buf[9] = header[0]
    buf[10] = header[1]
    buf[11] = 0
    buf[12] = 0


def pack_order(number, kind, offset, total, data):
    """DOWN body: the piece of an order that begins at `offset` of its `total` bytes."""
    return struct.pack("<BIBHH", ORDER, number, kind, offset, total) + data


def parse_order(body):
    """(number, kind, offset, total) of a DOWN body whose data begin at ORDER_HEADER, or None when it is no order that fits."""
    if len(body) < ORDER_HEADER or body[0] != ORDER:
        return None
    _, number, kind, offset, total = struct.unpack_from("<BIBHH", body)
    size = len(body) - ORDER_HEADER
    if not number or total > ORDER_TOTAL_MAX or size > ORDER_DATA_MAX or offset + size > total or (total and not size):
        return None
    return number, kind, offset, total


def pack_update(number, offset, data):
    """DOWN body: the piece of a release's image that begins at `offset`."""
    return struct.pack("<BII", UPDATE, number, offset) + data


def parse_update(body):
    """(the order's number, offset) of a DOWN body whose data begin at UPDATE_HEADER, or None when it is no piece of a release."""
    if len(body) <= UPDATE_HEADER or body[0] != UPDATE:
        return None
    _, number, offset = struct.unpack_from("<BII", body)
    return number, offset


def pack_receipt(stored_through, first_seq):
    """DOWN body: every record up to `stored_through` is committed; an answer to the message that began at `first_seq`."""
    return struct.pack("<BII", RECEIPT, stored_through, first_seq)


def parse_receipt(body):
    """(stored_through, first_seq) of a DOWN body, or None when it is no receipt."""
    if len(body) != RECEIPT_SIZE or body[0] != RECEIPT:
        return None
    _, through, first = struct.unpack("<BII", body)
    return through, first
