"""A GPX track becomes the sentences of a receiver that went along it. The firmware's own parser and geographiclib judge them."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import gpxpy.gpx
import pynmea2
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from firmware.core.gnss import Receiver
from sim.replay.gpx import looks_like_gpx, to_nmea
from sim.replay.log import Log

START = datetime(2026, 6, 1, 23, 59, 30, tzinfo=UTC)


def gpx(*segments, **attributes) -> bytes:
    """Of (seconds after START, lat, lon) in segments."""
    document = gpxpy.gpx.GPX()
    document.tracks.append(gpxpy.gpx.GPXTrack())
    for segment in segments:
        made = gpxpy.gpx.GPXTrackSegment()
        for second, lat, lon in segment:
            at = None if second is None else START + timedelta(seconds=second)
            made.points.append(gpxpy.gpx.GPXTrackPoint(lat, lon, time=at, **attributes))
        document.tracks[0].segments.append(made)
    return document.to_xml().encode()


def fixes(nmea: bytes) -> list[tuple[float, int, int, int, int]]:
    """(seconds after START, lat_e7, lon_e7, speed_cms, course_deg) as the firmware reads them."""
    found = []

    def on_epoch(fix):
        assert fix.valid and fix.has_date and not fix.contradicted
        second = fix.utc_s + fix.millis / 1000 - START.timestamp()
        found.append((second, fix.pos[0], fix.pos[1], fix.speed_cms, fix.course_deg))

    receiver = Receiver(on_epoch)
    receiver.feed(bytearray(nmea), len(nmea))
    receiver.idle()
    return found


def test_points_come_out_as_they_are_and_the_way_between_them_each_second():
    track = gpx([(0, 50.7154001, -2.4367009), (4, 50.7155001, -2.4367009), (60, 50.7155001, -2.4360009)])
    found = fixes(to_nmea("t", track))
    assert [second for second, *_ in found] == list(range(61))  # across midnight
    assert found[0][1:3] == (507154001, -24367009)
    assert found[2][1:3] == (507154501, -24367009)
    assert found[4][1:3] == (507155001, -24367009)
    assert found[60][1:3] == (507155001, -24360009)


@pytest.mark.slow
@settings(deadline=None, derandomize=True)
@given(st.data())
def test_any_track_comes_out_within_1e_7_degrees(data):
    at_s = data.draw(st.lists(st.integers(0, 600), min_size=1, max_size=6, unique=True).map(sorted))
    # Not 0, 0: that is where receivers are that know nothing, and the firmware takes it from none.
    e7 = st.tuples(st.integers(-900_000_000, 900_000_000), st.integers(-1_800_000_000, 1_800_000_000)).filter(any)
    points = [(second, *data.draw(e7)) for second in at_s]
    nmea = to_nmea("t", gpx([(second, lat / 1e7, lon / 1e7) for second, lat, lon in points]))
    found = {second: (lat, lon) for second, lat, lon, *_ in fixes(nmea)}
    for second, lat, lon in points:
        assert abs(found[second][0] - lat) <= 1
        assert (found[second][1] - lon) % 3_600_000_000 in (0, 1, 3_599_999_999)
    for one, other in pairwise(points):
        if other[0] - one[0] > 300:
            assert not any(one[0] < second < other[0] for second in found), "nobody knows where he was meanwhile"
        for second in range(one[0], other[0] + 1) if other[0] - one[0] <= 300 else ():
            low, high = sorted((one[1], other[1]))
            assert low - 1 <= found.get(second, (0, 0))[0] <= high + 1


def test_speed_and_course_are_those_of_the_way():
    line = Geodesic.WGS84.Direct(50.7154, -2.4367, 75.0, 120.0)
    found = fixes(to_nmea("t", gpx([(0, 50.7154, -2.4367), (60, line["lat2"], line["lon2"])])))
    for _, _, _, speed_cms, course_deg in found:
        assert speed_cms == pytest.approx(200, rel=0.01)
        assert course_deg == pytest.approx(75, abs=1.5)


def test_the_180th_meridian_is_crossed_the_short_way():
    found = fixes(to_nmea("t", gpx([(0, -17.0, 179.999), (10, -17.0, -179.999)])))
    assert len(found) == 11
    assert all(abs(lon) >= 1_799_990_000 for _, _, lon, *_ in found)


def test_nothing_is_known_between_segments_and_in_long_gaps():
    track = gpx([(0, 50.0, 0.0), (2, 50.0, 0.0), (303, 50.0, 0.0)], [(400, 51.0, 0.0), (401, 51.0, 0.0)])
    assert [second for second, *_ in fixes(to_nmea("t", track))] == [0, 1, 2, 303, 400, 401]


def test_points_between_the_seconds_and_repeated_points():
    assert [second for second, *_ in fixes(to_nmea("t", gpx([(0.4, 50.0, 0.0), (2.6, 50.0, 0.0)])))] == [1, 2]
    assert [second for second, *_ in fixes(to_nmea("t", gpx([(0.25, 50.0, 0.0)])))] == [0.25]
    assert [second for second, *_ in fixes(to_nmea("t", gpx([(0, 50.0, 0.0), (0, 50.1, 0.0), (1, 50.0, 0.0)])))] == [0, 1]


def test_what_the_points_say_of_their_accuracy_is_passed_on():
    nmea = to_nmea("t", gpx([(0, 50.0, 1.0)], elevation=83.26, horizontal_dilution=2.54)).decode().splitlines()
    message = pynmea2.parse(nmea[0])
    assert (message.horizontal_dil, message.altitude) == ("2.5", 83.3)  # type: ignore[attr-defined]
    assert pynmea2.parse(nmea[1]).mode_fix_type == "3"  # type: ignore[attr-defined]


def test_the_log_of_a_track_lasts_as_long_as_the_track():
    made = Log("t", to_nmea("t", gpx([(0, 50.0, 0.0), (200, 50.1, 0.0)])))
    assert len(made.epochs) == 201
    assert math.isclose(made.epochs[-1].at_ms, 200_000)


def test_gpx_is_known_by_its_name_or_its_first_words():
    assert looks_like_gpx("x.GPX", b"") and looks_like_gpx("x", b"\xef\xbb\xbf<?xml version") and looks_like_gpx("x", b" <gpx")
    assert not looks_like_gpx("x.log", b"$GPRMC")


@pytest.mark.parametrize(
    ("data", "field", "expected"),
    [
        (b"<gpx", "content", "a GPX 1.0 or 1.1 document"),
        (b"\xff\xfe\x00", "content", "a GPX 1.0 or 1.1 document"),
        (b"<gpx><trk><trkseg><trkpt lat='x' lon='0'/></trkseg></trk></gpx>", "content", "a GPX"),
        (gpx(), "trk", "a track"),
        (gpx([]), "trk", "a track"),
        (gpx([(0, 50.0, 0.0), (None, 50.0, 0.0)]), r"trk\[0\]\.trkseg\[0\]\.trkpt\[1\]\.time", "a time for each point"),
        (gpx([(5, 50.0, 0.0), (4, 50.0, 0.0)]), r"trk\[0\]\.trkseg\[0\]\.trkpt\[1\]\.time", "a time not before"),
        (gpx([(0, 90.1, 0.0)]), r"trk\[0\]\.trkseg\[0\]\.trkpt\[0\]\.lat", "degrees from -90 to 90"),
        (gpx([(0, 0.0, -180.5)]), r"trk\[0\]\.trkseg\[0\]\.trkpt\[0\]\.lon", "degrees from -180 to 180"),
        (gpx([(0, float("nan"), 0.0)]), r"trk\[0\]\.trkseg\[0\]\.trkpt\[0\]\.lat", "degrees"),
    ],
)
def test_a_bad_gpx_is_refused_with_file_field_and_what_was_expected(data, field, expected):
    with pytest.raises(ConfigError, match=rf"(?s)^t\.gpx: {field}: got .*, expected {expected}"):
        to_nmea("t.gpx", data)


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else_is_raised(data):
    with pytest.raises(ConfigError):
        to_nmea("t.gpx", b"<gpx>" + data)
