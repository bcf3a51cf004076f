"""Decodes what a client sends as well as what a broker sends: for the simulator's engine, for tests, never on a device.

The same guarantees as `codec.Decoder`. Beyond its packets: CONNECT (`connect`: a dict), SUBSCRIBE (`packet_id`, `filters`:
a list of (topic filter, QoS)), UNSUBSCRIBE (`packet_id`, `filters` with QoS None), UNSUBACK, PINGREQ, DISCONNECT, and the
QoS 2 packets PUBREC, PUBREL, PUBCOMP (`packet_id`).
"""

from .codec import CONNECT, DISCONNECT, PINGREQ, SUBSCRIBE, Decoder

PUBREC = 5
PUBREL = 6
PUBCOMP = 7
UNSUBSCRIBE = 10
UNSUBACK = 11


class PeerDecoder(Decoder):
    """A decoder for either direction of a connection (one for each)."""

    def reset(self):
        super().reset()
        self.connect = None
        self.filters = []

    def _fixed_is_right(self, kind, flags, size):
        if kind == CONNECT:
            return flags == 0 and size >= 12
        if kind in (PUBREC, PUBCOMP, UNSUBACK):
            return flags == 0 and size == 2
        if kind == PUBREL:
            return flags == 2 and size == 2
        if kind == SUBSCRIBE:
            return flags == 2 and size >= 6
        if kind == UNSUBSCRIBE:
            return flags == 2 and size >= 5
        if kind in (PINGREQ, DISCONNECT):
            return flags == 0 and size == 0
        return super()._fixed_is_right(kind, flags, size)

    def _body(self, kind):
        if kind == CONNECT:
            self.connect = _parse_connect(bytes(self.buf[: self.end]))
            return self.connect is not None
        if kind in (PUBREC, PUBREL, PUBCOMP, UNSUBACK):
            self.packet_id = self.buf[0] << 8 | self.buf[1]
            return self.packet_id != 0
        if kind in (SUBSCRIBE, UNSUBSCRIBE):
            self.packet_id = self.buf[0] << 8 | self.buf[1]
            self.filters = _parse_filters(bytes(self.buf[2 : self.end]), kind == SUBSCRIBE)
            return bool(self.packet_id and self.filters)
        return super()._body(kind)


def _field(body, at):
    # (bytes, where the next begins), or (None, at) when it is cut short.
    if at + 2 > len(body):
        return None, at
    size = body[at] << 8 | body[at + 1]
    if at + 2 + size > len(body):
        return None, at
    return body[at + 2 : at + 2 + size], at + 2 + size


def _parse_connect(body):
    name, at = _field(body, 0)
    if name != b"MQTT" or at + 4 > len(body) or body[at] != 4:
        return None
    flags = body[at + 1]
    will_qos = flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not flags & 4 and flags & 0x38) or flags & 0xC0 == 0x40:
        return None
    found = {
        "clean": bool(flags & 2),
        "keepalive_s": body[at + 2] << 8 | body[at + 3],
        "will_qos": will_qos,
        "will_retain": bool(flags & 32),
        "will_topic": None,
        "will": None,
        "user": None,
        "password": None,
    }
    at += 4
    wanted = ["client_id"]
    if flags & 4:
        wanted += ["will_topic", "will"]
    if flags & 128:
        wanted += ["user"]
    if flags & 64:
        wanted += ["password"]
    for name in wanted:
        found[name], at = _field(body, at)
        if found[name] is None:
            return None
    return found if at == len(body) else None


def _parse_filters(body, with_qos):
    at = 0
    filters = []
    while at < len(body):
        text, at = _field(body, at)
        if not text:
            return []
        qos = None
        if with_qos:
            if at >= len(body) or body[at] > 2:
                return []
            qos = body[at]
            at += 1
        filters.append((text, qos))
    return filters
