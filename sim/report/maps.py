"""Maps drawn from the town itself, in metres east and south of its middle: no tiles, no network.

The town is drawn once, and each wearer's map uses it; a map shows the way that the tag really went, the fixes with their circles,
the zones and the home.
"""

from collections.abc import Iterable
from typing import Any

import shapely

from sim.report import svg
from sim.report.gather import Story, WearerStory, Zone
from sim.report.svg import GREEN, INK, ORANGE, RED, tag, titled
from sim.world.plane import Plane

WIDTH, HEIGHT = 560, 470
_MARGIN_M, _LEAST_M = 90.0, 420.0
_SIMPLER_M = 1.5
_WIDTH_M = {"primary": 9.0, "secondary": 7.5, "tertiary": 6.5, "residential": 6.0, "footway": 2.0, "path": 2.0}
_CIRCLES_MAX = 600  # more of them hide the streets: then every n-th fix shows its circle
_BARS_M = (50, 100, 200, 500, 1000, 2000)

Point = tuple[float, float]


class Maps:
    """`base` once in a page, then `draw` for each wearer."""

    def __init__(self, story: Story) -> None:
        self._story = story
        lats, lons = zip(*_corners(story), strict=True)
        self._plane = Plane((min(lats) + max(lats)) / 2, (min(lons) + max(lons)) / 2)

    def point(self, lat: float, lon: float) -> Point:
        """Metres east and south."""
        x, y = self._plane.to_xy(lat, lon)
        return x, -y

    def base(self) -> str:
        """The town as the group `#town`."""
        drawn: dict[str, list[str]] = {}
        for feature in self._story.town["features"]:
            properties, geometry = feature["properties"], feature["geometry"]
            kind = properties["kind"]
            key = f"{kind}:{properties.get('class', '')}"
            for line, closed in _lines(geometry):
                points = [self.point(lat, lon) for lon, lat, *_ in line]
                # Houses to the metre: there are thousands of them.
                if kind == "building":
                    points = [(float(round(x)), float(round(y))) for x, y in points]
                drawn.setdefault(key, []).append(svg.path(points[:-1] if closed else points, closed))
        order = {"park": 0, "water": 1, "building": 2, "path": 3, "street": 4}
        parts = []
        for key, paths in sorted(drawn.items(), key=lambda item: (order.get(item[0].partition(":")[0], 9), item[0])):
            kind, _, street_class = key.partition(":")
            if kind in order:
                width = _WIDTH_M.get(street_class, 5.0 if kind == "street" else 2.0) if kind in ("street", "path") else None
                parts.append(tag("path", d="".join(paths), class_=f"m-{kind}", stroke_width=width))
        return tag("svg", tag("defs", tag("g", "".join(parts), id="town")), width=0, height=0, class_="defs", aria_hidden="true")

    def draw(self, wearer: WearerStory) -> str:
        """One wearer's map."""
        track = [self.point(lat, lon) for lat, lon in wearer.track]
        fixes = [(self.point(fix.lat, fix.lon), fix) for fix in wearer.fixes]
        home = self.point(*wearer.home)
        x, y, wide, high = _frame([*track, home, *(point for zone in wearer.zones for point in self._extent(zone))])
        px = wide / WIDTH  # metres in a pixel
        parts = [tag("use", href="#town")]
        parts += [self._zone(zone, px) for zone in wearer.zones]
        every = max(1, len(fixes) // _CIRCLES_MAX)
        for (fx, fy), fix in fixes[::every]:
            if fix.radius_m is not None:
                parts.append(tag("circle", cx=fx, cy=fy, r=max(fix.radius_m, px), class_="m-radius"))
        line = shapely.LineString(track if len(track) > 1 else [*track, *track])
        way = [(float(a), float(b)) for a, b in line.simplify(_SIMPLER_M).coords]
        parts.append(tag("path", d=svg.path(way), class_="m-track-edge", stroke_width=5 * px))
        parts.append(tag("path", d=svg.path(way), class_="m-track", stroke_width=2.2 * px))
        dots = "".join(f"M{fx:.1f} {fy:.1f}h0" for (fx, fy), _ in fixes)
        parts.append(tag("path", d=dots, class_="m-fix", stroke_width=6 * px))
        parts.append(self._home(home, px))
        parts.append(tag("circle", class_="m-now", r=7 * px, stroke_width=2.5 * px, visibility="hidden"))
        parts.append(_bar(x, y, wide, high, px))
        return tag(
            "svg", "".join(parts), viewBox=f"{x:.1f} {y:.1f} {wide:.1f} {high:.1f}", class_="map", role="img",
            aria_label=f"Map of where {wearer.name} was", data_wearer=wearer.id,
        )  # fmt: skip

    def _zone(self, zone: Zone, px: float) -> str:
        colour = RED if zone.kind == "exclusion" else GREEN
        look = {
            "fill": colour,
            "fill_opacity": 0.13,
            "stroke": colour,
            "stroke_width": 1.8 * px,
            "stroke_dasharray": f"{6 * px:.1f}",
        }
        points = [self.point(lat, lon) for lat, lon in zone.ring]
        title = titled(f"{zone.name} ({zone.kind})")
        if zone.radius_m is not None:
            (cx, cy) = points[0]
            shape = tag("circle", title, cx=cx, cy=cy, r=zone.radius_m, **look)
            at = (cx, cy - zone.radius_m - 4 * px)
        else:
            shape = tag("path", title, d=svg.path(points, closed=True), **look)
            at = (sum(x for x, _ in points) / len(points), min(y for _, y in points) - 4 * px)
        return shape + svg.text(zone.name, at[0], at[1], class_=f"m-label {zone.kind}", font_size=12 * px, text_anchor="middle")

    def _extent(self, zone: Zone) -> list[Point]:
        points = [self.point(lat, lon) for lat, lon in zone.ring]
        if zone.radius_m is None:
            return points
        (x, y), r = points[0], zone.radius_m
        return [(x - r, y - r - 20), (x + r, y + r)]

    def _home(self, home: Point, px: float) -> str:
        x, y = home
        corners = [(0, -9), (9, -1), (6, -1), (6, 7), (-6, 7), (-6, -1), (-9, -1)]
        roof = svg.path([(x + dx * px, y + dy * px) for dx, dy in corners], closed=True)
        return tag("path", titled("home"), d=roof, fill=ORANGE, stroke=INK, stroke_width=1.2 * px)


def _corners(story: Story) -> list[tuple[float, float]]:
    return [wearer.home for wearer in story.wearers] + [(s.lat, s.lon) for wearer in story.wearers for s in wearer.samples[::50]]


def _frame(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """x, y, width and height that show the points, in the map's shape."""
    xs, ys = zip(*points, strict=True)
    wide = max(max(xs) - min(xs) + 2 * _MARGIN_M, _LEAST_M)
    high = max(max(ys) - min(ys) + 2 * _MARGIN_M, _LEAST_M * HEIGHT / WIDTH)
    wide, high = max(wide, high * WIDTH / HEIGHT), max(high, wide * HEIGHT / WIDTH)
    return (min(xs) + max(xs) - wide) / 2, (min(ys) + max(ys) - high) / 2, wide, high


def _bar(x: float, y: float, wide: float, high: float, px: float) -> str:
    metres = max((m for m in _BARS_M if m < wide / 4), default=_BARS_M[0])
    left, base = x + 14 * px, y + high - 14 * px
    back = tag("rect", x=left - 6 * px, y=base - 20 * px, width=metres + 12 * px, height=27 * px, fill="#fff", fill_opacity=0.85)
    line = tag(
        "path",
        d=f"M{left:.1f} {base - 5 * px:.1f}v{5 * px:.1f}h{metres}v{-5 * px:.1f}",
        fill="none",
        stroke=INK,
        stroke_width=1.5 * px,
    )
    words = svg.text(f"{metres} m", left + metres / 2, base - 6 * px, font_size=12 * px, text_anchor="middle", fill=INK)
    return back + line + words


def _lines(geometry: dict[str, Any]) -> Iterable[tuple[list[list[float]], bool]]:
    """(positions as GeoJSON has them, whether closed) of every line of a geometry."""
    kind, coordinates = geometry["type"], geometry["coordinates"]
    if kind == "LineString":
        yield coordinates, False
    elif kind == "MultiLineString":
        yield from ((line, False) for line in coordinates)
    elif kind == "Polygon":
        yield from ((ring, True) for ring in coordinates)
    elif kind == "MultiPolygon":
        yield from ((ring, True) for polygon in coordinates for ring in polygon)
