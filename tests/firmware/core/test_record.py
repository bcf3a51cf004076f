"""The record's 32 bytes: the layout of its docstring, unknown values, and nothing but a whole record is one."""

import struct
from binascii import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import record
from tests.firmware.core.interpreter import run

u32 = st.integers(0, 2**32 - 1)
i32 = st.integers(-(2**31), 2**31 - 1)
u16 = st.integers(0, 2**16 - 1)
u8 = st.integers(0, 255)
anything = st.none() | st.integers(-10, 70_000)


def clipped(value: int | None, top: int) -> int | None:
    return value if value is not None and 0 <= value < top else None


@given(u32, u32, u8, u16, i32, i32, anything, anything, st.none() | st.integers(-5, 400), anything, anything, anything)
def test_a_fix_comes_back_and_what_does_not_fit_is_unknown(
    seq, time_s, flags, millis, lat, lon, speed, radius, course, sats, hdop, bat
):
    raw = bytearray(32)
    record.pack_fix(raw, seq, time_s, flags, millis, lat, lon, speed, radius, course, sats, hdop, bat)
    one = record.Record(raw)
    assert (one.seq, one.time_s, one.kind, one.flags, one.millis) == (seq, time_s, record.FIX, flags, millis)
    assert (one.lat_e7, one.lon_e7) == (lat, lon)
    assert (one.speed_cms, one.radius_dm) == (clipped(speed, 65535), clipped(radius, 65535))
    assert (one.satellites, one.hdop_tenths, one.battery) == (clipped(sats, 255), clipped(hdop, 255), clipped(bat, 255))
    assert one.course_deg == (None if course is None or not 0 <= course <= 360 else course // 2 * 2 % 360)
    assert one.is_dated == (not flags & (record.UNDATED | record.TIME_OF_DAY)) and one.mode == flags & 3


@given(u32, u32, u8, u16, u16, st.integers(-(2**32), 2**33), st.integers(-(2**32), 2**33), st.none() | u8)
def test_an_event_comes_back_with_its_evidence_as_signed_32_bits(seq, time_s, flags, millis, code, a, b, battery):
    raw = bytearray(32)
    record.pack_event(raw, seq, time_s, flags, millis, code, a, b, battery)
    one = record.Record(raw)
    assert (one.seq, one.kind, one.code) == (seq, record.EVENT, code)
    assert ((one.value_a - a) % 2**32, (one.value_b - b) % 2**32) == (0, 0)
    assert one.battery == clipped(battery, 255)


def test_the_layout_is_the_documented_one():
    raw = bytearray(32)
    record.pack_fix(raw, 0x04030201, 0x08070605, 0x21, 0x0B0A, -1, 2, 0x1234, 0x5678, 90, 7, 11, 66)
    assert raw[:28] == struct.pack(
        "<IIBBHiiHHBBBB", 0x04030201, 0x08070605, 1, 0x21, 0x0B0A, -1, 2, 0x1234, 0x5678, 45, 7, 11, 66
    )
    assert struct.unpack("<I", raw[28:]) == (crc32(raw[:28]),)
    record.pack_event(raw, 1, 2, 3, 4, 5, -6, 7, None)
    assert raw[:28] == struct.pack("<IIBBHHHiiBBBB", 1, 2, 2, 3, 4, 5, 0, -6, 7, 255, 255, 255, 255)
    assert record.seq_of(b"xx" + raw, 2) == 1


@given(st.binary(max_size=64))
def test_bytes_that_are_no_record_are_refused(raw: bytes):
    intact = len(raw) == 32 and crc32(raw[:28]) == int.from_bytes(raw[28:], "little") and raw[8] in (1, 2)
    assert record.is_intact(raw) == intact
    if not intact:
        with pytest.raises(ValueError, match="not a record"):
            record.Record(raw)


@given(st.integers(0, 255), i32)
def test_one_flipped_bit_is_always_noticed(bit: int, value: int):
    raw = bytearray(32)
    record.pack_event(raw, 9, 9, 0, 0, record.STRAP_CUT, value, 0, 50)
    raw[bit // 8] ^= 1 << bit % 8
    assert not record.is_intact(raw)


@pytest.mark.parametrize("erased", [bytes(32), b"\xff" * 32], ids=["zeros", "erased flash"])
def test_empty_flash_is_no_record(erased: bytes):
    assert not record.is_intact(erased)


def test_the_device_packs_the_same_bytes():
    script = """
from firmware.core import record
raw = bytearray(32)
for i in range(-200, 70000, 1771):
    record.pack_fix(raw, i + 200, i + 1700000000, 1, i % 1000, i * 12345, -i * 24321, i, i * 2, i // 200, i // 100, i, i % 101)
    print(raw.hex(), record.is_intact(raw))
    record.pack_event(raw, i + 200, 5, 2, 1, 13, i * 98765432, -i, None)
    print(raw.hex(), record.is_intact(memoryview(raw)), record.Record(raw).value_a)
"""
    here: list[str] = []
    exec(script, {"print": lambda *args: here.append(" ".join(map(str, args)))})
    assert run(script) == here
