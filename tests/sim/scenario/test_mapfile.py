"""A town from a map and a trip along a recorded track: what is read, and what is said of what is wrong."""

import json
import math
from pathlib import Path

import pytest
import shapely

from bridge.errors import ConfigError
from sim.scenario import load
from sim.scenario.mapfile import read_map, read_track
from sim.world.mapped import build_mapped
from sim.world.plane import distance_m

MILLFORD = Path(__file__).parents[3] / "sim/scenarios/millford.geojson"
HOUR = 3_600_000


@pytest.fixture(scope="module")
def town():
    return build_mapped(read_map("millford", MILLFORD.read_bytes()))


def test_the_map_is_all_there(town):
    features = json.loads(MILLFORD.read_text("utf-8"))["features"]
    ways = [f for f in features if "highway" in f["properties"] and f["geometry"]["type"] == "LineString"]
    plane = town.plane
    drawn = shapely.union_all(
        [shapely.LineString([plane.to_xy(lat, lon) for lon, lat in f["geometry"]["coordinates"]]) for f in ways]
    )
    network = shapely.union_all([shapely.LineString(e.points) for e in town.streets.edges])
    assert network.length == pytest.approx(drawn.length, rel=1e-6), "nothing is left out, nothing is there twice"
    assert network.hausdorff_distance(drawn) < 0.01
    houses = [f["properties"] for f in features if "building" in f["properties"]]
    assert len(town.buildings) == len(houses)
    for h in houses:
        if "addr:street" in h:
            place = town.place(f"{h['addr:housenumber']} {h['addr:street']}")
            assert place.indoors and shapely.Polygon(town.buildings[place.building].corners).contains(shapely.Point(place.point))
    assert len(town.bus_stops) == sum(f["properties"].get("highway") == "bus_stop" for f in features)
    assert town.place("The Packhorse").kind == "pub" and town.place("Jubilee Park").kind == "park"
    assert not town.place("Bandstand").indoors and town.place("High Street").kind == "spot"


def test_narrow_streets_are_canyons_and_wide_ones_are_not(town):
    def worst(name):
        return max(e.canyon for e in town.streets.edges if e.name == name)

    assert worst("High Street") > 0.6 and worst("Linnet Grove") < 0.2 and worst("Beck Path") < 0.2


def test_every_place_is_reached_from_every_other_by_every_way(town):
    places = [*town.places.values(), town.place("7 Union Terrace")]
    for by, classes in (("walk", None), ("cycle", None), ("drive", {"primary", "residential", "service", "door"})):
        network = shapely.union_all(
            [shapely.LineString(e.points) for e in town.streets.edges if classes is None or e.street_class in classes]
        )
        for one in places:
            for other in places[:5]:
                route = town.route(one, other, by)
                assert math.dist(route.points[0], one.point) < 0.02 > math.dist(route.points[-1], other.point)
                for p, q, street_class in zip(route.points, route.points[1:], route.classes, strict=False):
                    if street_class != "door":
                        assert classes is None or street_class in classes
                        assert network.distance(shapely.LineString([p, q])) < 0.01


def test_what_does_not_hang_together_is_left_out_and_roads_that_no_car_reaches_are_walked():
    def way(points, **tags):
        coordinates = [[-2.1 + x * 1e-3, 54.0 + y * 1e-3] for x, y in points]
        return {"type": "Feature", "properties": tags, "geometry": {"type": "LineString", "coordinates": coordinates}}

    features = [
        way([(0, 0), (1, 0), (2, 0)], highway="residential", name="Long"),
        way([(1, 0), (1, 1)], highway="footway", name="Path"),
        way([(1, 1), (1.3, 1.1)], highway="service", name="Yard"),
        way([(5, 5), (6, 5)], highway="residential", name="Far"),
        way([(0, 0), (0, 1)], highway="motorway", name="Fast"),
    ]
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    town = build_mapped(read_map("x", data))
    assert {(e.name, e.street_class) for e in town.streets.edges} == {
        ("Long", "residential"), ("Path", "footway"), ("Yard", "footway"),
    }  # fmt: skip
    assert len([e for e in town.streets.edges if e.name == "Long"]) == 2, "cut where the path meets it"


