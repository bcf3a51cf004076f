"""MicroPython's `machine` for a simulated ESP32: pins, ADC, UART, watchdog, reset. What hangs on them is the engine's affair."""

import os
import struct

import _channels
import _hw

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

IDLE = 1
SLEEP = 2
DEEPSLEEP = 4

PIN_WAKE = EXT0_WAKE = 2
EXT1_WAKE = 3
TIMER_WAKE = 4

_MP_STREAM_POLL = 3
_MP_STREAM_CLOSE = 4
_POLLIN = 1
_POLLOUT = 4

_pins = {}
_quiet = set()  # pins to which nothing answers
_adcs = {}
_uarts = {}
_woken_by = 0
_edges = []  # pins with an interrupt to come when the processor is awake


class Pin:
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5

    def __new__(cls, id, *args, **kwargs):
        pin = _pins.get(id)
        if pin is None:
            pin = object.__new__(cls)
            pin._id = id
            pin._level = 0
            pin._out = False
            pin._handler = None
            pin._trigger = 0
            _pins[id] = pin
        return pin

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=0, hold=None):
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=0, hold=None):
        if mode == Pin.OUT or mode == Pin.OPEN_DRAIN:
            if not self._out:
                self._out = True
                self._level = 1 - (value or 0)  # so that the first level is told whatever it is
            self.value(value or 0)
        elif mode == Pin.IN:
            self._out = False

    def value(self, level=None):
        if level is None:
            return self._level
        level = 1 if level else 0
        if self._out and level != self._level:
            self._level = level
            _hw.emit(_channels.PIN_OUT, self._id, b"\x01" if level else b"\x00", self._id not in _quiet)

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=3, *, wake=None):
        if trigger == Pin.WAKE_LOW or trigger == Pin.WAKE_HIGH:
            # As the ESP32 port does it: a level with `wake` sets the one pin of EXT0, and no handler.
            if wake is None or self._id not in _RTC_PINS:
                raise ValueError("no resources")
            _hw.ext0 = (self._id, trigger - Pin.WAKE_LOW)
            return
        if wake is not None:
            raise ValueError("bad wake value")
        self._handler = handler
        self._trigger = trigger

    def _input(self, level):
        if level == self._level or self._out:
            return
        self._level = level
        if _hw.asleep:
            # The edge is lost with the clock of the detector, but for a pin that wakes the processor.
            if self._wakes() and self not in _edges:
                _edges.append(self)
            return
        if self._handler and self._trigger & (Pin.IRQ_RISING if level else Pin.IRQ_FALLING):
            self._handler(self)

    def _wakes(self):
        return _hw.ext0 and _hw.ext0[0] == self._id or _hw.ext1 and self._id in _hw.ext1[0]


# 0, 2, 4, 12-15, 25-27, 32-39: the pins that can wake an ESP32 (ESP-IDF, esp_sleep_enable_ext0_wakeup)
_RTC_PINS = (0, 2, 4, 12, 13, 14, 15, 25, 26, 27, 32, 33, 34, 35, 36, 37, 38, 39)


def _pin_in(sub, payload):
    pin = _pins.get(sub)
    if pin is None:
        pin = Pin(sub)
    pin._input(payload[0])


_hw.listen(_channels.PIN_IN, _pin_in)
_hw.listen(_channels.PIN_QUIET, lambda sub, payload: _quiet.add(sub))


