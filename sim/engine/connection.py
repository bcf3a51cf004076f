"""A device's connection to the broker as the engine keeps it, and what is wrong with the network that it goes through."""

import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.engine.device import Device
from sim.engine.mqttlook import Key, Splitter
from sim.engine.tlslook import Tls

RECEIPT_MS = 60  # the bridge's own share of a receipt's way: a commit and a publish (our judgement)
_PATIENCE = 1.5  # of the keep-alive that a client promised, until a broker gives it up (MQTT 3.1.1 section 3.1.2.10)

Latency = Callable[[str, int], int | None]  # (device, t_ms) -> one-way latency in ms, None without coverage


@dataclass
class Awaited:
    key: Key
    due_ms: int
    expires_at: float


class Connection:
    """One device socket and the real one behind it."""

    def __init__(self, device: Device, sub: int) -> None:
        self.device = device
        self.sub = sub
        self.awaited: deque[Awaited] = deque()
        self.real: socket.socket | None = None
        self.out = b""
        self.up = Splitter()
        self.down = Splitter()
        self.retry_at = 0.0
        self.last_due_ms = 0
        self.began = False
        self.greeted = False
        self.keepalive_ms = 0
        self.sent_ms = 0  # when the device last sent something
        self.tls: Tls | None = None
        self.sealed = 0  # pieces that the device has not yet told the end of
        self.is_over = False  # the broker's end is closed; the device will hear that after what came before
        self.parked: deque[Key] = deque()  # of who is cut off: what is awaited without a time
        self.limbo: list[bytes] = []  # of who is cut off: what came, in order
        self.busy_ms = 0  # a slow network is at what was sent until then
        self.receipts: set[int] = set()  # packets with receipts that the device has not acknowledged
        self.unsent_receipts = 0  # messages that never left, for nothing passes
        self.is_served = False  # the broker has answered more than the CONNECT
        self.early: list[tuple[Key | None, bytes]] = []  # what overtook the broker's own answers

    @property
    def awaits_broker(self) -> bool:
        """Whether answers of the broker itself are still to come: it always has one more as long as it has only greeted."""
        return (self.greeted and not self.is_served) or any(waiting.key[0] not in ("receipt", "open") for waiting in self.awaited)

    def without_receipts(self) -> None:
        """Nobody is there who would give one."""
        self.awaited = deque(waiting for waiting in self.awaited if waiting.key[0] != "receipt")
        self.parked = deque(key for key in self.parked if key[0] != "receipt")

    def is_given_up(self, t_ms: int) -> bool:
        """Whether a broker that heard nothing more of it has given it up by t_ms."""
        return bool(self.keepalive_ms) and t_ms - self.sent_ms > _PATIENCE * self.keepalive_ms


@dataclass(frozen=True)
class Slow:
    """A slow network: `kbit_s` up (0: any), and `latency_ms` more each way."""

    kbit_s: float = 0.0
    latency_ms: int = 0


_FAST = Slow()


class Ways:
    """Between the devices and the broker: `cut` hears nothing, `parted` is not heard either; the others by latency."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency
        self.cut: set[str] = set()
        self.parted: set[str] = set()
        self._slow: dict[str, Slow] = {}
        self._late_ms = {"broker": 0, "bridge": 0}

    def late(self, what: str, delay_ms: int) -> None:
        """What "broker" or "bridge" has to say comes so much later from now on."""
        self._late_ms[what] = delay_ms

    def slow(self, names: Iterable[str], how: Slow | None) -> None:
        """The network of these devices is slow from now on, or no longer (None)."""
        for name in names:
            if how is None:
                self._slow.pop(name, None)
            else:
                self._slow[name] = how

    def one_way_ms(self, name: str, t_ms: int) -> int | None:
        """None without a network."""
        if name in self.parted:
            return None
        latency_ms = self._latency(name, t_ms)
        return None if latency_ms is None else latency_ms + self._slow.get(name, _FAST).latency_ms

    def late_ms(self, key: Key) -> int:
        """How long whoever answers takes for it."""
        if key[0] == "open":
            return 0
        return self._late_ms["broker"] + (RECEIPT_MS + self._late_ms["bridge"] if key[0] == "receipt" else 0)

    def sent_ms(self, connection: Connection, t_ms: int, n: int) -> int:
        """When n bytes more are through a slow network's uplink."""
        kbit_s = self._slow.get(connection.device.name, _FAST).kbit_s
        if not kbit_s:
            return t_ms
        connection.busy_ms = max(connection.busy_ms, t_ms) + int(8 * n / kbit_s)
        return connection.busy_ms
