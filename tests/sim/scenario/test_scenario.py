"""The scenario file: the demonstration as it is meant, the scheme made from it, and the published schema."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from bridge.cases.scheme import Scheme, load_scheme
from firmware.core.settings import Settings, SettingsError, ranges
from sim.scenario import Expectation, Fault, load
from sim.scenario.models import EventKind, Policy, json_schema
from sim.world.plane import distance_m

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "sim" / "scenarios" / "demo.yaml"
SCHEMA = ROOT / "sim" / "schema" / "scenario.schema.json"
HOUR = 3_600_000


@pytest.fixture(scope="module")
def demo():
    return load(DEMO)


@pytest.fixture(scope="module")
def world(demo):
    return demo.world()


def test_the_published_schema_is_in_step_with_the_models():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), "run python -m sim.schema"


def test_the_demonstration_names_its_schema_and_keeps_to_it():
    text = DEMO.read_text(encoding="utf-8")
    name = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (DEMO.parent / name).resolve() == SCHEMA
    data = yaml.safe_load(text)
    data["start"] = data["start"].isoformat()
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    assert list(validator.iter_errors(data)) == []
    data["people"][0]["tga"] = "tag-000009"
    assert list(validator.iter_errors(data))


def test_every_kind_of_event_that_may_be_expected_is_one_that_the_rules_find():
    told = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "bridge" / "rules").glob("*.py"))
    assert [kind for kind in get_args(EventKind) if f'"{kind}"' not in told] == []


def test_it_starts_on_a_summer_monday_at_six(demo):
    assert demo.start_utc_ms == datetime(2026, 6, 1, 5, tzinfo=UTC).timestamp() * 1000
    assert demo.local_time(0).strftime("%a %H:%M %Z") == "Mon 06:00 BST"
    assert demo.until_ms == 24 * HOUR
    assert demo.moment_ms("06:00") == 0
    assert demo.moment_ms("day 2 06:00") == 24 * HOUR


def test_everybody_is_asleep_at_home_at_six_and_leaves_at_a_different_time(demo, world):
    leaving = set()
    for wearer in world.wearers.values():
        assert world.truth(wearer.id, 0).place == wearer.home.name
        leaving.add(world.next_change(wearer.id, 0) // 600_000)
    assert len(leaving) == 4


def hours_at_home(world, wearer_id):
    home = world.wearers[wearer_id].home.name
    return sum(world.truth(wearer_id, t).place == home for t in range(0, 24 * HOUR, 60_000)) / 60


def test_days_are_long_at_home(world):
    hours = {w: hours_at_home(world, w) for w in world.wearers}
    assert 12 < hours["rowan"] < 16 and 12 < hours["kit"] < 16 and 14 < hours["tamsin"] < 19


def test_the_compliant_wearer_keeps_the_curfew(demo, world):
    for t in range(demo.moment_ms("18:30"), demo.moment_ms("day 2 06:00"), 60_000):
        assert world.truth("rowan", t).place == "22 Mallow Lane"
    modes = {world.truth("rowan", t).mode for t in range(0, 24 * HOUR, 10_000)}
    assert modes == {"still", "walk", "bus"}


def test_the_late_wearer_is_in_the_pub_at_seven_and_home_at_19_42(demo, world):
    assert world.truth("kit", demo.moment_ms("19:00")).place == "The Wheatsheaf"
    home = demo.moment_ms("19:42")
    assert world.truth("kit", home - 20_000).place is None
    assert world.truth("kit", home + 1_000).place == "30 Wren Place"


def test_the_cut_strap_stays_in_the_park(demo, world):
    cut, dropped = world.wearers["jory"].events(0, 24 * HOUR)
    assert (cut.at_ms, cut.kind, cut.device) == (demo.moment_ms("14:20"), "strap_cut", "tag-000003")
    assert dropped.kind == "tag_dropped"
    last = world.truth("jory", 24 * HOUR)
    assert last.place == "Fairlea Common" and not last.indoors
    assert world.person("jory", 24 * HOUR).place == "26 Pheasant Terrace"


def test_the_zone_is_entered_at_ten_past_three_for_ten_minutes(demo, world):
    circle = demo.to_scheme()["wearers"][3]["conditions"][1]["circle"]
    inside = []
    for t in range(0, 24 * HOUR, 1_000):
        truth = world.truth("tamsin", t)
        if distance_m(truth.lat, truth.lon, circle["lat"], circle["lon"]) < circle["radius_m"]:
            inside.append(t)
            assert not truth.indoors
    assert abs(inside[0] - demo.moment_ms("15:10")) < 60_000
    assert inside[-1] - inside[0] == (len(inside) - 1) * 1_000  # in once, out once
    assert 9 * 60_000 < inside[-1] - inside[0] < 12 * 60_000


def test_nobody_else_comes_near_the_home_units_of_others(demo, world):
    for wearer in world.wearers.values():
        for unit in world.home_units.values():
            if unit.wearer_id != wearer.id:
                truth = world.truth(wearer.id, 0)
                assert distance_m(truth.lat, truth.lon, unit.lat, unit.lon) > 200


def test_the_scheme_is_one_that_the_bridge_takes(demo, tmp_path):
    path = tmp_path / "scheme.yaml"
    path.write_text(yaml.safe_dump(demo.to_scheme(), sort_keys=False), encoding="utf-8")
    scheme = load_scheme(path)
    assert scheme == Scheme.model_validate(demo.to_scheme())
    assert [w.tag for w in scheme.wearers] == ["tag-000001", "tag-000002", "tag-000003", "tag-000004"]
    assert scheme.wearers[0].from_ms == demo.start_utc_ms
    for entry, wearer in zip(scheme.wearers, demo.world().wearers.values(), strict=True):
        at_home = wearer.truth(0)
        assert entry.home is not None
        assert distance_m(entry.home.lat, entry.home.lon, at_home.lat, at_home.lon) < 0.1


def test_expectations_name_what_must_be_found_and_what_never(demo):
    assert Expectation("jory", "strap_cut", False, demo.moment_ms("14:19"), demo.moment_ms("14:22")) in demo.expect
    never = [e for e in demo.expect if e.never and e.wearer_id == "rowan"]
    assert never and all(e.from_ms == 0 and e.until_ms > 10**15 for e in never)
    assert {e.wearer_id for e in demo.expect} == {"rowan", "kit", "jory", "tamsin"}


def test_faults_holes_zones_and_positions_are_understood(tmp_path):
    data = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    data["start"] = "2026-06-01T06:00"
    data["until"] = "2d"
    data["faults"] = [
        {"kind": "broker_down", "from": "07:00", "until": "07:30"},
        {"kind": "coverage_lost", "from": "09:00", "until": "day 2 09:00", "wearer": "kit"},
    ]
    data["coverage_holes"] = [{"around": {"place": "Priory Gardens", "radius_m": 80}, "from": "08:00"}]
    data["people"][0]["home"] = {"lat": 50.7154, "lon": -2.4467}
    square = [[50.71, -2.44], [50.72, -2.44], [50.72, -2.43], [50.71, -2.43]]
    data["people"][0]["conditions"].append({"kind": "inclusion", "name": "Town", "polygon": square})
    data["people"][0]["routine"][1]["via"] = ["High East Street", {"place": "Corn Exchange", "pause_min": 2}]
    path = tmp_path / "all.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    s = load(path)
    assert s.faults == [
        Fault("broker_down", HOUR, 3 * HOUR // 2, None),
        Fault("coverage_lost", 3 * HOUR, 27 * HOUR, "kit"),
    ]
    w = s.world()
    park = w.truth("jory", 0)._replace(
        lat=w.town.latlon(w.place("Priory Gardens"))[0], lon=w.town.latlon(w.place("Priory Gardens"))[1]
    )
    assert [w.cellular.in_coverage(park.lat, park.lon, False, t) for t in (0, 2 * HOUR)] == [True, False]
    assert distance_m(*w.truth("rowan", 0)[:2], 50.7154, -2.4467) < 0.2
    assert Scheme.model_validate(s.to_scheme()).wearers[0].conditions[-1].name == "Town"


@pytest.mark.parametrize("name", list(Policy.model_fields))
def test_a_policy_may_be_what_the_firmware_takes_and_nothing_else(name):
    _, low, high = ranges()[name]
    for value in (low, high):
        assert Settings(Policy(**{name: value}).model_dump())
    for value in (low - 1, high + 1):
        with pytest.raises(ValidationError):
            Policy(**{name: value})
        with pytest.raises(SettingsError):
            Settings({name: value})
