"""One MQTT 3.1.1 client session: state, no I/O. Time is passed in, in ticks of `port` (milliseconds that wrap).

What it guarantees, with a broker that keeps the durable session (clean session off):
  - Out, QoS 1: a message that a source gave is sent until its PUBACK came or the source says that it is gone. After a lost
    connection it goes again under its old packet id with DUP set; the order is the source's, so it never changes. At most
    `window` messages are without a PUBACK. A message may arrive twice; none arrives changed.
  - In, QoS 1: the PUBACK is sent after the application took the message, so a message may be heard twice. One may come before
    the SUBACK, on a resumed session. Longer ones than `rx_size` are acknowledged and counted (`too_long`), since the broker
    would send them again for ever.
  - A link on which an answer is due and nothing was heard for `response_timeout_ms`, or whose PUBACK is three times as late,
    is given up. An idle link is probed each `keepalive_s`.
  - A refused login or subscription ends the connection with `reason` REFUSED: trying again at once would not help.

No message is kept here. A source holds them (the journal, for records), and renders one into the send buffer each time:
    topic, retain       what goes with its messages: bytes, bool
    poll(now)           token (an int >= 0) of the message to send next, the same one until `sent`; -1 for none
    render(token, view) write the payload to view[0:], return its length; 0 when the message is gone (poll no longer gives it)
    sent(token, now), acked(token, now)
    restart(now)        a new connection: all that is not done has to be sent again, in order
    due_ms(now)         how long until `poll` may give something by time alone; -1 for never
A token stands for one message as long as the source gives it.
"""

from array import array

from ..port import const, ticks_diff
from . import codec
from .codec import Decoder

OFF = const(0)
CONNECTING = const(1)  # CONNECT is due or under way, its answer not here
UP = const(2)

# Why a connection ended.
NO_REASON = const(0)
CLOSED = const(1)  # by the broker or the network
TIMEOUT = const(2)  # an answer is overdue
REFUSED = const(3)  # login or subscription; `code` is the broker's return code
PROTOCOL = const(4)  # the broker sent what makes no sense
DISABLED = const(5)  # by the application

ACKS = const(64)  # PUBACKs that wait to be sent: more than one read can bring about
_LATE_ACK = const(3)


