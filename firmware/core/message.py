"""The sealed message's envelope: what stands in clear around sealed bytes, and the nonce that follows from it.

    0  u8   version << 4 | type     version 1
    1  u8   key_id
    2  u8   count                   RECORDS: how many; DOWN: length of the body in bytes; RELAY_*: RSSI as i8 (up), 0 (down)
    3  u8   0
    4  u32  device                  who sealed it, or for DOWN and RELAY_DOWN the device it is for; RELAY_UP: the home unit
    8  u32  number                  RECORDS: first sequence; DOWN: the down counter; RELAY_*: 0

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


def pack_receipt(stored_through, first_seq):
    """DOWN body: every record up to `stored_through` is committed; an answer to the message that began at `first_seq`."""
    return struct.pack("<BII", RECEIPT, stored_through, first_seq)


def parse_receipt(body):
    """(stored_through, first_seq) of a DOWN body, or None when it is no receipt."""
    if len(body) != RECEIPT_SIZE or body[0] != RECEIPT:
        return None
    _, through, first = struct.unpack("<BII", body)
    return through, first
