"""The ring of sectors under the journal: its layout in flash, and all that only reads.

Sectors follow each other round the ring: generation g lies in block g % blocks. A sector holds, from byte
    0      header: u32 magic, u8 version, u8 0, u16 blocks, u32 generation, u32 erasures, u32 first sequence number,
           u32 released, u32 lost, u32 CRC-32 of the 28 bytes before
    32     up to four marks: u32 released, u32 CRC-32 of generation and released
    64     records (126 in 4096 bytes), one write each; one that was torn is zeroed, and its place stays empty
A sector is found by its header alone, a record by its own CRC: what a power cut left of either is not seen.

What is kept need not be records: a class that derives from `Ring` may set another `magic`, another `size` of at
least 32 with its `blank`, and say what is intact. Each begins with its sequence number, a u32.
"""

import struct
from array import array
from binascii import crc32

from .blockdev import BLOCK_COUNT, BLOCK_SIZE
from .port import const
from .record import SIZE, is_intact, seq_of

VERSION = const(1)
HEADER = "<IBBHIIIIII"
HEADER_SIZE = const(32)
RECORDS = const(64)  # where the first record stands
MARKS = const(4)
MARK = const(8)  # bytes
BLANK = b"\xff" * SIZE  # of a header too
EIO = const(-5)
_UNREADABLE = const(0xFFFFFFFF)  # in place of a generation: neither blank nor a header


def u32(buf, at):
    """The little-endian number at buf[at:at+4], where `struct.unpack` would allocate a tuple."""
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | buf[at + 3] << 24


