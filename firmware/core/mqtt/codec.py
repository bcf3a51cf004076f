"""MQTT 3.1.1 packets (OASIS standard of 29 October 2014; sections in brackets): bytes in, bytes out, no sockets, no session.

Encoders write into a buffer that the caller owns and return the packet's length from offset 0, or 0 when it does not fit.
`publish_head` serves a payload that was rendered into the buffer first, so that nothing is copied.

`Decoder` takes any chunks. It never raises and holds at most the `size` bytes given to it: a longer packet is skipped and
reported as TOO_LONG; after MALFORMED nothing more can be understood and the connection has to be dropped (`reset` for a new
one). It knows what a broker sends; `peer.PeerDecoder` also knows what a client sends.
"""

from ..port import const

CONNECT = const(1)
CONNACK = const(2)
PUBLISH = const(3)
PUBACK = const(4)
SUBSCRIBE = const(8)
SUBACK = const(9)
PINGREQ = const(12)
PINGRESP = const(13)
DISCONNECT = const(14)

# What `Decoder.kind` says when it is no packet.
NOTHING = const(0)
MALFORMED = const(-1)
TOO_LONG = const(-2)

SUBACK_FAILURE = const(0x80)  # [3.9.3]
HEAD_MAX = const(9)  # bytes that a QoS 1 PUBLISH needs before its payload, besides the topic: 1 + 4 + 2 + 2
SKIP_MAX = const(0x100000)  # a packet longer than this is taken for garbage rather than skipped

_MORE = const(0)
_FIRST = const(1)
_LENGTH = const(2)
_BODY = const(3)
_SKIP = const(4)
_BROKEN = const(5)

_HEAD_KEPT = const(4)  # bytes of a skipped PUBLISH that are looked at, besides the topic


def _fixed_header(buf, at, first, remaining):
    # [2.2.3]: seven bits a byte, the least significant first.
    buf[at] = first
    at += 1
    while True:
        digit = remaining & 0x7F
        remaining >>= 7
        buf[at] = digit | 0x80 if remaining else digit
        at += 1
        if not remaining:
            return at


def _length_size(remaining):
    return 1 if remaining < 0x80 else 2 if remaining < 0x4000 else 3 if remaining < 0x200000 else 4


def _put16(buf, at, value):
    buf[at] = value >> 8
    buf[at + 1] = value & 0xFF
    return at + 2


def _put_field(buf, at, data):
    at = _put16(buf, at, len(data))
    buf[at : at + len(data)] = data
    return at + len(data)


def encode_connect(buf, client_id, user, password, keepalive_s, clean, will_topic=None, will=b"", will_qos=1, will_retain=True):
    """CONNECT [3.1]. All texts are bytes in UTF-8; `user` None means no login, `will_topic` None no last will."""
    flags = 2 if clean else 0
    remaining = 10 + 2 + len(client_id)
    if will_topic is not None:
        flags |= 4 | will_qos << 3 | (32 if will_retain else 0)
        remaining += 4 + len(will_topic) + len(will)
    if user is not None:
        flags |= 192
        remaining += 4 + len(user) + len(password)
    if 1 + _length_size(remaining) + remaining > len(buf):
        return 0
    at = _fixed_header(buf, 0, 0x10, remaining)
    at = _put_field(buf, at, b"MQTT")
    buf[at] = 4
    buf[at + 1] = flags
    at = _put16(buf, at + 2, keepalive_s)
    at = _put_field(buf, at, client_id)
    if will_topic is not None:
        at = _put_field(buf, at, will_topic)
        at = _put_field(buf, at, will)
    if user is not None:
        at = _put_field(buf, at, user)
        at = _put_field(buf, at, password)
    return at


