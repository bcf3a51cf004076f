"""A dock: devices on cables, and the way on for what they hand over; the broker, or straight into the store.

`ToBroker` forwards sealed messages under each device's own topic and hears what goes down to it; it needs no key and has none.
`ToStore` is what the bridge does with a message (open, check, store, receipt) in this process, for where there is no broker.
What holds:

- A device is asked for its records only while there is a way on. Receipts come from who holds the keys, after the commit; an
  acknowledgement on the cable frees nothing.
- Whatever ends in between (cable, dock, broker, store), the device has what was not receipted, and hands it over again; the store
  keeps each record once.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy.exc import SQLAlchemyError

from bridge.carriers.cable import BAUD, FAST_BAUD, Backlog, CablePort
from bridge.carriers.mqtt import BACKOFF_MAX_S, BACKOFF_MIN_S, KEEPALIVE_S
from bridge.counts import Counts
from bridge.ingest import Inbound, Ingest, Outbound
from bridge.keys import Keyring, load_fleet_key
from bridge.orders.service import Orders
from bridge.settings import BrokerLogin, Settings
from bridge.store import open_store
from firmware.core import ident, message

_BATCH = 100
_LOOK_S = 0.05
_PUMP_S = 0.2
_RETRY_S = 1.0


class Way(Protocol):
    """Where messages go on to. `pass_on` and `pump` are called by one thread; they return what goes down."""

    words: str  # what it is, for people

    @property
    def is_open(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def docked(self, up_topic: str) -> None: ...
    def left(self, up_topic: str) -> None: ...
    def pass_on(self, batch: Sequence[Inbound]) -> list[Outbound]: ...
    def pump(self) -> list[Outbound]: ...


class Watcher(Protocol):
    """Who is told what happens, in the ports' threads."""

    def docked(self, url: str, device: str, backlog: Backlog) -> None: ...
    def backlog(self, url: str, device: str, backlog: Backlog) -> None: ...
    def left(self, url: str, device: str, reason: str) -> None: ...
    def fault(self, url: str, words: str) -> None: ...
    def way(self, is_open: bool, words: str) -> None: ...


