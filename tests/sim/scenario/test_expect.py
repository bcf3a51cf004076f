"""What may be expected of a scenario, and what is said of what makes no sense: line, field, value, what was meant."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bridge.errors import ConfigError
from sim.scenario import Expectation, load
from tests.tools.commands import DEMO

TEXT = DEMO.read_text(encoding="utf-8")
SCHEMA = json.loads((DEMO.parents[1] / "schema" / "scenario.schema.json").read_text())
HEAD, TAIL = TEXT.split("expect:\n")
LINE = HEAD.count("\n") + 2
SECOND, MINUTE = 1_000, 60_000


def scenario(tmp_path: Path, entry: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(f"{HEAD}expect:\n  - {entry}\n", encoding="utf-8")
    return path


def test_how_soon_and_how_often_come_with_what_must_be_found(tmp_path: Path):
    loaded = load(scenario(tmp_path, '{wearer: jory, event: strap_cut, of: "14:20:00", within: 10s, count: 1}'))
    of_ms = loaded.moment_ms("14:20")
    assert loaded.expect == [Expectation("jory", "strap_cut", False, of_ms, of_ms + 10 * SECOND, of_ms, 10 * SECOND, 1, None)]
    loaded = load(scenario(tmp_path, '{wearer: kit, event: late_home, between: ["19:00", "19:15"], within: 2m, at_most: 3}'))
    low, high = loaded.moment_ms("19:00"), loaded.moment_ms("19:15")
    assert loaded.expect == [Expectation("kit", "late_home", False, low, high, None, 2 * MINUTE, None, 3)]


@pytest.mark.parametrize(
    ("entry", "field", "value", "expected"),
    [
        ("{wearer: jory}", "", None, 'either "event" or "never"'),
        ("{wearer: jory, event: strap_cut}", "", None, '"between", or "of" and "within"'),
        (
            '{wearer: jory, event: strap_cut, of: "14:20", within: 9s, between: ["14:00", "15:00"]}',
            "",
            None,
            '"between", or "of"',
        ),
        ("{wearer: jory, event: strap_cut, within: 10s}", "", None, '"between", or "of" and "within"'),
        ('{wearer: jory, event: strap_cut, of: "14:20"}', "", None, '"within" with "of"'),
        ("{wearer: jory, event: strap_cut, of: 14:20, within: 9s}", ".of", 860, "a moment such as"),
        ('{wearer: jory, event: strap_cut, of: "05:00", within: 9s}', ".of", "05:00", "not before the scenario's start"),
        ('{wearer: jory, event: strap_cut, of: "14:20", within: soon}', ".within", "soon", "a length of time"),
        ('{wearer: jory, event: strap_cut, between: ["14:00", "15:00"], count: 0}', ".count", 0, "greater than or equal to 1"),
        ('{wearer: jory, event: strap_cut, between: ["14:00", "15:00"], count: often}', ".count", "often", "integer"),
        ('{wearer: jory, event: strap_cut, between: ["14:00", "15:00"], count: 1, at_most: 2}', "", None, 'either "count"'),
        ('{wearer: jory, event: strap_cut, between: ["14:00"]}', ".between", ["14:00"], "at least 2 items"),
        ("{wearer: jory, never: strap_cut, within: 10s}", "", None, 'no "within" with "never"'),
        ('{wearer: jory, never: strap_cut, of: "14:20"}', "", None, 'no "of" with "never"'),
        ("{wearer: jory, never: strap_cut, at_most: 1}", "", None, 'no "at_most" with "never"'),
        ("{wearer: jory, never: strap_cut, witin: 10s}", "", "witin", "did you mean 'within'"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, entry: str, field: str, value: object, expected: str):
    path = scenario(tmp_path, entry)
    with pytest.raises(ConfigError) as caught:
        load(path)
    error = caught.value
    assert error.file == f"{path}:{LINE}" and error.field == f"expect[0]{field}", error
    assert expected in str(error.expected), error
    if value is not None:
        assert error.value == value


@pytest.mark.parametrize(
    ("entry", "is_good"),
    [
        ('{wearer: jory, event: strap_cut, of: "14:20:00", within: 10s, count: 1}', True),
        ('{wearer: kit, event: late_home, between: ["19:00", "19:15"], within: 120, at_most: 3}', True),
        ('{wearer: jory, event: strap_cut, of: "20 past", within: 10s}', False),
        ('{wearer: jory, event: strap_cut, of: "14:20", within: soon}', False),
        ('{wearer: jory, event: strap_cut, between: ["14:00", "15:00"], count: 0}', False),
    ],
)
def test_editors_check_the_same_by_the_schema(tmp_path: Path, entry: str, is_good: bool):
    data = yaml.safe_load(scenario(tmp_path, entry).read_text(encoding="utf-8"))
    data["start"] = data["start"].isoformat()
    errors = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(data))
    assert (not errors) is is_good, errors


def test_the_schema_tells_what_each_key_means():
    properties = SCHEMA["$defs"]["Expectation"]["properties"]
    assert all("description" in properties[key] for key in ("event", "never", "between", "of", "within", "count", "at_most"))
