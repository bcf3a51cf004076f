"""The RF frame between a home unit and its tags: 24 bytes, authentic, never the same one heard twice. Little-endian.

     0  u8   version << 4 | kind     version 1
     1  u32  sender                  device id
     5  u32  counter                 of the sender, never repeated
     9  body, 11 bytes, unused ones 0
         BEACON                              STATUS
          9  u8   flags: MAINS, …             9  u8   slot of the tag in its home unit, 0-15
         10  u8   battery percent            10  u8   flags: STRAP_OK, …
         11  u16  bit n: slot n has          11  u8   battery percent
                  something to fetch         12  u8   mode (record.MODE_*)
        13  u32  UTC seconds, 0 unknown      13  u32  last sequence number made
        17  u24  echo                        17  u24  echo
         FRAGMENT, ACK: see `link`
    20  mic[4]                       AES-CCM (M = 4) of bytes 0-19 under the household's RF key, no payload,
                                     nonce = sender, counter, "RF", three zeros

An echo is what proves a frame fresh to a listener that has just started and knows no counter of its sender: the low 20 bits of
the counter of the last frame that the sender heard (from its home unit, or from any of its tags), << 4 | the tag's slot. Only
who lives now can echo a number that the listener itself gave out in this life. So no frame of before a restart is ever heard
again, and nothing is kept in flash for it.

Carried in one BLE advertisement as manufacturer-specific data of 28 bytes. No function here raises on bytes from the air.
"""

import struct

from .port import const
from .seal import Ccm, copy_bytes

VERSION = const(1)
SIZE = const(24)
BODY = const(9)  # where the body starts
BODY_SIZE = const(11)
MIC = const(20)
MIC_SIZE = const(4)

BEACON = const(1)
STATUS = const(2)
FRAGMENT = const(3)
ACK = const(4)

DOWNLINK = const(1)  # flags of BEACON
MAINS = const(2)
ONLINE = const(4)
RANGE_TEST = const(8)  # every tag that hears this: be heard every two seconds
STRAP_OK = const(1)  # flags of STATUS
CHARGING = const(2)
MOVING = const(4)
ASKS = const(8)  # for a beacon with an echo of this

REFUSED = const(0)  # results of FrameOpener.open: not of this household, or garbage
FRESH = const(1)
DUPLICATE = const(2)  # the last frame of that sender once more: good for another RSSI reading, to be acted on only once
REPLAYED = const(3)  # an older one of that sender
UNPROVEN = const(4)  # authentic, but of a sender of whom no counter is known: fresh only if it echoes one of ours

SENDERS_MAX = const(17)  # a home unit and its 16 slots

# Bluetooth Core Specification Supplement, part A, section 1.4: length, type 0xFF, company, data. Flags may be left out of
# an advertisement that nobody can connect to (section 1.3).
ADVERTISEMENT_SIZE = const(28)
COMPANY_FOR_TESTS = const(0xFFFF)  # Bluetooth Assigned Numbers, section 7.1: for internal tests, until we have one
_AD_MANUFACTURER = const(0xFF)
_COUNTER_MAX = const(0xFFFFFFFF)
_ECHO_MASK = const(0xFFFFF)
_ECHO_AGE = const(4095)  # an echo of an older frame proves nothing: the 20 bits come round after months


def kind_of(frame):
    """BEACON, STATUS, FRAGMENT or ACK, when the frame has been opened."""
    return frame[0] & 0x0F


def sender_of(frame):
    return frame[1] | frame[2] << 8 | frame[3] << 16 | frame[4] << 24


def counter_of(frame):
    return frame[5] | frame[6] << 8 | frame[7] << 16 | frame[8] << 24


def pack_beacon(frame, flags, battery, pending_slots, utc_s=0, echo=0):
    """Write the body of a BEACON into a frame. `utc_s`: seconds since 1970, 0 while they are not known."""
    frame[BODY] = flags
    frame[BODY + 1] = battery
    frame[BODY + 2] = pending_slots & 0xFF
    frame[BODY + 3] = pending_slots >> 8
    _pack_number_and_echo(frame, utc_s, echo)


def parse_beacon(frame):
    """(flags, battery, pending_slots)"""
    return frame[BODY], frame[BODY + 1], frame[BODY + 2] | frame[BODY + 3] << 8


def beacon_time(frame):
    """UTC in seconds when the beacon was sealed; 0 when the home unit did not know it. It may have been repeated since."""
    return struct.unpack_from("<I", frame, BODY + 4)[0]


def pack_status(frame, slot, flags, battery, mode, last_seq, echo=0):
    """Write the body of a STATUS into a frame."""
    frame[BODY] = slot
    frame[BODY + 1] = flags
    frame[BODY + 2] = battery
    frame[BODY + 3] = mode
    _pack_number_and_echo(frame, last_seq, echo)


def _pack_number_and_echo(frame, number, echo):
    struct.pack_into("<I", frame, BODY + 4, number)
    frame[BODY + 8] = echo & 0xFF
    frame[BODY + 9] = echo >> 8 & 0xFF
    frame[BODY + 10] = echo >> 16


def parse_status(frame):
    """(slot, flags, battery, mode, last_seq)"""
    return struct.unpack_from("<BBBBI", frame, BODY)


def echo_of(frame):
    """What a BEACON or a STATUS echoes; 0: nothing."""
    return frame[BODY + 8] | frame[BODY + 9] << 8 | frame[BODY + 10] << 16


def echo_for(frame, slot):
    """The echo of a frame that a tag in this slot has said, or is to be told."""
    return (counter_of(frame) & _ECHO_MASK) << 4 | slot


