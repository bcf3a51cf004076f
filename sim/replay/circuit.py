"""A tag's circuit with a replayed receiver on its GNSS port. The rest of it is the tag's own.

A receiver that the firmware puts to sleep says nothing while the recording goes on: what it would have said then is lost, as it
was for the one who slept. With `every_fix` it never sleeps.
"""

from collections import deque
from collections.abc import Callable, Iterator

from sim.engine.circuit.tag import GNSS_UART, TagCircuit
from sim.engine.device import Device
from sim.silicon import _channels as ch

from .live import LivePort
from .log import BYTES_PER_MS, Log

_CHUNK = 256  # bytes in one input
_AHEAD = 2_500  # bytes on their way to the device at most: one RUN holds 4096 with all else
_TOGETHER_MS = 20  # bytes of a live receiver that come so close go to the device as one
_RMC = b"RMC,"
_WARM_UP_MS = 500  # power to the first byte
_LAST_WORDS_MS = 2_000  # for the last epoch to close, and its record to be made


class _Player:
    """What both kinds share: the pin that wakes it, and how much may be on its way."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.is_on = False
        self._sent: deque[tuple[int, int]] = deque()  # (time, bytes) of inputs that may not have been taken

    def power(self, t_ms: int, on: bool) -> None:
        if on == self.is_on:
            return
        self.is_on = on
        if on:
            self.woken(t_ms)
        else:
            self._sent.clear()
            self._device.drop(lambda item: item.channel == ch.UART_RX and item.sub == GNSS_UART and item.t_ms > t_ms)

    def woken(self, t_ms: int) -> None:
        raise NotImplementedError

    def _has_room(self) -> bool:
        reached_ms = max(self._device.now_ms, self._device.horizon_ms)
        while self._sent and self._sent[0][0] <= reached_ms:
            self._sent.popleft()
        return sum(n for _, n in self._sent) + _CHUNK <= _AHEAD

    def _push(self, t_ms: int, data: bytes) -> None:
        self._device.push(t_ms, ch.UART_RX, GNSS_UART, data)
        self._sent.append((t_ms, len(data)))


class LogPlayer(_Player):
    """Plays a log from when the receiver is first woken."""

    def __init__(self, device: Device, log: Log) -> None:
        super().__init__(device)
        self._log = log
        self._began_ms = -1
        self._chunks = self._cut()
        self._next = next(self._chunks, None)
        self.epochs = 0  # begun

    def woken(self, t_ms: int) -> None:
        if self._began_ms < 0:
            self._began_ms = t_ms + _WARM_UP_MS
        while self._next is not None and self._began_ms + self._next[0] <= t_ms:
            self._take()

    def fill(self, upto_ms: int) -> int:
        if not self.is_on:
            return upto_ms
        while self._next is not None and self._began_ms + self._next[0] <= upto_ms:
            at_ms = self._began_ms + self._next[0]
            if not self._has_room():
                return max(at_ms - 1, self._device.horizon_ms)
            self._push(max(at_ms, self._device.horizon_ms + 1), self._next[1])
            self._take()
        return upto_ms

    @property
    def next_ms(self) -> int:
        return self._began_ms + self._next[0] if self.is_on and self._next is not None else ch.NEVER

    def is_over(self, now_ms: int) -> bool:
        """Whether all of it has been said, and there was time to make something of it."""
        return self._began_ms >= 0 and now_ms >= self._began_ms + self._log.duration_ms + _LAST_WORDS_MS

    def _take(self) -> None:
        assert self._next is not None
        self.epochs += self._next[2]
        self._next = next(self._chunks, None)

    def _cut(self) -> Iterator[tuple[int, bytes, bool]]:
        """(when its last byte is out, bytes, whether it begins an epoch)"""
        for epoch in self._log.epochs:
            for start in range(epoch.start, epoch.end, _CHUNK):
                end = min(start + _CHUNK, epoch.end)
                out_ms = epoch.at_ms + int((end - epoch.start) / BYTES_PER_MS)
                yield out_ms, self._log.data[start:end], start == epoch.start


class LivePlayer(_Player):
    """Passes on what a live receiver says when it says it. `now_ms(moment)`: the virtual time of a time.monotonic()."""

    def __init__(self, device: Device, port: LivePort, now_ms: Callable[[float], int]) -> None:
        super().__init__(device)
        self._port = port
        self._now_ms = now_ms
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._tail = b""
        self.epochs = 0

    def woken(self, t_ms: int) -> None:
        self._waiting.clear()
        self._port.take()  # what it said before

    def fill(self, upto_ms: int) -> int:
        for moment, data in self._port.take():
            if self.is_on:
                self._count(data)
                self._queue(self._now_ms(moment), data)
        while self._waiting and self._waiting[0][0] <= upto_ms:
            at_ms, data = self._waiting[0]
            if not self._has_room():
                return max(at_ms - 1, self._device.horizon_ms)
            self._push(max(at_ms, self._device.horizon_ms + 1), data)
            self._waiting.popleft()
        return upto_ms

    @property
    def next_ms(self) -> int:
        return self._device.horizon_ms + 1  # nobody knows

    def is_over(self, now_ms: int) -> bool:
        return bool(self._port.ended) and not self._waiting

    def _count(self, data: bytes) -> None:
        text = self._tail + data  # a port gives pieces of any size
        self.epochs += text.count(_RMC)
        self._tail = text[1 - len(_RMC) :]

    def _queue(self, at_ms: int, data: bytes) -> None:
        if self._waiting and at_ms - self._waiting[-1][0] < _TOGETHER_MS:
            at_ms, before = self._waiting.pop()
            data = before + data
        self._waiting.extend((at_ms, data[i : i + _CHUNK]) for i in range(0, len(data), _CHUNK))


Player = LogPlayer | LivePlayer


class ReplayCircuit(TagCircuit):
    """Its motion input is always on: what the receiver says is not held against it."""

    def _motion(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        yield from_ms, 1
