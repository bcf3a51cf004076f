"""Real brokers and plain MQTT parties for tests.

`BROKERS` by name, `USERS` with their passwords, and `Party`: paho-mqtt with what it heard kept in order and waits with a
deadline instead of sleeps. `mosquitto` is skipped by name where its program is missing.
"""

import os
import shutil
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from bridge.broker.authority import Authority, Identity
from bridge.broker.mosquitto import MosquittoBroker
from bridge.broker.nats import EmbeddedBroker, bridge_user, device_user
from bridge.broker.process import BrokerError, BrokerProcess, Tls

Broker = BrokerProcess
BROKERS: dict[str, type[BrokerProcess]] = {"nats": EmbeddedBroker, "mosquitto": MosquittoBroker}

SHARD = "0"
DEVICES = ("tag-000001", "tag-000002", "hmu-000001")
USERS = (*(device_user(SHARD, name, f"password of {name}") for name in DEVICES), bridge_user("password of bridge"))
DEADLINE_S = 20.0


def missing_reason(kind: str) -> str:
    """Why this broker cannot run here, or an empty string."""
    if kind == "mosquitto":
        path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
        return "" if shutil.which("mosquitto", path=path) else "mosquitto is not installed (apt install mosquitto)"
    from bridge.broker.nats import find_server

    try:
        find_server()
    except BrokerError as error:
        return str(error)
    return ""


def server_tls(authority: Authority, *names: str) -> Tls:
    """What a broker needs to serve TLS under this authority."""
    server = authority.server(names)
    return Tls(authority.certificate_file, server.certificate_file, server.key_file)


def client_context(ca_file: Path, identity: Identity | None) -> ssl.SSLContext:
    """A client that verifies the broker, and shows a certificate of its own when it has one."""
    context = ssl.create_default_context(cafile=str(ca_file))
    if identity is not None:
        context.load_cert_chain(identity.certificate_file, identity.key_file)
    return context


def seed_of(name: str) -> int:
    """The seed of a test: HOMEWARD_SEED, else one that follows from its name."""
    return int(os.environ.get("HOMEWARD_SEED") or zlib.crc32(name.encode()))


def wait_for(what: Callable[[], object], why: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until `what()` is true, looking every few milliseconds. AssertionError with `why` at the deadline."""
    end = time.monotonic() + deadline_s
    pace = threading.Event()
    while not what():
        assert time.monotonic() < end, f"waited {deadline_s} s for {why}"
        pace.wait(0.005)


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool


class Party:
    """paho-mqtt under one login. Use as a context manager; leaving it cuts the connection without a DISCONNECT when
    `rude`. `heard` is what arrived, in order. `manual_ack` keeps PUBACKs back until `ack_all`.
    """

    def __init__(
        self,
        port: int,
        name: str,
        password: str | None = None,
        *,
        client_id: str | None = None,
        clean: bool = True,
        manual_ack: bool = False,
        will: tuple[str, bytes] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.heard: list[Heard] = []
        self.acked: list[int] = []
        self.granted: dict[int, list[ReasonCode]] = {}
        self.connack: ReasonCode | None = None
        self.session_present = False
        self._lock = threading.Condition()
        self._unacked: list[tuple[int, int]] = []
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or name, clean_session=clean, manual_ack=manual_ack
        )
        if tls is None:
            self.client.username_pw_set(name, password if password is not None else f"password of {name}")
        else:
            self.client.tls_set_context(tls)
        if will is not None:
            self.client.will_set(will[0], will[1], 1, retain=True)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_subscribe = self._on_subscribe
        self.client.on_publish = self._on_publish
        self._manual = manual_ack

    # Callbacks, on paho's thread.

    def _on_connect(self, _c: mqtt.Client, _u: object, flags: mqtt.ConnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        with self._lock:
            self.connack = code
            self.session_present = flags.session_present
            self._lock.notify_all()

    def _on_message(self, _c: mqtt.Client, _u: object, m: mqtt.MQTTMessage) -> None:
        with self._lock:
            self.heard.append(Heard(m.topic, bytes(m.payload), m.qos, m.retain, m.dup))
            if self._manual and m.qos:
                self._unacked.append((m.mid, m.qos))
            self._lock.notify_all()

    def _on_subscribe(self, _c: mqtt.Client, _u: object, mid: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        with self._lock:
            self.granted[mid] = codes
            self._lock.notify_all()

    def _on_publish(self, _c: mqtt.Client, _u: object, mid: int, _r: ReasonCode, _p: Properties) -> None:
        with self._lock:
            self.acked.append(mid)
            self._lock.notify_all()

    # The test's side.

    def wait(self, what: Callable[[], object], why: str, deadline_s: float = DEADLINE_S) -> None:
        with self._lock:
            assert self._lock.wait_for(what, deadline_s), f"waited {deadline_s} s for {why}; heard {self.heard[-5:]}"

    def connect(self) -> "Party":
        """Connect and wait for the CONNACK, whatever it says."""
        self.connack = None
        self.client.connect("127.0.0.1", self.port, 60)
        self.client.loop_start()
        self.wait(lambda: self.connack is not None, "a CONNACK")
        return self

    def subscribe(self, *topics: str, qos: int = 1) -> bool:
        """Whether every filter was granted."""
        _, mid = self.client.subscribe([(topic, qos) for topic in topics])
        assert mid is not None
        self.wait(lambda: mid in self.granted, "a SUBACK")
        return not any(code.is_failure for code in self.granted[mid])

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish; at QoS 1 wait for the PUBACK."""
        info = self.client.publish(topic, payload, qos, retain)
        if qos:
            self.wait(lambda: info.mid in self.acked, "a PUBACK")

    def ack_all(self) -> None:
        for mid, qos in self._unacked:
            self.client.ack(mid, qos)
        self._unacked.clear()

    def payloads(self) -> list[bytes]:
        return [heard.payload for heard in self.heard]

    def close(self, rude: bool = False) -> None:
        if rude and (sock := self.client.socket()) is not None:
            # The last will is published when the connection just ends; a DISCONNECT would discard it.
            self.client.loop_stop()
            sock.close()
            return
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> "Party":
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.close()
