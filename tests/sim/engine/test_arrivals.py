"""What is noted of messages that go up: who carried whose records, which, and when. Packets by the standard, not by our codec."""

from pathlib import Path

import pytest

from firmware.core import message
from sim.engine.arrivals import Arrivals, Sent, read

TAG, UNIT = 0x01000003, 0x02000003


def packet(payload: bytes, kind: int = 3, flags: int = 2) -> bytes:
    """A PUBLISH with QoS 1 (MQTT 3.1.1 section 3.3)."""
    topic = b"hw/0/tag-000003/up"
    body = len(topic).to_bytes(2, "big") + topic + (b"\0\7" if flags & 6 else b"") + payload
    assert len(body) < 16384
    return bytes([kind << 4 | flags, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def sealed(kind: int, device: int, count: int, number: int) -> bytes:
    header = bytearray(message.HEADER)
    message.pack_header(header, kind, 1, count, device, number)
    return bytes(header)


RECORDS = sealed(message.RECORDS, TAG, 5, 41) + bytes(5 * 32 + 8)


@pytest.fixture
def noted(tmp_path: Path) -> Arrivals:
    return Arrivals(tmp_path / "arrivals.csv")


def test_a_message_of_records_is_noted_with_its_numbers(noted: Arrivals, tmp_path: Path):
    noted.note("tag-000003", 5_000, 70, packet(RECORDS))
    noted.close()
    assert list(read(tmp_path)) == [Sent("tag-000003", TAG, 41, 45, 5_000, 70)]


def test_what_a_home_unit_relays_is_the_tags(noted: Arrivals, tmp_path: Path):
    noted.note("hmu-000003", 5_000, None, packet(sealed(message.RELAY_UP, UNIT, 0, 9) + RECORDS))
    noted.close()
    assert list(read(tmp_path)) == [Sent("hmu-000003", TAG, 41, 45, 5_000, None)]


@pytest.mark.parametrize(
    "other",
    [
        packet(b""),
        packet(b"\xff" * 40),
        packet(sealed(message.DOWN, TAG, 5, 41)),
        packet(sealed(message.RELAY_UP, UNIT, 0, 9)),
        packet(RECORDS, kind=4),
        packet(RECORDS, flags=0),  # QoS 0: a state message, nothing that is receipted
    ],
)
def test_anything_else_is_let_pass(noted: Arrivals, tmp_path: Path, other: bytes):
    noted.note("tag-000003", 5_000, 70, other)
    noted.close()
    assert list(read(tmp_path)) == []


def test_what_several_processes_noted_is_read_in_order_of_time(tmp_path: Path):
    for name, t_ms in (("arrivals.csv", 9_000), ("arrivals-1.csv", 3_000)):
        noted = Arrivals(tmp_path / name)
        noted.note("tag-000003", t_ms, 70, packet(RECORDS))
        noted.close()
    assert [sent.sent_ms for sent in read(tmp_path)] == [3_000, 9_000]