def publish_head(buf, payload_at, payload_size, topic, packet_id, dup, retain):
    """Complete a PUBLISH [3.3] whose payload stands at buf[payload_at:]: writes what comes before it, right up to it.

    `payload_at` must be at least HEAD_MAX + len(topic). `packet_id` 0 means QoS 0. Returns where the packet starts.
    """
    qos = 1 if packet_id else 0
    head = 2 + len(topic) + 2 * qos
    remaining = head + payload_size
    start = payload_at - head - _length_size(remaining) - 1
    at = _fixed_header(buf, start, 0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), remaining)
    at = _put_field(buf, at, topic)
    if qos:
        _put16(buf, at, packet_id)
    return start


def encode_publish(buf, topic, payload, packet_id, dup=False, retain=False):
    """PUBLISH [3.3] of a payload that stands elsewhere. `packet_id` 0 means QoS 0."""
    size = len(payload)
    head = 2 + len(topic) + (2 if packet_id else 0)
    payload_at = 1 + _length_size(head + size) + head
    if payload_at + size > len(buf):
        return 0
    buf[payload_at : payload_at + size] = payload
    publish_head(buf, payload_at, size, topic, packet_id, dup, retain)
    return payload_at + size


def encode_puback(buf, packet_id):
    """PUBACK [3.4]."""
    if len(buf) < 4:
        return 0
    buf[0] = 0x40
    buf[1] = 2
    return _put16(buf, 2, packet_id)


def encode_subscribe(buf, packet_id, topic, qos):
    """SUBSCRIBE [3.8] to one topic filter."""
    remaining = 2 + 2 + len(topic) + 1
    if 1 + _length_size(remaining) + remaining > len(buf):
        return 0
    at = _fixed_header(buf, 0, 0x82, remaining)
    at = _put16(buf, at, packet_id)
    at = _put_field(buf, at, topic)
    buf[at] = qos
    return at + 1


def encode_pingreq(buf):
    """PINGREQ [3.12]."""
    return _fixed_header(buf, 0, 0xC0, 0) if len(buf) >= 2 else 0


def encode_disconnect(buf):
    """DISCONNECT [3.14]."""
    return _fixed_header(buf, 0, 0xE0, 0) if len(buf) >= 2 else 0


