"""A GPX track as the log of a receiver that went along it: GGA, GSA and RMC once a second.

Between two points the position is interpolated along a straight line at each whole second, to 1e-7 degrees; what lies between
two points that are more than GAP_S apart, or between two segments, nobody knows, and nothing is sent. A point that stands
alone is sent at its own time. Waypoints and routes have no times and are not played.

A GPX file says little of accuracy: HDOP is the point's own or 1.0, satellites its own or 8; a point with `<fix>none</fix>` ends
what can be interpolated.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import gpxpy
import gpxpy.gpx

from bridge.errors import ConfigError

GAP_S = 300  # requirements.md section 2, "Missing data"
_EARTH_M = 6_371_008.8  # mean radius, IUGG
_KNOT_MPS = 1852 / 3600
_QUALITY = {"dgps": 2, "pps": 3}  # GGA's, by GPX 1.1's fixType; everything else is a plain fix


class _Point(NamedTuple):
    at: datetime
    lat: float
    lon: float
    height_m: float | None
    hdop: float
    satellites: int
    quality: int


def looks_like_gpx(name: str, data: bytes) -> bool:
    """By its name, or by what it begins with."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    return name.lower().endswith(".gpx") or head.startswith((b"<?xml", b"<gpx"))


def to_nmea(name: str, data: bytes) -> bytes:
    """The sentences of all its tracks. ConfigError for what is no GPX, has no track, or whose points have no times in order."""
    try:
        document = gpxpy.parse(data)
    except Exception as error:  # gpxpy lets errors of its XML parser, of float() and of its own through
        raise ConfigError(name, "content", str(error) or type(error).__name__, "a GPX 1.0 or 1.1 document") from None
    out: list[str] = []
    points = 0
    for i, track in enumerate(document.tracks):
        for j, segment in enumerate(track.segments):
            at = f"trk[{i}].trkseg[{j}]"
            for stretch in _stretches(name, at, segment.points):
                points += len(stretch)
                out.extend(_sentences(stretch))
    if not points:
        what = f"{len(document.routes)} routes, {len(document.waypoints)} waypoints and no point of a track"
        raise ConfigError(name, "trk", what, "a track (trk) of points with a position and a time")
    return "".join(out).encode("ascii")


def _stretches(name: str, at: str, given: Sequence[gpxpy.gpx.GPXTrackPoint]) -> Iterator[list[_Point]]:
    """The segment's points in runs within which it is fair to interpolate."""
    run: list[_Point] = []
    latest: datetime | None = None
    for k, raw in enumerate(given):
        here = f"{at}.trkpt[{k}]"
        point = _point(name, here, raw)
        if latest is not None and point.at < latest:
            raise ConfigError(name, f"{here}.time", _text(point.at), f"a time not before the point's before it, {_text(latest)}")
        repeated = latest == point.at
        latest = point.at
        if repeated:
            continue
        no_fix = raw.type_of_gpx_fix == "none"
        if run and (no_fix or (point.at - run[-1].at).total_seconds() > GAP_S):
            yield run
            run = []
        if not no_fix:
            run.append(point)
    if run:
        yield run


