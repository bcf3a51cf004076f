"""The questions a simulation asks the world, put to the demonstration's."""

import ast
from pathlib import Path

import pytest

import sim.world
from sim.scenario import load
from sim.world import World
from sim.world.plane import Plane, distance_m

DEMO = Path(__file__).parents[3] / "sim" / "scenarios" / "demo.yaml"
HOUR = 3_600_000


@pytest.fixture(scope="module")
def world():
    return World(load(DEMO))


def test_home_units_stand_in_their_wearers_homes(world):
    assert sorted(world.home_units) == ["hmu-000001", "hmu-000002", "hmu-000003", "hmu-000004"]
    for unit in world.home_units.values():
        at_home = world.truth(unit.wearer_id, 0)
        assert unit.place == at_home.place and unit.indoors
        assert distance_m(unit.lat, unit.lon, at_home.lat, at_home.lon) < 6


def test_at_home_the_home_unit_is_heard_and_away_it_is_not(world):
    asleep = [world.tag_to_home_unit_dbm("tag-000001", "hmu-000001", 0.0, t) for t in range(0, HOUR, 10_000)]
    assert all(level is not None and -85 < level < -45 for level in asleep)
    assert max(asleep) - min(asleep) > 8
    away = [world.tag_to_home_unit_dbm("tag-000001", "hmu-000001", 0.0, t) for t in range(3 * HOUR, 5 * HOUR, 60_000)]
    assert set(away) == {None}
    assert world.tag_to_home_unit_dbm("tag-000001", "hmu-000002", 0.0, 0) is None


def test_a_receiver_prints_where_the_tag_is(world):
    t = world.next_change("tamsin", 0) + 300_000
    data = world.receiver(0x01000004).epoch(world.start_utc_ms + t, world.truth("tamsin", t), world.start_utc_ms, 1000)
    assert b"GNRMC,0" in data and b",A," in data


def test_degrees_and_metres_agree_with_pyproj():
    geod = pytest.importorskip("pyproj").Geod(ellps="WGS84")
    plane = Plane(50.7154, -2.4367)
    for x, y in ((1000, 0), (0, 1000), (-1200, 900), (2500, -2500)):
        lat, lon = plane.to_latlon(x, y)
        true = geod.inv(-2.4367, 50.7154, lon, lat)[2]
        assert true == pytest.approx((x * x + y * y) ** 0.5, rel=1e-3)
        assert plane.to_xy(lat, lon) == pytest.approx((x, y), abs=1e-6)


def test_the_world_imports_only_the_standard_library_and_shapely():
    for path in Path(sim.world.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            roots = []
            if isinstance(node, ast.Import):
                roots = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                roots = [(node.module or "").split(".")[0]]
            assert not set(roots) & {"bridge", "sim", "tools", "firmware", "hil_tests", "random"}, (path, roots)
