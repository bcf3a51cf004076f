"""A zone map that is not in order is refused whole, whatever its bytes, and no byte beside it is read."""

import random
import struct
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.orders.zonemap import Zone, pack
from firmware.tag.zones import Zones, refusal
from tests.firmware.tag.zone_field import START, Flash, circle, place, square

ZONES = [
    circle(1, "home", 100, confirm=1),
    Zone(2, "exclusion", square(300), intervals=[(START, START + 600), (START + 900, START + 1000)]),
    Zone(3, "inclusion", [place(-500, -500), place(0, 500), place(500, -400), place(0, 0)], interval_s=30),
]
GOOD = pack(ZONES)
FIRST_HEAD, SECOND_HEAD, SCHEDULE = 4, 36, 100
RADIUS = struct.unpack_from("<I", GOOD, FIRST_HEAD + 8)[0] + 8  # behind the circle's centre


def refused(raw: bytes) -> str | None:
    flash = Flash(raw)
    return refusal(flash.read, flash.start, len(raw))


def use(raw: bytes) -> None:
    """As a tag does, for an hour; nothing may be raised, and `Flash` watches what is read."""
    flash = Flash(raw)
    zones = Zones(flash.read, flash.start, len(raw), 15, 200, 60, lambda *told: None)
    assert zones.refused == refused(raw)
    for k in range(6):
        for at in (place(0), place(5000 * k)):
            zones.check(array("i", (round(at[0] * 1e7), round(at[1] * 1e7))), 50, START + 300 * k)
        zones.tick(START + 300 * k + 60)
        zones.is_home(array("i", (507154000, -24367000)), 100)
    if zones.refused:
        assert zones.interval_s() == 0 and not zones.in_violation


def changed(at: int, form: str, *values: int) -> bytes:
    raw = bytearray(GOOD)
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


def test_a_good_map_and_none_at_all_are_taken():
    assert refused(GOOD) is None and refused(b"") is None


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (GOOD[:-2], "size"),
        (b"\1", "size"),
        (GOOD + bytes(70_000), "size"),
        (changed(0, "<B", 2), "version"),
        (changed(1, "<B", 65), "counts"),
        (changed(1, "<B", 30), "counts"),
        (changed(2, "<H", 513), "counts"),
        (GOOD[:4], "counts"),
        (changed(FIRST_HEAD + 2, "<B", 0), "zone 0"),
        (changed(FIRST_HEAD + 2, "<B", 4), "zone 0"),
        (changed(FIRST_HEAD + 3, "<B", 3), "zone 0"),
        (changed(FIRST_HEAD + 6, "<B", 0), "zone 0"),
        (changed(FIRST_HEAD + 6, "<B", 11), "zone 0"),
        (changed(FIRST_HEAD + 7, "<B", 2), "zone 0"),
        (changed(SECOND_HEAD + 7, "<B", 2), "zone 1"),
        (changed(SECOND_HEAD + 7, "<B", 65), "zone 1"),
        (changed(SECOND_HEAD + 8, "<I", 2), "zone 1"),
        (changed(SECOND_HEAD + 8, "<I", len(GOOD) - 28), "zone 1"),
        (changed(SECOND_HEAD + 8, "<I", 0xFFFFFFF0), "zone 1"),
        (changed(SECOND_HEAD + 12, "<HH", 1, 2), "zone 1"),
        (changed(SECOND_HEAD + 12, "<HH", 0xFFFF, 0xFFFF), "zone 1"),
        (changed(SECOND_HEAD + 16, "<i", 860_000_001), "zone 1"),
        (changed(SECOND_HEAD + 24, "<i", -(2**31)), "zone 1"),
        (changed(SECOND_HEAD + 20, "<i", 1_800_000_002), "zone 1"),
        (changed(SECOND_HEAD + 20, "<i", -1_800_000_000), "zone 1"),  # too wide
        (changed(SECOND_HEAD + 24, "<i", 507_154_000), "points of zone 1"),
        (changed(SECOND_HEAD + 28, "<i", -24_367_000), "points of zone 1"),
        (changed(FIRST_HEAD + 24, "<i", 507_154_000), "points of zone 0"),
        (changed(FIRST_HEAD + 28, "<i", -24_367_000 + 11_300), "points of zone 0"),  # 80 of 100 m
        (changed(FIRST_HEAD + 16, "<i", 507_154_000 - 7_200), "points of zone 0"),
        (changed(RADIUS, "<I", 0), "points of zone 0"),
        (changed(SCHEDULE, "<II", 5, 5), "intervals of zone 1"),
        (changed(SCHEDULE + 8, "<I", START + 1), "intervals of zone 1"),
    ],
)
def test_what_is_wrong_is_named(raw, why):
    assert refused(raw) == why
    use(raw)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(GOOD)))
def test_changed_and_cut_maps_are_refused_or_harmless(changes, length):
    raw = bytearray(GOOD)
    for at, value in changes:
        raw[at] = value
    use(bytes(raw[: length if length % 3 == 0 else len(raw)]))


@given(st.binary(max_size=200), st.integers(0, 5))
def test_any_bytes_are_refused_or_harmless(raw, n):
    use(raw)
    use(struct.pack("<BBH", 1, n, 0) + raw[: len(raw) & ~3])


def test_ten_thousand_forged_maps_are_refused_or_harmless():
    rng = random.Random(6)
    taken = 0
    for _ in range(10_000):
        raw = bytearray(GOOD)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(raw))
            if rng.random() < 0.5:
                raw[at] ^= 1 << rng.randrange(8)
            else:
                raw[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x80\0\0\0", rng.randbytes(4)))[: len(raw) - at]
        why = refused(bytes(raw))
        taken += why is None
        if why is None or rng.random() < 0.05:
            use(bytes(raw))
    assert 100 < taken < 5000


@pytest.mark.parametrize("radius_m", [30, 3000, 100_000])
@pytest.mark.parametrize("side", range(4))
def test_a_box_that_cuts_a_circle_is_refused(radius_m, side):
    raw = bytearray(pack([circle(radius_m=radius_m)]))
    assert refused(bytes(raw)) is None
    box = list(struct.unpack_from("<iiii", raw, FIRST_HEAD + 16))
    centre = (507154000, -24367000)[side % 2]
    box[side] = centre + (box[side] - centre) * 49 // 50
    struct.pack_into("<iiii", raw, FIRST_HEAD + 16, *box)
    assert refused(bytes(raw)) == "points of zone 0"
