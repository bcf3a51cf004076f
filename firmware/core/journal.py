"""The journal: a ring of 32-byte records in flash sectors, with no file system under it.

Guarantees, with the power cut at any write or erase, torn or garbled, also during recovery:
  - a record for which `append` gave True is read back, bit for bit, until it is released or the ring has come round;
  - what was not written whole is never read, and only its sequence number is given again;
  - `release` lost in a cut only means that records are sent again, never that one is freed unreceipted.

`ring` has the layout. 512 KiB keep at least 127 * 126 = 16,002 records: 11 days at a fix a minute. When the ring is full
its oldest sector goes; `lost` counts the unreleased records that went with it. A device has the interface of `blockdev`.
"""

import struct
from binascii import crc32

from .blockdev import BLOCK_ERASE
from .port import const
from .record import SIZE
from .ring import BLANK, EIO, HEADER, HEADER_SIZE, MARK, MARKS, RECORDS, VERSION, Ring, u32

_MARK_STEP = const(32)  # released records that are worth a mark: one batch of the uplink
_TRIES = const(3)  # slots or sectors that may turn out bad in one append


class Journal(Ring):
    """`mount` first. Then `append` a record that carries `next_seq`, `read_into` to send, `release` on a receipt.

    I/O errors do not raise; `faults` counts them. An append that meets one tries the next place, then mounts again: only so
    is it known what stands. If the device does not answer, `append` gives False and the journal is not `mounted` until an
    append finds it answering: pack each record with the `next_seq` of that moment.
    """

    _was_mounted = False

    # Mounting

    def mount(self, allow_format=False):
        """Find the records and the next sequence number. False when the device does not answer, or holds something else.

        A blank device becomes a journal; one that holds anything else only with `allow_format`, which erases all of it.
        """
        found = self.load()
        if found and self._generation < 0:
            if not self._is_blank():
                if not allow_format:
                    return False
                for block in range(self._blocks):
                    if not self._erase(block):
                        return False
        self.mounted = found and self._burn_tail()
        if self.mounted:
            self._was_mounted = True
        return self.mounted

    def _burn_tail(self):
        # What a power cut left of a record must not become readable later, when its sequence number belongs to another.
        block = self._generation % self._blocks
        slot = self._slot
        while self._generation >= 0 and slot > 0:
            slot -= 1
            if not self._read_slot(block, slot):
                return False
            if self._is_intact(self._buf):
                break
            if any(self._buf) and not self._program(block, RECORDS + slot * self.size, bytes(self.size)):
                return False
        return True

    def _is_blank(self):
        # Or nearly so: the header of the first sector may have been torn.
        # In eighths of a block: a new device looks through all its flash so.
        piece = bytearray((self._block_size - HEADER_SIZE) // 8)
        blank = b"\xff" * len(piece)
        for block in range(self._blocks):
            if not self._is_blank_block(block, HEADER_SIZE, piece, blank):
                return False
        return True

    # Writing

    def append(self, buf):
        """Write a record of `size` bytes that carries `next_seq`. True when it stands in flash (it was read back)."""
        recovered = not self.mounted
        if recovered and not self._recover():
            return False
        seq = u32(buf, 0)
        if len(buf) != self.size or seq != self.next_seq:
            if recovered and seq < self.next_seq:
                return False  # the one that could not be told stands after all, and has this number
            raise ValueError("record %r, expected sequence number %d" % (bytes(buf), self.next_seq))
        if self._append(buf):
            return True
        if not self._recover():
            return False
        return self.next_seq == seq + 1 or self._append(buf)

    def _recover(self):
        # Mount again after an error, if it was mounted before, keeping what only the RAM knew.
        if not self._was_mounted:
            return False
        next_seq, released, lost = self.next_seq, self.released, self.lost
        if self.mount():
            self.released = max(self.released, min(released, self.next_seq - 1))
            self.lost = max(self.lost, lost)
            return True
        self.next_seq, self.released, self.lost = next_seq, released, lost
        return False

    def _append(self, buf):
        for _ in range(_TRIES):
            if self._slot >= self._slots and not self._open_sector():
                break
            block = self._generation % self._blocks
            at = RECORDS + self._slot * self.size
            self._slot += 1
            self._program(block, at, buf)
            if not self._read(block, at, self._buf):
                break  # it may stand there or not: only the next mount can tell
            if self._buf == buf:
                self.next_seq += 1
                return True
            self.faults += 1
            self._program(block, at, bytes(self.size))
        self.mounted = False
        return False

    def skip_to(self, seq):
        """Never give a sequence number below `seq`: the bridge holds records that this flash has lost. The next append
        makes it last."""
        if seq > self.next_seq:
            self.next_seq = seq
            self._slot = self._slots
            self._unreleased = 0

    def _open_sector(self):
        # Erase the next block, whatever it holds, and make it the newest sector.
        for _ in range(_TRIES):
            generation = self._generation + 1
            erase = self._generation >= 0
            if not erase:  # a new device: nothing to erase if there is a blank block, and nothing to tear
                while generation < self._blocks and not self._is_blank_block(generation, 0, self._head, BLANK):
                    generation += 1
                erase = generation == self._blocks
                generation %= self._blocks
            block = generation % self._blocks
            erasures = generation // self._blocks
            if self._first[block]:
                if self._read(block, 0, self._head) and self._is_header(block):
                    erasures = u32(self._buf, 12) + 1
                self._drop(generation)
            self._generation = generation
            if (not erase or self._erase(block)) and self._write_header(block, erasures):
                self._first[block] = self.next_seq
                self._slot = 0
                self._marks = 0
                self._persisted = self.released
                return True
        return False

    def _drop(self, generation):
        # The records of the sector that `generation` replaces.
        first = self._first[generation % self._blocks]
        self._first[generation % self._blocks] = 0
        end = 0
        while not end and generation < self._generation + self._blocks:
            generation += 1
            end = self._first[generation % self._blocks]
        self.lost += max(0, (end or self.next_seq) - max(first, self.released + 1))
        self._unreleased = 0

    def _write_header(self, block, erasures):
        buf = self._head
        lost = self.lost
        first = self.next_seq
        struct.pack_into(
            HEADER, buf, 0, self.magic, VERSION, 0, self._blocks, self._generation, erasures, first, self.released, lost, 0
        )
        struct.pack_into("<I", buf, HEADER_SIZE - 4, crc32(self._crc_view))
        self._program(block, 0, buf)
        return self._read(block, 0, buf) and self._is_header(block) and u32(buf, 8) == self._generation

    # Releasing

    def release(self, through):
        """The bridge has every record up to `through`. False when it says to have records that were never made here."""
        if through >= self.next_seq:
            return False
        if through > self.released:
            self.released = through
            if through >= self._unreleased:
                self._unreleased = 0
            # Each mark at least halves what a power cut now would cause to be sent again.
            unsaved = through - self._persisted
            if unsaved >= _MARK_STEP and unsaved >= self.next_seq - 1 - through:
                self.sync()
        return True

    def sync(self):
        """Make `released` last, as before a sleep that loses the RAM. False when this sector has no room for another mark."""
        if not self.mounted or self._marks >= MARKS:
            return self._persisted == self.released
        if self._persisted < self.released:
            crc = self._mark_crc(self.released)
            struct.pack_into("<II", self._mark, 0, self.released, crc)
            block = self._generation % self._blocks
            self._marks += 1
            if not self._program(block, HEADER_SIZE + (self._marks - 1) * MARK, self._mark_view):
                return False
            self._persisted = self.released
        return True

    # The device

    def _program(self, block, offset, buf):
        try:
            result = self._device.writeblocks(block, buf, offset)
        except OSError:
            result = EIO
        if not result or result > 0:
            return True
        self.faults += 1
        return False

    def _erase(self, block):
        try:
            result = self._device.ioctl(BLOCK_ERASE, block)
        except OSError:
            result = EIO
        if not result or result > 0:
            return True
        self.faults += 1
        return False


def read_all(device):
    """Every record that a device's image holds, released or not, oldest first, 32 bytes each. Nothing is written."""
    journal = Ring(device)
    if not journal.load():
        return
    raw = bytearray(SIZE)
    seq = journal.first_from(1)
    while seq < journal.next_seq:
        if journal.read_into(seq, raw, 0, 1):
            yield bytes(raw)
        seq = journal.first_from(seq + 1)


def made(device):
    """The last sequence number that was ever given, from the image alone."""
    journal = Ring(device)
    return journal.next_seq - 1 if journal.load() else 0