class Dock:
    """Ports that are served until `stop`; `run` is the loop, in any one thread."""

    def __init__(
        self,
        way: Way,
        watcher: Watcher,
        *,
        baud: int = BAUD,
        fast_baud: int = FAST_BAUD,
        guard: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._way = way
        self._watcher = watcher
        self._make = partial(CablePort, may_take=lambda: way.is_open, baud=baud, fast_baud=fast_baud, guard=guard)
        self._ports: dict[str, CablePort] = {}
        self._docked: dict[str, CablePort] = {}  # by the device's name
        self._lock = threading.Lock()
        self._inbound: queue.SimpleQueue[Inbound | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._was_open: bool | None = None

    def add(self, url: str) -> None:
        """Serve this port, until `remove` or the end; nothing when it is served already."""
        if url not in self._ports:
            port = self._ports[url] = self._make(url, self)
            port.start()

    def remove(self, url: str) -> None:
        """The port is no more."""
        port = self._ports.pop(url, None)
        if port is not None:
            port.stop(f"{url}: unplugged")

    @property
    def urls(self) -> list[str]:
        return list(self._ports)

    def run(self) -> None:
        self._way.start()
        pumped = 0.0
        try:
            while not self._stopped.is_set():
                batch = self._take()
                if batch:
                    self._route(self._way.pass_on(batch))
                if time.monotonic() - pumped >= _PUMP_S:
                    pumped = time.monotonic()
                    self._route(self._way.pump())
                    self._tell_way()
        finally:
            for port in self._ports.values():
                port.stop()
            for port in self._ports.values():
                port.join(5.0)
            self._way.stop()

    def stop(self) -> None:
        """From any thread."""
        self._stopped.set()
        self._inbound.put(None)

    def _take(self) -> list[Inbound]:
        try:
            first = self._inbound.get(timeout=_LOOK_S)
        except queue.Empty:
            return []
        taken = [] if first is None else [first]
        while len(taken) < _BATCH and not self._inbound.empty():
            more = self._inbound.get()
            if more is not None:
                taken.append(more)
        return taken

    def _route(self, outbound: Sequence[Outbound]) -> None:
        for each in outbound:
            _, name, _ = ident.parse_topic(each.topic)
            payload = each.payload
            header = message.parse_header(payload)
            if header is not None and header[0] == message.RELAY_DOWN:
                # By its home unit, says the bridge; but it is here itself.
                tag = ident.device_name(header[3])
                if tag in self._docked:
                    name, payload = tag, payload[message.HEADER :]
            with self._lock:
                port = self._docked.get(name)
            if port is not None:
                port.send(payload)

    def _tell_way(self) -> None:
        if self._way.is_open != self._was_open:
            self._was_open = self._way.is_open
            self._watcher.way(self._was_open, self._way.words)

    # What the ports tell, in their threads

    def docked(self, port: CablePort, topic: str, backlog: Backlog) -> None:
        name = ident.parse_topic(topic)[1]
        with self._lock:
            self._docked[name] = port
        self._way.docked(topic)
        self._watcher.docked(port.url, name, backlog)

    def message(self, port: CablePort, topic: str, payload: bytes) -> None:
        self._inbound.put(Inbound(topic, payload))

    def backlog(self, port: CablePort, topic: str, backlog: Backlog) -> None:
        self._watcher.backlog(port.url, ident.parse_topic(topic)[1], backlog)

    def left(self, port: CablePort, topic: str, reason: str) -> None:
        name = ident.parse_topic(topic)[1]
        with self._lock:
            if self._docked.get(name) is port:
                del self._docked[name]
        self._way.left(topic)
        self._watcher.left(port.url, name, reason)

    def fault(self, port: CablePort, words: str) -> None:
        self._watcher.fault(port.url, words)


class ToStore:
    """Straight into the bridge's store, with its keys. Orders go down as the bridge sends them. The rules read on when a bridge
    runs on that store again."""

    def __init__(self, settings: Settings) -> None:
        """ConfigError when the key or the store cannot be had."""
        keyring = Keyring(load_fleet_key(settings.fleet_key_file))
        engine = open_store(settings.store)
        self.counts = Counts()
        self.words = f"straight into {settings.store.rpartition('@')[2]}"
        self.is_open = True
        self._orders = Orders(engine, keyring, clock=settings.clock, counts=self.counts)
        self._ingest = Ingest(engine, keyring, clock=settings.clock, counts=self.counts, orders=self._orders)
        self._log = structlog.get_logger("dock")
        self._again_s = 0.0

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def docked(self, up_topic: str) -> None:
        pass

    def left(self, up_topic: str) -> None:
        pass

    def pass_on(self, batch: Sequence[Inbound]) -> list[Outbound]:
        """Stored and receipted; or nothing of it, and no receipt: the devices hand it over again."""
        return self._try(lambda: self._ingest.handle(batch))

    def pump(self) -> list[Outbound]:
        if not self.is_open and time.monotonic() < self._again_s:
            return []
        return self._try(self._orders.pump)

    def _try(self, action) -> list[Outbound]:
        try:
            out = action()
        except SQLAlchemyError as error:
            self._log.error("the store does not take records", error=str(getattr(error, "orig", error)))
            self._again_s = time.monotonic() + _RETRY_S
            self.is_open = False
            return []
        self.is_open = True
        return out


class ToBroker:
    """To the broker, as `users.dock_user`: under each docked device's own topic, by QoS 1."""

    def __init__(self, login: BrokerLogin) -> None:
        """ConfigError when the login's files cannot be used."""
        tls = login.broker_tls()
        self.words = f"by the broker at {login.broker_host}:{login.broker_port}"
        self.refusal = ""
        self._is_started = False
        self._address = (login.broker_host, login.broker_port)
        self._down: queue.SimpleQueue[Outbound] = queue.SimpleQueue()
        self._topics: set[str] = set()
        self._granted = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"dock-{secrets.token_hex(8)}",
            clean_session=True,  # what was not passed on the devices have
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        if tls is None:
            self._client.username_pw_set(login.broker_user, login.broker_password())
        else:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(BACKOFF_MIN_S, BACKOFF_MAX_S)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    @property
    def is_open(self) -> bool:
        return self._granted.is_set()

    def start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def wait_open(self, timeout_s: float) -> bool:
        return self._granted.wait(timeout_s)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def docked(self, up_topic: str) -> None:
        topic = _down(up_topic)
        self._topics.add(topic)
        self._client.subscribe(topic, 1)

    def left(self, up_topic: str) -> None:
        topic = _down(up_topic)
        self._topics.discard(topic)
        self._client.unsubscribe(topic)

    def pass_on(self, batch: Sequence[Inbound]) -> list[Outbound]:
        for each in batch:
            self._client.publish(each.topic, each.payload, qos=1)
        return self.pump()

    def pump(self) -> list[Outbound]:
        out = []
        while not self._down.empty():
            out.append(self._down.get())
        return out

    def _on_connect(self, client, userdata, flags, reason_code, properties) -> None:
        if reason_code.is_failure:
            self.refusal = str(reason_code)
            return
        for topic in list(self._topics):
            client.subscribe(topic, 1)
        self._granted.set()

    def _on_disconnect(self, client, userdata, flags, reason_code, properties) -> None:
        self._granted.clear()

    def _on_message(self, client, userdata, message: paho.MQTTMessage) -> None:
        self._down.put(Outbound(message.topic, bytes(message.payload)))


def _down(up_topic: str) -> str:
    shard, name, _ = ident.parse_topic(up_topic)
    return ident.topic(shard, name, ident.DOWN)
