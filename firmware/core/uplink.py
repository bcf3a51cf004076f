"""The uplink: records from the journal to the bridge, sealed, until the bridge's sealed receipt frees them.

What it guarantees:
  - A record is freed (`journal.release`) only by an authentic receipt from the bridge, newer than any before it. PUBACKs and
    radio acknowledgements free nothing; they only start the clock for the receipt.
  - Everything unreceipted is sent again: in order after each reconnection, and message by message when the receipt is
    overdue (`receipt_timeout_ms`, doubling up to 16 times that while no receipt comes, so that a bridge that is down does not
    find its broker full of copies).
  - A message is the same bytes each time it is sent: its boundaries stay, and records never change. Only a carrier that takes
    smaller messages has them cut anew; first sequence and count are both in the nonce, so that is another message.
  - At most `window` messages are without an answer; memory does not grow with the backlog. A message that the bridge answers
    though records before it are missing there leaves the window, so that a record that is lost for good (the journal was full,
    the flash has worn) never silences the device; it is not freed, and goes again after the next reconnection.
  - Forged, replayed, truncated and foreign DOWN messages are refused and counted, and change nothing.

Carriers stay outside. An MQTT session uses this object as one of its sources (see `mqtt.session`); any other carrier takes
messages by `next_message` and tells how each went by `acked` or `failed`. One carrier at a time; `restart` begins with it.

When records go: at once what is there when `urgent` is set or a carrier comes up; else every `report_interval_ms`.
Times are ticks of `port`. A token is the first sequence number of a message.
"""

import struct

from . import message
from .port import const, ticks_add, ticks_diff
from .record import SIZE

_TO_SEND = const(0)
_SENT = const(1)  # with the carrier, which has not said yet whether it arrived
_ACKED = const(2)  # the carrier delivered it; the receipt is awaited until `_until`

_BACKOFF_MAX = const(4)  # receipt timeout << 4


