"""A configuration and a key: how they are kept, read back at the start, and taken when a new one comes.

Needed at the start and when an order comes; `node` drops it in between, for the heap's sake.

A configuration is u16 n, n bytes of JSON (an object of settings), and the zone map. A key that was changed by order is one
value in the settings store: u32 order number, u8 key id, 16 bytes of key, u32 CRC-32 of the 21 bytes before.
"""

import json
import struct
from binascii import crc32

from .message import BAD_FORM, BAD_VALUE, DONE, NO_ROOM
from .port import const
from .settings import SettingsError

_JSON_MAX = const(2048)
_KEY_ORDER = const(17)
_KEPT = const(25)


def policy(read, size):
    """(settings, where the zone map begins) of a configuration of `size` bytes, None when it has no such form.

    `read(offset, buf)` fills buf from it.
    """
    if not size:
        return {}, 0
    if size < 2:
        return None
    head = bytearray(2)
    read(0, head)
    n = head[0] | head[1] << 8
    if n > _JSON_MAX or 2 + n > size:
        return None
    text = bytearray(n)
    read(2, text)
    try:
        values = json.loads(text) if n else {}  # type: ignore  # any bytes will do
    except ValueError:
        return None
    return (values, 2 + n) if isinstance(values, dict) else None


def with_policy(base, values):
    """The provisioned settings with those of a configuration over them."""
    merged = dict(base)
    merged.update(values)
    return merged


def configure(slots, settings, base, refusal, number, size):
    """Take the configuration that has come into the new place of `slots`: all of it is looked at, then it is kept. A message.*.

    `refusal(read, start, size)` says why the zone map cannot be used, or gives None.
    """
    found = policy(slots.peek, size)
    if found is None:
        return BAD_FORM
    values, start = found
    merged = with_policy(base, values)
    try:
        settings.__class__(merged)
    except SettingsError:
        return BAD_VALUE
    if refusal(slots.peek, start, size - start) is not None:
        return BAD_VALUE
    if not slots.keep(number, size):
        return NO_ROOM
    settings.replace(merged)
    return DONE


def kept_key(store):
    """(order number, key id, key) of the key that an order brought, or None."""
    blob = store.blob("key", _KEPT)
    if len(blob) != _KEPT or struct.unpack_from("<I", blob, 21)[0] != crc32(blob[:21]):
        return None
    number, key_id = struct.unpack_from("<IB", blob)
    return number, key_id, bytes(blob[5:21])


def take_key(store, number, data):
    """Keep the key of an ORDER_KEY: (key id, key), or None when it is none."""
    if len(data) != _KEY_ORDER:
        return None
    blob = struct.pack("<I", number) + data
    store.keep_blob("key", blob + struct.pack("<I", crc32(blob)))
    return data[0], data[1:]
