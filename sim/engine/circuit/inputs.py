"""Levels and voltages that change at known times, told to a device as it gets there."""

import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from sim.engine.device import CRASH_WORDS, Device
from sim.silicon import _channels as ch
from sim.world.energy import BROWN_OUT_MV, POWER_BACK_MV

_Changes = Callable[[int, int], Iterable[tuple[int, int]]]
_ASK_MS = 600_000  # the world is asked for this much at a time: asking costs more than keeping


class _Ahead:
    """What the world changes, asked for some time at once. `changes(from_ms, until_ms)` gives (time, value), from inclusive."""

    def __init__(self, changes: _Changes) -> None:
        self._changes = changes
        self._ahead: deque[tuple[int, int]] = deque()
        self._asked_ms = 0  # changes before this time are told or stand in _ahead

    def _due(self, upto_ms: int) -> Iterator[tuple[int, int]]:
        while self._asked_ms <= upto_ms:
            self._ahead.extend(self._changes(self._asked_ms, self._asked_ms + _ASK_MS))
            self._asked_ms += _ASK_MS
        while self._ahead and self._ahead[0][0] <= upto_ms:
            yield self._ahead.popleft()

    @property
    def next_ms(self) -> int:
        """Before this time nothing changes that is not told."""
        return self._ahead[0][0] if self._ahead else self._asked_ms

    def ask_again(self, t_ms: int) -> None:
        """From t_ms on, a time that the device has not reached, the world is no longer what it was when it was asked."""
        self._ahead = deque(change for change in self._ahead if change[0] < t_ms)
        self._asked_ms = min(self._asked_ms, t_ms)


class Level(_Ahead):
    """A pin whose level the world sets."""

    def __init__(self, device: Device, pin: int, first: int, changes: _Changes) -> None:
        super().__init__(changes)
        self._device = device
        self._pin = pin
        self.level = first
        device.push(0, ch.PIN_IN, pin, bytes([first]))

    def fill(self, upto_ms: int) -> None:
        for t_ms, level in self._due(upto_ms):
            if level != self.level:
                self.level = level
                self._tell(t_ms)

    def set(self, t_ms: int, level: int) -> None:
        """By somebody's hand instead of the world's, at a time that the device has not reached."""
        self.level = level
        self._tell(t_ms)

    def again(self, t_ms: int) -> None:
        """The processor restarted: its pin reads what it reads."""
        self._tell(t_ms)

    def _tell(self, t_ms: int) -> None:
        self._device.push(max(t_ms, self._device.horizon_ms + 1), ch.PIN_IN, self._pin, bytes([self.level]))


class Voltage:
    """An ADC pin, told each `every_ms` what `microvolts` was one period earlier.

    The voltage follows from what the device did, so it lags: a value is told only when the device is known to have lived
    through the moment that it is about, however far the host happens to be.
    """

    def __init__(
        self,
        device: Device,
        pin: int,
        every_ms: int,
        microvolts: Callable[[int], int],
        on_tick: Callable[[int, int], None] = lambda t_ms, microvolts: None,
    ) -> None:
        self._on_tick = on_tick  # (when it is told, its value)
        self._device = device
        self._pin = pin
        self._every_ms = every_ms
        self._microvolts = microvolts
        self._next_ms = every_ms
        self._told = microvolts(0)
        self._tell(0)

    def fill(self, upto_ms: int) -> int:
        """The time up to which the pin is now told."""
        known_ms = max(self._device.now_ms, self._device.horizon_ms)
        while self._next_ms <= upto_ms:
            if self._next_ms - self._every_ms > known_ms:
                return self._next_ms - 1
            value = self._microvolts(self._next_ms - self._every_ms)
            if value != self._told:
                self._told = value
                self._tell(self._next_ms)
            self._on_tick(self._next_ms, value)
            self._next_ms += self._every_ms
        return upto_ms

    @property
    def next_ms(self) -> int:
        """Before this time it tells nothing that it has not told."""
        return self._next_ms

    def again(self, t_ms: int) -> None:
        self._tell(t_ms)

    def _tell(self, t_ms: int) -> None:
        self._device.push(max(t_ms, self._device.horizon_ms + 1), ch.ADC_IN, self._pin, struct.pack("<I", self._told))


class Supply(_Ahead):
    """Whether the device has power at all: a switch by somebody's hand, and a cell that may be empty."""

    def __init__(self, device: Device, changes: _Changes = lambda *_: ()) -> None:
        super().__init__(changes)
        self._device = device
        self._switched_on = True
        self._has_charge = True

    @property
    def is_on(self) -> bool:
        return self._switched_on and self._has_charge

    def fill(self, upto_ms: int) -> None:
        """Tell what is done to the switch up to a time."""
        for t_ms, on in self._due(upto_ms):
            was_on = self.is_on
            self._switched_on = bool(on)
            self._tell(t_ms, was_on)

    def cell(self, t_ms: int, millivolts: int) -> None:
        """What the cell gives from t_ms on. The brown-out detector lets go at a higher voltage than it bites at."""
        was_on = self.is_on
        self._has_charge = millivolts >= (BROWN_OUT_MV if self._has_charge else POWER_BACK_MV)
        self._tell(t_ms, was_on)

    def _tell(self, t_ms: int, was_on: bool) -> None:
        if self.is_on != was_on:
            self._device.push(max(t_ms, self._device.horizon_ms + 1), ch.POWER, 0, bytes([self.is_on]))


class Moments:
    """An input at each moment that the world gives: the crashes that a scenario wants, and the programs that stop (0)."""

    def __init__(self, device: Device, channel: int, changes: _Changes) -> None:
        self._device = device
        self._channel = channel
        self._changes = changes
        self._asked_ms = 0

    def fill(self, upto_ms: int) -> None:
        while self._asked_ms <= upto_ms:
            for t_ms, goes_on in self._changes(self._asked_ms, self._asked_ms + _ASK_MS):
                sub = 0 if goes_on else ch.CRASH_HUNG
                self._device.push(max(t_ms, self._device.horizon_ms + 1), self._channel, sub, CRASH_WORDS.encode())
            self._asked_ms += _ASK_MS

    @property
    def next_ms(self) -> int:
        """Before this time it tells nothing that it has not told."""
        return self._asked_ms

    def ask_again(self, t_ms: int) -> None:
        """As `Level.ask_again`."""
        self._device.drop(lambda item: item.channel == self._channel and item.t_ms >= t_ms)
        self._asked_ms = min(self._asked_ms, t_ms)
