"""The generated town: connected, named, drawable, and its routes stay on its streets."""

import json
import math

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world import names
from sim.world.streets import length_of
from sim.world.town import build_town

SEEDS = (1, 2, 3, 20)


@pytest.fixture(scope="module", params=SEEDS)
def town(request):
    return build_town(request.param)


def test_the_same_seed_builds_the_same_town():
    again = build_town.__wrapped__(1)
    assert json.dumps(again.geojson()) == json.dumps(build_town(1).geojson())
    assert json.dumps(build_town(2).geojson()) != json.dumps(build_town(1).geojson())


def test_every_junction_can_be_walked_to_from_every_other(town):
    seen, todo = {0}, [0]
    while todo:
        for other, _ in town.streets.neighbours(todo.pop()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    assert len(seen) == len(town.streets.nodes)


def test_edges_start_and_end_at_their_junctions(town):
    for edge in town.streets.edges:
        assert math.dist(edge.points[0], town.streets.nodes[edge.a]) < 0.01
        assert math.dist(edge.points[-1], town.streets.nodes[edge.b]) < 0.01
        assert edge.length_m == pytest.approx(length_of(edge.points))


def test_it_has_what_a_small_town_has(town):
    kinds = {}
    for place in town.places.values():
        kinds[place.kind] = kinds.get(place.kind, 0) + 1
    for kind, least in {"home": 16, "work": 2, "shop": 4, "pub": 4, "school": 1, "office": 5, "park": 2, "bus_stop": 6}.items():
        assert kinds.get(kind, 0) >= least, kind
    assert "Probation Office" in town.places
    classes = {edge.street_class for edge in town.streets.edges}
    assert classes == {"primary", "residential", "service", "footway"}
    assert all(edge.name for edge in town.streets.edges if edge.street_class != "footway")
    assert len(town.buildings) > 1000


def test_buildings_stand_apart_and_off_the_roads(town):
    shapes = [shapely.polygons(b.corners) for b in town.buildings]
    tree = shapely.STRtree(shapes)
    left, _right = tree.query(shapes, predicate="overlaps")
    assert len(left) == 0
    streets = [shapely.linestrings(e.points) for e in town.streets.edges if e.street_class != "footway"]
    assert len(tree.query(streets, predicate="intersects")[0]) == 0


def test_places_in_buildings_are_near_their_street(town):
    for place in town.places.values():
        reach = 130 if place.kind in ("park", "school", "work", "shop", "hospital") else 40
        assert math.dist(place.point, place.access.point) < reach, place.name


@pytest.mark.parametrize(("seed", "size_m"), [(0, 1600.0), (5, 1600.0), (10, 2400.0), (1, 4000.0)])
def test_every_town_has_every_named_place(seed, size_m):
    town = build_town.__wrapped__(seed, (50.7154, -2.4367), size_m)
    wanted = (*names.OFFICES, *names.SHOPS, *names.PUBS, *names.SCHOOLS, *names.WORKS, *names.PARKS)
    assert [name for name in (*wanted, names.HOSPITAL, names.SUPERMARKET) if name not in town.places] == []
    assert sum(p.kind == "home" for p in town.places.values()) == 24


def test_addresses_and_streets_are_places_too(town):
    house = next(b for b in town.buildings if b.street and b.name not in town.places)
    assert town.place(house.name).indoors
    street = town.place("South Street")
    assert not street.indoors
    assert math.dist(street.point, street.access.point) < 0.01
    with pytest.raises(KeyError):
        town.place("")


def test_a_position_is_indoors_where_a_building_stands():
    town = build_town(1)
    home = next(p for p in town.places.values() if p.kind == "home")
    assert town.spot(*town.latlon(home)).building == home.building
    assert not town.spot(*town.latlon(town.places["Priory Gardens"])).indoors


def test_geojson_is_valid_and_has_the_agreed_properties(town):
    collection = json.loads(json.dumps(town.geojson()))
    assert collection["type"] == "FeatureCollection"
    kinds = set()
    for feature in collection["features"]:
        properties = feature["properties"]
        kinds.add(properties["kind"])
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shape.is_valid, properties
        lon, lat = shape.centroid.coords[0]
        assert abs(lat - 50.7154) < 0.02 and abs(lon + 2.4367) < 0.03
        if properties["kind"] in ("street", "path"):
            assert properties["class"] in ("primary", "residential", "service", "footway")
    assert kinds == {"street", "path", "building", "park", "water", "place"}


def _names(town):
    return sorted(town.places)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SEEDS), st.data(), st.booleans())
def test_routes_lead_from_door_to_door_along_the_streets(seed, data, drive):
    town = build_town(seed)
    start = town.place(data.draw(st.sampled_from(_names(town))))
    end = town.place(data.draw(st.sampled_from(_names(town))))
    route = town.route(start, end, "drive" if drive else "walk")
    assert math.dist(route.points[0], start.point) < 0.02
    assert math.dist(route.points[-1], end.point) < 0.02
    assert len(route.classes) == len(route.points) - 1 == len(route.canyons) == len(route.names)
    network = shapely.union_all(
        [shapely.linestrings(e.points) for e in town.streets.edges if not (drive and e.street_class == "footway")]
    )
    for (p, q), street_class in zip(zip(route.points, route.points[1:], strict=False), route.classes, strict=True):
        if street_class != "door":
            middle = ((p[0] + q[0]) / 2, (p[1] + q[1]) / 2)
            assert shapely.distance(network, shapely.points(middle)) < 0.05
            assert not (drive and street_class == "footway")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_walking_routes_are_shortest(data):
    """Against an independent search: Bellman-Ford over the graph with both ends put in as junctions."""
    town = build_town(1)
    start = town.place(data.draw(st.sampled_from(_names(town))))
    end = town.place(data.draw(st.sampled_from(_names(town))))
    graph = town.streets
    if start.access.edge == end.access.edge:
        return
    first, last = graph.edges[start.access.edge], graph.edges[end.access.edge]
    cost = [math.inf] * len(graph.nodes)
    cost[first.a], cost[first.b] = start.access.offset_m, first.length_m - start.access.offset_m
    changed = True
    while changed:
        changed = False
        for edge in graph.edges:
            for p, q in ((edge.a, edge.b), (edge.b, edge.a)):
                if cost[p] + edge.length_m < cost[q] - 1e-9:
                    cost[q] = cost[p] + edge.length_m
                    changed = True
    best = min(cost[last.a] + end.access.offset_m, cost[last.b] + last.length_m - end.access.offset_m)
    assert graph.route(start.access, end.access).length_m == pytest.approx(best, abs=0.01)
