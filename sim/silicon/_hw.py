"""The kernel of a simulated device: virtual time, and the pipe to the engine.

Code takes no time. Time moves only inside `advance`, to the next input or to the deadline that the caller waits for; when
that lies beyond the horizon, or the device has said something that the world could answer, the device hands what it has
said to the engine and waits for the next RUN. `_channels.py` describes the messages.
"""

import os
import struct
import sys

import _channels
import uctypes

now = 0  # virtual ms since the scenario's start
folder = ""  # where this device's flash and settings live
unique_id = b""
reset_cause = 1

_NEVER = _channels.NEVER
_pipe_in = None
_pipe_out = None

_room = [int(word) for word in (os.getenv("HOMEWARD_ROOM") or "0 0").split()]  # address and length


def outside(n):
    """n bytes that are not in the interpreter's heap, as a chip's drivers have theirs; from the heap when there is no room."""
    at, left = _room
    if left < n:
        return bytearray(n)
    whole = (n + 7) & -8
    _room[:] = [at + whole, left - whole]
    return uctypes.bytearray_at(at, n)


_inbox = outside(4 + _channels.RUN_MAX)
_inbox_view = memoryview(_inbox)
_length_view = _inbox_view[:4]
_horizon = 0
_clear = 0  # nobody is within reach of the radio before this time
_base = 0
_left = 0  # items not yet taken
_taken = 0
_at = 0  # offset of the next item
_next = _NEVER  # its time

_OUTBOX_MAX = 2048
_TAIL = 8  # the NOW that ends each YIELD
_outbox = outside(_OUTBOX_MAX)
_outbox_view = memoryview(_outbox)
_HEAD = 4 + 8 + 8 + 2 + 2
_used = _HEAD
_said = 0
_out_base = 0
_answerable = False

asleep = False  # light or deep sleep: the clocks of the peripherals stand
ext0 = None  # (pin, level) that wakes it, and
ext1 = None  # (pins, level): 0 all of them low, 1 any of them high
_listeners = {}
_timers = []  # [time, function] sorted by time
_watchdog_ms = 0
_watchdog_at = _NEVER


def attach(pipe_in, pipe_out):
    """Take the engine's two descriptors and wait for the first RUN."""
    global _pipe_in, _pipe_out
    _pipe_in = open(pipe_in, "rb")
    _pipe_out = open(pipe_out, "wb")
    _hand_over(now)


def settle():
    """Take the inputs that stand at this moment: pins and voltages are there before the first instruction."""
    while _next <= now:
        _deliver()


def listen(channel, handler):
    """`handler(sub, payload)` is called for each input on the channel; the payload is a view that does not live on."""
    _listeners[channel] = handler


# A function with more than eleven words of variables and stack takes them from the heap at each call, and what fills the heap is
# what costs most here: those that run at every turn are kept below that.


def emit(channel, sub, payload=b"", answerable=True):
    """Say something to the world. `answerable` stops time until the engine has seen it."""
    global _used, _said, _answerable
    if answerable and now < _clear and _channels.BLE_ADVERTISE <= channel <= _channels.BLE_SCAN:
        answerable = False
    if _used + 8 + len(payload) > _OUTBOX_MAX - _TAIL:
        if _in_pieces(channel, sub, payload, answerable):
            return
        _hand_over(now)
    _put_head(channel, sub, len(payload))
    _outbox[_used + 8 : _used + 8 + len(payload)] = payload
    _used += 8 + len(payload)
    _said += 1
    if answerable:
        _answerable = True


def _in_pieces(channel, sub, payload, answerable):
    # What no YIELD can hold. A byte stream may be cut anywhere.
    step = _OUTBOX_MAX - _HEAD - _TAIL - 8
    if len(payload) <= step:
        return False
    if channel != _channels.UART_TX:
        raise ValueError("output of %d bytes" % len(payload))
    for i in range(0, len(payload), step):
        emit(channel, sub, payload[i : i + step], answerable)
    return True


def _put_head(channel, sub, n):
    outbox = _outbox
    at = _used
    _put_u32(outbox, at, now - _out_base)
    outbox[at + 4] = channel
    outbox[at + 5] = sub
    outbox[at + 6] = n & 0xFF
    outbox[at + 7] = n >> 8


def _put_u32(buf, at, value):
    buf[at] = value & 0xFF
    buf[at + 1] = value >> 8 & 0xFF
    buf[at + 2] = value >> 16 & 0xFF
    buf[at + 3] = value >> 24 & 0xFF


def call_at(time_ms, function):
    """Have `function()` called by the silicon itself at a time (a scan that ends, a pulse that falls)."""
    i = len(_timers)
    while i and _timers[i - 1][0] > time_ms:
        i -= 1
    _timers.insert(i, (time_ms, function))


def cancel_call(function):
    for i in range(len(_timers)):
        if _timers[i][1] is function:
            _timers.pop(i)
            return


