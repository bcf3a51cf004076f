"""The lease: the wear period that the wearer consented to. Without a valid one a tag tracks nothing.

Kept as one value in the settings store, so that it is there whole or not at all:
u32 order number, u32 wear period, u32 from_s, u32 until_s (UTC), u32 CRC-32 of the 16 bytes before.
"""

import struct
from binascii import crc32

from .message import BAD_FORM, BAD_VALUE, DONE
from .port import const

_SIZE = const(20)
_DAY_S = const(86400)
_LONGEST_S = const(400 * 86400)


class Lease:
    """`number` is that of the order which brought it, 0 when there is none. `period`, `from_s`, `until_s`: what it says."""

    def __init__(self, store):
        self.number = self.period = self.from_s = self.until_s = 0
        self._store = store
        blob = store.blob("lease", _SIZE)
        if len(blob) == _SIZE and struct.unpack_from("<I", blob, 16)[0] == crc32(blob[:16]):
            self.number, self.period, self.from_s, self.until_s = struct.unpack_from("<IIII", blob)

    @property
    def is_withdrawn(self):
        return self.until_s <= self.from_s

    def doubts(self, utc_s):
        """Whether by this clock the order that brought it is more than a day old (its number is the bridge's time): it was long
        under way, or somebody has lied to the receiver, and the time has to be asked for again."""
        return self.number < utc_s - _DAY_S

    def holds(self, utc_s):
        """Whether tracking is consented to at this time."""
        return self.from_s <= utc_s < self.until_s

    def take(self, number, data):
        """An ORDER_LEASE's data. A message.* status; anything but DONE, and an OSError, leave the lease as it was."""
        if len(data) != 12:
            return BAD_FORM
        period, from_s, until_s = struct.unpack("<III", data)
        if until_s - from_s > _LONGEST_S:
            return BAD_VALUE
        blob = struct.pack("<IIII", number, period, from_s, until_s)
        self._store.keep_blob("lease", blob + struct.pack("<I", crc32(blob)))
        self.number, self.period, self.from_s, self.until_s = number, period, from_s, until_s
        return DONE
