"""SNTP packets written out from RFC 5905 figure 8, and everything that is not an answer of ours."""

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.sntp import parse, request

STAMP = b"hmu 1234"
NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 5, 0, 0, 250_000, UTC)


def answer(
    when: datetime = NOW, *, leap: int = 0, version: int = 4, mode: int = 4, stratum: int = 2, echo: bytes = STAMP
) -> bytes:
    total = when - NTP_EPOCH
    seconds = total.days * 86_400 + total.seconds
    fraction = (total.microseconds << 32) // 1_000_000
    head = struct.pack(">BBbbII4s", leap << 6 | version << 3 | mode, stratum, 6, -20, 0, 0, b"GPS\0")
    stamps = bytes(8) + echo + bytes(8) + struct.pack(">II", seconds & 0xFFFFFFFF, fraction)
    return head + stamps


def test_the_request_is_48_bytes_of_a_version_4_client_that_carry_our_stamp():
    packet = request(STAMP)
    assert len(packet) == 48 and packet[0] == 0o43 and packet[40:] == STAMP and not any(packet[1:40])


def test_an_answer_gives_utc_to_the_millisecond():
    assert parse(answer(), STAMP) in ((1_780_290_000, 249), (1_780_290_000, 250))


@given(st.datetimes(datetime(2025, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)))
def test_the_era_that_begins_in_2036_is_understood(when: datetime):
    got = parse(answer(when), STAMP)
    assert got is not None
    assert abs(got[0] * 1000 + got[1] - int(when.timestamp() * 1000)) <= 1


@pytest.mark.parametrize(
    "packet",
    [
        answer(leap=3),
        answer(stratum=0),  # a kiss of death
        answer(stratum=16),
        answer(mode=3),
        answer(mode=5),
        answer(version=2),
        answer(version=5),
        answer(echo=b"hmu 4321"),
        answer(echo=bytes(8)),
        answer()[:47],
        b"",
        answer()[:40] + bytes(8),  # it has no transmit time
        answer(datetime(2024, 12, 31, tzinfo=UTC)),
        answer(datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_what_is_no_answer_to_us_or_cannot_be_true_is_refused(packet: bytes):
    assert parse(packet, STAMP) is None


@given(st.binary(max_size=80))
def test_no_bytes_raise(packet: bytes):
    found = parse(packet, STAMP)
    assert found is None or packet[24:32] == STAMP


@given(st.integers(0, 47), st.integers(0, 255))
def test_one_wrong_byte_gives_a_believable_time_or_none(at: int, value: int):
    packet = bytearray(answer())
    packet[at] = value
    found = parse(packet, STAMP)
    assert found is None or (1_735_689_600 <= found[0] < 4_102_444_800 and 0 <= found[1] < 1000)
