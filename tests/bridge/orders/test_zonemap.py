"""Zone maps: what a person has drawn is what the tag reads, and what cannot be a zone is named."""

import math
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.orders.zonemap import KINDS, Circle, Zone, ZoneError, pack, unpack, zone_of
from firmware.core import zonemap as layout
from firmware.tag.zones import refusal
from tests.firmware.core.geo_cases import GEOD

SQUARE = [(50.70, -2.45), (50.70, -2.43), (50.72, -2.43), (50.72, -2.45)]


def refused_by_the_tag(raw: bytes) -> str | None:
    def read(offset, buf):
        assert offset + len(buf) <= len(raw)
        buf[:] = raw[offset : offset + len(buf)]

    return refusal(read, 0, len(raw))


def e7(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low * 10**7, high * 10**7).map(lambda value: value / 1e7)


CIRCLES = st.builds(
    Circle, e7(-82, 82), e7(-180, 180).filter(lambda lon: lon < 180), st.integers(1, 10**6).map(lambda dm: dm / 10)
)
INTERVALS = st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=16).map(
    lambda times: list(zip(sorted(times)[::2], sorted(times)[1::2], strict=False))
)


@st.composite
def polygons(draw):
    """Stars round a place: they never cross themselves."""
    lat, lon = draw(e7(-80, 80)), draw(e7(-180, 180))
    n, size = draw(st.integers(3, layout.POINTS_MAX)), draw(st.floats(0.001, 2))
    out = draw(st.lists(st.floats(0.3, 1), min_size=n, max_size=n))
    points = [(lat + size * o * math.sin(6.2831 * k / n), lon + size * o * math.cos(6.2831 * k / n)) for k, o in enumerate(out)]
    return [(round(y, 7), round((x + 180) % 360 - 180, 7)) for y, x in points]


ZONES = st.lists(
    st.builds(
        Zone,
        st.integers(0, 0xFFFF),
        st.sampled_from(sorted(KINDS)),
        st.one_of(CIRCLES, polygons()),
        st.integers(0, 0xFFFF),
        st.integers(1, 10),
        INTERVALS,
    ),
    max_size=8,
    unique_by=lambda zone: zone.id,
)


@given(ZONES)
def test_what_is_packed_is_read_back_and_taken_by_the_tag(zones):
    raw = pack(zones)
    assert refused_by_the_tag(raw) is None
    back = unpack(raw)
    assert len(back) == len(zones)
    for was, now in zip(zones, back, strict=True):
        assert (was.id, was.kind, was.interval_s, was.confirm) == (now.id, now.kind, now.interval_s, now.confirm)
        assert list(was.intervals) == list(now.intervals)
        if isinstance(was.shape, Circle):
            assert was.shape == now.shape
        else:
            assert [pytest.approx(p, abs=1e-9) for p in was.shape] == list(now.shape)  # type: ignore


@given(CIRCLES, st.floats(0, 360))
def test_a_circle_is_whole_in_its_box(circle, azimuth):
    raw = pack([Zone(1, "exclusion", circle)])
    south, west, north, east = struct.unpack_from("<iiii", raw, 20)
    lon, lat, _ = GEOD.fwd(circle.lon, circle.lat, azimuth, circle.radius_m)
    assert south <= lat * 1e7 <= north
    assert (lon * 1e7 - west + 3.6e9) % 3.6e9 <= (east - west) % 3_600_000_000
    assume(circle.radius_m > 10)
    assert north - south < 2.04 * circle.radius_m / 110_574 * 1e7


def test_the_layout_is_what_it_says():
    zones = [Zone(7, "exclusion", SQUARE, 20, 2, [(100, 200)]), Zone(8, "home", Circle(50.7, -2.4, 12.3))]
    raw = pack(zones)
    assert raw[:4] == bytes((1, 2, 1, 0))
    head = struct.unpack_from("<HBBHBBIHH", raw, 4)
    assert head == (7, layout.EXCLUSION, layout.POLYGON, 20, 2, 4, 4 + 64 + 8, 0, 1)
    assert struct.unpack_from("<II", raw, 68) == (100, 200)
    assert struct.unpack_from("<ii", raw, 76) == (507000000, -24500000)
    assert struct.unpack_from("<iiII", raw, 108) == (507000000, -24000000, 123, 0)
    assert len(raw) == 124


def test_schedules_are_put_in_order_and_shared():
    raw = pack([Zone(k, "exclusion", SQUARE, intervals=[(50, 60), (1, 10), (10, 20), (55, 70)]) for k in range(60)])
    assert struct.unpack_from("<H", raw, 2) == (2,)
    assert all(zone.intervals == ((1, 20), (50, 70)) for zone in unpack(raw))


