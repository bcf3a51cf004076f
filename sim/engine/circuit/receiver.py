"""An L76K receiver on a UART with a wake-up pin: prints an epoch each second while it is awake."""

from collections.abc import Callable
from typing import Protocol

from sim.engine.device import Device
from sim.silicon import _channels as ch

_EPOCH_MS = 1000
_LAG_MS = 100  # from the second that an epoch is about to its first character (our judgement)
_BYTES_PER_MS = 0.96  # 9600 baud
_FIRST_STEP_MS = 4_000  # inputs are made this far ahead at first: a duty-cycled receiver is soon off again
_LONGEST_STEP_MS = 6_000  # more would not fit one RUN


class Sky(Protocol):
    """Where epochs come from."""

    def epoch(self, t_ms: int, on_since_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        """What the receiver prints for virtual time t_ms, and whether it holds a fix."""
        ...


class GnssChip(Protocol):
    """What is on the tag's GNSS port: this receiver, or another in its place."""

    def power(self, t_ms: int, on: bool) -> None:
        """The wake-up pin changed."""
        ...

    def fill(self, upto_ms: int) -> int:
        """Push what it prints up to a time; the time up to which that is done."""
        ...

    @property
    def next_ms(self) -> int:
        """Before this time it prints nothing that is not pushed; `_channels.NEVER` when it is off."""
        ...


class ReceiverChip:
    def __init__(self, device: Device, uart: int, sky: Sky, on_first_fix: Callable[[int], None] = lambda epoch_ms: None) -> None:
        self._device = device
        self._uart = uart
        self._sky = sky
        self._on_since_ms = -1
        self._next_ms = 0  # the next epoch to make
        self._step_ms = _FIRST_STEP_MS
        self._last_fix_ms = -1
        self._made: list[tuple[int, int, bool]] = []  # (epoch, delivered at, has fix) not yet known to have been printed
        self.epochs = 0
        self._on_first_fix = on_first_fix
        self._tracks = False

    @property
    def is_on(self) -> bool:
        return self._on_since_ms >= 0

    def power(self, t_ms: int, on: bool) -> None:
        """The wake-up pin changed."""
        if on == self.is_on:
            return
        if on:
            self._on_since_ms = t_ms
            self._next_ms = (t_ms // _EPOCH_MS + 1) * _EPOCH_MS
            self._step_ms = _FIRST_STEP_MS
            self._tracks = False
            return
        self._on_since_ms = -1
        self._device.drop(lambda item: item.channel == ch.UART_RX and item.sub == self._uart and item.t_ms > t_ms)
        for epoch_ms, delivered_ms, has_fix in self._made:
            if has_fix and delivered_ms <= t_ms:
                self._last_fix_ms = epoch_ms
        self._made.clear()

    def fill(self, upto_ms: int) -> int:
        if not self.is_on:
            return upto_ms
        ahead_ms = max(self._device.now_ms, self._device.horizon_ms) + self._step_ms
        if upto_ms > ahead_ms and self._next_ms <= ahead_ms:
            self._step_ms = min(2 * self._step_ms, _LONGEST_STEP_MS)
        upto_ms = min(upto_ms, ahead_ms)
        while self._next_ms <= upto_ms:
            self._print(self._next_ms)
            self._next_ms += _EPOCH_MS
        return upto_ms

    @property
    def next_ms(self) -> int:
        return self._next_ms if self.is_on else ch.NEVER

    def _print(self, epoch_ms: int) -> None:
        age_ms = epoch_ms - self._last_fix_ms if self._last_fix_ms >= 0 else None
        data, has_fix = self._sky.epoch(epoch_ms, self._on_since_ms, age_ms)
        if has_fix and not self._tracks:
            self._tracks = True
            self._on_first_fix(epoch_ms)
        if not data:
            return
        self.epochs += 1
        delivered_ms = epoch_ms + _LAG_MS + int(len(data) / _BYTES_PER_MS)
        self._device.push(delivered_ms, ch.UART_RX, self._uart, data)
        while self._made and self._made[0][1] < self._device.now_ms:
            made_ms, _, made_fix = self._made.pop(0)
            if made_fix:
                self._last_fix_ms = made_ms
        self._made.append((epoch_ms, delivered_ms, has_fix))
