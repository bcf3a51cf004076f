"""Frames on a cable: the encoding is everybody's COBS, and nothing that is not a whole frame of this session is taken for one."""

import struct
import zlib

import pytest
from cobs import cobs as peer
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.core import cobs
from tests.firmware.core.interpreter import run

bodies = st.binary(min_size=1, max_size=600) | st.lists(st.sampled_from([b"\0", b"\x01", b"\xff" * 253, b"\xff" * 254])).map(
    lambda parts: b"".join(parts) or b"\0"
)


def encoded(body: bytes) -> bytes:
    buf = bytearray(cobs.GAP + len(body) + 2)
    buf[cobs.GAP : cobs.GAP + len(body)] = body
    return bytes(buf[: cobs.encode(buf, cobs.GAP, len(body))])


def decoded(code: bytes) -> bytes | None:
    buf = bytearray(code)
    n = cobs.decode(buf, len(buf))
    return None if n < 0 else bytes(buf[:n])


def frame(kind: int, number: int, payload: bytes, session: int = 0) -> bytes:
    buf = bytearray(cobs.room(len(payload)))
    buf[cobs.GAP + cobs.HEAD : cobs.GAP + cobs.HEAD + len(payload)] = payload
    return bytes(buf[: cobs.seal(buf, memoryview(buf), kind, number, len(payload), session)])


@given(bodies)
@example(bytes(range(1, 255)))
@example(bytes(range(1, 256)))
@example(b"\xff" * 254 + b"\0")
@example(b"\xff" * 2068)
def test_it_is_the_cobs_of_others(body: bytes):
    code = encoded(body)
    assert code == b"\0" + peer.encode(body) + b"\0"
    assert decoded(code[1:-1]) == body


@given(st.binary(max_size=600))
def test_what_others_refuse_is_refused_and_what_they_read_is_read(code: bytes):
    try:
        expected = peer.decode(code) if code else None
    except peer.DecodeError:
        expected = None
    assert decoded(code) == expected


def test_what_does_not_fit_before_the_body_is_not_begun():
    buf = bytearray(400)
    with pytest.raises(ValueError, match="300 bytes at 2"):
        cobs.encode(buf, 2, 300)
    with pytest.raises(ValueError, match="390 bytes at 16 of 400"):
        cobs.encode(buf, 16, 390)


@given(st.integers(1, 9), st.integers(0, 0xFFFF), st.binary(max_size=300), st.integers(0, 0xFFFFFFFF))
def test_a_frame_is_read_by_its_own_session_alone(kind: int, number: int, payload: bytes, session: int):
    body = bytearray(peer.decode(frame(kind, number, payload, session)[1:-1]))
    assert struct.unpack_from("<I", body, len(body) - 4)[0] == zlib.crc32(body[:-4], session)
    assert cobs.parse(body, len(body), session) == (kind, number, cobs.HEAD + len(payload))
    assert cobs.parse(body, len(body), session ^ 0x5A) is None


@given(st.data(), st.binary(max_size=200))
def test_a_frame_with_a_flaw_is_none(data: st.DataObject, payload: bytes):
    body = bytearray(peer.decode(frame(cobs.MESSAGE, 7, payload, 99)[1:-1]))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    assert cobs.parse(body, len(body), 99) is None


@given(st.binary(max_size=40))
def test_any_bytes_at_all_are_no_frame(data: bytes):
    assert cobs.parse(data, len(data), 0) is None or len(data) >= 7


def test_the_device_makes_the_same_frames():
    payloads = [b"", b"\0", b"\xff" * 254, bytes(range(256)) * 8 + b"\0" * 20]
    script = """
from firmware.core import cobs
from binascii import hexlify, unhexlify
for n in range(4):
    payload = unhexlify(sys.stdin.readline().strip())
    buf = bytearray(cobs.room(len(payload)))
    buf[cobs.GAP + cobs.HEAD : cobs.GAP + cobs.HEAD + len(payload)] = payload
    made = bytes(buf[: cobs.seal(buf, memoryview(buf), cobs.MESSAGE, n, len(payload), 0xFEDCBA98)])
    back = bytearray(made[1:-1])
    length = cobs.decode(back, len(back))
    print(hexlify(made).decode(), cobs.parse(back, length, 0xFEDCBA98))
"""
    for n, line in enumerate(run(script, [payload.hex() for payload in payloads])):
        assert line.startswith(
            f"{frame(cobs.MESSAGE, n, payloads[n], 0xFEDCBA98).hex()} ({cobs.MESSAGE}, {n}, {3 + len(payloads[n])})"
        )
