"""The scheme file: read whole, refused with its line, applied in one piece and as often as one likes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from bridge.cases.conditions import Condition, Zone, parse_time_of_day
from bridge.cases.scheme import Scheme, apply_scheme, load_scheme
from bridge.errors import ConfigError
from bridge.store import open_store, schema

GOOD = """\
timezone: Europe/London
wearers:
  - id: w1
    name: A. Wearer
    tag: tag-000001
    home_unit: hmu-000001
    home: {lat: 50.7154, lon: -2.4367}
    from: 2026-06-01T05:00:00Z
    conditions:
      - {kind: curfew, name: Nights, from: "21:00", until: "07:00", grace_min: 5, days: [mon, tue]}
      - {kind: exclusion, name: Station Road, circle: {lat: 50.71, lon: -2.43, radius_m: 150}}
      - {kind: inclusion, name: Town, polygon: [[50.7, -2.5], [50.8, -2.5], [50.8, -2.3]]}
  - {id: w2, name: B, tag: tag-000002, from: 2026-06-01T05:00:00+01:00, until: 2026-07-01T05:00:00Z}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "scheme.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def rows(engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {table.name: [tuple(row) for row in connection.execute(select(table))] for table in schema.metadata.sorted_tables}


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ("Europe/London", "Europe/Londn", 1, "timezone", "got 'Europe/Londn', expected the name of a time zone"),
        ("Europe/London", "../etc/passwd", 1, "timezone", "the name of a time zone"),
        ("grace_min", "grace_mins", 10, "wearers[0].conditions[0]", "did you mean 'grace_min'"),
        ("name: B", "nmae: B", 13, "wearers[1]", "did you mean 'name'"),
        (", [50.8, -2.3]]", "]", 12, "wearers[0].conditions[2].polygon", "at least three different points"),
        ("[50.8, -2.3]", "[50.7, -2.3], [50.8, -2.4]", 12, "wearers[0].conditions[2].polygon", "do not cross"),
        ("[50.8, -2.3]", "[50.9, -2.5]", 12, "wearers[0].conditions[2].polygon", "do not cross or touch"),
        ("tag-000002", "tag-000001", 13, "wearers[1].tag", "no other wearer has at that time (wearers[0] has it)"),
        ("tag-000002", "hmu-000002", 13, "wearers[1].tag", "a device name such as tag-000001"),
        ("tag-000002", "tag-2", 13, "wearers[1].tag", "a device name such as tag-000001"),
        ("lat: 50.7154", "lat: 95", 7, "wearers[0].home.lat", "got 95, expected less than or equal to 90"),
        ("lon: -2.4367", "lon: .nan", 7, "wearers[0].home.lon", "finite"),
        ("radius_m: 150", "radius_m: 0", 11, "wearers[0].conditions[1].circle.radius_m", "greater than 0"),
        ('"21:00"', "21:00", 10, "wearers[0].conditions[0].from", "in quotes"),
        ('"21:00"', '"24:00"', 10, "wearers[0].conditions[0].from", "a time of day"),
        ('"07:00"', '"21:00"', 10, "wearers[0].conditions[0].until", 'differs from "from"'),
        ("[mon, tue]", "[mon, tuesday]", 10, "wearers[0].conditions[0].days[1]", "'tue'"),
        (
            "kind: curfew",
            "kind: curfw",
            10,
            "wearers[0].conditions[0].kind",
            "got 'curfw', expected one of 'curfew', 'exclusion'",
        ),
        ("name: Town", "name: Nights", 12, "wearers[0].conditions[2].name", "no other condition of this wearer has"),
        ("2026-07-01", "2026-05-01", 13, "wearers[1].until", "a time after its `from`"),
        ("2026-06-01T05:00:00Z", "2026-06-01T05:00:00", 8, "wearers[0].from", "with its zone"),
        ("id: w2", "id: w2, id: w3", 13, "id", "each key once"),
        ("name: B", 'name: "B', 14, "(syntax)", "valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, line: int, field: str, words: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as refused:
        load_scheme(path)
    text = str(refused.value)
    assert text.startswith(f"{path}:{line}: {field}: got ") and words in text, text


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "3", "wearers: []\n", "timezone: UTC\n", "\tx", "timezone: 2026-02-31\n", "{a: *x}"]
)
def test_a_file_that_is_no_scheme_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_scheme(write(tmp_path, text))


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_scheme(tmp_path / "none.yaml")
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_scheme(tmp_path / "x.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.text(max_size=4))
def test_a_typing_mistake_anywhere_gives_a_scheme_or_an_error_in_words(tmp_path: Path, at: int, typed: str) -> None:
    path = write(tmp_path, (GOOD[:at] + typed + GOOD[at + 1 :]).encode("utf-8", "replace").decode())
    try:
        load_scheme(path)
    except ConfigError as error:
        assert str(error).startswith(str(path)) and ", expected " in str(error)


def test_applying_it_twice_changes_nothing(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    scheme = load_scheme(write(tmp_path, GOOD))
    apply_scheme(engine, scheme)
    once = rows(engine)
    assert [row[1] for row in once["device"]] == ["tag-000001", "hmu-000001", "tag-000002"]
    apply_scheme(engine, scheme)
    assert rows(engine) == once


def test_a_changed_scheme_changes_what_changed_and_keeps_the_rest(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    apply_scheme(engine, load_scheme(write(tmp_path, GOOD)))
    before = rows(engine)
    changed = GOOD.replace("radius_m: 150", "radius_m: 200").replace("name: A. Wearer", "name: A. Renamed")
    changed = changed.replace("+01:00, until: 2026-07-01", "+01:00, until: 2026-06-20")
    apply_scheme(engine, load_scheme(write(tmp_path, changed)))
    after = rows(engine)
    assert [row[0] for row in after["condition"]] == [row[0] for row in before["condition"]]
    assert after["condition"][1][4]["circle"]["radius_m"] == 200
    assert after["wearer"][0] == ("w1", "A. Renamed")
    assert after["wear_period"][1][-1] < before["wear_period"][1][-1]


def test_a_device_that_the_store_has_with_another_is_refused_and_nothing_applied(tmp_path: Path) -> None:
    engine = open_store(tmp_path / "store.db")
    apply_scheme(engine, load_scheme(write(tmp_path, GOOD)))
    before = rows(engine)
    other = "timezone: UTC\nwearers:\n  - {id: w9, name: N, tag: tag-000001, from: 2026-06-05T00:00:00Z}\n"
    with pytest.raises(ConfigError, match="'tag-000001', expected a device that is free: the store has it with wearer 'w1'"):
        apply_scheme(engine, load_scheme(write(tmp_path, other)))
    assert rows(engine) == before


def test_one_tag_serves_one_wearer_after_another(tmp_path: Path) -> None:
    entry = {"name": "N", "tag": "tag-000001"}
    first = {**entry, "id": "a", "from": "2026-06-01T00:00:00Z", "until": "2026-06-02T00:00:00Z"}
    second = {**entry, "id": "b", "from": "2026-06-02T00:00:00Z"}
    scheme = Scheme.model_validate({"timezone": "UTC", "wearers": [first, second]})
    apply_scheme(open_store(tmp_path / "store.db"), scheme)


@given(st.text(max_size=8))
def test_a_time_of_day_is_one_or_refused(text: str) -> None:
    try:
        minutes = parse_time_of_day(text)
    except ValueError:
        return
    hours, _, rest = text.partition(":")
    assert minutes == int(hours) * 60 + int(rest) and 0 <= minutes < 1440


def test_conditions_stand_on_their_own() -> None:
    adapter = TypeAdapter(Condition)
    zone = adapter.validate_python({"kind": "exclusion", "name": "Z", "polygon": [[1, 2], [3, 4], [5, 2], [1, 2]]})
    assert isinstance(zone, Zone) and zone.spec() == {"polygon": [[1.0, 2.0], [3.0, 4.0], [5.0, 2.0]]}
    for shape in ({}, {"polygon": [[1, 2], [3, 4], [5, 2]], "circle": {"lat": 1, "lon": 2, "radius_m": 3}}):
        with pytest.raises(ValidationError, match='either "circle" or "polygon"'):
            adapter.validate_python({"kind": "inclusion", "name": "Z", **shape})


def test_the_policy_of_the_devices_is_checked_where_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "scheme.yaml"
    file.write_text("timezone: UTC\npolicy: {fix_interval_s: 1}\nwearers: []\n")
    with pytest.raises(ConfigError, match=r"scheme.yaml:2: policy: .*fix_interval_s: got 1, expected 5 to 3600"):
        load_scheme(file)
    file.write_text("timezone: UTC\npolicy: {fix_intervall_s: 60}\nwearers: []\n")
    with pytest.raises(ConfigError, match="fix_intervall_s: no such setting"):
        load_scheme(file)