def test_a_polygon_may_be_closed_by_hand_and_cross_the_date_line():
    shape = [(0.0, 179.99), (0.0, -179.99), (0.02, -179.99), (0.02, 179.99)]
    raw = pack([Zone(1, "inclusion", [*shape, shape[0]])])
    assert unpack(raw)[0].shape == shape and refused_by_the_tag(raw) is None


def test_a_zone_is_made_of_a_conditions_spec():
    zone = zone_of({"id": 3, "kind": "exclusion", "name": "school", "circle": {"lat": 50.7, "lon": -2.4, "radius_m": 100}})
    assert zone == Zone(3, "exclusion", Circle(50.7, -2.4, 100), name="school")
    assert pack([{"id": 3, "kind": "exclusion", "name": "park", "polygon": [list(p) for p in SQUARE]}]) == pack(
        [Zone(3, "exclusion", SQUARE)]
    )


BOW_TIE = [SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]]
HOME = Circle(50.7, -2.4, 100)


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        (Zone(70_000, "home", HOME), "zone 70000: id: got 70000"),
        (Zone(1, "curfew", HOME, name="night"), "zone 1 (night): kind: got 'curfew', expected one of exclusion, inclusion, home"),
        (Zone(1, "home", HOME, interval_s=-1), "interval_s: got -1"),
        (Zone(1, "home", HOME, confirm=0), "confirm: got 0"),
        (Zone(1, "home", HOME, confirm=11), "confirm: got 11"),
        (Zone(1, "home", HOME, intervals=[(5, 5)]), "intervals: got (5, 5)"),
        (Zone(1, "home", HOME, intervals=[(5, 2**32)]), "intervals: got (5, 4294967296)"),
        (Zone(1, "home", Circle(50, 0, 0)), "radius_m: got 0"),
        (Zone(1, "home", Circle(50, 0, math.nan)), "radius_m: got nan"),
        (Zone(1, "home", Circle(50, 0, 100_001)), "radius_m: got 100001"),
        (Zone(1, "home", Circle(91, 0, 10)), "circle: got (91, 0)"),
        (Zone(1, "home", Circle(50, math.inf, 10)), "circle: got (50, inf)"),
        (Zone(1, "home", Circle(85.9, 0, 50_000)), "within 86 degrees"),
        (Zone(1, "home", SQUARE[:2]), "polygon: got '2 points'"),
        (Zone(1, "home", [(50 + k / 100, k % 2 / 10) for k in range(65)]), "polygon: got '65 points'"),
        (Zone(1, "home", BOW_TIE), "edges that do not cross"),
        (Zone(1, "home", [SQUARE[0], SQUARE[1], SQUARE[0]]), "2 points"),
        (Zone(1, "home", [SQUARE[0], SQUARE[1], (50.70, -2.44)]), "edges that do not cross"),
        (Zone(1, "home", [(0, 0), (0, 60), (10, 30)]), "a span below 53.7"),
        (Zone(1, "home", [(50, 0), (50, 181), (51, 0)]), "polygon point 1: got (50, 181)"),
    ],
)
def test_what_is_no_zone_is_named(zone, words):
    with pytest.raises(ZoneError) as error:
        pack([zone])
    assert words in str(error.value)
    assert isinstance(error.value, ConfigError) and isinstance(error.value, ValueError)


def test_too_many_are_refused():
    zones = [Zone(k, "exclusion", HOME) for k in range(65)]
    with pytest.raises(ZoneError, match="zones: got 65"):
        pack(zones)
    assert refused_by_the_tag(pack(zones[:64])) is None
    with pytest.raises(ZoneError, match="id: got 0"):
        pack([zones[0], zones[0]])
    long = [Zone(k, "exclusion", HOME, intervals=[(2 * j, 2 * j + 1) for j in range(k, k + 300)]) for k in range(2)]
    with pytest.raises(ZoneError, match="intervals: got 600"):
        pack(long)


@pytest.mark.parametrize(
    "spec",
    [{}, {"id": 1, "circle": {}, "polygon": []}, {"id": 1, "kind": "home", "circle": {"lat": 1}}, {"id": 1, "polygon": [3]}],
)
def test_a_spec_that_is_none_is_named(spec):
    with pytest.raises(ZoneError, match="zone"):
        pack([spec])


@given(st.binary(max_size=120))
def test_reading_anything_gives_zones_or_a_value_error(raw):
    for each in (raw, b"\1" + raw):
        try:
            unpack(each)
        except ValueError:
            pass
