"""TCP between simulated devices and the real broker, with virtual latencies.

A device's bytes go to the broker at once; what comes back reaches the device at a virtual time that follows from when it
asked, not from how long the broker really took. To make that possible a device's time is held below the moment at which
an answer is due until the answer is there: a CONNACK, SUBACK, PUBACK or PINGRESP from the broker, and for records the
bridge's receipt. So a run is the same at any speed. What comes unasked is delivered as soon as the device can hear it, and what
the bridge has to say after what the broker itself still has to answer, whichever of the two was faster.

Without coverage a connection cannot be made and answers wait until there is some again; what a device writes on a connection
that stands is passed on at once all the same, as if the network had just been left.

Under TLS a device's real bytes go to the broker, and the broker's to the device, which opens them as soon as they are here and
tells what was in them; from there on all is as in clear, so a run with TLS differs by its handshakes' two round trips alone.

What a scenario makes fail in between takes effect at a virtual time as well. Who is cut off (`cut`, `part`) hears nothing and is
held for nothing: what comes for him meanwhile waits, in order, until the way is open again (`join`), and comes then. Without a
bridge no device is held for receipts, but it is counted how many messages are owed one; when it is back, virtual time waits
for them all. So such runs are repeated to the byte too, whatever the real programs take to end and to start again.

A hold ends after HOLD_S seconds on the wall clock, and then counts as expired: that is a real outage (a broker or bridge
that is gone), and virtual time goes on without the answer as it would in the field.
"""

import errno
import selectors
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from sim.engine.connection import Awaited, Connection, Latency, Ways
from sim.engine.device import Device
from sim.engine.mqttlook import Key, acknowledges, answers, awaited, given_as, keepalive_s
from sim.engine.tlslook import Tls
from sim.silicon import _channels as ch

