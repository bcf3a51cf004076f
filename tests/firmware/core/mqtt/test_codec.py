"""The packet codec: what goes in comes out, however the bytes are cut; paho-mqtt agrees; garbage is refused, never raised."""

import socket
import threading

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from firmware.core.mqtt import codec
from firmware.core.mqtt.codec import Decoder
from firmware.core.mqtt.peer import PeerDecoder

SIZE = 512

topics = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40).map(str.encode)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30).map(str.encode)
ids = st.integers(1, 65535)


def packets_of(decoder: Decoder, data: bytes, cuts: list[int] | None = None) -> list[tuple]:
    """Feed in chunks of the given lengths (cycled); what came out, with each kind's fields."""
    found = []
    at = 0
    turn = 0
    while at < len(data):
        size = len(data) if not cuts else max(1, cuts[turn % len(cuts)])
        chunk = data[at : at + size]
        turn += 1
        at += len(chunk)
        i = 0
        while i < len(chunk):
            i = decoder.feed(chunk, i, len(chunk))
            if decoder.kind:
                found.append(fields(decoder))
            if decoder.kind == codec.MALFORMED:
                return found
    return found


def fields(d: Decoder) -> tuple:
    if d.kind == codec.PUBLISH:
        return (d.kind, d.topic(), d.payload(), d.packet_id, d.qos, d.dup, d.retain)
    if d.kind == codec.CONNACK:
        return (d.kind, d.session_present, d.code)
    if d.kind == codec.SUBACK:
        return (d.kind, d.packet_id, d.code)
    if isinstance(d, PeerDecoder) and d.kind == codec.CONNECT:
        return (d.kind, d.connect)
    if isinstance(d, PeerDecoder) and d.kind == codec.SUBSCRIBE:
        return (d.kind, d.packet_id, tuple(d.filters))
    return (d.kind, d.packet_id)


@st.composite
def sent_packets(draw: st.DrawFn) -> tuple[bytes, tuple]:
    """A packet as a client of ours encodes it, and what a decoder has to say of it."""
    buf = bytearray(SIZE)
    kind = draw(st.sampled_from(["connect", "publish", "puback", "subscribe", "pingreq", "disconnect"]))
    if kind == "publish":
        topic, payload = draw(topics), draw(st.binary(max_size=200))
        packet_id, retain = draw(st.just(0) | ids), draw(st.booleans())
        dup = bool(packet_id) and draw(st.booleans())
        n = codec.encode_publish(buf, topic, payload, packet_id, dup, retain)
        return bytes(buf[:n]), (codec.PUBLISH, topic, payload, packet_id, 1 if packet_id else 0, dup, retain)
    if kind == "puback":
        packet_id = draw(ids)
        return bytes(buf[: codec.encode_puback(buf, packet_id)]), (codec.PUBACK, packet_id)
    if kind == "subscribe":
        packet_id, topic, qos = draw(ids), draw(topics), draw(st.integers(0, 1))
        n = codec.encode_subscribe(buf, packet_id, topic, qos)
        return bytes(buf[:n]), (codec.SUBSCRIBE, packet_id, ((topic, qos),))
    if kind == "pingreq":
        return bytes(buf[: codec.encode_pingreq(buf)]), (codec.PINGREQ, 0)
    if kind == "disconnect":
        return bytes(buf[: codec.encode_disconnect(buf)]), (codec.DISCONNECT, 0)
    will_topic = draw(st.none() | topics)
    user = draw(st.none() | texts)
    said = {
        "client_id": draw(texts),
        "clean": draw(st.booleans()),
        "keepalive_s": draw(st.integers(0, 65535)),
        "will_topic": will_topic,
        "will": None if will_topic is None else draw(st.binary(max_size=30)),
        "will_qos": 0 if will_topic is None else draw(st.integers(0, 1)),
        "will_retain": will_topic is not None and draw(st.booleans()),
        "user": user,
        "password": None if user is None else draw(st.binary(max_size=30)),
    }
    n = codec.encode_connect(
        buf,
        said["client_id"],
        user,
        said["password"],
        said["keepalive_s"],
        said["clean"],
        will_topic,
        said["will"] or b"",
        said["will_qos"],
        said["will_retain"],
    )
    return bytes(buf[:n]), (codec.CONNECT, said)


@given(st.lists(sent_packets(), max_size=6), st.lists(st.integers(1, 50), max_size=5))
def test_what_is_encoded_is_decoded_whatever_the_chunks(packets: list[tuple[bytes, tuple]], cuts: list[int]) -> None:
    stream = b"".join(raw for raw, _ in packets)
    assert packets_of(PeerDecoder(SIZE), stream, cuts) == [said for _, said in packets]


