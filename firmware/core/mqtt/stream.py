"""Carries a session over a socket, with MicroPython's asyncio: connects, reads, writes, waits, and comes back for ever.

What it guarantees: no polling and no sleeping for a condition (idle, it costs nothing but the keepalive); one write a packet;
every wait for the network has a deadline; after a failure it tries again after a pause that doubles, with jitter, until a
connection has held for some seconds. A refused login or subscription waits longest.

`open_socket()` gives a non-blocking socket on which `connect` was called, or raises OSError; a board makes it of its network
(`tcp_opener` is enough for most). `jitter()` gives 0-65535 (`Jitter` follows from a seed, so that a simulated fleet repeats).
MicroPython only: CPython's asyncio streams are others.
"""

import asyncio

from ..port import MICROPYTHON, const, ticks_add, ticks_diff, ticks_ms
from .session import CLOSED, DISABLED, NO_REASON, REFUSED, TIMEOUT, UP

if MICROPYTHON:
    from asyncio import core  # type: ignore

# What `on_event(kind, detail)` is told.
CONNECTED = const(1)  # logged in; detail: 1 when the broker had kept the session
LOST = const(2)  # a connection ended or could not be made; detail: the reason (`session`)

_BACKOFF_DOUBLINGS = const(6)  # from 1 s to 64 s
_BACKOFF_REFUSED = const(300)  # times the first pause: 5 minutes
_STEADY = const(8)  # times the first pause: a connection that held as long is a good one
_UNAVAILABLE = const(3)  # CONNACK: the broker is there but not ready [3.2.2.3]: not a refusal that lasts
_FOREVER_MS = const(0x8000000)  # a day and a half: waits are in ticks, which wrap
_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)  # on Linux and lwIP; neither port of `socket` names it
_IN_PROGRESS = (115, 119, 36, 11)  # EINPROGRESS of Linux, of lwIP ports, of BSD; EAGAIN


class Jitter:
    """Pseudo-random 16-bit numbers from a seed such as the device id, so that a fleet does not reconnect in step."""

    def __init__(self, seed):
        self._state = (seed ^ 0x5DEECE6) & 0x3FFFFFFF or 1

    def __call__(self):
        state = self._state
        # xorshift on 30 bits: small integers on every port
        state ^= (state << 13) & 0x3FFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0x3FFFFFFF
        self._state = state or 1
        return state & 0xFFFF


def tcp_opener(host, port):
    """An `open_socket` for plain TCP. The address is looked up each time: it may change, and the lookup may fail."""

    def open_socket():
        import socket

        info = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(info[0], info[1], info[2])
        sock.setblocking(False)
        try:
            # Packets are written whole; holding a small one back until the last is acknowledged costs 40 ms each.
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except (AttributeError, OSError):
            pass  # a port without it: slower, not wrong
        try:
            sock.connect(info[-1])
        except OSError as error:
            if error.errno not in _IN_PROGRESS:
                sock.close()
                raise
        return sock

    return open_socket


class Wake:
    """A flag that one task waits for with a time limit. `asyncio.wait_for` does the same with two tasks and 1-2 KB of garbage
    each time; here the sleeping task is brought forward, as its cancellation would do it. Not for interrupt handlers."""

    def __init__(self):
        self._is_set = False
        self._task = None

    def set(self):
        self._is_set = True
        task = self._task
        if task is not None:
            self._task = None
            core._task_queue.remove(task)
            core._task_queue.push(task)

    def clear(self):
        self._is_set = False

    async def wait(self, ms):
        """Until `set` (also before the call), or for so long; the flag is then down again."""
        if not self._is_set:
            self._task = core.cur_task
            try:
                await core.sleep_ms(ms)
            finally:
                self._task = None
        self._is_set = False


