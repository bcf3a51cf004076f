"""One order on its way: when its pieces are due, which of them, and which of several orders comes first. No store, no clock."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from firmware.core import message

from .payloads import parse_lease

OPEN = ("queued", "sent")
AGAIN_MS = 60_000
NEXT_PIECES_MS = 5_000  # between two goes of one order's pieces, when nothing is heard meanwhile
DIRECT_AT_ONCE = 64
RELAYED_AT_ONCE = 3  # a home unit keeps four messages for a tag, and a receipt may be one of them

_REPLACING = (message.ORDER_LEASE, message.ORDER_CONFIG, message.ORDER_UPDATE)
_WITHDRAWAL_LEAVES = (message.ORDER_KEY, message.ORDER_CONFIG, message.ORDER_UPDATE)


class Way(NamedTuple):
    """How to reach a device: its shard, the key it has, and the name of the home unit that it was heard by (None: by itself)."""

    shard: str
    key_id: int
    relay: str | None


class Going:
    """An order that is queued or sent, as its row says; and how many of its pieces have gone in this round."""

    def __init__(self, row: Any) -> None:
        self.id: int = row.id
        self.device_id: int = row.device_id
        self.number: int | None = row.number
        self.kind: int = row.kind
        self.payload: bytes | None = row.payload
        self.detail: dict[str, Any] = row.detail
        self.expires_ms: int | None = row.expires_ms
        self.last_sent_ms: int = row.last_sent_ms or 0
        self.sent_count: int = row.sent_count
        # An update that the device has taken up: it asks for what it needs, and no other order waits for it.
        self.is_taken: bool = row.kind == message.ORDER_UPDATE and row.result is not None
        self._next = 0
        self._rounds = 0

    @property
    def is_sent(self) -> bool:
        return self.number is not None

    @property
    def is_withdrawal(self) -> bool:
        """Whether it ends a lease at a time that has come, or withdraws it."""
        return self.kind == message.ORDER_LEASE and bool(self.detail.get("withdraws"))

    def is_due(self, now_ms: int, heard: bool, by_clock: bool) -> bool:
        """`heard`: a message of the device has just come. `by_clock`: time alone may be a reason."""
        if not self.is_sent:
            return True
        waited_ms = now_ms - self.last_sent_ms
        if not self._rounds or self._next:
            return heard or (by_clock and waited_ms >= NEXT_PIECES_MS)
        return waited_ms >= AGAIN_MS and (heard or (by_clock and self._rounds == 1))

    def ways(self, last: Way, other_relay: str | None, at_home: bool = False) -> list[Way]:
        """First the way on which the device was heard last, or its home unit when it said last that it is there; unanswered,
        both."""
        if not self._rounds:
            return [last._replace(relay=last.relay or other_relay)] if at_home else [last]
        relay = last.relay or other_relay
        return [last._replace(relay=None)] + ([last._replace(relay=relay)] if relay else [])

    def take(self, pieces: Sequence[bytes], ways: Sequence[Way]) -> list[tuple[Way, bytes]]:
        """The pieces of this go."""
        most = RELAYED_AT_ONCE if any(way.relay for way in ways) else DIRECT_AT_ONCE
        some = pieces[self._next : self._next + most]
        self._next += len(some)
        if self._next >= len(pieces):
            self._next = 0
            self._rounds += 1
        return [(way, piece) for way in ways for piece in some]


def choose(orders: Iterable[Going]) -> tuple[Going | None, list[Going]]:
    """(the order to be sent now, those that are overtaken): a newer lease or config takes the place of an older one, a
    withdrawal that of everything but a new key or release; what is on its way stays; then leases come first."""
    kept: list[Going] = []
    gone: list[Going] = []
    newest: dict[int, int] = {}
    withdrawn = 0
    for going in orders:
        newest[going.kind] = max(newest.get(going.kind, 0), going.id)
        if going.is_withdrawal:
            withdrawn = max(withdrawn, going.id)
    for going in orders:
        old = going.kind in _REPLACING and going.id < newest[going.kind]
        old = old or (going.id < withdrawn and going.kind not in _WITHDRAWAL_LEAVES)
        (gone if old else kept).append(going)
    kept = [going for going in kept if not going.is_taken]
    kept.sort(key=lambda going: (not going.is_withdrawal, not going.is_sent, going.kind != message.ORDER_LEASE, going.id))
    return (kept[0] if kept else None), gone


def is_withdrawing(payload: bytes, now_ms: int) -> bool:
    """Whether a lease's payload ends it now or has it ended already."""
    return parse_lease(payload).until_s * 1000 <= now_ms
