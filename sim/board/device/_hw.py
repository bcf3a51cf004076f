"""The kernel of a board on a pseudo-terminal: real time, and the pipes to its supervisor. `sim/silicon/_hw.py` in virtual time.

Both pipes carry items as `_channels.py` describes them, without RUN and YIELD around them; a time in them counts for nothing.
"""

import sys

import _channels
import uselect
import utime

WATCHDOG = 40  # out; payload: u32 timeout in ms, or none to feed it
CUT = 41  # out: the supply failed at this write; the supervisor ends this process
READY = 42  # out: the start is over; from now on there is somebody to type to

now = 0  # ms since this life's start, as of the last look
folder = ""
unique_id = b""
reset_cause = 1
asleep = False
ext0 = None
ext1 = None

_listeners = {}
_timers = []
_began = utime.ticks_ms()
_inbox = None
_outbox = None
_poller = None


def outside(n):
    """A buffer of the silicon's. Here it is in the heap, which is larger for it."""
    return bytearray(n)


def attach(pipe_in, pipe_out):
    """The supervisor's two descriptors, as open streams."""
    global _inbox, _outbox, _poller
    _inbox, _outbox = pipe_in, pipe_out
    _poller = poller()


def poller():
    """A poll of the interpreter's own on what the supervisor says; more streams may be registered."""
    made = uselect.poll()
    made.register(_inbox, 1)
    return made


def tick():
    """Look at the clock."""
    global now
    now = utime.ticks_ms() - _began
    return now


def settle():
    """Take the inputs that stand: pins and voltages are there before the first instruction."""
    while _deliver():
        pass


def listen(channel, handler):
    _listeners[channel] = handler


def emit(channel, sub, payload=b"", answerable=True):
    head = bytearray(8)
    head[4], head[5], head[6], head[7] = channel, sub, len(payload) & 0xFF, len(payload) >> 8
    _outbox.write(head + payload)


def call_at(time_ms, function):
    i = len(_timers)
    while i and _timers[i - 1][0] > time_ms:
        i -= 1
    _timers.insert(i, (time_ms, function))


def cancel_call(function):
    for i in range(len(_timers)):
        if _timers[i][1] is function:
            _timers.pop(i)
            return


def advance(deadline, waiting=None):
    """Wait for the next input, or until `deadline` (ms). True when there was something before it. `waiting`: a `poller`."""
    while True:
        tick()
        happened = False
        while _timers and _timers[0][0] <= now:
            happened = True
            _timers.pop(0)[1]()
        if _deliver():
            happened = True
        if happened or now >= deadline:
            return happened
        until = min(deadline, _timers[0][0]) if _timers else deadline
        if (waiting or _poller).poll(min(until - now, 60_000)) and waiting:
            tick()
            return True


def _deliver():
    if not _poller.poll(0):
        return False
    head = _inbox.read(8)
    if not head or len(head) < 8:
        sys.exit(0)  # the supervisor is gone, and the board with it
    size = head[6] | head[7] << 8
    payload = memoryview(_inbox.read(size) if size else b"")
    if not (asleep and head[4] in (_channels.UART_RX, _channels.BLE_HEARD)) and head[4] in _listeners:
        _listeners[head[4]](head[5], payload)
    return True


def watchdog(timeout_ms):
    """Start the watchdog, or feed it; the supervisor keeps it, for it bites whatever this process does."""
    emit(WATCHDOG, 0, timeout_ms.to_bytes(4, "little") if timeout_ms else b"")


def sleep(kind, deadline, woken):
    """Light (1) or deep (2) sleep until a time or until `woken()`. Whoever types wakes it from a light one."""
    global asleep
    emit(_channels.SLEEP, kind)
    waiting = None
    if kind == 1:
        waiting = poller()
        waiting.register(sys.stdin, 1)
    asleep = True
    try:
        while tick() < deadline and not woken():
            if advance(deadline, waiting) and waiting and waiting.poll(0):
                break
    finally:
        asleep = False
        emit(_channels.SLEEP, 0)


def reset(cause):
    """End this life; the supervisor starts the next with what the flash holds."""
    emit(_channels.RESET, 0, bytes([cause]))
    while True:
        utime.sleep_ms(1000)


def fail():
    """The supply is gone in the midst of a write."""
    emit(CUT, 0)
    while True:
        utime.sleep_ms(1000)
