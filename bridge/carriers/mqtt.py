"""MQTT 3.1.1 as a carrier, by paho-mqtt: QoS 1, a durable session, acknowledged only after the commit.

What holds:
- A message is acknowledged to the broker (PUBACK) by `settle`, in the order of arrival, never before. What was not settled when
  the connection or the process ended is delivered again by the broker; the store drops what it has.
- An acknowledgement belongs to the connection on which its message came: packet numbers are used anew after a reconnection, and a
  late PUBACK would take another message away.
- It reconnects for ever, with backoff, and subscribes again each time. Messages may come before the SUBACK (resumed sessions).
- With `tls` the broker's certificate and name are verified before anything is said, and ours says who we are: no password then.
- `send` hands receipts to the session in order; one that is lost with the connection is made up for by the device asking again.
"""

import queue
import ssl
import threading
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import structlog
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bridge.counts import Counts
from bridge.ingest import Inbound, Outbound
from firmware.core import ident

KEEPALIVE_S = 20
BACKOFF_MIN_S = 0.25
BACKOFF_MAX_S = 5.0
_STATES_MAX = 100_000  # topics between two looks: a broker that goes wild does not fill our memory
INFLIGHT = 4000  # receipts on their way; paho's default of 20 waits for a round trip every 20


class Delivery(NamedTuple):
    """One message as it came, and what is needed to acknowledge it."""

    inbound: Inbound
    packet_id: int
    connection: int


class MqttCarrier:
    def __init__(
        self,
        host: str,
        port: int,
        *,
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        client_id: str = "homeward-bridge",
        shards: Sequence[str] = ("+",),
        counts: Counts | None = None,
    ) -> None:
        self.counts = counts or Counts()
        self._address = (host, port)
        self._filters = [ident.topic(shard, "+", leaf) for shard in shards for leaf in (ident.UP, ident.STATE)]
        self._log = structlog.get_logger("mqtt")
        self._queue: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._states: dict[str, bytes] = {}
        self._subscribed = threading.Event()
        self._connection = 0  # grows with each connection and each loss of one
        self._stopping = False
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        if tls is None:
            self._client.username_pw_set(user, password)
        else:
            self._client.tls_set_context(tls)
        self._client.max_inflight_messages_set(INFLIGHT)
        self._client.reconnect_delay_set(BACKOFF_MIN_S, BACKOFF_MAX_S)  # type: ignore[arg-type]  # fractions work
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def start(self) -> None:
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """Whether the broker has granted the subscriptions; waits for it."""
        return self._subscribed.wait(timeout_s)

    def take(self, most: int, timeout_s: float) -> list[Delivery]:
        """The next messages: as soon as there is one, with what else is there already. [] after the timeout or `wake`."""
        try:
            first = self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait()
        except queue.Empty:
            return []
        taken = [] if first is None else [first]
        while len(taken) < most:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is not None:
                taken.append(more)
        return taken

    def take_states(self) -> dict[str, bytes]:
        """The newest state message of each topic that sent one since the last call."""
        if not self._states:
            return {}
        states, self._states = self._states, {}
        return states

    def wake(self) -> None:
        """Ends a `take` that waits. May be called from a signal handler."""
        self._queue.put(None)

    def send(self, receipts: Iterable[Outbound]) -> None:
        for receipt in receipts:
            self._client.publish(receipt.topic, receipt.payload, qos=1)

    def settle(self, taken: Iterable[Delivery]) -> None:
        """Acknowledge in order, what still can be."""
        for delivery in taken:
            if delivery.connection == self._connection:
                self._client.ack(delivery.packet_id, 1)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Give receipts on their way a moment, then say goodbye. The session stays at the broker."""
        deadline = time.monotonic() + timeout_s
        while self._client.is_connected() and self._client.want_write() and time.monotonic() < deadline:
            time.sleep(0.005)
        self._stopping = True
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client, userdata, flags, reason_code, properties) -> None:
        if reason_code.is_failure:
            self.counts.add("broker", "refused")
            self._log.error("broker refused the connection", reason=str(reason_code))
            return
        self._connection += 1
        self.counts.add("broker", "connected")
        self._log.info("connected", resumed=bool(flags.session_present))
        client.subscribe([(topic, 1) for topic in self._filters])

    def _on_connect_fail(self, client, userdata) -> None:
        if self.counts.add("broker", "unreachable") in (1, 10, 100) or not self.counts.get("broker", "unreachable") % 1000:
            self._log.warning("broker cannot be reached", host=self._address[0], port=self._address[1])

    def _on_disconnect(self, client, userdata, flags, reason_code, properties) -> None:
        self._connection += 1  # here already: an acknowledgement must not slip in between CONNECT and CONNACK either
        self._subscribed.clear()
        if not self._stopping:
            self.counts.add("broker", "lost")
            self._log.warning("connection lost", reason=str(reason_code))

    def _on_subscribe(self, client, userdata, mid, reason_codes, properties) -> None:
        if any(code.is_failure for code in reason_codes):
            self.counts.add("broker", "subscription refused")
            self._log.error("broker refused a subscription", filters=self._filters, reasons=[str(code) for code in reason_codes])
        else:
            self._subscribed.set()

    def _on_message(self, client, userdata, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # refused by ingest, and acknowledged like everything else
        if message.qos and not topic.endswith("/" + ident.STATE):
            self._queue.put(Delivery(Inbound(topic, bytes(message.payload)), message.mid, self._connection))
        else:
            # State is a hint about the connection and nobody's evidence; QoS 0 is what no device of ours sends, but a broker
            # sends a retained message so.
            is_state = topic.endswith("/" + ident.STATE)
            self.counts.add("state" if is_state else "refused", "" if is_state else "qos")
            if is_state and len(self._states) < _STATES_MAX:
                self._states[topic] = bytes(message.payload)
            if message.qos:
                client.ack(message.mid, message.qos)