class ADC:
    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3

    def __init__(self, pin, *, atten=0):
        self._pin = pin._id if isinstance(pin, Pin) else pin

    def read_uv(self):
        return _adcs.get(self._pin, 0)

    def read_u16(self):
        return min(65535, self.read_uv() * 65535 // 3_300_000)


def _adc_in(sub, payload):
    _adcs[sub] = struct.unpack_from("<I", payload)[0]


_hw.listen(_channels.ADC_IN, _adc_in)


_fifos = {1: _hw.outside(1024), 2: _hw.outside(2048)}  # as the boards have them; others are in the heap


class UART:
    """Its receive buffer is bounded as on the chip: what does not fit is lost."""

    def __init__(
        self, id, baudrate=115200, *, bits=8, parity=None, stop=1, tx=-1, rx=-1, txbuf=256, rxbuf=256, timeout=0, **more
    ):
        self._id = id
        fifo = _fifos.get(id, b"")
        self._fifo = fifo if len(fifo) == rxbuf else bytearray(rxbuf)
        self._view = memoryview(self._fifo)
        self._start = 0
        self._end = 0
        _uarts[id] = self
        self.init(baudrate)

    def init(self, baudrate=115200, **more):
        _hw.emit(_channels.UART_OPEN, self._id, struct.pack("<I", baudrate), False)

    def deinit(self):
        _uarts.pop(self._id, None)

    def any(self):
        return self._end - self._start

    def _receive(self, data):
        n = len(data)
        if self._start:
            if self._start == self._end:
                self._start = self._end = 0
            elif self._end + n > len(self._fifo):
                kept = self._end - self._start
                self._fifo[:kept] = self._view[self._start : self._end]
                self._start, self._end = 0, kept
        n = min(n, len(self._fifo) - self._end)
        self._fifo[self._end : self._end + n] = data[:n]
        self._end += n

    def readinto(self, buf, nbytes=-1):
        n = min(self._end - self._start, len(buf))
        if 0 <= nbytes < n:
            n = nbytes
        if not n:
            return None
        buf[:n] = self._view[self._start : self._start + n]
        self._start += n
        return n

    def read(self, nbytes=-1):
        n = self._end - self._start
        if 0 <= nbytes < n:
            n = nbytes
        if not n:
            return None
        data = bytes(self._view[self._start : self._start + n])
        self._start += n
        return data

    def readline(self):
        for i in range(self._start, self._end):
            if self._fifo[i] == 10:
                return self.read(i + 1 - self._start)
        return self.read()  # a part of a line, as from the chip with no timeout

    def write(self, data):
        _hw.emit(_channels.UART_TX, self._id, data)
        return len(data)

    def flush(self):
        pass

    def ioctl(self, request, arg):
        if request == _MP_STREAM_POLL:
            ready = arg & _POLLOUT
            if arg & _POLLIN and self._end > self._start:
                ready |= _POLLIN
            return ready
        if request == _MP_STREAM_CLOSE:
            return 0
        return -1


def _uart_rx(sub, payload):
    uart = _uarts.get(sub)
    if uart is not None:
        uart._receive(payload)


_hw.listen(_channels.UART_RX, _uart_rx)


class WDT:
    def __init__(self, id=0, timeout=5000):
        _hw.watchdog(timeout)

    def feed(self):
        _hw.watchdog(0)


def unique_id():
    return _hw.unique_id


def reset_cause():
    return _hw.reset_cause


def reset():
    _hw.reset(HARD_RESET)


def soft_reset():
    _hw.reset(SOFT_RESET)


def _level(pin):
    pin = _pins.get(pin)
    return pin._level if pin is not None else 0


def _woken():
    """Whether a wake source is at its level: which one, or 0."""
    if _hw.ext0 and _level(_hw.ext0[0]) == _hw.ext0[1]:
        return EXT0_WAKE
    if _hw.ext1:
        pins, level = _hw.ext1
        for pin in pins:
            if level and _level(pin):
                return EXT1_WAKE
            if not level and _level(pin):
                return 0
        return 0 if level else EXT1_WAKE
    return 0


def _sleep(kind, time_ms):
    global _woken_by
    deadline = _hw.now + max(0, time_ms) if time_ms is not None else 0xFFFFFFFFFFFFFFFF
    _hw.sleep(kind, deadline, _woken)
    _woken_by = _woken() or TIMER_WAKE


def lightsleep(time_ms=None):
    """Until the time is over or a wake source is at its level; then the interrupts of the pins that woke it run."""
    _sleep(1, time_ms)
    while _edges:
        pin = _edges.pop(0)
        if pin._handler and pin._trigger & (Pin.IRQ_RISING if pin._level else Pin.IRQ_FALLING):
            pin._handler(pin)


def deepsleep(time_ms=None):
    """Ends this life at once; the next begins when the time is over or a wake source is at its level."""
    _sleep(2, time_ms)
    RTC()._keep(_woken_by)
    _hw.reset(DEEPSLEEP_RESET)


def wake_reason():
    return _woken_by


class RTC:
    """Memory that outlives deep sleep and resets, not the supply; in a file, whose first byte is the last wake's reason."""

    def _path(self):
        return _hw.folder + "/rtc.memory"

    def _read(self):
        try:
            with open(self._path(), "rb") as kept:
                return kept.read()
        except OSError:
            return b"\x00"

    def _keep(self, reason, data=None):
        if data is None:
            data = self._read()[1:]
        with open(self._path(), "wb") as kept:
            kept.write(bytes([reason]) + data)

    def memory(self, data=None):
        if data is None:
            return self._read()[1:]
        if len(data) > 2048:
            raise ValueError("buffer too long")
        self._keep(0, bytes(data))


if _hw.reset_cause == PWRON_RESET:
    try:
        os.remove(RTC()._path())
    except OSError:
        pass
elif _hw.reset_cause == DEEPSLEEP_RESET:
    _woken_by = RTC()._read()[0]


def idle():
    pass


def freq(hz=None):
    return 160_000_000
