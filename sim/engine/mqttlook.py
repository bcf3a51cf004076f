"""A look at the MQTT packets that pass between a device and the broker, to know which of them await an answer.

Only framing and the few fields that matter for that; what the packets mean is the business of firmware and bridge.
"""

from firmware.core import ident, message
from firmware.core.message import DOWN, RECORDS, RELAY_UP

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13

Key = tuple[str, int]  # what is awaited, and the packet id where there is one


class Splitter:
    """Cuts a byte stream into whole MQTT packets (MQTT 3.1.1 section 2.2)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The packets that `data` completes."""
        buffer = self._buffer + data
        packets = []
        while True:
            end = _packet_end(buffer)
            if end is None:
                break
            packets.append(buffer[:end])
            buffer = buffer[end:]
        self._buffer = buffer
        return packets


def _packet_end(buffer: bytes) -> int | None:
    length = 0
    for i in range(1, 5):
        if len(buffer) <= i:
            return None
        length |= (buffer[i] & 0x7F) << 7 * (i - 1)
        if not buffer[i] & 0x80:
            end = i + 1 + length
            return end if len(buffer) >= end else None
    return len(buffer)  # four continuation bytes: not MQTT; let it pass whole


def awaited(packet: bytes) -> list[Key]:
    """What a packet from a device will be answered with: the broker's acknowledgement, and the bridge's receipt."""
    kind = packet[0] >> 4
    if kind == CONNECT:
        return [("connack", 0)]
    if kind == PINGREQ:
        return [("pingresp", 0)]
    if kind == SUBSCRIBE:
        return [("suback", _packet_id(packet))]
    if kind == PUBLISH and packet[0] & 0x06:
        topic, packet_id, payload = _publish(packet)
        keys = [("puback", packet_id)]
        header = message.parse_header(payload[: message.HEADER])
        if topic.endswith("/" + ident.UP) and header is not None and header[0] in (RECORDS, RELAY_UP):
            keys.append(("receipt", 0))
        return keys
    return []


def answers(packet: bytes) -> Key | None:
    """What a packet from the broker answers, or None when nobody asked for it."""
    kind = packet[0] >> 4
    if kind == CONNACK:
        return ("connack", 0)
    if kind == PINGRESP:
        return ("pingresp", 0)
    if kind == SUBACK:
        return ("suback", _packet_id(packet))
    if kind == PUBACK:
        return ("puback", _packet_id(packet))
    if kind == PUBLISH:
        _, _, payload = _publish(packet)
        header = message.parse_header(payload[: message.HEADER])
        if header is not None and header[0] == message.RELAY_DOWN:
            header = message.parse_header(payload[message.HEADER : 2 * message.HEADER])
        # An order may come first; of what is sealed only the length of the body tells the two apart.
        if header is not None and header[0] == DOWN and header[2] == message.RECEIPT_SIZE:
            return ("receipt", 0)
    return None


def keepalive_s(packet: bytes) -> int:
    """Within how many seconds a CONNECT promises that the client says something (MQTT 3.1.1 section 3.1.2.10); 0: not at all."""
    at = _body(packet) + 8  # the protocol's name, its level, and the flags
    return int.from_bytes(packet[at : at + 2], "big") if packet[0] >> 4 == CONNECT else 0


def acknowledges(packet: bytes) -> int:
    """Whose receipt a PUBACK tells of, by packet id; 0 when it is none."""
    return _packet_id(packet) if packet[0] >> 4 == PUBACK else 0


def given_as(packet: bytes) -> int:
    """The id under which the broker gave a message and awaits its PUBACK; 0 when it awaits none."""
    return _publish(packet)[1] if packet[0] >> 4 == PUBLISH else 0


def _body(packet: bytes) -> int:
    i = 1
    while i < len(packet) and packet[i] & 0x80:
        i += 1
    return i + 1


def _packet_id(packet: bytes) -> int:
    at = _body(packet)
    return int.from_bytes(packet[at : at + 2], "big")


def _publish(packet: bytes) -> tuple[str, int, bytes]:
    at = _body(packet)
    length = int.from_bytes(packet[at : at + 2], "big")
    topic = packet[at + 2 : at + 2 + length].decode("utf-8", "replace")
    at += 2 + length
    packet_id = 0
    if packet[0] & 0x06:
        packet_id = int.from_bytes(packet[at : at + 2], "big")
        at += 2
    return topic, packet_id, packet[at:]
