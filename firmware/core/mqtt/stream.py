"""Carries a session over a socket, with MicroPython's asyncio: connects, reads, writes, waits, and comes back for ever.

What it guarantees: no polling and no sleeping for a condition (idle, it costs nothing but the keepalive); one write a packet;
every wait for the network has a deadline; after a failure it tries again after a pause that doubles, with jitter, until a
connection has held for some seconds. A refused login or subscription waits longest.

`open_socket()` gives a non-blocking socket on which `connect` was called, and what is written to and read from, which is the
same socket or TLS over it; or it raises OSError (`opener`). All waiting is for the socket's own descriptor:
asyncio would look at a TLS object every millisecond. `jitter()` gives 0-65535 (`Jitter` follows from a seed, so that a
simulated fleet repeats).
MicroPython only: CPython's asyncio streams are others.
"""

import asyncio

from ..port import MICROPYTHON, const, ticks_add, ticks_diff, ticks_ms
from ..wake import FOREVER_MS, Wake
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


def _ready(queue, sock):
    # To be awaited, as asyncio's own are: until the socket can be read (`queue_read`) or written (`queue_write`).
    queue(sock)
    yield


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
        self._shaking = False  # TLS is still being negotiated, which the first packet's writing drives
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
                await self._wake.wait(FOREVER_MS)
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
            raw, sock = self._open_socket()
        except OSError:
            session.reason = NO_REASON
            session.stop(CLOSED)
            return
        session.start(ticks_ms())
        self._ended = False
        self._error = None
        self._rest = None
        self._shaking = sock is not raw
        try:
            # The first packet goes as soon as the socket can be written, which is when it is connected.
            n = session.next_packet(ticks_ms())
            self._write_later(raw, sock, session.tx[session.tx_at : session.tx_at + n], self._connect_timeout_ms)
            await self._pump(raw, sock)
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
            if sock is not raw:
                raw.close()  # TLS that failed has let go of it

    async def _pump(self, raw, sock):
        # Sends what is there, then waits for something to happen or for time to pass.
        session = self.session
        while True:
            self._flush(raw, sock)
            now = ticks_ms()
            if self._error is not None:
                raise self._error
            if self._ended or not self._enabled or not session.is_alive(now):
                return
            wait = session.due_ms(now)
            if self._rest is not None:
                wait = ticks_diff(self._write_until, now)
                if wait <= 0:
                    session.stop(TIMEOUT)
                    return
            elif self._reader is None:
                self._reader = asyncio.create_task(self._read(raw, sock))
            await self._wake.wait(wait)

    async def _read(self, raw, sock):
        # Takes what comes and sends the answers to it; ends the connection by `_ended`.
        session = self.session
        rx = self._rx
        try:
            while True:
                n = sock.readinto(rx)
                if n is None:
                    # Not before: what TLS has already taken off the socket would wait there for ever.
                    await _ready(core._io_queue.queue_read, raw)  # type: ignore
                    continue
                was_up = session.state == UP
                if not n or not session.received(rx, n, ticks_ms()):
                    break
                if not was_up and session.state == UP:
                    self._since = ticks_ms()
                    self._on_event(CONNECTED, 1 if session.session_present else 0)
                self._flush(raw, sock)
                self._wake.set()  # what is due by time may have changed
                while self._rest is not None:
                    # Nothing is read while nothing can be written, so answers never pile up.
                    self._written.clear()
                    await self._written.wait()
                await core.sleep_ms(0)  # a broker that never stops is not all there is
        except OSError:
            pass
        except Exception as error:
            self._error = error  # the application's own, at what it was given: `run` raises it
        finally:
            session.stop(CLOSED)
            self._ended = True
            self._wake.set()

    def _flush(self, raw, sock):
        # Write all that the session has, a packet at a time, unless one is still on its way.
        session = self.session
        while self._rest is None and not self._ended:
            n = session.next_packet(ticks_ms())
            if not n:
                return
            packet = session.tx[session.tx_at : session.tx_at + n]
            done = sock.write(packet)
            if done != n:
                self._write_later(raw, sock, packet[done or 0 :], session.response_timeout_ms)

    def _write_later(self, raw, sock, packet, timeout_ms):
        self._rest = packet
        self._write_until = ticks_add(ticks_ms(), timeout_ms)
        self._writer = asyncio.create_task(self._write(raw, sock))

    async def _write(self, raw, sock):
        # Writes the rest of a packet as the socket takes it. Once connected, TLS takes none of it before the handshake is
        # done, and waits for the broker all along: its own part of it is below 2 KB, which any empty send buffer holds.
        queue = core._io_queue.queue_write
        packet = self._rest
        try:
            while packet:
                await _ready(queue, raw)  # type: ignore
                done = sock.write(packet)
                if done:
                    packet = packet[done:]
                elif self._shaking:
                    queue = core._io_queue.queue_read
            self._shaking = False
            self._rest = None
            self._written.set()
        except (OSError, ValueError):  # ValueError: the broker's certificate is not what it must be
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