@given(topics, st.binary(max_size=300), ids | st.just(0), st.booleans(), st.booleans())
def test_a_payload_rendered_in_place_gives_the_same_publish(
    topic: bytes, payload: bytes, packet_id: int, dup: bool, retain: bool
) -> None:
    copied = bytearray(SIZE)
    n = codec.encode_publish(copied, topic, payload, packet_id, dup, retain)
    buf = bytearray(SIZE)
    at = codec.HEAD_MAX + len(topic)
    buf[at : at + len(payload)] = payload
    start = codec.publish_head(buf, at, len(payload), topic, packet_id, dup, retain)
    assert bytes(buf[start : at + len(payload)]) == bytes(copied[:n])


def test_the_longest_remaining_lengths_stay_within_the_head_allowed_for() -> None:
    for size in (0, 127, 128, 16383, 16384, 70000):
        buf = bytearray(size + 100)
        at = codec.HEAD_MAX + 3
        start = codec.publish_head(buf, at, size, b"a/b", 9, False, False)
        decoder = Decoder(size + 100)
        assert decoder.feed(buf, start, at + size) == at + size
        assert (decoder.kind, decoder.end - decoder.payload_at) == (codec.PUBLISH, size)


@pytest.mark.parametrize("size", range(60))
def test_a_buffer_that_is_too_small_gives_zero_and_is_not_overrun(size: int) -> None:
    for encode in (
        lambda b: codec.encode_connect(
            b, b"tag-000001", b"tag-000001", b"secret", 60, False, b"hw/0/tag-000001/state", b"offline"
        ),
        lambda b: codec.encode_publish(b, b"hw/0/tag-000001/up", b"x" * 40, 7),
        lambda b: codec.encode_subscribe(b, 3, b"hw/0/tag-000001/down", 1),
        codec.encode_pingreq,
        codec.encode_disconnect,
        lambda b: codec.encode_puback(b, 2),
    ):
        whole = bytearray(200)
        n = encode(whole)
        small = bytearray(size)
        assert encode(small) == (n if n <= size else 0)
        assert len(small) == size


broker_packets = st.one_of(
    st.tuples(st.booleans(), st.integers(0, 5)).map(lambda v: (bytes([0x20, 2, v[0], v[1]]), (codec.CONNACK, *v))),
    ids.map(lambda i: (bytes([0x40, 2, i >> 8, i & 255]), (codec.PUBACK, i))),
    st.tuples(ids, st.sampled_from([0, 1, 2, 0x80])).map(
        lambda v: (bytes([0x90, 3, v[0] >> 8, v[0] & 255, v[1]]), (codec.SUBACK, *v)),
    ),
    st.just((b"\xd0\0", (codec.PINGRESP, 0))),
)


@given(st.lists(broker_packets, max_size=8), st.lists(st.integers(1, 9), max_size=5))
def test_a_device_reads_what_a_broker_answers(packets: list[tuple[bytes, tuple]], cuts: list[int]) -> None:
    assert packets_of(Decoder(64), b"".join(raw for raw, _ in packets), cuts) == [said for _, said in packets]


@given(st.binary(max_size=400), st.lists(st.integers(1, 40), max_size=5), st.booleans())
def test_garbage_never_raises_and_never_grows_the_buffer(data: bytes, cuts: list[int], both_ways: bool) -> None:
    decoder = (PeerDecoder if both_ways else Decoder)(64)
    packets_of(decoder, data, cuts)
    assert len(decoder.buf) == 64


@given(st.lists(sent_packets(), min_size=1, max_size=4), st.data())
def test_flipped_bits_and_cut_ends_never_raise(packets: list[tuple[bytes, tuple]], data: st.DataObject) -> None:
    stream = bytearray(b"".join(raw for raw, _ in packets))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for size in (16, SIZE):
        packets_of(PeerDecoder(size), bytes(stream[: data.draw(st.integers(0, len(stream)))]))
        packets_of(Decoder(size), bytes(stream))


