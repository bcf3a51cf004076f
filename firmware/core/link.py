"""Sealed messages over RF frames: cut into fragments, put together again, acknowledged by bitmap. No I/O; times are passed
in as `port.ticks_ms` and may wrap.

    FRAGMENT body  0  u8  message id << 4 | index          ACK body  0  u8   message id << 4
                   1  u8  total << 4 | slot                          1  u8   slot
                   2  nine bytes of the message, the                 2  u16  bit n: fragment n is held
                      last ones padded with zeros                    4  zeros

A message is handed over once, or its `Sender` gives up and says so; the journal still has it. Ids are four bits: a mix of
two messages under one id is possible after a restart of the sender, and the seal then refuses it at the bridge.
"""

import struct

from .frame import BODY
from .message import HEADER, TAG_LENGTH, sealed_length
from .port import const, ticks_add, ticks_diff
from .record import SIZE as RECORD_SIZE
from .seal import copy_bytes

CHUNK = const(9)
FRAGMENTS_MAX = const(15)
MESSAGE_MAX = const(135)  # FRAGMENTS_MAX * CHUNK
RECORDS_PER_RELAY = (MESSAGE_MAX - HEADER - TAG_LENGTH) // RECORD_SIZE  # 3

IDLE = const(0)  # states of a Sender
SENDING = const(1)
DONE = const(2)
GAVE_UP = const(3)