def advance(deadline):
    """Move to the next input or to `deadline` (ms), whichever is first. True when there was something before the deadline."""
    global now
    while True:
        target = deadline
        if _timers and not asleep and _timers[0][0] < target:
            target = _timers[0][0]
        wake = target if target <= _watchdog_at else _watchdog_at + 1
        if _answerable or (_next > wake and wake > _horizon):
            _hand_over(wake)
            continue
        if _next <= target:
            target = _next
        if target > _watchdog_at:
            now = _watchdog_at
            reset(3)
        if target > now:
            now = target
        happened = False
        while _timers and not asleep and _timers[0][0] <= now:
            happened = True
            _timers.pop(0)[1]()
        while _next <= now:
            happened = True
            _deliver()
        return happened


def _deliver():
    global _left, _taken, _at, _next
    inbox = _inbox
    at = _at
    _at = end = at + 8 + (inbox[at + 6] | inbox[at + 7] << 8)
    _left -= 1
    _taken += 1
    _next = _base + _u32(inbox, end) if _left else _NEVER
    channel = inbox[at + 4]
    if asleep and (channel == _channels.UART_RX or channel == _channels.BLE_HEARD):
        return  # nobody samples the line, and the radio is off
    if channel in _listeners:
        _listeners[channel](inbox[at + 5], _inbox_view[at + 8 : end])


def _hand_over(wake):
    """Tell the engine what was said and when this device acts next; take the next RUN."""
    global _used, _said, _taken, _answerable, _out_base
    _put_head(_channels.NOW, 0, 0)
    _used += 8
    outbox = _outbox
    _put_u32(outbox, 0, _used - 4)
    struct.pack_into("<QQ", outbox, 4, _out_base, wake)
    struct.pack_into("<HH", outbox, 20, _taken, _said + 1)
    _pipe_out.write(_outbox_view[:_used])
    _used = _HEAD
    _said = 0
    _taken = 0
    _answerable = False
    _out_base = now
    _take_run()


def _take_run():
    global now, _out_base, _horizon, _clear, _base, _left, _at, _next
    inbox = _inbox
    _read(_length_view)
    n = _u32(inbox, 0)
    if 4 + n > len(inbox):
        raise ValueError("RUN of %d bytes" % n)
    _read(_inbox_view[4 : 4 + n])
    _base = _u32(inbox, 4) | _u32(inbox, 8) << 32
    _horizon = _u32(inbox, 12) | _u32(inbox, 16) << 32
    _clear = _u32(inbox, 20) | _u32(inbox, 24) << 32
    _left = inbox[28] | inbox[29] << 8
    if _base > now:  # this life began at some time of the scenario
        now = _base
        _out_base = now
    _at = 30
    _next = _base + _u32(inbox, 30) if _left else _NEVER


def _read(view):
    if _pipe_in.readinto(view) != len(view):
        sys.exit(0)  # the engine is gone: so is this world


def _u32(buf, at):
    # As struct.unpack_from would, without its tuple: this is done often, and garbage is what costs most.
    return buf[at] | buf[at + 1] << 8 | buf[at + 2] << 16 | buf[at + 3] << 24


def sleep(kind, deadline, woken):
    """Light (1) or deep (2) sleep until a time, or until `woken()`, asked after each input. The watchdog's clock stands too."""
    global asleep, _watchdog_at
    began = now
    watchdog_at = _watchdog_at
    _watchdog_at = _NEVER
    emit(_channels.SLEEP, kind, b"", False)
    asleep = True
    while now < deadline and not woken():
        advance(deadline)
    if kind == 2:
        return  # asleep to the end of this life
    asleep = False
    if watchdog_at != _NEVER:
        _watchdog_at = watchdog_at + now - began
    emit(_channels.SLEEP, 0, b"", False)


def _power(sub, payload):
    # The supply fails between two instructions: no last words but those to the engine.
    reset(_channels.POWER_LOST)


def _crash(sub, payload):
    global asleep, _watchdog_at
    if sub != _channels.CRASH_HUNG:
        raise RuntimeError(str(payload, "utf-8"))
    # A loop without an end: only the watchdog ends it, which ran on from where a sleep had stopped it.
    asleep = False
    if _watchdog_ms:
        _watchdog_at = min(_watchdog_at, now + _watchdog_ms)
    while True:
        advance(_NEVER)


def watchdog(timeout_ms):
    """Start the watchdog, or feed it."""
    global _watchdog_ms, _watchdog_at
    _watchdog_ms = timeout_ms or _watchdog_ms
    _watchdog_at = now + _watchdog_ms


def reset(cause):
    """End this life of the device; the engine starts the next with what the flash holds."""
    emit(_channels.RESET, 0, bytes([cause]))
    _hand_over(_NEVER)
    sys.exit(0)


listen(_channels.POWER, _power)
listen(_channels.CRASH, _crash)