class Session:
    """`start` on a new connection; then `received` what came, send what `next_packet` gives, look at `is_alive` when
    `due_ms` has passed; `stop` when the connection is gone. All texts are bytes.

    `on_message(view, n)` gets each message, valid during the call; False refuses it (no PUBACK: the broker sends it again).
    """

    def __init__(
        self,
        client_id,
        user,
        password,
        down_topic,
        sources,
        on_message,
        will_topic=None,
        will=b"",
        window=8,
        keepalive_s=240,
        response_timeout_ms=20000,
        payload_size=1044,
        rx_size=384,
    ):
        self.client_id = client_id
        self.state = OFF
        self.reason = NO_REASON
        self.code = 0  # of the last CONNACK or SUBACK
        self.session_present = False
        self.response_timeout_ms = response_timeout_ms
        self.too_long = 0
        self.strays = 0  # messages of a topic that was not asked for
        self.resent = 0
        self._user = user
        self._password = password
        self._down_topic = down_topic
        self._sources = sources
        self._on_message = on_message
        self._will_topic = will_topic
        self._will = will
        self._keepalive_s = keepalive_s
        self._payload_at = codec.HEAD_MAX
        for source in sources:
            self._payload_at = max(self._payload_at, codec.HEAD_MAX + len(source.topic))
        login = len(client_id) + len(user or b"") + len(password or b"") + len(will_topic or b"") + len(will)
        self.tx = memoryview(bytearray(max(self._payload_at + payload_size, login + 30)))
        self.tx_at = 0  # where the packet of the last `next_packet` starts
        self._payload = self.tx[self._payload_at :]
        self._decoder = Decoder(rx_size)
        self._rx = memoryview(self._decoder.buf)
        # What is sent and has no PUBACK. Packet id 0: the slot is free.
        self._ids = array("H", bytes(2 * window))
        self._source: list = [None] * window
        self._token = [-1] * window
        self._sent_at = [0] * window
        self._again = bytearray(window)  # not yet sent on this connection
        self._last_id = 0
        self._acks = array("H", bytes(2 * ACKS))
        self._acks_n = 0
        self._subscribe_id = 0  # of the SUBSCRIBE without an answer
        self._subscribe_due = False
        self._connect_due = False
        self._ping_waits = False
        self._waiting = False
        self._wait_since = 0
        self._last_tx = 0

    # A connection begins and ends.

    def start(self, now):
        """A new connection stands: CONNECT is the next packet."""
        self._decoder.reset()
        self.state = CONNECTING
        self.reason = NO_REASON
        self.session_present = False
        self._acks_n = 0
        self._subscribe_id = 0
        self._subscribe_due = True
        self._ping_waits = False
        self._waiting = False
        self._last_tx = now
        self._connect_due = True
        for slot in range(len(self._ids)):
            self._again[slot] = 1 if self._ids[slot] else 0
        for source in self._sources:
            source.restart(now)

    def stop(self, reason):
        """The connection is gone. The first reason given stands."""
        self.state = OFF
        if not self.reason:
            self.reason = reason

    @property
    def in_flight(self):
        """How many messages are sent and not acknowledged."""
        n = 0
        for slot in range(len(self._ids)):
            if self._ids[slot] and not self._again[slot]:
                n += 1
        return n

    # Out.

    def next_packet(self, now):
        """Length of the next packet to write, at tx[tx_at:]; 0 when there is none now. Write it whole, in one piece."""
        n = self._next(now)
        if n:
            self._last_tx = now
        return n

    def goodbye(self):
        """Length of a DISCONNECT at tx[tx_at:], 0 when not connected. The broker then drops the last will."""
        if self.state != UP:
            return 0
        self.tx_at = 0
        return codec.encode_disconnect(self.tx)

    def _next(self, now):
        self.tx_at = 0
        tx = self.tx
        if self.state == CONNECTING:
            if not self._connect_due:
                return 0
            self._connect_due = False
            self._wait(now)
            will = self._will_topic
            return codec.encode_connect(
                tx, self.client_id, self._user, self._password, self._keepalive_s, False, will, self._will
            )
        if self.state != UP:
            return 0
        if self._acks_n:
            self._acks_n -= 1
            packet_id = self._acks[0]
            for i in range(self._acks_n):
                self._acks[i] = self._acks[i + 1]
            return codec.encode_puback(tx, packet_id)
        if self._subscribe_due:
            # Also on a resumed session: the answer tells whether this device may still hear its topic.
            self._subscribe_due = False
            self._subscribe_id = self._new_id()
            self._wait(now)
            return codec.encode_subscribe(tx, self._subscribe_id, self._down_topic, 1)
        n = self._publish(now)
        if n:
            return n
        if self._keepalive_s and not self._ping_waits and ticks_diff(now, self._last_tx) >= self._keepalive_s * 1000:
            self._ping_waits = True
            self._wait(now)
            return codec.encode_pingreq(tx)
        return 0

    def _publish(self, now):
        for source in self._sources:
            while True:
                token = source.poll(now)
                if token < 0:
                    break
                slot = self._slot_of(source, token)
                if slot < 0:
                    break  # the window is full
                size = source.render(token, self._payload)
                if size:
                    return self._publish_slot(slot, source, token, size, now)
                self._free(slot)
        return 0

    def _slot_of(self, source, token):
        # Where the message is, or can be; -1 when the window is full.
        free = -1
        for slot in range(len(self._ids)):
            if not self._ids[slot]:
                free = slot
            elif self._token[slot] == token and self._source[slot] is source:
                return slot
        if free < 0:
            # A message of the last connection that was not sent again yet: it is done elsewhere (receipted over another
            # carrier, replaced), or it comes later in its source's order and then goes under a new packet id.
            for slot in range(len(self._ids)):
                if self._again[slot]:
                    free = slot
            if free >= 0:
                self._free(free)
        return free

    def _publish_slot(self, slot, source, token, size, now):
        dup = self._ids[slot] != 0
        if dup:
            self.resent += 1
        else:
            self._ids[slot] = self._new_id()
            self._source[slot] = source
            self._token[slot] = token
        self._sent_at[slot] = now
        self._again[slot] = 0
        self._wait(now)
        source.sent(token, now)
        self.tx_at = codec.publish_head(self.tx, self._payload_at, size, source.topic, self._ids[slot], dup, source.retain)
        return self._payload_at + size - self.tx_at

    def _new_id(self):
        while True:
            self._last_id = self._last_id % 65535 + 1
            taken = self._last_id == self._subscribe_id
            for packet_id in self._ids:
                taken = taken or packet_id == self._last_id
            if not taken:
                return self._last_id

    def _free(self, slot):
        self._ids[slot] = 0
        self._again[slot] = 0
        self._source[slot] = None

    # In.

    def received(self, data, n, now):
        """Take data[0:n]. False when the connection has to be ended; `reason` then says why."""
        decoder = self._decoder
        self._wait_since = now
        at = 0
        while at < n:
            at = decoder.feed(data, at, n)
            if decoder.kind and not self._packet(decoder.kind, now):
                return False
        if not self._ping_waits and not self._subscribe_id and self.state == UP:
            self._waiting = self.in_flight != 0
        return True

    def _packet(self, kind, now):
        decoder = self._decoder
        if kind == codec.CONNACK:
            if self.state != CONNECTING or self._connect_due:
                return self._end(PROTOCOL)
            self.code = decoder.code
            if decoder.code:
                return self._end(REFUSED)
            self.session_present = decoder.session_present
            self.state = UP
            return True
        if self.state != UP:
            return self._end(PROTOCOL)
        if kind == codec.PUBACK:
            self._acknowledged(decoder.packet_id, now)
        elif kind == codec.PUBLISH:
            return self._message()
        elif kind == codec.TOO_LONG:
            self.too_long += 1
            return not decoder.packet_id or self._acknowledge(decoder.packet_id)
        elif kind == codec.SUBACK:
            if decoder.packet_id == self._subscribe_id:
                self._subscribe_id = 0
                self.code = decoder.code
                if decoder.code == codec.SUBACK_FAILURE:
                    return self._end(REFUSED)
        elif kind == codec.PINGRESP:
            self._ping_waits = False
        else:
            return self._end(PROTOCOL)
        return True

    def _acknowledged(self, packet_id, now):
        for slot in range(len(self._ids)):
            # One that was not sent on this connection cannot be answered on it.
            if self._ids[slot] == packet_id and not self._again[slot]:
                source = self._source[slot]
                self._free(slot)
                source.acked(self._token[slot], now)
                return

    def _message(self):
        decoder = self._decoder
        if decoder.qos > 1:
            return self._end(PROTOCOL)  # never asked for
        at = decoder.payload_at
        if not decoder.topic_is(self._down_topic):
            self.strays += 1
        elif self._on_message(self._rx[at : decoder.end], decoder.end - at) is False:
            return True
        return not decoder.packet_id or self._acknowledge(decoder.packet_id)

    def _acknowledge(self, packet_id):
        if self._acks_n == ACKS:
            return self._end(PROTOCOL)
        self._acks[self._acks_n] = packet_id
        self._acks_n += 1
        return True

    def _end(self, reason):
        self.reason = reason
        return False

    # Time.

    def _wait(self, now):
        if not self._waiting:
            self._waiting = True
            self._wait_since = now

    def is_alive(self, now):
        """False when an answer is overdue; `reason` is then TIMEOUT."""
        if self._overdue_ms(now) > 0:
            return True
        return self._end(TIMEOUT)

    def _overdue_ms(self, now):
        # How long until the link is given up for dead, unless something is heard.
        left = 1 << 28
        if self._waiting:
            left = self.response_timeout_ms - ticks_diff(now, self._wait_since)
        for slot in range(len(self._ids)):
            if self._ids[slot] and not self._again[slot]:
                left = min(left, _LATE_ACK * self.response_timeout_ms - ticks_diff(now, self._sent_at[slot]))
        return left

    def due_ms(self, now):
        """How long until `is_alive` and `next_packet` have to be asked again though nothing came, in ms."""
        due = self._overdue_ms(now)
        if self.state == UP:
            if self._keepalive_s and not self._ping_waits:
                due = min(due, self._keepalive_s * 1000 - ticks_diff(now, self._last_tx))
            if self.in_flight < len(self._ids):  # with a full window nothing can go before an answer comes
                for source in self._sources:
                    wait = source.due_ms(now)
                    if wait >= 0:
                        due = min(due, wait)
        return max(due, 0)
