"""What a device asks for is what it is handed: the pieces of the image, as the firmware reads them."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.releases import rollout
from firmware.core import message, record


@given(
    number=st.integers(1, 0xFFFFFFFF), offset=st.integers(0, 0xFFFFFF), pieces=st.integers(0, 127), size=st.integers(0, 20_000)
)
def test_every_piece_is_of_the_image_and_in_its_place(number: int, offset: int, pieces: int, size: int):
    raw = bytearray(record.SIZE)
    record.pack_event(raw, 1, 0, 0, 0, record.UPDATE, number, pieces << 24 | offset, None)
    said = record.Record(raw)
    asked = rollout.wanted(said.value_a, said.value_b)
    assert asked == (number, offset, pieces)
    image = bytes(i * 7 & 0xFF for i in range(size))
    at = offset
    for body in rollout.pieces(asked, image):
        assert len(body) <= 255 and message.parse_order(body) is None and message.parse_receipt(body) is None
        assert message.parse_update(body) == (number, at)
        data = body[message.UPDATE_HEADER :]
        assert data == image[at : at + len(data)] and data
        at += len(data)
    assert at == max(min(offset + pieces * message.UPDATE_DATA_MAX, size), offset)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_piece_by_chance_that_cannot_be_one(body: bytes):
    parsed = message.parse_update(body)
    assert (parsed is not None) == (len(body) > message.UPDATE_HEADER and body[0] == message.UPDATE)
