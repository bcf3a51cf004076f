"""No lease, no tracking: what holds is what the last whole lease said, between its dates."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware.core.lease import Lease
from firmware.core.message import BAD_FORM, BAD_VALUE, DONE
from tests.firmware.core.commanded import World

u32 = st.integers(0, 2**32 - 1)
LONGEST_S = 400 * 86400


def data_of(period: int, from_s: int, until_s: int) -> bytes:
    return struct.pack("<III", period, from_s, until_s)


@given(st.integers(1, 2**32 - 1), u32, u32, st.integers(-1000, LONGEST_S), st.lists(u32, max_size=8))
def test_it_holds_from_its_first_second_to_before_its_last_and_over_a_reset(number, period, from_s, span_s, times):
    until_s = min(max(from_s + span_s, 0), 2**32 - 1)
    world = World()
    lease = Lease(world)
    assert lease.take(number, data_of(period, from_s, until_s)) == DONE
    for one in (lease, Lease(world)):
        assert (one.number, one.period, one.from_s, one.until_s) == (number, period, from_s, until_s)
        assert one.is_withdrawn == (until_s <= from_s)
        for at in (from_s - 1, from_s, until_s - 1, until_s, *times):
            assert one.holds(at) == (from_s <= at < until_s)


def test_without_one_nothing_holds():
    lease = Lease(World())
    assert lease.is_withdrawn and not any(lease.holds(at) for at in (0, 1, 1_750_000_000, 2**32 - 1))


@given(st.binary(max_size=40), st.booleans())
def test_what_is_no_lease_leaves_the_old_one(data: bytes, is_long: bool):
    world = World()
    lease = Lease(world)
    lease.take(1, data_of(5, 1000, 2000))
    if is_long:
        data = data_of(6, 1000, 1000 + LONGEST_S + 1)
    elif len(data) == 12:
        data += b"x"
    assert lease.take(2, data) == (BAD_VALUE if is_long else BAD_FORM)
    for one in (lease, Lease(world)):
        assert (one.number, one.period) == (1, 5) and one.holds(1500)


@given(st.integers(0, 20 * 8 - 1))
def test_a_store_that_rots_holds_no_lease_at_all(bit: int):
    world = World()
    Lease(world).take(9, data_of(5, 1000, 2000))
    rotten = bytearray(world.values["lease"])
    rotten[bit // 8] ^= 1 << bit % 8
    world.values["lease"] = bytes(rotten)
    lease = Lease(world)
    assert lease.number == 0 and not lease.holds(1500)


@given(st.binary(max_size=20))
def test_garbage_in_the_store_is_no_lease(garbage: bytes):
    world = World(values={"lease": garbage})
    assert Lease(world).number == 0


def test_a_clock_far_beyond_the_bridges_time_is_doubted_and_one_within_a_day_of_it_is_not():
    lease = Lease(World())
    lease.take(1_780_000_000, data_of(5, 1_780_000_000, 1_790_000_000))
    assert not lease.doubts(1_780_000_000) and not lease.doubts(1_780_086_400) and not lease.doubts(1_770_000_000)
    assert lease.doubts(1_780_086_401) and lease.doubts(1_999_000_000)
