"""Orders from the bridge: put together out of their pieces, taken once and in order, done whole or not at all.

An order comes in authentic sealed messages (`uplink` sees to that), in pieces of ORDER_DATA_MAX bytes which may come in any
order and more than once. Short ones come in one piece; only a configuration is longer, and its pieces go to flash as they come
(`slots`). An order whose number is not above the last one's is refused, over a reset too: a lease, a configuration and a key
keep their number with themselves, in one write; what must not be done twice has it kept before it is begun.

Kept as one value in the settings store: u32 number, u8 message.* status of the last order that does not keep its own.
"""

import struct

from .message import (
    DONE,
    INTERRUPTED,
    NO_ROOM,
    ORDER_CONFIG,
    ORDER_DATA_MAX,
    ORDER_HEADER,
    parse_order,
)


class Orders:
    """`application.obey(kind, number, data)` does what an order says and gives a message.* status, or None when it will tell
    by `finished` later; what must not be done twice it does after `begun`. `data` is the order's own bytes; for a configuration
    its size: it stands in `slots` as the new blob, and is kept there by the application. `application.ordered(number, status)`
    records the end.
    """

    on_piece = None  # of an update, while there is one: gets what is no order

    def __init__(self, store, slots, last, application):
        self._store = store
        blob = store.blob("order", 5)
        # Of the last order that was kept here.
        self._kept, self._status = struct.unpack("<IB", blob) if len(blob) == 5 else (0, DONE)
        self.last = max(self._kept, last)
        self.refused = 0
        self.replayed = 0
        self._told = 0  # the last one that this life has told the end of
        self._slots = slots
        self._application = application
        self._number = 0  # of the configuration whose pieces are coming
        self._total = 0
        self._missing = 0
        self._here = bytearray(0)  # a bit for each of its pieces

    def take(self, body, n):
        """The body of an authentic DOWN message that is no receipt."""
        parsed = parse_order(body)
        if parsed is None:
            if self.on_piece is None or not self.on_piece(body, n):
                self.refused += 1
            return
        number, kind, offset, total = parsed
        if number <= self.last:
            if number == self.last and self._told != number:
                # Done in a former life, which ended before it was told.
                self._told = number
                self._application.ordered(number, self._status if number == self._kept else DONE)
                return
            self.replayed += 1
            return
        data = bytes(body[ORDER_HEADER:n])
        if kind != ORDER_CONFIG:
            if len(data) != total:
                self.refused += 1
                return
            self._obey(kind, number, data)
            return
        if number != self._number or total != self._total:
            if number < self._number:
                self.replayed += 1
                return
            self._number = number
            self._total = total
            self._missing = max(1, -(-total // ORDER_DATA_MAX))
            self._here = bytearray((self._missing + 7) >> 3)
            if not self._slots.begin(total):
                self._fail(number)
                return
        piece = offset // ORDER_DATA_MAX
        if offset % ORDER_DATA_MAX or len(data) != min(ORDER_DATA_MAX, total - offset):
            self.refused += 1
            return
        bit = 1 << (piece & 7)
        if self._here[piece >> 3] & bit:
            return
        if not self._slots.write(offset, data):
            self._fail(number)
            return
        self._here[piece >> 3] |= bit
        self._missing -= 1
        if not self._missing:
            self._drop()
            self._obey(kind, number, total)

    def _obey(self, kind, number, data):
        try:
            status = self._application.obey(kind, number, data)
        except (OSError, MemoryError):
            status = NO_ROOM
        if status is None:
            return
        if status != DONE or number == self._kept:
            self.finished(number, status)
        else:
            self._told = self.last = number
            self._application.ordered(number, status)

    def _drop(self):
        self._number = 0
        self._here = bytearray(0)

    def _fail(self, number):
        self._drop()
        self.finished(number, NO_ROOM)

    def begun(self, number):
        """Called by the application before it does something that must not be done twice. OSError: then it must not."""
        self._keep(number, INTERRUPTED)

    def is_going(self, number):
        """Told by an update that goes on after a restart: an order of that number is not to be answered yet."""
        self._told = number

    def finished(self, number, status):
        """An order that was not done at once is done, or will not be: a record says so."""
        try:
            self._keep(number, status)
        except OSError:
            pass  # a store that fails now may let a refusal be told again after the next start
        self._application.ordered(number, status)

    def _keep(self, number, status):
        if number < self.last:
            return  # a newer one was done meanwhile
        self.last = self._told = self._kept = number
        self._status = status
        self._store.keep_blob("order", struct.pack("<IB", number, status))