HOLD_S = 30.0
_CHUNK = 1024  # bytes of a stream in one input: bounds what a device must buffer at once
_RETRY_S = 0.02
_NTP_PORT = 123
_NTP_UNIX = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905 section 6)


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
        self.ways = Ways(latency)
        self.on_change: Callable[[Device], None] = lambda device: None
        self.on_sent: Callable[[str, int, int | None, bytes], None] = lambda name, t_ms, latency_ms, packet: None
        self._connections: dict[tuple[str, int], Connection] = {}
        self._by_device: dict[str, list[Connection]] = {}
        self._broker_is_up = True
        self._receipts_come = True
        self._receipts_failed = False  # they did once: from then on those that are owed are looked after
        self._owed: Counter[str] = Counter()  # messages of a device that have no receipt yet
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

    # From the scenario's faults, when all that was awaited has come (`is_waiting`).

    def broker_is(self, up: bool, t_ms: int = 0) -> None:
        """The scenario took the broker away at t_ms, or brought it back: until then devices are refused, and nobody is held."""
        was_up, self._broker_is_up = self._broker_is_up, up
        if was_up and not up:
            for connection in self._standing():
                self._lost(connection, t_ms + 1)

    def receipts_come(self, come: bool, t_ms: int = 0) -> None:
        """The scenario took the bridge away at t_ms, or brought it back: without it no device is held for a receipt."""
        came, self._receipts_come = self._receipts_come, come
        if not come:
            self._receipts_failed = True
            for connection in self._connections.values():
                connection.without_receipts()
        elif not came:
            for connection in self._standing():
                if connection.greeted:
                    self._await_owed(connection, self._due_ms(connection.device, t_ms))

    def cut(self, names: Iterable[str]) -> None:
        """These devices have no network until `join`; what they write on a connection that stands is passed on all the same."""
        for name in names:
            self.ways.cut.add(name)
            for connection in self._by_device.get(name, ()):
                self._overtaken(connection)

    def part(self, names: Iterable[str]) -> None:
        """Between these devices and the broker nothing passes, either way, until `mend`; nobody is told."""
        names = list(names)
        self.cut(names)
        self.ways.parted.update(names)

    def join(self, names: Iterable[str], t_ms: int) -> None:
        """The way is open again at t_ms; where there is still none for another reason, all goes on waiting."""
        for name in sorted(self.ways.cut.intersection(names)):
            self.ways.cut.discard(name)
            for connection in list(self._by_device.get(name, ())):
                due_ms = self._due_ms(connection.device, t_ms)
                if due_ms == ch.NEVER:
                    self.ways.cut.add(name)
                    break
                self._resume(connection, due_ms)

    def mend(self, names: Iterable[str], t_ms: int) -> None:
        """They are no longer parted. Whom the broker heard nothing of for too long, it has given up meanwhile."""
        names = self.ways.parted.intersection(names)
        self.ways.parted -= names
        for name in names:
            for connection in self._by_device.get(name, ()):
                if connection.is_given_up(t_ms):
                    connection.is_over = True
                    self._hang_up(connection)
        self.join(names, t_ms)

    def _resume(self, connection: Connection, due_ms: int) -> None:
        parked, connection.parked = connection.parked, deque()
        limbo, connection.limbo = connection.limbo, []
        for key in parked:
            if key[0] == "open" and connection.real is not None:
                self._push(connection, due_ms, bytes([ch.SOCK_OPENED]))
            else:
                self._await(connection, key, due_ms + self.ways.late_ms(key))
        for data in limbo:
            for i in range(0, len(data), _CHUNK):
                self._push(connection, due_ms, bytes([ch.SOCK_DATA]) + data[i : i + _CHUNK])
        if connection.is_over:
            self._lost(connection, due_ms)
            return
        connection.unsent_receipts = 0
        if connection.real is None:
            self._connect(connection, time.monotonic())
        self._flush(connection)
        self.on_change(connection.device)

    def _standing(self) -> list[Connection]:
        return [self._connections[key] for key in sorted(self._connections)]

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
            if connection.real is None and not connection.is_over and now >= connection.retry_at and self._passes(connection):
                self._connect(connection, now)
            if connection.awaited and now > connection.awaited[0].expires_at:
                self.holds_expired += len(connection.awaited)
                self._owed[connection.device.name] = 0
                connecting = connection.real is None
                due_ms = connection.awaited[0].due_ms
                connection.awaited.clear()
                self._overtaken(connection)
                if connecting:
                    self._push(connection, due_ms, bytes([ch.SOCK_ERROR, errno.ECONNREFUSED]))
                    self._drop(connection.device, connection.sub)
                self.on_change(connection.device)

    def close(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection.device, connection.sub)

    # Inside.

    def _passes(self, connection: Connection) -> bool:
        return connection.device.name not in self.ways.parted

    def _due_ms(self, device: Device, t_ms: int) -> int:
        """When the answer to something said now arrives."""
        latency_ms = self.ways.one_way_ms(device.name, t_ms)
        return ch.NEVER if latency_ms is None else t_ms + 2 * latency_ms

    def _push(self, connection: Connection, due_ms: int, payload: bytes) -> None:
        device = connection.device
        # In order, and never before what the device has already lived through.
        due_ms = max(due_ms, connection.last_due_ms, device.horizon_ms + 1, device.now_ms + 1)
        connection.last_due_ms = due_ms
        device.push(due_ms, ch.SOCK_IN, connection.sub, payload)

    def _await(self, connection: Connection, key: Key, due_ms: int) -> None:
        if due_ms != ch.NEVER:
            connection.awaited.append(Awaited(key, due_ms, time.monotonic() + HOLD_S))
        elif connection.device.name in self.ways.cut:
            connection.parked.append(key)

    def _await_owed(self, connection: Connection, due_ms: int) -> None:
        """The bridge is back, or the device is: it hears of every message that has no receipt yet."""
        keys = [waiting.key for waiting in connection.awaited] + list(connection.parked)
        for _ in range(self._owed[connection.device.name] - keys.count(("receipt", 0))):
            self._await(connection, ("receipt", 0), due_ms if due_ms == ch.NEVER else due_ms + self.ways.late_ms(("receipt", 0)))

    def _open(self, device: Device, t_ms: int, sub: int, address: str) -> None:
        self._drop(device, sub)
        connection = Connection(device, sub)
        self._connections[device.name, sub] = connection
        self._by_device.setdefault(device.name, []).append(connection)
        due_ms = self._due_ms(device, t_ms)
        host, _, port = address.rpartition(":")
        if (host, port) != (self._broker[0], str(self._broker[1])) or not self._broker_is_up:
            self._push(connection, min(due_ms, t_ms + 1000), bytes([ch.SOCK_ERROR, errno.ECONNREFUSED]))
            self._drop(device, sub)
            return
        self._await(connection, ("open", 0), due_ms)
        if self._passes(connection):
            self._connect(connection, time.monotonic())

    def _connect(self, connection: Connection, now: float) -> None:
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
        self._flush(connection)
        self.on_change(connection.device)

    def _send(self, connection: Connection, t_ms: int, data: bytes) -> None:
        self.bytes_up += len(data)
        connection.sent_ms = t_ms if self._passes(connection) else connection.sent_ms
        connection.device.bytes_up += len(data)
        if not connection.began:
            connection.began = True
            connection.tls = Tls() if Tls.begins(data) else None
        if connection.tls is None:
            self._sent(connection, t_ms, data)
        else:
            for key in connection.tls.said(data):
                due_ms = self._due_ms(connection.device, t_ms)
                self._await(connection, key, due_ms if due_ms == ch.NEVER else due_ms + self.ways.late_ms(key))
        connection.out += data
        self._flush(connection)

    def _sent(self, connection: Connection, t_ms: int, data: bytes) -> None:
        """The device sent these bytes of MQTT."""
        name = connection.device.name
        latency_ms = self.ways.one_way_ms(name, t_ms)
        through_ms = self.ways.sent_ms(connection, t_ms, len(data))
        for packet in connection.up.feed(data):
            self.on_sent(name, through_ms, latency_ms, packet)
            self._acknowledged(connection, packet)
            for key in awaited(packet):
                due_ms = ch.NEVER if latency_ms is None else through_ms + 2 * latency_ms + self.ways.late_ms(key)
                if key[0] == "receipt":
                    self._owed[name] += 1
                    connection.unsent_receipts += name in self.ways.parted
                    if not self._receipts_come:
                        continue
                self._await(connection, key, due_ms)
                if key[0] == "connack":
                    connection.greeted = True
                    connection.keepalive_ms = 1000 * keepalive_s(packet)
                    if self._receipts_failed and self._receipts_come:
                        self._await_owed(connection, due_ms)

    def _acknowledged(self, connection: Connection, packet: bytes) -> None:
        """A receipt counts as given when its device says so: else the broker gives it once more."""
        number = acknowledges(packet)
        if number in connection.receipts:
            connection.receipts.discard(number)
            self._given(connection)

    def _given(self, connection: Connection) -> None:
        name = connection.device.name
        self._owed[name] = max(0, self._owed[name] - 1)

    def _flush(self, connection: Connection) -> None:
        if connection.real is None or not connection.out or not self._passes(connection):
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

    def _readable(self, connection: Connection) -> None:
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

    def _answer(self, connection: Connection, data: bytes) -> None:
        """The broker sent these bytes of MQTT."""
        for packet in connection.down.feed(data):
            self._arrive(connection, answers(packet), packet)

    def _arrive(self, connection: Connection, key: Key | None, data: bytes) -> None:
        # What the bridge has to say races with the broker's own answers. Here it always loses.
        if key is None or key[0] == "receipt":
            if connection.awaits_broker and connection.device.name not in self.ways.cut:
                connection.early.append((key, data))
                return
        elif key[0] in ("suback", "puback", "pingresp"):
            connection.is_served = True
        self._come(connection, key, data)
        if not connection.awaits_broker:
            self._overtaken(connection)

    def _overtaken(self, connection: Connection) -> None:
        early, connection.early = connection.early, []
        for key, data in early:
            self._come(connection, key, data)

    def _come(self, connection: Connection, key: Key | None, data: bytes) -> None:
        if key is not None and key[0] == "receipt":
            number = given_as(data) if connection.tls is None else 0
            if number:
                connection.receipts.add(number)
            else:
                self._given(connection)
        waiting = self._take(connection, key) if key is not None else None
        if connection.device.name in self.ways.cut:
            if key in connection.parked:
                connection.parked.remove(key)
            connection.limbo.append(data)
            return
        due_ms = waiting.due_ms if waiting is not None else 0
        for i in range(0, len(data), _CHUNK):
            self._push(connection, due_ms, bytes([ch.SOCK_DATA]) + data[i : i + _CHUNK])

    def _take(self, connection: Connection, key: Key | None) -> Awaited | None:
        for i, waiting in enumerate(connection.awaited):
            if waiting.key == key:
                del connection.awaited[i]
                return waiting
        return None

    def _lost(self, connection: Connection, due_ms: int = 0) -> None:
        """The broker closed or reset the connection."""
        self._overtaken(connection)
        if connection.sealed or connection.device.name in self.ways.cut:
            connection.is_over = True
            self._hang_up(connection)
            return
        self._push(connection, due_ms, bytes([ch.SOCK_CLOSED]))
        self._drop(connection.device, connection.sub)
        self.on_change(connection.device)

    def _drop(self, device: Device, sub: int) -> None:
        connection = self._connections.pop((device.name, sub), None)
        if connection is None:
            return
        self._by_device[device.name].remove(connection)
        if device.name in self.ways.parted:  # what it wrote is gone with it
            self._owed[device.name] = max(0, self._owed[device.name] - connection.unsent_receipts)
        self._hang_up(connection)

    def _hang_up(self, connection: Connection) -> None:
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
