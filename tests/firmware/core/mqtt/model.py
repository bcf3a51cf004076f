"""A broker and a bridge as models: what a durable MQTT session and the end of the line do, with every fault on request.

Independent of the code under test but for the packet codec (which has its own tests): nonces and sealing are written out here
from message.py's description, over `cryptography`.
"""

import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from firmware.core.mqtt import codec
from firmware.core.mqtt.peer import PeerDecoder
from firmware.core.mqtt.session import Session

KEY = bytes(range(16))
KEY_ID = 3
DEVICE = 0x01000001
UP_TOPIC = b"hw/0/tag-000001/up"
DOWN_TOPIC = b"hw/0/tag-000001/down"


def nonce(header: bytes) -> bytes:
    """Header bytes 4-11, count, type and key id, two zeros."""
    return header[4:12] + bytes([header[2], header[0], header[1], 0, 0])


def seal_down(number: int, body: bytes, key: bytes = KEY, device: int = DEVICE, key_id: int = KEY_ID) -> bytes:
    header = struct.pack("<BBBBII", 1 << 4 | 2, key_id, len(body), 0, device, number)
    return header + AESCCM(key, 8).encrypt(nonce(header), body, header)


def open_records(raw: bytes, key: bytes = KEY) -> list[bytes] | None:
    """The records of a sealed message, None when it does not open."""
    if len(raw) < 20:
        return None
    try:
        plain = AESCCM(key, 8).decrypt(nonce(raw[:12]), raw[12:], raw[:12])
    except InvalidTag:
        return None
    return [plain[i : i + 32] for i in range(0, len(plain), 32)]


class ModelBroker:
    """One client's durable session at a broker. Bytes go in and out; a cut loses what is on the wire."""

    def __init__(self) -> None:
        self.queue: list[bytes] = []  # published and not yet taken by the bridge
        self.seen: list[tuple[int, bool, bytes]] = []  # every PUBLISH: packet id, DUP, payload
        self.down: list[bytes] = []  # for the client, not yet acknowledged by it
        self.connect: dict[str, object] | None = None
        self.had_session = False
        self.connect_code = 0
        self.suback_code = 1
        self.unacked_ids: list[int] = []  # PUBACKs that the broker owes
        self.pings = 0
        self.reset_link()

    def reset_link(self) -> None:
        self.decoder = PeerDecoder(4096)
        self.to_client = bytearray()
        self.connected = False
        self.sent_down: dict[int, bytes] = {}
        self.unacked_ids.clear()
        self.protocol: list[int] = []

    def take(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            at = self.decoder.feed(data, at, len(data))
            if self.decoder.kind:
                self._packet(self.decoder)

    def _packet(self, d: PeerDecoder) -> None:
        kind = d.kind
        assert kind > 0, f"the client sent what is no packet ({kind})"
        assert self.connected or kind == codec.CONNECT, "the first packet is a CONNECT"
        self.protocol.append(kind)
        if kind == codec.CONNECT:
            assert not self.connected, "one CONNECT a connection"
            self.connect = d.connect
            self.connected = self.connect_code == 0
            self.to_client += bytes([0x20, 2, int(self.had_session and self.connected), self.connect_code])
            self.had_session = self.had_session or self.connected
        elif kind == codec.PUBLISH:
            assert d.qos == 1
            self.seen.append((d.packet_id, d.dup, d.payload()))
            assert d.packet_id not in self.unacked_ids, "a packet id in use was given again"
            self.unacked_ids.append(d.packet_id)
            if d.topic() == UP_TOPIC:
                self.queue.append(d.payload())
        elif kind == codec.PUBACK:
            payload = self.sent_down.pop(d.packet_id, None)
            if payload in self.down:
                self.down.remove(payload)
        elif kind == codec.SUBSCRIBE:
            self.to_client += bytes([0x90, 3, d.packet_id >> 8, d.packet_id & 255, self.suback_code])
        elif kind == codec.PINGREQ:
            self.pings += 1
            self.to_client += b"\xd0\0"

    def puback(self, n: int = 1000) -> None:
        for packet_id in self.unacked_ids[:n]:
            self.to_client += bytes([0x40, 2, packet_id >> 8, packet_id & 255])
        del self.unacked_ids[:n]

    def push_down(self) -> None:
        """Send what waits for the client and is not on its way already."""
        if not self.connected:
            return
        for payload in self.down:
            if payload not in self.sent_down.values():
                packet_id = max(self.sent_down, default=0) + 1
                self.sent_down[packet_id] = payload
                buf = bytearray(2000)
                n = codec.encode_publish(buf, DOWN_TOPIC, payload, packet_id)
                self.to_client += buf[:n]


class Wire:
    """Session and broker, joined: `pump` carries bytes both ways until nothing moves."""

    def __init__(self, session: Session, broker: ModelBroker) -> None:
        self.session = session
        self.broker = broker
        self.alive = False

    def connect(self, now: int) -> None:
        self.broker.reset_link()
        self.session.start(now)
        self.alive = True

    def cut(self, reason: int = 1) -> None:
        self.session.stop(reason)
        self.broker.reset_link()
        self.alive = False

    def send(self, now: int, limit: int = 1000) -> int:
        """Client to broker, at most `limit` packets; how many."""
        sent = 0
        while self.alive and sent < limit:
            n = self.session.next_packet(now)
            if not n:
                break
            self.broker.take(bytes(self.session.tx[self.session.tx_at : self.session.tx_at + n]))
            sent += 1
        return sent

    def receive(self, now: int, chunk: int = 256) -> int:
        """Broker to client; how many bytes."""
        data = bytes(self.broker.to_client)
        self.broker.to_client.clear()
        for at in range(0, len(data), chunk):
            part = bytearray(data[at : at + chunk])
            if self.alive and not self.session.received(part, len(part), now):
                self.cut(self.session.reason)
        return len(data)

    def pump(self, now: int) -> None:
        while self.send(now) + self.receive(now):
            pass
