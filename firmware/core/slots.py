"""Two places in flash for one blob: the new one is written beside the old, and one header makes the change.

Whatever cut comes, the blob that is read is the old one or the new one, whole. `device` is a block device of NOR flash with
the interface of `blockdev`, half of it for each place:

    block 0     u32 magic, u32 generation, u32 number, u32 length, u32 CRC-32 of the blob, u32 CRC-32 of the 20 bytes before
    block 1 …   the blob

The header is written last. A place whose header or blob does not carry its CRC is empty.
"""

import struct
from binascii import crc32

from .blockdev import BLOCK_COUNT, BLOCK_ERASE, BLOCK_SIZE
from .port import const

_MAGIC = const(0x48574142)  # "BAWH"
_HEADER = const(24)
_FORMAT = "<IIIII"


def _sure(result):
    # A driver raises, or returns a negative errno.
    if result and result < 0:
        raise OSError(-result)


class Slots:
    """`mount` first. `size` and `number` are those of the blob that stands; 0 when there is none."""

    def __init__(self, device):
        self._device = device
        self._block = 0
        self._header = bytearray(_HEADER)
        self._forget()

    def _forget(self):
        self.size = 0
        self.number = 0
        self._half = 0  # blocks of a place; 0: not mounted
        self._generation = 0
        self._at = 0  # first block of the place that stands
        self._new = 0  # of the one that is being written

    def mount(self):
        """Find the newest whole blob. False when the device does not answer: then there is none, and no room for one."""
        device = self._device
        self._forget()
        try:
            self._block = device.ioctl(BLOCK_SIZE, 0)
            self._half = device.ioctl(BLOCK_COUNT, 0) // 2
            for at in (0, self._half):
                _sure(device.readblocks(at, self._header, 0))
                magic, generation, number, size, crc = struct.unpack_from(_FORMAT, self._header)
                if magic != _MAGIC or struct.unpack_from("<I", self._header, 20)[0] != crc32(memoryview(self._header)[:20]):
                    continue
                if generation > self._generation and size <= self.room and self._crc(at, size) == crc:
                    self._generation = generation
                    self._at = at
                    self.size = size
                    self.number = number
        except OSError:
            self._forget()
            return False
        self._new = self._half - self._at
        return True

    @property
    def room(self):
        """The largest blob, in bytes."""
        return max(self._half - 1, 0) * self._block

    def _crc(self, at, size):
        buf = bytearray(min(size, 256))
        crc = done = 0
        while done < size:
            view = memoryview(buf)[: min(len(buf), size - done)]
            self._read(at, done, view)
            crc = crc32(view, crc)
            done += len(view)
        return crc

    def _read(self, at, offset, buf):
        # A block device need not read across blocks. Mostly there is no need to, and then nothing is allocated.
        block = self._block
        if offset % block + len(buf) <= block:
            _sure(self._device.readblocks(at + 1 + offset // block, buf, offset % block))
            return
        view = memoryview(buf)
        done = 0
        while done < len(buf):
            start = offset + done
            n = min(len(buf) - done, block - start % block)
            _sure(self._device.readblocks(at + 1 + start // block, view[done : done + n], start % block))
            done += n

    def readinto(self, offset, buf):
        """Fill `buf` from the blob that stands. ValueError beyond its end, OSError when the device does not answer."""
        if offset < 0 or offset + len(buf) > self.size:
            raise ValueError("beyond the blob")
        self._read(self._at, offset, buf)

    # A new blob

    def begin(self, size):
        """Make room for a blob of `size` bytes. False when there is none to be had."""
        if not self._half or size > self.room:
            return False
        try:
            for block in range(self._new, self._new + 1 + -(-size // self._block)):
                _sure(self._device.ioctl(BLOCK_ERASE, block))
        except OSError:
            return False
        return True

    def write(self, offset, data):
        """A part of the new blob; the same part may come again. False when it does not stand there afterwards."""
        block = self._block
        view = memoryview(data)
        back = bytearray(len(data))
        done = 0
        try:
            while done < len(data):
                start = offset + done
                n = min(len(data) - done, block - start % block)
                _sure(self._device.writeblocks(self._new + 1 + start // block, view[done : done + n], start % block))
                done += n
            self._read(self._new, offset, back)
        except OSError:
            return False
        return back == data

    def peek(self, offset, buf):
        """Fill `buf` from the new blob, before it is kept."""
        self._read(self._new, offset, buf)

    def keep(self, number, size):
        """The new blob, `size` bytes, stands from now on. False when the old one still does."""
        header = bytearray(_HEADER)
        try:
            crc = self._crc(self._new, size)
            struct.pack_into(_FORMAT, header, 0, _MAGIC, self._generation + 1, number, size, crc)
            struct.pack_into("<I", header, 20, crc32(memoryview(header)[:20]))
            _sure(self._device.writeblocks(self._new, header, 0))
            _sure(self._device.readblocks(self._new, self._header, 0))
            stands = self._header == header and self._crc(self._new, size) == crc
        except OSError:
            stands = False
        if not stands:
            # It may stand there unseen: what was told not to be kept must not come up at the next start.
            try:
                self._device.writeblocks(self._new, bytes(_HEADER), 0)
            except OSError:
                pass
            return False
        self._generation += 1
        self._at, self._new = self._new, self._at
        self.size = size
        self.number = number
        return True