class Ring:
    """The records on a device, after `load`. Errors of the device do not raise: they are counted in `faults`."""

    magic = 0x314A5748  # "HWJ1"
    size = SIZE  # bytes of a record
    blank = BLANK  # one as the erasure left it

    def __init__(self, device):
        self._device = device
        self._blocks = device.ioctl(BLOCK_COUNT, 0)
        self._block_size = device.ioctl(BLOCK_SIZE, 0)
        size = self.size
        self._slots = (self._block_size - RECORDS) // size  # places for records in a sector
        if self._blocks < 2 or self._slots <= 0 or self._block_size % HEADER_SIZE:
            raise ValueError("journal on %d blocks of %d bytes" % (self._blocks, self._block_size))
        self._buf = bytearray(size)
        self._mark = bytearray(2 * MARK)
        self._head = memoryview(self._buf)[:HEADER_SIZE]
        self._crc_view = self._head[: HEADER_SIZE - 4]
        self._mark_view = memoryview(self._mark)[:MARK]
        self._crc_of_mark_view = memoryview(self._mark)[4 : 4 + MARK]
        self._first = array("I", bytes(4 * self._blocks))  # first sequence number of each block's sector; 0: none of ours
        self.faults = 0
        self._forget()

    def _forget(self):
        self.mounted = False
        self.next_seq = 1
        self.released = 0  # the bridge has everything up to here
        self.lost = 0  # unreleased records that had to go, ever
        self._generation = -1  # of the newest sector
        self._slot = self._slots  # the next free one
        self._marks = MARKS
        self._persisted = 0  # what `released` would be after a power cut
        self._unreleased = 0  # cache of first_unreleased; 0: not known
        for i in range(self._blocks):
            self._first[i] = 0

    def load(self):
        """Find what is there, writing nothing. False on an I/O error."""
        self._forget()
        generations = array("I", bytes(4 * self._blocks))
        newest = -1
        for block in range(self._blocks):
            if not self._read(block, 0, self._head):
                return False
            if self._is_header(block):
                generations[block] = u32(self._buf, 8)
                self._first[block] = u32(self._buf, 16)
                newest = max(newest, generations[block])
            elif self._head != BLANK:
                generations[block] = _UNREADABLE
        if newest < 0:
            return True
        for block in range(self._blocks):
            if generations[block] + self._blocks <= newest:
                self._first[block] = 0  # a sector that could not be erased when its turn came
        self._generation = newest
        if not self._load_newest(newest % self._blocks):
            return False
        for age in range(1, self._blocks):  # newest first
            if generations[(newest - age) % self._blocks] == _UNREADABLE:
                self._adopt((newest - age) % self._blocks, age)
        return True

    def _adopt(self, block, age):
        # A sector whose header has rotted, by its records. The one after the newest matters most: without it the sequence
        # numbers in it would be given again. If the power went while that one was erased, its numbers are old ones instead.
        if not self._read(block, RECORDS, self._buf) or not self._is_intact(self._buf):
            return
        first = seq_of(self._buf)
        if age == self._blocks - 1:
            if first >= self.next_seq:
                self._generation += 1
                self._first[block] = first
                self._slot = self._slots
                self._marks = MARKS
                self.next_seq = first + 1
                for slot in range(1, self._slots):
                    if self._read_slot(block, slot) and self._is_record(self._buf, self.next_seq):
                        self.next_seq += 1
            return
        newer = 0
        while not newer:  # the newest sector at the latest
            age -= 1
            newer = self._first[(self._generation - age) % self._blocks]
        if first < newer:
            self._first[block] = first

    def _load_newest(self, block):
        if not self._read(block, 0, self._head) or not self._is_header(block):
            return False
        first = u32(self._buf, 16)
        self.released = u32(self._buf, 20)
        self.lost = u32(self._buf, 24)
        self._load_marks(block)
        self._persisted = self.released
        self._count_cut_drop()
        self.next_seq = first
        self._slot = 0
        for slot in range(self._slots - 1, -1, -1):
            if not self._read_slot(block, slot):
                return False
            if self._buf == self.blank:
                continue
            if not self._slot:
                self._slot = slot + 1
            if self._is_intact(self._buf) and 0 <= seq_of(self._buf) - first <= slot:
                self.next_seq = seq_of(self._buf) + 1
                break
        self.next_seq = max(self.next_seq, self.released + 1)
        return True

    def _count_cut_drop(self):
        # The power went between the erasure of the oldest sector and the header that would have counted its records.
        oldest = self._generation + 1 - self._blocks
        after = self._first[(oldest + 1) % self._blocks]
        if oldest >= 0 and not self._first[oldest % self._blocks] and after:
            self.lost += max(0, after - max(self.released + 1, after - self._slots))

    def _load_marks(self, block):
        self._marks = 0
        for i in range(MARKS):
            if self._read(block, HEADER_SIZE + i * MARK, self._mark_view) and self._mark_view == BLANK[:MARK]:
                continue
            self._marks = i + 1
            released = u32(self._mark, 0)
            if u32(self._mark, 4) == self._mark_crc(released):
                self.released = max(self.released, released)

    def _is_blank_block(self, block, at, piece, blank):
        # From byte `at` on, in pieces; so many that they end where the block does. `_read` would leave garbage at each of them.
        device = self._device
        try:
            while at < self._block_size:
                if (device.readblocks(block, piece, at) or 0) < 0:
                    break
                if piece != blank:
                    return False
                at += len(blank)
            else:
                return True
        except OSError:
            pass
        self.faults += 1
        return False

    def _is_header(self, block):
        # Whether _buf holds a header that belongs there.
        buf = self._buf
        return (
            u32(buf, 28) == crc32(self._crc_view)
            and u32(buf, 0) == self.magic
            and buf[4] == VERSION
            and buf[6] | buf[7] << 8 == self._blocks
            and u32(buf, 8) % self._blocks == block
            and u32(buf, 16) > 0
        )

    def _mark_crc(self, released):
        struct.pack_into("<III", self._mark, 0, released, self._generation, released)
        return crc32(self._crc_of_mark_view)

    # Reading

    @property
    def first_unreleased(self):
        """The oldest readable record that is not released; `next_seq` when there is none."""
        if not self._unreleased:
            self._unreleased = self.first_from(self.released + 1)
        return self._unreleased

    @property
    def pending(self):
        """How many records are not released."""
        return self.next_seq - self.first_unreleased

    def first_from(self, seq):
        """The first readable sequence number at or after `seq`; `next_seq` when there is none."""
        while seq < self.next_seq:
            found = self._find(seq)
            if found >= 0:
                return seq
            seq = -found
        return self.next_seq

    def read_into(self, seq, buf, offset, max_n):
        """Copy up to `max_n` intact records, `seq` and those that follow it without a gap, to buf[offset:]. How many.

        0 when `seq` is not held. `first_from` then says where to go on.
        """
        view = memoryview(buf)
        size = self.size
        max_n = min(max_n, (len(buf) - offset) // size)
        n = 0
        while n < max_n:
            place = self._find(seq + n)
            if place < 0:
                break
            block = place // self._slots
            slot = place % self._slots
            run = min(max_n - n, self._slots - slot)
            part = view[offset + n * size : offset + (n + run) * size]
            if not self._read(block, RECORDS + slot * size, part):
                break
            good = 0
            while good < run and self._is_record(part[good * size : (good + 1) * size], seq + n + good):
                good += 1
            if not good:
                break
            n += good
        return n

    def _is_record(self, raw, seq):
        return seq_of(raw) == seq and self._is_intact(raw)

    def _is_intact(self, raw):
        return is_intact(raw)

    def _find(self, seq):
        # block * slots + slot of a record, or minus the next sequence number that may be held (at least seq + 1).
        if not 0 < seq < self.next_seq:
            return -max(seq + 1, 1)
        generation = self._generation
        after = self.next_seq  # where the sector that follows begins
        while generation >= 0 and generation > self._generation - self._blocks:
            block = generation % self._blocks
            first = self._first[block]
            if first:
                if first <= seq:
                    return self._find_in(block, seq, seq - first, after)
                after = first
            generation -= 1
        return -max(after, seq + 1)

    def _find_in(self, block, seq, slot, after):
        # Burnt places only ever push a record towards the end.
        while slot < self._slots and self._read_slot(block, slot):
            if self._is_intact(self._buf):
                held = seq_of(self._buf)
                if held == seq:
                    return block * self._slots + slot
                if seq < held < after:
                    return -held
            slot += 1
        return -max(after, seq + 1)

    # The device

    def _read_slot(self, block, slot):
        return self._read(block, RECORDS + slot * self.size, self._buf)

    def _read(self, block, offset, buf):
        try:
            result = self._device.readblocks(block, buf, offset)
        except OSError:
            result = EIO
        if not result or result > 0:
            return True
        self.faults += 1
        return False