@given(st.integers(65, 5000), ids, st.lists(st.integers(1, 100), max_size=4))
def test_a_packet_longer_than_the_buffer_is_skipped_by_name_and_the_next_one_is_read(
    size: int, packet_id: int, cuts: list[int]
) -> None:
    buf = bytearray(size + 100)
    n = codec.encode_publish(buf, b"hw/0/tag-000001/down", bytes(size), packet_id)
    decoder = Decoder(64)
    found = packets_of(decoder, bytes(buf[:n]) + b"\xd0\0", cuts)
    assert found == [(codec.TOO_LONG, packet_id), (codec.PINGRESP, 0)]
    assert len(decoder.buf) == 64


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x30\xff\xff\xff\xff\x01", id="five length bytes"),
        pytest.param(b"\x30\xff\xff\xff\x7f", id="a quarter of a gigabyte"),
        pytest.param(b"\x36\x05\0\1a\0\1", id="qos 3"),
        pytest.param(b"\x38\x03\0\1a", id="dup at qos 0"),
        pytest.param(b"\x32\x05\0\1a\0\0", id="packet id 0"),
        pytest.param(b"\x32\x04\0\1a\0", id="cut packet id"),
        pytest.param(b"\x30\x03\0\5a", id="topic longer than packet"),
        pytest.param(b"\x30\x02\0\0", id="empty topic"),
        pytest.param(b"\x30\x03\0\1\0", id="NUL in topic"),
        pytest.param(b"\x20\x03\0\0\0", id="long CONNACK"),
        pytest.param(b"\x20\x02\2\0", id="CONNACK flags"),
        pytest.param(b"\x40\x02\0\0", id="PUBACK of nothing"),
        pytest.param(b"\x90\x03\0\1\3", id="SUBACK code 3"),
        pytest.param(b"\xd1\0", id="PINGRESP flags"),
        pytest.param(b"\x00\0", id="packet type 0"),
        pytest.param(b"\xf0\0", id="packet type 15"),
    ],
)
def test_a_malformed_packet_is_said_to_be_so_until_reset(raw: bytes) -> None:
    decoder = Decoder(64)
    assert packets_of(decoder, raw)[-1][0] == codec.MALFORMED
    decoder.feed(b"\xd0\0", 0, 2)
    assert decoder.kind == codec.MALFORMED
    decoder.reset()
    decoder.feed(b"\xd0\0", 0, 2)
    assert decoder.kind == codec.PINGRESP


class PahoOnAWire:
    """paho-mqtt as the other party, over a real socket."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="tag-000001", clean_session=False)
        self.heard: list[tuple] = []
        self.connected = threading.Event()
        self.taken = threading.Event()
        self.client.on_connect = lambda *_: self.connected.set()
        self.client.on_message = self._hear

    def _hear(self, _client: mqtt.Client, _user: object, m: mqtt.MQTTMessage) -> None:
        self.heard.append((m.topic.encode(), m.payload, m.mid, m.qos, m.dup, m.retain))
        self.taken.set()

    def __enter__(self) -> "PahoOnAWire":
        self.client.username_pw_set("tag-000001", "secret")
        self.client.will_set("hw/0/tag-000001/state", b"offline", 1, retain=True)
        connecting = threading.Thread(target=self.client.connect, args=("127.0.0.1", self.listener.getsockname()[1], 77))
        connecting.start()
        self.wire, _ = self.listener.accept()
        self.wire.settimeout(10)
        connecting.join()
        self.client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.wire.close()
        self.listener.close()


def test_paho_and_the_codec_understand_each_other() -> None:
    decoder = PeerDecoder(SIZE)
    with PahoOnAWire() as paho:

        def next_packet() -> tuple:
            while True:
                chunk = paho.wire.recv(1)
                assert chunk, "paho closed the connection"
                decoder.feed(chunk, 0, 1)
                if decoder.kind:
                    return fields(decoder)

        kind, said = next_packet()
        assert kind == codec.CONNECT
        assert said == {
            "client_id": b"tag-000001",
            "clean": False,
            "keepalive_s": 77,
            "will_topic": b"hw/0/tag-000001/state",
            "will": b"offline",
            "will_qos": 1,
            "will_retain": True,
            "user": b"tag-000001",
            "password": b"secret",
        }
        ours = bytearray(SIZE)
        n = codec.encode_connect(ours, b"tag-000001", b"tag-000001", b"secret", 77, False, b"hw/0/tag-000001/state", b"offline")
        again = PeerDecoder(SIZE)
        again.feed(ours, 0, n)
        assert again.connect == said and again.length == n == decoder.length

        paho.wire.sendall(b"\x20\x02\x00\x00")
        assert paho.connected.wait(10)
        paho.client.subscribe("hw/0/tag-000001/down", 1)
        kind, subscribe_id, filters = next_packet()
        assert (kind, filters) == (codec.SUBSCRIBE, ((b"hw/0/tag-000001/down", 1),))
        n = codec.encode_subscribe(ours, subscribe_id, b"hw/0/tag-000001/down", 1)
        assert n == decoder.length

        info = paho.client.publish("hw/0/tag-000001/up", b"\0records\xff" * 30, 1, retain=True)
        assert next_packet() == (codec.PUBLISH, b"hw/0/tag-000001/up", b"\0records\xff" * 30, info.mid, 1, False, True)
        n = codec.encode_puback(ours, info.mid)
        paho.wire.sendall(ours[:n])
        info.wait_for_publish(10)

        for packet_id, dup, retain in ((0, False, False), (5, False, True), (65535, True, False)):
            payload = bytes(range(256))
            n = codec.encode_publish(ours, b"hw/0/tag-000001/down", payload, packet_id, dup, retain)
            paho.taken.clear()
            paho.wire.sendall(ours[:n])
            assert paho.taken.wait(10)
            assert paho.heard[-1] == (b"hw/0/tag-000001/down", payload, packet_id, 1 if packet_id else 0, dup, retain)
            if packet_id:
                assert next_packet() == (codec.PUBACK, packet_id)
