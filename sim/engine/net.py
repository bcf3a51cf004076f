"""TCP between simulated devices and the real broker, with virtual latencies.

A device's bytes go to the broker at once; what comes back reaches the device at a virtual time that follows from when it
asked, not from how long the broker really took. To make that possible a device's time is held below the moment at which
an answer is due until the answer is there: a CONNACK, SUBACK, PUBACK or PINGRESP from the broker, and for records the
bridge's receipt. So a run is the same at any speed. What comes unasked is delivered as soon as the device can hear it.

Without coverage a connection cannot be made and answers wait until there is some again; what a device writes on a connection
that stands is passed on at once all the same, as if the network had just been left.

Under TLS a device's real bytes go to the broker, and the broker's to the device, which opens them as soon as they are here and
tells what was in them; from there on all is as in clear, so a run with TLS differs by its handshakes' two round trips alone.

A hold ends after HOLD_S seconds on the wall clock, and then counts as expired: that is a real outage (a broker or bridge
that is gone), and virtual time goes on without the answer as it would in the field.
"""

import errno
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.engine.device import Device
from sim.engine.mqttlook import Key, Splitter, answers, awaited
from sim.engine.tlslook import Tls
from sim.silicon import _channels as ch

HOLD_S = 30.0
_CHUNK = 1024  # bytes of a stream in one input: bounds what a device must buffer at once
_RECEIPT_MS = 60  # the bridge's own share of a receipt's way: a commit and a publish (our judgement)
_RETRY_S = 0.02
_NTP_PORT = 123
_NTP_UNIX = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905 section 6)

Latency = Callable[[str, int], int | None]  # (device, t_ms) -> one-way latency in ms, None without coverage


@dataclass
class _Awaited:
    key: Key
    due_ms: int
    expires_at: float


class _Connection:
    """One device socket and the real one behind it."""

    def __init__(self, device: Device, sub: int) -> None:
        self.device = device
        self.sub = sub
        self.awaited: deque[_Awaited] = deque()
        self.real: socket.socket | None = None
        self.out = b""
        self.up = Splitter()
        self.down = Splitter()
        self.retry_at = 0.0
        self.last_due_ms = 0
        self.began = False
        self.tls: Tls | None = None
        self.sealed = 0  # pieces that the device has not yet told the end of
        self.is_over = False  # the broker's end is closed; the device will hear that after what came before


