"""The envelope: what is in clear, how long the sealed message is, and a nonce that only its header decides."""

from hypothesis import given
from hypothesis import strategies as st

from firmware.core import message
from firmware.core.link import MESSAGE_MAX
from tests.firmware.core.interpreter import run

u32 = st.integers(0, 2**32 - 1)
u8 = st.integers(0, 255)
kinds = st.integers(message.RECORDS, message.RELAY_DOWN)


def header_of(kind: int, key_id: int, count: int, device: int, number: int) -> bytes:
    buf = bytearray(message.HEADER)
    message.pack_header(buf, kind, key_id, count, device, number)
    return bytes(buf)


def nonce_of(header: bytes) -> bytes:
    buf = bytearray(b"\xee" * message.NONCE)
    message.nonce_into(buf, header)
    return bytes(buf)


@given(kinds, u8, st.integers(-128, 255), u32, u32)
def test_a_header_comes_back(kind: int, key_id: int, count: int, device: int, number: int):
    header = header_of(kind, key_id, count, device, number)
    assert message.parse_header(header) == (kind, key_id, count & 0xFF, device, number)
    assert message.parse_header(header + b"sealed bytes") == message.parse_header(header)


@given(st.binary(max_size=40))
def test_a_foreign_header_is_none(data: bytes):
    ours = len(data) >= 12 and data[0] >> 4 == 1 and 1 <= data[0] & 15 <= 4 and data[3] == 0
    assert (message.parse_header(data) is not None) == ours
    if not ours:
        assert message.sealed_length(data) == 0


def test_the_length_of_a_sealed_message_follows_from_its_header():
    assert message.sealed_length(header_of(message.RECORDS, 1, 3, 1, 1)) == 12 + 96 + 8
    assert message.sealed_length(header_of(message.RECORDS, 1, message.RECORDS_MAX, 1, 1)) == 2068
    assert message.sealed_length(header_of(message.DOWN, 1, message.RECEIPT_SIZE, 1, 1)) == 12 + 9 + 8
    assert message.sealed_length(header_of(message.RELAY_UP, 1, 200, 1, 0)) == 0


headers = st.tuples(kinds, u8, u8, u32, u32)


@given(headers, headers)
def test_different_messages_have_different_nonces(one: tuple, other: tuple):
    assert (nonce_of(header_of(*one)) == nonce_of(header_of(*other))) == (one == other)


@given(u32, u32)
def test_a_receipt_comes_back(through: int, first: int):
    body = message.pack_receipt(through, first)
    assert len(body) == message.RECEIPT_SIZE
    assert message.parse_receipt(body) == (through, first)


@given(st.binary(max_size=20))
def test_what_is_no_receipt_is_none(body: bytes):
    ours = len(body) == 9 and body[0] == message.RECEIPT
    assert (message.parse_receipt(body) is not None) == ours


def test_the_device_packs_the_same_headers_and_makes_a_nonce_without_allocating():
    script = """
import micropython
from firmware.core import message
from firmware.core.link import MESSAGE_MAX
buf = bytearray(12)
nonce = bytearray(13)
message.pack_header(buf, 2, 7, -90, 0x0200ABCD, 0xFFFFFFFE)
micropython.heap_lock()
message.nonce_into(nonce, buf)
micropython.heap_unlock()
print(buf.hex(), nonce.hex(), message.parse_header(buf))
"""
    header = header_of(2, 7, -90, 0x0200ABCD, 0xFFFFFFFE)
    assert run(script) == [f"{header.hex()} {nonce_of(header).hex()} {message.parse_header(header)}"]


orders = st.integers(0, 2**32 - 1), u8, st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=110)


@given(*orders)
def test_a_piece_of_an_order_comes_back_when_it_fits(number: int, kind: int, offset: int, total: int, data: bytes):
    body = message.pack_order(number, kind, offset, total, data)
    assert len(body) == message.ORDER_HEADER + len(data) and body[message.ORDER_HEADER :] == data
    fits = number and total <= message.ORDER_TOTAL_MAX and len(data) <= message.ORDER_DATA_MAX and offset + len(data) <= total
    assert message.parse_order(body) == ((number, kind, offset, total) if fits and (data or not total) else None)
    assert message.parse_receipt(body) is None


@given(st.binary(max_size=130))
def test_any_bytes_are_an_order_that_fits_or_none(body: bytes):
    for raw in (body, bytes([message.ORDER]) + body):
        parsed = message.parse_order(raw)
        if parsed is not None:
            number, kind, offset, total = parsed
            assert message.pack_order(number, kind, offset, total, raw[message.ORDER_HEADER :]) == raw


def test_the_largest_piece_of_an_order_fits_a_fragmented_household_message():
    body = message.pack_order(2**32 - 1, 2, 0, message.ORDER_DATA_MAX, bytes(message.ORDER_DATA_MAX))
    assert message.HEADER + len(body) + message.TAG_LENGTH <= MESSAGE_MAX