class Uplink:
    """`journal`: next_seq, first_unreleased, first_from, read_into, release. `ccm`: `seal.Ccm` under the device's key.

    `on_body(view, n)` gets the body of every authentic DOWN message that is no receipt. Counters: `receipts` taken, `refused`
    (not authentic, or making no sense), `replayed`, `repeats` (messages sent more than once). `ahead`: what a receipt said of
    records that this journal never made, 0 if none did; its flash was lost, and the application has to skip beyond.
    `last_down`: the counter of the newest DOWN message; persist it if older ones must stay refused over a reset.
    """

    def __init__(
        self,
        journal,
        ccm,
        device_id,
        key_id,
        topic=b"",
        window=4,
        batch=32,
        receipt_timeout_ms=30000,
        report_interval_ms=60000,
        on_body=None,
        last_down=0,
    ):
        self.topic = topic
        self.retain = False
        self.batch = batch
        self.report_interval_ms = report_interval_ms
        self.receipt_timeout_ms = receipt_timeout_ms
        self.urgent = False
        self.on_body = on_body
        self.last_down = last_down
        self.receipts = 0
        self.refused = 0
        self.replayed = 0
        self.repeats = 0
        self.ahead = 0
        self._journal = journal
        self._ccm = ccm
        self._device_id = device_id
        self._key_id = key_id
        # The messages without a receipt, in order: parallel lists, the first `_n` of each.
        self._n = 0
        self._first = [0] * window
        self._count = [0] * window
        self._state = [_TO_SEND] * window
        self._until = [0] * window
        self._times = [0] * window
        self._backoff = 0
        self._next = 0  # no record below it waits to be put into a message
        self._holes = False  # a message left the window unfreed
        self._flush = 0  # everything up to this sequence number goes without waiting for the report interval
        self._last_report = None
        self._buf = bytearray(0)  # for carriers without a buffer of their own
        self._view = memoryview(self._buf)

    @property
    def drained(self):
        """Whether the bridge has receipted every record."""
        return self._journal.first_unreleased >= self._journal.next_seq

    @property
    def in_flight(self):
        """How many messages are without a receipt."""
        return self._n

    # A carrier comes up, and takes messages.

    def restart(self, now):
        """A carrier has come up (again): everything unreceipted goes, in order."""
        if self._holes:
            self._forget()
        for i in range(self._n):
            self._state[i] = _TO_SEND
        self._backoff = 0
        self._flush = self._journal.next_seq - 1
        self._last_report = now

    def poll(self, now):
        """Token of the message to send next, the same one until `sent`; -1 when there is none now."""
        for i in range(self._n):
            if self._state[i] == _ACKED and ticks_diff(now, self._until[i]) >= 0:
                self._state[i] = _TO_SEND
                if self._backoff < _BACKOFF_MAX:
                    self._backoff += 1
                # The others get the longer time too: one overdue receipt is one fault, not as many as there are messages.
                for other in range(self._n):
                    if self._state[other] == _ACKED:
                        self._until[other] = ticks_add(now, self.receipt_timeout_ms << self._backoff)
            if self._state[i] == _TO_SEND:
                return self._first[i]
        return self._first[self._n - 1] if self._cut(now) else -1

    def _cut(self, now):
        # Make the next message out of records that are in none yet. False when there are none, or it is not their time.
        if self._n == len(self._first):
            return False
        first = self._next_first()
        if first >= self._journal.next_seq:
            return False
        if self.urgent or self._last_report is None or ticks_diff(now, self._last_report) >= self.report_interval_ms:
            self.urgent = False
            self._last_report = now
            self._flush = self._journal.next_seq - 1
        if first > self._flush:
            return False
        i = self._n
        self._first[i] = first
        self._count[i] = min(self.batch, self._journal.next_seq - first)
        self._state[i] = _TO_SEND
        self._times[i] = 0
        self._n = i + 1
        self._next = first + self._count[i]
        return True

    def _next_first(self):
        return self._journal.first_from(max(self._journal.first_unreleased, self._next))

    def _find(self, token):
        for i in range(self._n):
            if self._first[i] == token:
                return i
        return -1

    def render(self, token, view):
        """Write the sealed message to view[0:] (a memoryview with room for it). Its length; 0 when it is gone."""
        i = self._find(token)
        if i < 0:
            return 0
        count = self._journal.read_into(token, view, message.HEADER, self._count[i])
        if count < self._count[i]:
            if self._next == token + self._count[i]:
                self._next = token + max(count, 1)
            self._count[i] = count
            if not count:
                self._drop(i)  # overwritten by newer records, or unreadable
                return 0
        message.pack_header(view, message.RECORDS, self._key_id, count, self._device_id, token)
        return self._ccm.seal(view, count * SIZE)

    def _drop(self, i):
        self._n -= 1
        for column in (self._first, self._count, self._state, self._until, self._times):
            for j in range(i, self._n):
                column[j] = column[j + 1]

    def sent(self, token, now):
        """The carrier has taken this message."""
        i = self._find(token)
        if i >= 0:
            self._state[i] = _SENT
            if self._times[i]:
                self.repeats += 1
            self._times[i] += 1

    def acked(self, token, now):
        """The carrier has delivered this message: its receipt is due from now on."""
        i = self._find(token)
        if i >= 0 and self._state[i] == _SENT:
            self._state[i] = _ACKED
            self._until[i] = ticks_add(now, self.receipt_timeout_ms << self._backoff)

    def failed(self, token, now):
        """The carrier gave this message up; it is to be sent again."""
        i = self._find(token)
        if i >= 0 and self._state[i] == _SENT:
            self._state[i] = _TO_SEND

    def handed_over(self, token):
        """A carrier keeps this message until it can pass it on: it leaves the window unfreed, and goes again if `restart` comes
        before its receipt."""
        i = self._find(token)
        if i >= 0:
            self._drop(i)
            self._holes = True

    def due_ms(self, now):
        """How long until `poll` may give something by time alone, in ms; -1 when only new records or answers can."""
        due = -1
        for i in range(self._n):
            if self._state[i] == _ACKED:
                wait = max(ticks_diff(self._until[i], now), 0)
                if due < 0 or wait < due:
                    due = wait
        first = self._next_first() if self._n < len(self._first) else self._journal.next_seq
        if first < self._journal.next_seq:
            wait = 0
            if not self.urgent and self._last_report is not None and first > self._flush:
                wait = max(self.report_interval_ms - ticks_diff(now, self._last_report), 0)
            if due < 0 or wait < due:
                due = wait
        return due

    def next_message(self, max_records, now):
        """(buffer, length) of the next message for a carrier without a buffer of its own, None when there is none now.

        At most `max_records` records are in it: a carrier that takes fewer than the last one has everything unreceipted cut
        anew. The message counts as `sent`; tell how it went by `acked` or `failed` of `token_of(buffer)`.
        """
        if max_records != self.batch:
            self.recut(max_records, now)
        token = self.poll(now)
        if token < 0:
            return None
        size = message.HEADER + max_records * SIZE + message.TAG_LENGTH
        if len(self._buf) < size:
            self._buf = bytearray(size)
            self._view = memoryview(self._buf)
        n = self.render(token, self._view)
        if not n:
            return None
        self.sent(token, now)
        return self._buf, n

    def take_ahead(self, now):
        """`ahead`, once: the application now gives every unreceipted record a number beyond it."""
        ahead = self.ahead
        if ahead:
            self.ahead = 0
            self.recut(self.batch, now)
        return ahead

    def recut(self, batch, now):
        """From now on `batch` records a message; what is unreceipted is cut anew and sent again."""
        self.batch = batch
        self._forget()
        self.restart(now)

    def rekey(self, ccm, key_id, now):
        """From now on everything is sealed under another key, and only what the bridge seals under it is authentic."""
        self._ccm = ccm
        self._key_id = key_id
        self.recut(self.batch, now)

    def _forget(self):
        self._n = 0
        self._next = 0
        self._holes = False

    # The bridge answers.

    def on_down(self, payload, n, now):
        """Take a sealed DOWN message, payload[0:n] (opened in place). Whether it was authentic and new."""
        header = message.parse_header(payload) if n >= message.HEADER else None
        if header is None:
            self.refused += 1
            return False
        kind, key_id, count, device, number = header
        if (
            kind != message.DOWN
            or device != self._device_id
            or key_id != self._key_id
            or n != message.HEADER + count + message.TAG_LENGTH
        ):
            self.refused += 1
            return False
        if number <= self.last_down:
            self.replayed += 1
            return False
        if self._ccm.open(payload, n) != count:
            self.refused += 1
            return False
        self.last_down = number
        body = payload[message.HEADER : message.HEADER + count]
        receipt = message.parse_receipt(body)
        if receipt is not None:
            self._take_receipt(receipt[0], receipt[1], now)
        elif self.on_body is not None:
            self.on_body(body, count)
        else:
            self.refused += 1
        return True

    def _take_receipt(self, through, first, now):
        if not self._journal.release(through):
            self.ahead = max(self.ahead, through)
            self.refused += 1
            return
        self.receipts += 1
        self._backoff = 0
        while self._n and self._first[0] + self._count[0] - 1 <= through:
            self._drop(0)
        i = self._find(first)
        if i >= 0:
            # Stored, but records before it are missing at the bridge.
            self._drop(i)
            self._holes = True


def token_of(buffer):
    """The token of a message from `next_message`."""
    return struct.unpack_from("<I", buffer, 8)[0]