class Network:
    """All devices' sockets. `on_change(device)` is called when a device may be able to run further."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        broker: tuple[str, int],
        start_utc_ms: int,
        latency: Latency,
    ) -> None:
        self._selector = selector
        self._broker = broker
        self._start_utc_ms = start_utc_ms
        self._latency = latency
        self.on_change: Callable[[Device], None] = lambda device: None
        self.on_sent: Callable[[str, int, int | None, bytes], None] = lambda name, t_ms, latency_ms, packet: None
        self._connections: dict[tuple[str, int], _Connection] = {}
        self._by_device: dict[str, list[_Connection]] = {}
        self._broker_is_up = True
        self._receipts_come = True
        self.bytes_up = 0
        self.bytes_down = 0
        self.holds_expired = 0

    # From the kernel.

    def bound(self, device: Device, limit_ms: int) -> int:
        """How far a device may run before an answer that it awaits is due."""
        for connection in self._by_device.get(device.name, ()):
            for waiting in connection.awaited:
                if waiting.due_ms <= limit_ms:
                    limit_ms = waiting.due_ms - 1
        return limit_ms

    def is_waiting(self) -> bool:
        """Whether some device awaits an answer from the real world."""
        return any(connection.awaited for connection in self._connections.values())

    def output(self, device: Device, t_ms: int, sub: int, payload: bytes) -> None:
        """The device said SOCK_OUT."""
        what, data = payload[0], payload[1:]
        if what == ch.SOCK_OPENED:
            self._open(device, t_ms, sub, data.decode("ascii", "replace"))
        elif what == ch.SOCK_DATAGRAM:
            self._datagram(device, t_ms, sub, data)
        elif what == ch.SOCK_CLOSED:
            self._drop(device, sub)
        elif (connection := self._connections.get((device.name, sub))) is None:
            return
        elif what == ch.SOCK_DATA:
            self._send(connection, t_ms, data)
        elif what == ch.SOCK_SENT:
            self._sent(connection, t_ms, data)
        elif what == ch.SOCK_HEARD and data:
            self._answer(connection, data)
        elif what == ch.SOCK_HEARD:
            connection.sealed -= 1
            if connection.is_over and not connection.sealed:
                self._lost(connection)

    def broker_is(self, up: bool) -> None:
        """The scenario took the broker away, or brought it back: until then devices are refused, and nobody is held."""
        was_up, self._broker_is_up = self._broker_is_up, up
        if was_up and not up:
            for connection in list(self._connections.values()):
                self._lost(connection)

    def receipts_come(self, come: bool) -> None:
        """The scenario took the bridge away, or brought it back: without it no device is held for a receipt."""
        self._receipts_come = come
        if not come:
            for connection in self._connections.values():
                connection.awaited = deque(waiting for waiting in connection.awaited if waiting.key[0] != "receipt")

    def is_connected(self, name: str) -> bool:
        """Whether a device has a connection to the broker."""
        return any(connection.real is not None for connection in self._by_device.get(name, ()))

    def not_before(self, names: Iterable[str], due_ms: int) -> None:
        """What comes for these devices on the connections that they have, comes at this virtual time at the soonest."""
        for name in names:
            for connection in self._by_device.get(name, ()):
                connection.last_due_ms = max(connection.last_due_ms, due_ms)

    def disconnect(self, device: Device) -> None:
        """The device lost its processor or its link: its sockets are gone."""
        for connection in list(self._by_device.get(device.name, ())):
            self._drop(device, connection.sub)

    def poll(self) -> None:
        """Try again what was refused, and let holds expire."""
        now = time.monotonic()
        for connection in list(self._connections.values()):
            if connection.real is None and not connection.is_over and now >= connection.retry_at:
                self._connect(connection, now)
            if connection.awaited and now > connection.awaited[0].expires_at:
                self.holds_expired += len(connection.awaited)
                connecting = connection.real is None
                due_ms = connection.awaited[0].due_ms
                connection.awaited.clear()
                if connecting:
                    self._push(connection, due_ms, bytes([ch.SOCK_ERROR, errno.ECONNREFUSED]))
                    self._drop(connection.device, connection.sub)
                self.on_change(connection.device)

    def close(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection.device, connection.sub)

    # Inside.

    def _due_ms(self, device: Device, t_ms: int) -> int:
        """When the answer to something said now arrives."""
        latency_ms = self._latency(device.name, t_ms)
        return ch.NEVER if latency_ms is None else t_ms + 2 * latency_ms

    def _push(self, connection: _Connection, due_ms: int, payload: bytes) -> None:
        device = connection.device
        # In order, and never before what the device has already lived through.
        due_ms = max(due_ms, connection.last_due_ms, device.horizon_ms + 1, device.now_ms + 1)
        connection.last_due_ms = due_ms
        device.push(due_ms, ch.SOCK_IN, connection.sub, payload)

    def _await(self, connection: _Connection, key: Key, due_ms: int) -> None:
        if due_ms != ch.NEVER:
            connection.awaited.append(_Awaited(key, due_ms, time.monotonic() + HOLD_S))

    def _open(self, device: Device, t_ms: int, sub: int, address: str) -> None:
        self._drop(device, sub)
        connection = _Connection(device, sub)
        self._connections[device.name, sub] = connection
        self._by_device.setdefault(device.name, []).append(connection)
        due_ms = self._due_ms(device, t_ms)
        host, _, port = address.rpartition(":")
        if (host, port) != (self._broker[0], str(self._broker[1])) or not self._broker_is_up:
            self._push(connection, min(due_ms, t_ms + 1000), bytes([ch.SOCK_ERROR, errno.ECONNREFUSED]))
            self._drop(device, sub)
            return
        self._await(connection, ("open", 0), due_ms)
        self._connect(connection, time.monotonic())

    def _connect(self, connection: _Connection, now: float) -> None:
        connection.retry_at = now + _RETRY_S
        try:
            # The broker is on this host: it answers or refuses within microseconds.
            real = socket.create_connection(self._broker, timeout=5)
        except OSError:
            return
        real.setblocking(False)
        real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.real = real
        self._selector.register(real, selectors.EVENT_READ, lambda: self._readable(connection))
        waiting = self._take(connection, ("open", 0))
        if waiting is not None:
            self._push(connection, waiting.due_ms, bytes([ch.SOCK_OPENED]))
        self.on_change(connection.device)

    def _send(self, connection: _Connection, t_ms: int, data: bytes) -> None:
        self.bytes_up += len(data)
        connection.device.bytes_up += len(data)
        if not connection.began:
            connection.began = True
            connection.tls = Tls() if Tls.begins(data) else None
        if connection.tls is None:
            self._sent(connection, t_ms, data)
        else:
            for key in connection.tls.said(data):
                self._await(connection, key, self._due_ms(connection.device, t_ms))
        connection.out += data
        self._flush(connection)

    def _sent(self, connection: _Connection, t_ms: int, data: bytes) -> None:
        """The device sent these bytes of MQTT."""
        latency_ms = self._latency(connection.device.name, t_ms)
        for packet in connection.up.feed(data):
            self.on_sent(connection.device.name, t_ms, latency_ms, packet)
            for key in awaited(packet):
                if latency_ms is not None and (key[0] != "receipt" or self._receipts_come):
                    extra_ms = _RECEIPT_MS if key[0] == "receipt" else 0
                    self._await(connection, key, t_ms + 2 * latency_ms + extra_ms)

    def _flush(self, connection: _Connection) -> None:
        if connection.real is None or not connection.out:
            return
        try:
            sent = connection.real.send(connection.out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost(connection)
            return
        connection.out = connection.out[sent:]
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)
        self._selector.modify(connection.real, events, lambda: self._readable(connection))

    def _readable(self, connection: _Connection) -> None:
        if connection.real is None:
            return
        self._flush(connection)
        if connection.real is None:
            return
        try:
            data = connection.real.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(connection)
            return
        self.bytes_down += len(data)
        connection.device.bytes_down += len(data)
        if connection.tls is None:
            self._answer(connection, data)
        else:
            for key, part in connection.tls.heard(data):
                if key is not None:
                    self._arrive(connection, key, part)
                    continue
                for i in range(0, len(part), _CHUNK):
                    connection.sealed += 1
                    connection.device.slip(ch.SOCK_IN, connection.sub, bytes([ch.SOCK_SEALED]) + part[i : i + _CHUNK])
        self.on_change(connection.device)

    def _answer(self, connection: _Connection, data: bytes) -> None:
        """The broker sent these bytes of MQTT."""
        for packet in connection.down.feed(data):
            self._arrive(connection, answers(packet), packet)

    def _arrive(self, connection: _Connection, key: Key | None, data: bytes) -> None:
        waiting = self._take(connection, key) if key is not None else None
        due_ms = waiting.due_ms if waiting is not None else 0
        for i in range(0, len(data), _CHUNK):
            self._push(connection, due_ms, bytes([ch.SOCK_DATA]) + data[i : i + _CHUNK])

    def _take(self, connection: _Connection, key: Key | None) -> _Awaited | None:
        for i, waiting in enumerate(connection.awaited):
            if waiting.key == key:
                del connection.awaited[i]
                return waiting
        return None

    def _lost(self, connection: _Connection) -> None:
        """The broker closed or reset the connection."""
        if connection.sealed:
            connection.is_over = True
            self._hang_up(connection)
            return
        self._push(connection, 0, bytes([ch.SOCK_CLOSED]))
        self._drop(connection.device, connection.sub)
        self.on_change(connection.device)

    def _drop(self, device: Device, sub: int) -> None:
        connection = self._connections.pop((device.name, sub), None)
        if connection is None:
            return
        self._by_device[device.name].remove(connection)
        self._hang_up(connection)

    def _hang_up(self, connection: _Connection) -> None:
        if connection.real is not None:
            self._selector.unregister(connection.real)
            connection.real.close()
            connection.real = None

    def _datagram(self, device: Device, t_ms: int, sub: int, data: bytes) -> None:
        """The simulated internet holds one datagram service: NTP, which tells virtual time (RFC 5905 section 7.3)."""
        address, _, request = data.partition(b"\0")
        due_ms = self._due_ms(device, t_ms)
        if due_ms == ch.NEVER or not address.endswith(b":%d" % _NTP_PORT) or len(request) < 48:
            return
        utc_ms = self._start_utc_ms + (t_ms + due_ms) // 2
        seconds = utc_ms // 1000 + _NTP_UNIX
        fraction = utc_ms % 1000 * (1 << 32) // 1000
        stamp = struct.pack(">II", seconds & 0xFFFFFFFF, fraction)
        reply = bytes([0x24, 2, 6, 0xE9]) + bytes(12) + stamp + request[40:48] + stamp + stamp
        device.push(due_ms, ch.SOCK_IN, sub, bytes([ch.SOCK_DATA]) + reply)
