"""Counters of messages down: each number seals one message to one device and is never given twice, whatever crashes.

Numbers are reserved in blocks: `down_counter.counter` is the first that has not been reserved, and the reservation is committed
with (or before) the transaction after which the first number of the block is used. What a crash leaves unused is skipped.
"""

from sqlalchemy import Connection, insert, select, update

from bridge.store.schema import down_counter

BLOCK = 1024  # 4 million crashes a device before 32 bits are used up
_LAST = 0xFFFFFFFF


class DownCounters:
    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._end: dict[int, int] = {}  # first number that is not reserved
        self._pending: dict[int, tuple[int, int]] = {}
        self._asked: dict[int, int] = {}  # in this transaction

    def reserve(self, connection: Connection, device_id: int, count: int) -> None:
        """Make sure that `count` more numbers can be taken once the transaction is committed."""
        count += self._asked.get(device_id, 0)
        self._asked[device_id] = count
        first, end = self._pending.get(device_id) or (self._next.get(device_id, 0), self._end.get(device_id, 0))
        if end - first >= count:
            return
        size = max(BLOCK, count)
        here = down_counter.c.device_id == device_id
        first = connection.execute(select(down_counter.c.counter).where(here)).scalar()
        if first is None:
            first = 1
            connection.execute(insert(down_counter).values(device_id=device_id, counter=first + size))
        else:
            connection.execute(update(down_counter).where(here).values(counter=first + size))
        self._pending[device_id] = (first, first + size)

    def committed(self) -> None:
        for device_id, (first, end) in self._pending.items():
            self._next[device_id], self._end[device_id] = first, end
        self._pending.clear()
        self._asked.clear()

    def rolled_back(self) -> None:
        self._pending.clear()
        self._asked.clear()

    def take(self, device_id: int) -> int | None:
        """The next number, or None when there is none left for this device."""
        number = self._next.get(device_id, 0)
        if not 0 < number < self._end.get(device_id, 0) or number > _LAST:
            return None
        self._next[device_id] = number + 1
        return number
