"""Orders from the bridge: put together out of their pieces, taken once and in order, done whole or not at all.

An order comes in authentic sealed messages (`uplink` sees to that), in pieces of ORDER_DATA_MAX bytes which may come in any
order and more than once. Short ones come in one piece; only a configuration is longer, and its pieces go to flash as they come
(`slots`). An order whose number is not above the last one's is refused, over a reset too: a lease and a configuration keep
their number with themselves, in one write; the others have it kept before they are done.
"""

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
    by `finished` later (then it calls `begun` first). `data` is the order's own bytes; for a configuration its size: it stands
    in `slots` as the new blob, and is kept there by the application. `application.ordered(number, status)` records the end.
    """

    def __init__(self, store, slots, last, application):
        self._store = store
        self.last = max(self._kept(), last)
        self.refused = 0
        self.replayed = 0
        self._told = 0  # the last one that this life has told the end of
        self._slots = slots
        self._application = application
        self._number = 0  # of the configuration whose pieces are coming
        self._total = 0
        self._missing = 0
        self._here = bytearray(0)  # a byte for each of its pieces

    def _kept(self):
        return self._store.number("order") & 0xFFFFFFFF

    def take(self, body, n):
        """The body of an authentic DOWN message that is no receipt."""
        parsed = parse_order(body)
        if parsed is None:
            self.refused += 1
            return
        number, kind, offset, total = parsed
        if number <= self.last:
            if number == self.last and self._told != number:
                # Done in a former life, which ended before it was told.
                self._told = number
                self._application.ordered(number, self._store.number("ordered") if number == self._kept() else DONE)
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
            self._here = bytearray(self._missing)
            if not self._slots.begin(total):
                self._finish(number, NO_ROOM)
                return
        piece = offset // ORDER_DATA_MAX
        if offset % ORDER_DATA_MAX or len(data) != min(ORDER_DATA_MAX, total - offset):
            self.refused += 1
            return
        if self._here[piece]:
            return
        if not self._slots.write(offset, data):
            self._finish(number, NO_ROOM)
            return
        self._here[piece] = 1
        self._missing -= 1
        if not self._missing:
            self._obey(kind, number, total)

    def _obey(self, kind, number, data):
        status = self._application.obey(kind, number, data)
        if status is not None:
            self._finish(number, status)

    def begun(self, number):
        """Called by the application before it does something that must not be done twice."""
        self._keep(number, INTERRUPTED)

    def _finish(self, number, status):
        self._number = 0
        if status == DONE:
            self.last = self._told = number
            self._application.ordered(number, status)
        else:
            self.finished(number, status)

    def finished(self, number, status):
        """An order that was `begun` is done, or will not be: a record says so."""
        self._keep(number, status)
        self._told = number
        self._application.ordered(number, status)

    def _keep(self, number, status):
        # The status first: a cut between the two leaves an order that comes again, not one that is told wrongly.
        self._store.keep_number("ordered", status)
        self._store.keep_number("order", number)
        self.last = number
