"""Zones on the plane, against geographiclib on the ellipsoid."""

import math

import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given
from hypothesis import strategies as st

from bridge.rules.geometry import CircleShape, PolygonShape, distance_m

EARTH = Geodesic.WGS84
places = st.tuples(st.floats(-70, 70), st.floats(-180, 180))
azimuths = st.floats(0, 360)


def away(lat: float, lon: float, azimuth: float, metres: float) -> tuple[float, float]:
    there = EARTH.Direct(lat, lon, azimuth, metres)
    return there["lat2"], there["lon2"]


@given(places, azimuths, st.floats(0, 10_000))
def test_distances_are_those_of_the_ellipsoid(place: tuple[float, float], azimuth: float, metres: float) -> None:
    assert math.isclose(distance_m(*place, *away(*place, azimuth, metres)), metres, rel_tol=2e-3, abs_tol=0.01)


@given(places, azimuths, st.floats(10, 5000), st.floats(0, 2))
def test_the_depth_in_a_circle_is_the_way_to_its_edge(
    place: tuple[float, float], azimuth: float, radius_m: float, part: float
) -> None:
    shape = CircleShape(*place, radius_m)
    at = shape.plane.xy(*away(*place, azimuth, radius_m * part))
    assert math.isclose(shape.depth_m(at), radius_m * (1 - part), abs_tol=radius_m * 6e-3 + 0.01)


@given(places, azimuths, st.floats(0, 3000))
def test_a_circle_as_a_polygon_gives_the_same_depth(place: tuple[float, float], azimuth: float, metres: float) -> None:
    if abs(place[1]) > 179:
        return  # a polygon may not cross the 180th meridian
    corners = [away(*place, bearing, 500) for bearing in range(0, 360, 3)]
    polygon = PolygonShape(corners)
    depth_m = polygon.depth_m(polygon.plane.xy(*away(*place, azimuth, metres)))
    expected = 500 - metres
    if expected < -900:
        assert 0 > depth_m >= expected * 1.01 - 5  # the box's distance stands for it
    else:
        assert math.isclose(depth_m, expected, abs_tol=5)


@pytest.mark.parametrize("shape", ["circle", "polygon"])
def test_a_way_through_the_middle_crosses_and_one_past_the_edge_does_not(shape: str) -> None:
    middle = (50.7154, -2.4367)
    corners = [away(*middle, bearing, 100) for bearing in range(0, 360, 5)]
    zone = CircleShape(*middle, 100) if shape == "circle" else PolygonShape(corners)

    def xy(azimuth: float, metres: float) -> tuple[float, float]:
        return zone.plane.xy(*away(*middle, azimuth, metres))

    assert zone.crosses(xy(0, 200), xy(180, 200), 20)
    assert not zone.crosses(xy(0, 200), xy(90, 200), 20)  # 141 m from the middle
    graze_a, graze_b = xy(-math.degrees(math.acos(90 / 200)), 200), xy(math.degrees(math.acos(90 / 200)), 200)
    assert zone.crosses(graze_a, graze_b, 5) and not zone.crosses(graze_a, graze_b, 15)
    assert not zone.crosses(xy(0, 200), xy(0, 150), 0)
    assert not zone.crosses(xy(0, 200), xy(180, 200), 150)