def _point(name: str, here: str, raw: gpxpy.gpx.GPXTrackPoint) -> _Point:
    for field, value, limit in (("lat", raw.latitude, 90), ("lon", raw.longitude, 180)):
        if value is None or not -limit <= value <= limit:
            raise ConfigError(name, f"{here}.{field}", value, f"degrees from -{limit} to {limit}")
    if raw.time is None:
        raise ConfigError(name, f"{here}.time", None, "a time for each point, such as 2026-06-01T05:00:00Z")
    at = raw.time.replace(tzinfo=UTC) if raw.time.tzinfo is None else raw.time.astimezone(UTC)
    if not 1980 <= at.year < 2080:
        raise ConfigError(name, f"{here}.time", _text(at), "a year from 1980 to 2079: NMEA has two digits for it")
    hdop = raw.horizontal_dilution
    satellites = raw.satellites  # gpxpy says float; the schema says nonNegativeInteger
    return _Point(
        at,
        raw.latitude,
        raw.longitude,
        raw.elevation if raw.elevation is not None and abs(raw.elevation) < 1e5 else None,
        hdop if hdop is not None and 0 < hdop < 100 else 1.0,
        int(satellites) if satellites is not None and 0 <= satellites < 100 else 8,
        _QUALITY.get(raw.type_of_gpx_fix or "", 1),
    )


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _sentences(points: list[_Point]) -> Iterator[str]:
    first, last = points[0].at, points[-1].at
    at = first.replace(microsecond=0)
    if at < first:
        at += timedelta(seconds=1)
    if at > last:  # no whole second between its points
        yield _epoch(first, points[0], 0.0, 0.0)
        return
    i = 0
    while at <= last:
        while i + 2 < len(points) and points[i + 1].at <= at:
            i += 1
        if len(points) == 1:
            yield _epoch(at, points[0], 0.0, 0.0)
            return
        yield _epoch(at, *_between(points[i], points[i + 1], at))
        at += timedelta(seconds=1)


def _between(one: _Point, other: _Point, at: datetime) -> tuple[_Point, float, float]:
    """The point on the way from one to the other, speed (m/s) and course (degrees)."""
    took_s = (other.at - one.at).total_seconds()
    share = (at - one.at).total_seconds() / took_s
    east = (other.lon - one.lon + 180) % 360 - 180  # the short way round
    north = other.lat - one.lat
    lat = one.lat + north * share
    lon = (one.lon + east * share + 180) % 360 - 180
    if share == 0 or share == 1:  # the point itself, whatever floats make of it
        lat, lon = (one.lat, one.lon) if share == 0 else (other.lat, other.lon)
    height_m = one.height_m
    if height_m is not None and other.height_m is not None:
        height_m += (other.height_m - height_m) * share
    x, y = math.radians(east) * math.cos(math.radians(lat)), math.radians(north)
    near = other if share == 1 else one
    point = near._replace(lat=lat, lon=lon, height_m=height_m)
    return point, math.hypot(x, y) * _EARTH_M / took_s, math.degrees(math.atan2(x, y)) % 360


def _epoch(at: datetime, point: _Point, speed_mps: float, course_deg: float) -> str:
    clock = at.strftime("%H%M%S.") + f"{at.microsecond // 1000:03d}"
    where = f"{_angle(point.lat, 2, 'NS')},{_angle(point.lon, 3, 'EW')}"
    height = "" if point.height_m is None else f"{point.height_m:.1f}"
    knots = min(speed_mps / _KNOT_MPS, 9999.0)
    hdop, dimensions = f"{point.hdop:.1f}", 2 if point.height_m is None else 3
    return (
        _sentence(f"GPGGA,{clock},{where},{point.quality},{point.satellites:02d},{hdop},{height},M,,M,,")
        + _sentence(f"GPGSA,A,{dimensions},,,,,,,,,,,,,,{hdop},")
        + _sentence(f"GPRMC,{clock},A,{where},{knots:.2f},{course_deg:.2f},{at:%d%m%y},,,A")
    )


def _angle(degrees: float, width: int, hemispheres: str) -> str:
    """`dd(d)mm.mmmmmmm,H`: 1e-7 degrees are exactly six units of the seventh decimal of a minute."""
    e7 = round(abs(degrees) * 10_000_000)
    whole, rest = divmod(e7, 10_000_000)
    minutes, fraction = divmod(rest * 60, 10_000_000)
    return f"{whole:0{width}d}{minutes:02d}.{fraction:07d},{hemispheres[degrees < 0]}"


def _sentence(body: str) -> str:
    total = 0
    for byte in body.encode("ascii"):
        total ^= byte
    return f"${body}*{total:02X}\r\n"
