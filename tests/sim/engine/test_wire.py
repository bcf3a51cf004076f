"""The pipe's messages: what is packed is read back, and what is not a message is refused rather than believed."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.wire import Item, pack_run, parse_yield
from sim.silicon import _channels as ch
from tests.sim.engine.still import parse_run

ITEMS = st.lists(
    st.builds(
        Item,
        st.integers(0, 0xFFFFFFFF),
        st.integers(1, 30),
        st.integers(0, 255),
        st.binary(max_size=80),
    ),
    max_size=12,
)
TIMES = st.integers(0, 1 << 62)


def pack_yield(base_ms: int, now_ms: int, wake_ms: int, consumed: int, items: list[Item]) -> bytes:
    """As a device packs it (sim/silicon/_hw.py), after the length."""
    packed = b"".join(
        struct.pack("<IBBH", i.t_ms - base_ms, i.channel, i.sub, len(i.payload)) + i.payload
        for i in [*items, Item(now_ms, ch.NOW, 0, b"")]
    )
    return struct.pack("<QQHH", base_ms, wake_ms, consumed, len(items) + 1) + packed


@given(TIMES, TIMES, ITEMS)
def test_a_run_says_what_it_was_made_of(base_ms: int, horizon_ms: int, items: list[Item]):
    items = [item._replace(t_ms=base_ms + item.t_ms) for item in items]
    assert parse_run(pack_run(base_ms, horizon_ms, items)) == (base_ms, horizon_ms, items)


@given(TIMES, st.integers(0, 0xFFFFFFFF), TIMES, st.integers(0, 0xFFFF), ITEMS)
def test_a_yield_is_read_as_it_was_said(base_ms: int, lived_ms: int, wake_ms: int, consumed: int, items: list[Item]):
    items = [item._replace(t_ms=base_ms + item.t_ms) for item in items]
    answer = parse_yield(pack_yield(base_ms, base_ms + lived_ms, wake_ms, consumed, items))
    assert answer == (base_ms + lived_ms, wake_ms, consumed, items)


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_is_a_yield_to_the_last_byte(body: bytes):
    try:
        answer = parse_yield(body)
    except ValueError:
        return
    assert len(body) >= 20
    assert len(answer.items) <= struct.unpack_from("<H", body, 18)[0]


@given(TIMES, ITEMS, st.data())
def test_a_yield_that_is_cut_short_or_has_something_behind_it_is_refused(base_ms: int, items: list[Item], data: st.DataObject):
    items = [item._replace(t_ms=base_ms + item.t_ms) for item in items]
    whole = pack_yield(base_ms, base_ms, 0, 0, items)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match="a YIELD of"):
        parse_yield(whole[:cut])
    with pytest.raises(ValueError, match="a YIELD of"):
        parse_yield(whole + b"\0")
