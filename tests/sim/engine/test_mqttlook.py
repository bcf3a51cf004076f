"""What the engine knows of MQTT: where a packet ends, and what will be answered. Against the firmware's own codec."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.core import ident, message
from firmware.core.mqtt.peer import PeerDecoder
from sim.engine.mqttlook import Splitter, answers, awaited

TOPIC = ident.topic("0", "tag-000001", ident.UP)


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """MQTT 3.1.1 section 2.2, written from the standard."""
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (0x80 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + body


def text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def publish(payload: bytes, packet_id: int = 7, topic: str = TOPIC) -> bytes:
    return packet(3, 2, text(topic) + packet_id.to_bytes(2, "big") + payload)


def sealed(kind: int, count: int = 1) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 1, count, 0x01000001, 1)
    return bytes(header) + bytes(40)


CONNECT = packet(1, 0, text("MQTT") + bytes([4, 0, 2, 88]) + text("tag-000001"))
PACKETS = st.one_of(
    st.just(CONNECT),
    st.just(packet(12, 0, b"")),
    st.builds(lambda n: packet(4, 0, n.to_bytes(2, "big")), st.integers(1, 65535)),
    st.builds(publish, st.binary(max_size=400), st.integers(1, 65535)),
    st.builds(lambda n: packet(8, 2, n.to_bytes(2, "big") + text("hw/0/x/down") + b"\1"), st.integers(1, 65535)),
)


@given(st.lists(PACKETS, max_size=6), st.lists(st.integers(0, 2000), max_size=8))
def test_a_stream_is_cut_where_its_packets_end_however_it_arrives(packets: list[bytes], cuts: list[int]):
    whole = b"".join(packets)
    splitter, found, at = Splitter(), [], 0
    for cut in [*sorted(min(cut, len(whole)) for cut in cuts), len(whole)]:
        found += splitter.feed(whole[at:cut])
        at = cut
    assert found == packets


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_garbage_neither_raises_nor_is_lost_for_ever(chunks: list[bytes]):
    splitter = Splitter()
    for chunk in chunks:
        for found in splitter.feed(chunk):
            awaited(found)
            answers(found)


@given(PACKETS)
def test_what_is_awaited_is_what_the_standard_answers(one: bytes):
    decoder = PeerDecoder(1024)
    assert decoder.feed(one, 0, len(one)) == len(one)
    assert decoder.kind == one[0] >> 4
    expected = {1: "connack", 12: "pingresp", 3: "puback", 8: "suback"}.get(decoder.kind)
    keys = awaited(one)
    assert [name for name, _ in keys] == ([expected] if expected else [])
    if expected in ("puback", "suback"):
        assert keys[0][1] == decoder.packet_id


def test_records_await_the_bridges_receipt_as_well_as_the_brokers_acknowledgement():
    assert awaited(publish(sealed(message.RECORDS), 9)) == [("puback", 9), ("receipt", 0)]
    assert awaited(publish(sealed(message.RELAY_UP), 9)) == [("puback", 9), ("receipt", 0)]
    state = ident.topic("0", "tag-000001", ident.STATE)
    assert awaited(publish(sealed(message.RECORDS), 9, state)) == [("puback", 9)]


def test_answers_are_told_apart():
    assert answers(packet(2, 0, b"\0\0")) == ("connack", 0)
    assert answers(packet(13, 0, b"")) == ("pingresp", 0)
    assert answers(packet(9, 0, b"\0\5\1")) == ("suback", 5)
    assert answers(packet(4, 0, b"\0\6")) == ("puback", 6)
    down = "hw/0/tag-000001/down"
    receipt, order = (sealed(message.DOWN, size) for size in (message.RECEIPT_SIZE, message.ORDER_HEADER))
    assert answers(publish(receipt, topic=down)) == ("receipt", 0)
    assert answers(publish(order, topic=down)) is None, "an order comes before the receipt"
    relay = sealed(message.RELAY_DOWN)[: message.HEADER]
    assert answers(publish(relay + receipt, topic=down)) == ("receipt", 0)
    assert answers(publish(relay + order, topic=down)) is None
    assert answers(publish(b"hello", topic="hw/0/tag-000001/down")) is None