BAD = {
    "no JSON": (b"{", "(file)", "GeoJSON"),
    "another document": (b'{"type": "Topology"}', "type", "FeatureCollection"),
    "no network": (b'{"type": "FeatureCollection", "features": []}', "features", '"highway"'),
    "no feature": (b'{"features": [{"type": "Way"}]}', "features[0]", '"type": "Feature"'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_map_that_is_none_is_refused(name):
    data, field, expected = BAD[name]
    with pytest.raises(ConfigError) as raised:
        read_map("map.geojson", data)
    assert raised.value.file == "map.geojson" and raised.value.field == field and expected in raised.value.expected


@pytest.mark.parametrize(
    ("change", "field", "expected"),
    [
        ({"geometry": {"type": "LineString", "coordinates": [[1, 2]]}}, "geometry.coordinates", "2 positions"),
        ({"geometry": {"type": "LineString", "coordinates": [[1, 2], [1, 99]]}}, "geometry.coordinates[1]", "degrees"),
        ({"geometry": {"type": "LineString", "coordinates": [[1, 2], ["1", 2]]}}, "geometry.coordinates[1]", "degrees"),
        ({"properties": {"building": "yes", "height": "tall"}, "geometry": "ring"}, "properties.height", "metres"),
        ({"properties": {"building": "yes"}, "geometry": "open"}, "geometry.coordinates[0]", "closed"),
        ({"properties": []}, "features[1]", ""),
        ({"properties": {"highway": {"a": 1}}}, "properties.highway", "text"),
        ({"geometry": {"type": "LineString", "coordinates": [[1, 2], [9, 2]]}}, "features", "km across"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_feature_is_named(change, field, expected):
    good = {
        "type": "Feature", "properties": {"highway": "residential"},
        "geometry": {"type": "LineString", "coordinates": [[1, 2], [1.001, 2]]},
    }  # fmt: skip
    ring = [[0, 0], [0, 1e-4], [1e-4, 1e-4], [0, 0]]
    shapes = {"ring": ring, "open": [*ring[:3], [1e-4, 0]]}
    if isinstance(change.get("geometry"), str):
        change = change | {"geometry": {"type": "Polygon", "coordinates": [shapes[change["geometry"]]]}}
    if change == {"properties": []}:
        assert read_map("m", json.dumps({"features": [good, good | change]}).encode()).ways, "no properties at all are fine"
        return
    with pytest.raises(ConfigError) as raised:
        read_map("m", json.dumps({"features": [good, good | change]}).encode())
    assert field in raised.value.field and expected in raised.value.expected
    assert field == "features" or raised.value.field.startswith("features[1].")


# Tracks and scenarios

TRACK = "".join(
    f'<trkpt lat="{54.0210 + i * 1e-4:.6f}" lon="-2.1000"><time>2019-07-01T10:{i // 6:02d}:{i % 6 * 10:02d}Z</time></trkpt>'
    for i in range(30)
)
GPX = f'<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>{TRACK}</trkseg></trk></gpx>'
SCENARIO = """
name: t
start: 2026-06-05T07:00:00
timezone: Europe/London
until: 6h
town: {geojson: map.geojson}
people:
  - id: a
    name: A
    tag: tag-000001
    home: 7 Union Terrace
    routine:
      - {leave: "08:00", to: Jubilee Park, gpx: walk.gpx}
"""


def files(folder, scenario=SCENARIO, gpx=GPX):
    (folder / "map.geojson").write_bytes(MILLFORD.read_bytes())
    (folder / "walk.gpx").write_text(gpx, "utf-8")
    (folder / "s.yaml").write_text(scenario, "utf-8")
    return folder / "s.yaml"


def test_a_track_is_followed_at_its_own_times_from_the_departure_on(tmp_path):
    world = load(files(tmp_path)).world()
    track = read_track("x", GPX.encode())
    start = next(t for t in range(HOUR, 2 * HOUR, 1000) if distance_m(*world.truth("a", t)[:2], *track[0][1:]) < 1.5)
    for after_ms, lat, lon in track:
        assert distance_m(*world.truth("a", start + after_ms)[:2], lat, lon) < 3.0, after_ms
    assert world.truth("a", 5 * HOUR).place == "Jubilee Park"
    before = world.truth("a", 0)
    for t in range(0, 3 * HOUR, 1000):
        now = world.truth("a", t)
        assert distance_m(before.lat, before.lon, now.lat, now.lon) < 2.0
        before = now


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("10:00:10Z", "09:00:10Z", "trk[0].trkseg[0].trkpt[1].time", "not before"),
        ("<time>2019-07-01T10:00:10Z</time>", "", "trk[0].trkseg[0].trkpt[1].time", "a time"),
        ('lat="54.021100"', 'lat="54.041100"', "trk[0].trkseg[0].trkpt[1]", "45 m/s"),
        ("<trk>", "<rte>", "content", "GPX"),
    ],
)
def test_what_is_wrong_in_a_track_is_named(old, new, field, expected):
    with pytest.raises(ConfigError) as raised:
        read_track("walk.gpx", GPX.replace(old, new, 1).encode())
    assert raised.value.field == field and expected in raised.value.expected


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("map.geojson", "mop.geojson", "town.geojson", "can be read"),
        ("walk.gpx", "wilk.gpx", "people[0].routine[0].gpx", "can be read"),
        ("geojson: map.geojson", "geojson: map.geojson, seed: 3", "town", 'no "seed"'),
        ("gpx: walk.gpx", "gpx: walk.gpx, via: [Market Street]", "people[0].routine[0]", '"gpx" with "leave"'),
        ("to: Jubilee Park", "to: Jubilee Perk", "people[0].routine[0].to", "Jubilee Park"),
        ("home: 7 Union", "home: 7 Onion", "people[0].home", "7 Union Terrace"),
    ],
)
def test_what_is_wrong_with_files_is_named_where_the_scenario_names_them(tmp_path, old, new, field, expected):
    with pytest.raises(ConfigError) as raised:
        load(files(tmp_path, SCENARIO.replace(old, new)))
    assert raised.value.field == field and expected in raised.value.expected


def test_a_track_far_from_the_town_is_refused(tmp_path):
    with pytest.raises(ConfigError) as raised:
        load(files(tmp_path, gpx=GPX.replace("54.02", "54.52")))
    assert raised.value.field == "people[0].routine[0].gpx"


def test_the_tracks_of_a_gpx_file_may_be_the_town(tmp_path):
    line = "".join(f'<trkpt lat="54.0210" lon="{-2.1 + i * 1e-3:.4f}"/>' for i in range(9))
    stop = '<wpt lat="54.0211" lon="-2.098"><name>Barn</name></wpt>'
    (tmp_path / "town.gpx").write_text(f"<gpx>{stop}<trk><name>Track</name><trkseg>{line}</trkseg></trk></gpx>", "utf-8")
    text = SCENARIO.replace("geojson: map.geojson", "gpx: town.gpx").replace("7 Union Terrace", "Track")
    scenario = load(files(tmp_path, text.replace(", gpx: walk.gpx", "").replace("Jubilee Park", "Barn")))
    assert scenario.world().truth("a", 5 * HOUR).place == "Barn"
    with pytest.raises(ConfigError, match="bus stops"):
        load(files(tmp_path, text.replace(", gpx: walk.gpx", ", by: bus").replace("Jubilee Park", "Barn")))