class Counter:
    """Numbers 1, 2, 3 … that no power cut ever repeats, with one write in flash for `step` of them.

    `load()` gives what `store(limit)` last kept, or 0. A cut skips the rest of the block. `next` gives 0 when no number
    could be reserved (`store` raised OSError, or 2**32 are used up): then nothing may be sent.
    """

    def __init__(self, load, store, step=1024):
        self._store = store
        self._step = step
        self._last = self._limit = load() or 0

    def next(self):
        if self._last >= self._limit:
            limit = min(self._last + self._step, _COUNTER_MAX)
            if limit <= self._last:
                return 0
            try:
                self._store(limit)
            except OSError:
                return 0
            self._limit = limit
        self._last += 1
        return self._last


class FrameSealer:
    """Makes the frames of one sender. `counter` is a Counter, or anything with its `next`; `ccm` that of an opener under the same
    key, which is memory saved."""

    def __init__(self, rf_key, sender, counter, ccm=None):
        self._ccm = ccm or Ccm(rf_key)
        self._counter = counter
        self._sender = sender
        self._block = _new_counter_block()
        self._first = 0  # the counters given out in this life
        self._last = 0

    def seal(self, frame, kind):
        """Complete the frame of 24 bytes whose body stands in it. False when there is no counter to be had."""
        if len(frame) != SIZE:
            raise ValueError("frame of %d bytes" % len(frame))
        counter = self._counter.next()
        if not counter:
            return False
        self._last = counter
        self._first = self._first or counter
        frame[0] = VERSION << 4 | kind
        struct.pack_into("<I", frame, 1, self._sender)
        struct.pack_into("<I", frame, 5, counter)
        copy_bytes(self._block, 1, frame, 1, 8)
        mac = self._ccm.mac(self._block, frame, MIC)
        copy_bytes(frame, MIC, mac, 0, MIC_SIZE)
        return True

    def has_said(self, echo):
        """Whether an echo is of one of the newest frames of this life."""
        return self._last > 0 and (self._last - (echo >> 4) & _ECHO_MASK) <= min(self._last - self._first, _ECHO_AGE)

    def has_just_said(self, echo):
        """Whether an echo is of the last frame of this life."""
        return self._last > 0 and echo >> 4 == self._last & _ECHO_MASK


class FrameOpener:
    """Hears the frames of one household, each once. `own` is the listener's device id: what it sent itself is refused.

    It knows the last counter of each sender only since it was built. Of a sender that it does not know it cannot tell an old
    frame from a new one: `open` says UNPROVEN until `hear_after` brings a counter.
    """

    def __init__(self, rf_key, own=0):
        self.ccm = Ccm(rf_key)
        self._own = own
        self._block = _new_counter_block()
        self._last = {}
        self.refused = 0
        self.replayed = 0
        self.unproven = 0

    def hear_after(self, sender, counter):
        """Refuse whatever `sender` sent up to `counter`. False when there are too many senders."""
        if sender not in self._last and len(self._last) >= SENDERS_MAX:
            return False
        self._last[sender] = max(counter, self._last.get(sender, 0))
        return True

    def last_counter(self, sender):
        """The counter of the sender's last frame; 0 when none was heard."""
        return self._last.get(sender, 0)

    def open(self, frame):
        """FRESH, DUPLICATE, REPLAYED, UNPROVEN or REFUSED. Only a FRESH frame may be acted on."""
        if len(frame) != SIZE or frame[0] >> 4 != VERSION or not BEACON <= kind_of(frame) <= ACK:
            self.refused += 1
            return REFUSED
        sender = sender_of(frame)
        if sender == self._own or not self._is_authentic(frame):
            self.refused += 1
            return REFUSED
        counter = counter_of(frame)
        last = self._last.get(sender, 0)
        if not last:
            self.unproven += 1
            return UNPROVEN
        if counter > last:
            self._last[sender] = counter
            return FRESH
        if counter == last:
            return DUPLICATE
        self.replayed += 1
        return REPLAYED

    def _is_authentic(self, frame):
        # In constant time.
        copy_bytes(self._block, 1, frame, 1, 8)
        mac = self.ccm.mac(self._block, frame, MIC)
        difference = 0
        for i in range(MIC_SIZE):
            difference |= mac[i] ^ frame[MIC + i]
        return not difference


def _new_counter_block():
    # CCM's A0: 1, the nonce, 0, 0.
    block = bytearray(16)
    block[0] = 1
    block[9] = 82  # "RF"
    block[10] = 70
    return block


def to_advertisement(frame, out=None):
    """The advertising data that carries a frame, in `out` (28 bytes) if given."""
    if out is None:
        out = bytearray(ADVERTISEMENT_SIZE)
    out[0] = ADVERTISEMENT_SIZE - 1
    out[1] = _AD_MANUFACTURER
    out[2] = COMPANY_FOR_TESTS & 0xFF
    out[3] = COMPANY_FOR_TESTS >> 8
    copy_bytes(out, 4, frame, 0, SIZE)
    return out


def find_frame(data):
    """A view of what may be a frame in advertising data, or None. Allocates only for what looks like one."""
    at = 0
    while at + 1 < len(data) and data[at]:
        end = at + 1 + data[at]
        if end > len(data):
            return None
        if end - at == ADVERTISEMENT_SIZE and data[at + 1] == _AD_MANUFACTURER:
            ours = data[at + 2] == COMPANY_FOR_TESTS & 0xFF and data[at + 3] == COMPANY_FOR_TESTS >> 8
            if ours and data[at + 4] >> 4 == VERSION:
                return memoryview(data)[at + 4 : end]
        at = end
    return None