class Decoder:
    """Packets out of a byte stream. After `feed`, `kind` says what ended there and the fields of that packet are valid.

    Every packet: `length`, its bytes on the wire. CONNACK: `session_present`, `code`. PUBACK: `packet_id`. SUBACK:
    `packet_id`, `code` (the first). PUBLISH: `topic()`, `qos`, `dup`, `retain`, `packet_id` (0 at QoS 0) and the payload in
    buf[payload_at:end], there until the next `feed`. TOO_LONG: `packet_id` when it was a QoS 1 PUBLISH, else 0.
    """

    def __init__(self, size):
        self.buf = bytearray(size)
        self.reset()

    def reset(self):
        """Forget everything: for a new connection."""
        self.kind = NOTHING
        self.first = 0
        self.length = 0
        self.end = 0
        self.packet_id = 0
        self.code = 0
        self.session_present = False
        self.payload_at = 0
        self.qos = 0
        self._state = _FIRST
        self._size = 0  # of the packet's body
        self._shift = 0
        self._left = 0

    @property
    def dup(self):
        return bool(self.first & 8)

    @property
    def retain(self):
        return bool(self.first & 1)

    def topic(self):
        """The topic of the PUBLISH, a copy."""
        return bytes(self.buf[2 : 2 + (self.buf[0] << 8 | self.buf[1])])

    def topic_is(self, topic):
        """Whether the PUBLISH has this topic (bytes), without a copy."""
        buf = self.buf
        if buf[0] << 8 | buf[1] != len(topic):
            return False
        for i in range(len(topic)):
            if buf[2 + i] != topic[i]:
                return False
        return True

    def payload(self):
        """The payload of the PUBLISH, a copy."""
        return bytes(self.buf[self.payload_at : self.end])

    def feed(self, data, at, end):
        """Take data[at:end] up to the end of one packet; returns how far it came. Call again while it is below `end`."""
        self.kind = NOTHING
        while at < end:
            state = self._state
            if state == _FIRST:
                self.first = data[at]
                at += 1
                self.length = 1
                self._size = 0
                self._shift = 0
                self.end = 0
                self._state = _LENGTH
            elif state == _LENGTH:
                digit = data[at]
                at += 1
                self.length += 1
                self._size |= (digit & 0x7F) << self._shift
                self._shift += 7
                if digit & 0x80:
                    if self._shift == 28:
                        return self._break(end)
                    continue
                if not self._begin():
                    return self._break(end)
                if not self._left:
                    return self._finish(at, end)
            elif state == _BODY:
                n = end - at
                if n > self._left:
                    n = self._left
                self.buf[self.end : self.end + n] = data[at : at + n]
                self.end += n
                self._left -= n
                at += n
                if not self._left:
                    return self._finish(at, end)
            elif state == _SKIP:
                n = end - at
                if n > self._left:
                    n = self._left
                room = len(self.buf) - self.end
                if room:
                    keep = n if n < room else room
                    self.buf[self.end : self.end + keep] = data[at : at + keep]
                    self.end += keep
                self._left -= n
                at += n
                if not self._left:
                    return self._finish(at, end)
            else:
                return self._break(end)
        return at

    def _break(self, end):
        self._state = _BROKEN
        self.kind = MALFORMED
        return end

    def _begin(self):
        # The fixed header is complete. False when no packet begins like this.
        kind = self.first >> 4
        if kind == PUBLISH:
            self.qos = self.first >> 1 & 3
            if self.qos == 3 or (self.qos == 0 and self.first & 8):
                return False
        elif not self._fixed_is_right(kind, self.first & 15, self._size):
            return False
        self._left = self._size
        self.length += self._size
        if self._size <= len(self.buf):
            self._state = _BODY
        elif self._size <= SKIP_MAX:
            self._state = _SKIP
        else:
            return False
        return True

    def _fixed_is_right(self, kind, flags, size):
        if kind == CONNACK or kind == PUBACK:
            return flags == 0 and size == 2
        if kind == SUBACK:
            return flags == 0 and size >= 3
        return kind == PINGRESP and flags == 0 and size == 0

    def _finish(self, at, end):
        # A whole packet stands in buf[0:self.end] (or its beginning, when it was skipped).
        skipped = self._state == _SKIP
        self._state = _FIRST
        kind = self.first >> 4
        self.packet_id = 0
        if kind == PUBLISH:
            if not self._publish(skipped):
                return self._break(end)
        elif skipped:
            pass
        elif not self._body(kind):
            return self._break(end)
        self.kind = TOO_LONG if skipped else kind
        return at

    def _publish(self, skipped):
        buf = self.buf
        if self.end < 2:
            return skipped
        size = buf[0] << 8 | buf[1]
        at = 2 + size + (2 if self.qos else 0)
        if at > self._size or not size:
            return False
        if at > self.end:
            return True  # skipped, with a topic longer than the buffer: its id is not known
        for i in range(2, 2 + size):
            if not buf[i]:
                return False  # [1.5.3]: no NUL in a topic
        if self.qos:
            self.packet_id = buf[at - 2] << 8 | buf[at - 1]
            if not self.packet_id:
                return False
        self.payload_at = at
        return True

    def _body(self, kind):
        # The packets with a body other than PUBLISH. False when it is malformed.
        buf = self.buf
        if kind == CONNACK:
            self.session_present = buf[0] == 1
            self.code = buf[1]
            return buf[0] < 2
        if kind == PUBACK or kind == SUBACK:
            self.packet_id = buf[0] << 8 | buf[1]
            if kind == SUBACK:
                self.code = buf[2]
                for i in range(2, self.end):
                    if buf[i] > 2 and buf[i] != SUBACK_FAILURE:
                        return False
            return self.packet_id != 0
        return True