class Fragmenter:
    """The FRAGMENT bodies of the first `n` bytes of a sealed message. ValueError when it is longer than MESSAGE_MAX."""

    def __init__(self, sealed, n, message_id, slot):
        if not 0 < n <= MESSAGE_MAX:
            raise ValueError("message of %d bytes, expected 1 to %d" % (n, MESSAGE_MAX))
        self._sealed = sealed
        self._n = n
        self._id = message_id & 0x0F
        self._slot = slot & 0x0F
        self.total = -(-n // CHUNK)

    def body_into(self, frame, index):
        """Write the body of fragment `index` into an RF frame."""
        frame[BODY] = self._id << 4 | index
        frame[BODY + 1] = self.total << 4 | self._slot
        take = min(CHUNK, self._n - index * CHUNK)
        for i in range(BODY + 2 + take, BODY + 2 + CHUNK):
            frame[i] = 0
        copy_bytes(frame, BODY + 2, self._sealed, index * CHUNK, take)


class Sender:
    """Gets one message at a time across. `poll` says what to send; feed it the ACKs that are for its slot. Keep one Sender for
    good: by its message ids the other side tells a new message from the last one heard again.

    All missing fragments go out `frame_ms` apart. When no ACK has come `ack_ms` after the last one, that one is sent again
    to ask for it. After `tries` such questions without any progress the Sender gives up.
    """

    def __init__(self, slot, frame_ms=100, ack_ms=1500, tries=10):
        self._slot = slot
        self._frame_ms = frame_ms
        self._ack_ms = ack_ms
        self._tries = tries
        self._ids = bytearray(16)  # of the last message to each slot: so one comes again after 16 messages to the same tag
        self._id = 0
        self._fragments = Fragmenter(bytes(1), 1, 0, slot)
        self._held = 0  # what the other side has said to hold, a bit a fragment
        self._all = 0
        self._to_send = 0
        self._asked = 0
        self._due_ms = 0
        self.state = IDLE

    def start(self, sealed, n, now_ms, slot=None):
        """Begin with the first `n` bytes of `sealed`, which must stay as they are until the end; a message under way is
        abandoned. False when it is too long. `slot` replaces the one of before."""
        if not 0 < n <= MESSAGE_MAX:
            return False
        if slot is not None:
            self._slot = slot
        self._id = self._ids[self._slot & 0x0F] = (self._ids[self._slot & 0x0F] + 1) & 0x0F
        self._fragments = Fragmenter(sealed, n, self._id, self._slot)
        self._held = 0
        self._all = (1 << self._fragments.total) - 1
        self._to_send = self._all
        self._asked = 0
        self._due_ms = now_ms
        self.state = SENDING
        return True

    def poll(self, now_ms):
        """The index of the fragment to send now (then `body_into` it), or -1 when there is nothing to send yet."""
        if self.state != SENDING or ticks_diff(now_ms, self._due_ms) < 0:
            return -1
        if not self._to_send:
            if self._asked == self._tries:
                self.state = GAVE_UP
                return -1
            self._asked += 1
            self._to_send = 1 << self._fragments.total - 1  # whatever it holds: hearing it makes the other side answer
        index = 0
        while not self._to_send >> index & 1:
            index += 1
        self._to_send &= ~(1 << index)
        self._due_ms = ticks_add(now_ms, self._frame_ms if self._to_send else self._ack_ms)
        return index

    def body_into(self, frame, index):
        self._fragments.body_into(frame, index)

    def on_ack(self, frame, now_ms):
        """Take an authentic ACK frame."""
        if self.state != SENDING or frame[BODY] != self._id << 4 or frame[BODY + 1] != self._slot:
            return
        held = (frame[BODY + 2] | frame[BODY + 3] << 8) & self._all
        if held & ~self._held:
            self._asked = 0
        self._held |= held
        if self._held == self._all:
            self.state = DONE
            return
        self._to_send &= ~self._held
        if not self._to_send:  # otherwise the answer is older than what is still going out
            self._to_send = self._all & ~self._held
            self._due_ms = now_ms

    def wait_ms(self, now_ms):
        """How long `poll` has nothing to do; -1 when it waits for `start`."""
        return max(0, ticks_diff(self._due_ms, now_ms)) if self.state == SENDING else -1


class _Open:
    # One message that is being put together, or that is whole and kept so that its fragments are known when they come again.
    def __init__(self):
        self.data = bytearray(MESSAGE_MAX)
        self.sender = 0  # nobody
        self.key = 0
        self.total = 0
        self.held = 0
        self.touched_ms = 0


class Reassembler:
    """Puts messages of any number of senders together, up to `places` at once; the one not heard for longest has to go."""

    def __init__(self, places=4, forget_ms=30_000):
        self._places = [_Open() for _ in range(places)]
        self._forget_ms = forget_ms
        self._last = None
        self.ack_due = False  # whether the fragment just fed should be answered
        self.garbled = 0

    def feed(self, sender, frame, now_ms):
        """Take an authentic FRAGMENT frame. The whole sealed message when this one completes it (valid until the next
        `feed`), otherwise None. Then, if `ack_due`, send the answer that `ack_into` writes."""
        self.ack_due = False
        self._last = None
        index = frame[BODY] & 0x0F
        total = frame[BODY + 1] >> 4
        if not sender or index >= total:
            self.garbled += 1
            return None
        key = frame[BODY] & 0xF0 | frame[BODY + 1] & 0x0F
        place = self._place(sender, key, now_ms)
        at = index * CHUNK
        again = place.held >> index & 1
        if place.total != total or (again and not _is_same(place.data, at, frame)):
            place.total = total  # a new message under an old id
            place.held = again = 0
        place.touched_ms = now_ms
        self._last = place
        self.ack_due = again == 1 or index == total - 1
        if again:
            return None
        copy_bytes(place.data, at, frame, BODY + 2, CHUNK)
        place.held |= 1 << index
        if place.held != (1 << total) - 1:
            return None
        n = sealed_length(place.data)
        if not (total - 1) * CHUNK < n <= total * CHUNK:
            self.garbled += 1
            place.sender = 0
            self._last = None
            self.ack_due = False
            return None
        self.ack_due = True
        return memoryview(place.data)[:n]

    def ack_into(self, frame):
        """Write the body of the ACK for the fragment just fed. False when there is nothing to answer."""
        if self._last is None:
            return False
        struct.pack_into("<BBHIHB", frame, BODY, self._last.key & 0xF0, self._last.key & 0x0F, self._last.held, 0, 0, 0)
        return True

    def _place(self, sender, key, now_ms):
        oldest = self._places[0]
        for place in self._places:
            if place.sender and ticks_diff(now_ms, place.touched_ms) > self._forget_ms:
                place.sender = 0
            if place.sender == sender and place.key == key:
                return place
            if oldest.sender and (not place.sender or ticks_diff(oldest.touched_ms, place.touched_ms) > 0):
                oldest = place
        oldest.sender = sender
        oldest.key = key
        oldest.total = oldest.held = 0
        return oldest


def _is_same(data, at, frame):
    for i in range(CHUNK):
        if data[at + i] != frame[BODY + 2 + i]:
            return False
    return True