class Stream:
    """`run()` as a task, `enable()` to begin, `disable()` to end the connection (before the modem sleeps), `notify()` when a
    source has something new. `on_event` is called between packets and must not block. `backoff_ms` is the first pause; half of
    every pause is by chance."""

    def __init__(self, session, open_socket, on_event, jitter, connect_timeout_ms=20000, backoff_ms=1000, rx_chunk=256):
        self.session = session
        self.attempts = 0
        self._open_socket = open_socket
        self._on_event = on_event
        self._jitter = jitter
        self._connect_timeout_ms = connect_timeout_ms
        self._rx = bytearray(rx_chunk)
        self._enabled = False
        self._wake = Wake()  # the task that writes
        self._rest = None  # of a packet that the socket did not take whole
        self._write_until = 0
        self._written = asyncio.Event()
        self._reader = None
        self._writer = None
        self._first_pause_ms = backoff_ms
        self._failures = 0  # in a row
        self._ended = False
        self._since = None  # when the broker answered

    @property
    def connected(self):
        return self.session.state == UP

    def enable(self):
        """Connect, and stay connected. At once: what went wrong before is forgotten."""
        self._enabled = True
        self._failures = 0
        self._wake.set()

    def disable(self):
        """End the connection and make no other. `on_event` tells when it has ended (LOST, DISABLED)."""
        self._enabled = False
        self._wake.set()

    def notify(self):
        """A source has something new to send."""
        self._wake.set()

    async def run(self):
        """Keep the session up while enabled; never returns."""
        while True:
            while not self._enabled:
                await self._wake.wait(_FOREVER_MS)
            self._since = None
            await self._connection()
            session = self.session
            # A connection that broke as soon as it stood (another client under the same name?) does not end the backing off.
            steady = min(self._pause_ms(), _STEADY * self._first_pause_ms)
            if self._since is not None and not 0 <= ticks_diff(ticks_ms(), self._since) < steady:
                self._failures = 0
            self._on_event(LOST, session.reason)
            if self._enabled:
                await self._pause(session.reason == REFUSED and session.code != _UNAVAILABLE)

    def _pause_ms(self):
        return self._first_pause_ms << min(self._failures, _BACKOFF_DOUBLINGS)

    async def _pause(self, refused):
        span = self._first_pause_ms * _BACKOFF_REFUSED if refused else self._pause_ms()
        self._failures += 1
        half = span >> 1
        left = half + (half * self._jitter() >> 16)
        # `disable` and `enable` cut it short, new records do not.
        while left > 0 and self._enabled and self._failures:
            began = ticks_ms()
            await self._wake.wait(left)
            left -= ticks_diff(ticks_ms(), began)

    async def _connection(self):
        # One connection, from its socket to its end. `session.reason` says why it ended.
        session = self.session
        self.attempts += 1
        try:
            sock = self._open_socket()
        except OSError:
            session.reason = NO_REASON
            session.stop(CLOSED)
            return
        wire = asyncio.StreamReader(sock)
        session.start(ticks_ms())
        self._ended = False
        self._rest = None
        try:
            # The first packet goes as soon as the socket can be written, which is when it is connected.
            n = session.next_packet(ticks_ms())
            self._write_later(wire, session.tx[session.tx_at : session.tx_at + n], self._connect_timeout_ms)
            await self._pump(wire)
        except OSError:
            session.stop(CLOSED)
        finally:
            for task in (self._writer, self._reader):
                if task is not None:
                    task.cancel()
            self._writer = self._reader = None
            if not self._enabled:
                self._say_goodbye(sock)
                session.stop(DISABLED)
            session.stop(CLOSED)
            sock.close()

    async def _pump(self, wire):
        # Sends what is there, then waits for something to happen or for time to pass.
        session = self.session
        while True:
            self._flush(wire)
            now = ticks_ms()
            if self._ended or not self._enabled or not session.is_alive(now):
                return
            wait = session.due_ms(now)
            if self._rest is not None:
                wait = ticks_diff(self._write_until, now)
                if wait <= 0:
                    session.stop(TIMEOUT)
                    return
            elif self._reader is None:
                self._reader = asyncio.create_task(self._read(wire))
            await self._wake.wait(wait)

    async def _read(self, wire):
        # Takes what comes and sends the answers to it; ends the connection by `_ended`.
        session = self.session
        rx = self._rx
        try:
            while True:
                n = await wire.readinto(rx)
                if n is None:
                    continue
                was_up = session.state == UP
                if not n or not session.received(rx, n, ticks_ms()):
                    break
                if not was_up and session.state == UP:
                    self._since = ticks_ms()
                    self._on_event(CONNECTED, 1 if session.session_present else 0)
                self._flush(wire)
                self._wake.set()  # what is due by time may have changed
                while self._rest is not None:
                    # Nothing is read while nothing can be written, so answers never pile up.
                    self._written.clear()
                    await self._written.wait()
        except OSError:
            pass
        finally:
            # Also when the application raised: then the connection ends as well, rather than stay without a reader.
            session.stop(CLOSED)
            self._ended = True
            self._wake.set()

    def _flush(self, wire):
        # Write all that the session has, a packet at a time, unless one is still on its way.
        session = self.session
        while self._rest is None and not self._ended:
            n = session.next_packet(ticks_ms())
            if not n:
                return
            packet = session.tx[session.tx_at : session.tx_at + n]
            done = wire.s.write(packet)
            if done != n:
                self._write_later(wire, packet[done or 0 :], session.response_timeout_ms)

    def _write_later(self, wire, packet, timeout_ms):
        self._rest = packet
        self._write_until = ticks_add(ticks_ms(), timeout_ms)
        self._writer = asyncio.create_task(self._write(wire))

    async def _write(self, wire):
        # Writes the rest of a packet as the socket takes it.
        try:
            wire.out_buf = self._rest
            await wire.drain()
            self._rest = None
            self._written.set()
        except OSError:
            self.session.stop(CLOSED)
            self._ended = True
        self._wake.set()

    def _say_goodbye(self, sock):
        session = self.session
        n = session.goodbye()
        if n and self._rest is None:
            try:
                sock.write(session.tx[session.tx_at : session.tx_at + n])
            except OSError:
                pass
