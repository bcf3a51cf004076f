"""What passes under TLS is seen by its records: flights that await an answer, and what is sealed, however the bytes are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sim.engine.tlslook import Tls


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body


def message(kind: int, size: int) -> bytes:
    return bytes([kind]) + size.to_bytes(3, "big") + bytes(size)


HELLO = record(22, message(1, 140))
SERVER = message(2, 70) + message(11, 420) + message(12, 140) + message(13, 50)
FIRST = record(22, SERVER[:300]) + record(22, SERVER[300:] + message(14, 0))  # messages are cut as they like
KEYS = record(22, message(11, 400)) + record(22, message(16, 66)) + record(22, message(15, 75))
SECOND = record(20, b"\1") + record(22, bytes(40))
DATA = [record(23, bytes(n)) for n in (26, 200, 30)]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


CUTS = st.lists(st.integers(0, 5000), max_size=12)


@given(CUTS, CUTS, CUTS)
def test_flights_are_whole_and_in_order_however_the_bytes_are_cut(up: list[int], down: list[int], late: list[int]):
    tls = Tls()
    said = [key for piece in pieces(HELLO + KEYS + SECOND + DATA[0], up) for key in tls.said(piece)]
    assert said == [("tls hello", 0), ("tls finished", 0)]
    heard = [part for piece in pieces(FIRST, down) for part in tls.heard(piece)]
    assert heard == [(("tls hello", 0), FIRST)]
    heard = [part for piece in pieces(SECOND + b"".join(DATA), late) for part in tls.heard(piece)]
    assert heard == [(("tls finished", 0), SECOND), *((None, data) for data in DATA)]


def test_a_refusal_answers_what_is_awaited():
    for before, key in ((b"", "tls hello"), (FIRST, "tls finished")):
        tls = Tls()
        tls.heard(before)
        assert tls.heard(record(21, b"\2\x2a")) == [((key, 0), record(21, b"\2\x2a"))]


@given(st.binary(max_size=300))
def test_any_bytes_do_no_harm(data: bytes):
    tls = Tls()
    tls.said(data)
    tls.heard(data)
    assert Tls.begins(data) == (data[:1] == b"\x16")
