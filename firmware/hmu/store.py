"""The relay store: what the home unit carries for its tags stands in flash until the bridge has answered it.

A ring of sectors like the journal's, with its guarantees (power cuts at any write, `lost` counts what had to go unanswered,
the oldest first), of 144 bytes a message:
     0   u32  token          of this store, never reused, gap-free, from 1
     4   i8   rssi           dBm, of the tag's last fragment
     5   135  the sealed message as it came; its header says how long it is
   140   u32  CRC-32 of bytes 0-139
The 1 MiB of the "relay" partition keep at least 254 * 28 = 7,112 messages of 3 records: 14 days of a tag at a fix a minute.
"""

import struct
from binascii import crc32

from ..core.journal import Journal
from ..core.link import MESSAGE_MAX
from ..core.message import sealed_length
from ..core.port import const
from ..core.ring import u32

_SIZE = const(144)
_DATA = const(5)
_CRC = const(140)


class RelayStore(Journal):
    """`mount` first. `append_message` and `message_into`; the rest as of a journal, with tokens for sequence numbers."""

    magic = 0x31525748  # "HWR1"
    size = _SIZE
    blank = b"\xff" * _SIZE

    def __init__(self, device):
        super().__init__(device)
        self._slot_buf = bytearray(_SIZE)
        self._slot_crc_view = memoryview(self._slot_buf)[:_CRC]

    def _is_intact(self, raw):
        return u32(raw, 0) > 0 and u32(raw, _CRC) == crc32(memoryview(raw)[:_CRC])

    def append_message(self, rssi, data):
        """Keep a sealed message of up to MESSAGE_MAX bytes. True when it stands in flash."""
        n = len(data)
        if not 0 < n <= MESSAGE_MAX or sealed_length(data) != n:
            return False
        buf = self._slot_buf
        for _ in range(2):  # the first may find that what could not be confirmed before stands after all, under its number
            seq = self.next_seq
            struct.pack_into("<IB", buf, 0, seq, rssi & 0xFF)
            for i in range(MESSAGE_MAX):
                buf[_DATA + i] = data[i] if i < n else 0
            struct.pack_into("<I", buf, _CRC, crc32(self._slot_crc_view))
            if self.append(buf):
                return True
            if self.next_seq == seq:
                return False
        return False

    def message_into(self, token, view, at):
        """Copy a message to view[at:]. (its length, RSSI as u8), (0, 0) when it is not held."""
        buf = self._slot_buf
        if not self.read_into(token, buf, 0, 1):
            return 0, 0
        n = min(sealed_length(memoryview(buf)[_DATA:_CRC]), MESSAGE_MAX)
        view[at : at + n] = memoryview(buf)[_DATA : _DATA + n]
        return n, buf[4]
