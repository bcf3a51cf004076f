"""What a scenario says when it is wrong: the file with its line, the field, the value, and what was expected."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from sim.scenario import load

DEMO = Path(__file__).parents[3] / "sim" / "scenarios" / "demo.yaml"
TEXT = DEMO.read_text(encoding="utf-8")


def error_of(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    return caught.value


def changed(old, new):
    """The demonstration with the first occurrence of `old` replaced, and the line that it is on."""
    assert old in TEXT
    return TEXT.replace(old, new, 1), TEXT[: TEXT.index(old)].count("\n") + 1


ZONE = "around: {place: 27 Friars Street, radius_m: 150}"

CASES = {
    "unknown key": ("policy:", "polcy:", "(file)", "polcy", "did you mean 'policy'"),
    "unknown key deep down": ("by: car", "bye: car", "people[1].routine[0]", "bye", "did you mean 'by'"),
    "unknown key in a zone": (
        "radius_m: 150}", "radius_m: 150, note: x}",
        "people[3].conditions[1].around", "note", "place, radius_m",
    ),
    "polygon with two points": (
        ZONE, "polygon: [[50.71, -2.44], [50.72, -2.43]]",
        "people[3].conditions[1].polygon", None, "three",
    ),
    "crossing polygon": (
        ZONE, "polygon: [[50, -2], [51, -1], [51, -2], [50, -1]]",
        "people[3].conditions[1].polygon", None, "cross",
    ),
    "two shapes": (ZONE, ZONE + ", circle: {lat: 50, lon: -2, radius_m: 9}", "people[3].conditions[1]", None, "one of"),
    "time zone": ("Europe/London", "Europe/Lundon", "timezone", "Europe/Lundon", "Europe/London"),
    "unknown home": ("home: 30 Wren Place", "home: 31 Wren Palace", "people[1].home", "31 Wren Palace", "Wren Place'"),
    "unknown place of a trip": (
        "to: The Wheatsheaf", "to: The Wheatsheef",
        "people[1].routine[1].to", "The Wheatsheef", "'The Wheatsheaf'",
    ),
    "unknown place on the way": (
        "{place: Friars Street", "{place: Fryers Street",
        "people[3].deviations[0].via[0]", "Fryers Street", "Friars",
    ),
    "unknown place of a zone": (
        "place: 27 Friars Street", "place: 27 Friar Street",
        "people[3].conditions[1].around.place", "27 Friar Street", "Friars",
    ),
    "zone around home": ("place: 27 Friars Street", "place: home", "people[3].conditions[1].around.place", "home", "a place"),
    "tag twice": ("tag: tag-000002", "tag: tag-000001", "people[1].tag", "tag-000001", "people[0] has it"),
    "one home unit in two homes": (
        "home_unit: hmu-000003", "home_unit: hmu-000001",
        "people[2].home", "26 Pheasant Terrace", "people[0], who has the same home unit",
    ),
    "battery": ("home: 30 Wren Place", "home: 30 Wren Place\n    battery: 0", "people[1].battery", 0, "greater"),
    "id twice": ("id: kit", "id: rowan", "people[1].id", "rowan", "nobody else"),
    "no tag name": ("tag: tag-000002", "tag: hmu-000002", "people[1].tag", "hmu-000002", "tag-000001"),
    "clock time": ('leave: "08:10"', 'leave: "8.10"', "people[1].routine[0].leave", "8.10", "clock time"),
    "clock time without quotes": ('leave: "12:05"', "leave: 12:05", "people[0].routine[1].leave", 725, "in quotes"),
    "moment": ('at: "14:20:00"', 'at: "25:20"', "people[2].events[0].at", "25:20", "a moment such as"),
    "moment before the start": ('at: "14:20:00"', 'at: "05:20"', "people[2].events[0].at", "05:20", "not before"),
    "start with an offset": ("2026-06-01T06:00:00 #", "2026-06-01T06:00:00Z #", "start", None, "without an offset"),
    "start that is no date": ("2026-06-01T06:00:00 #", "tomorrow #", "start", "tomorrow", "local date and time"),
    "start that the clocks skip": ("2026-06-01T06:00:00 #", "2026-03-29T01:30:00 #", "start", "2026-03-29T01:30:00", "clocks"),
    "until": ("until: 24h", "until: forever", "until", "forever", "a length of time"),
    "curfew without an end": (
        'from: "19:00", until: "07:00"', 'from: "19:00"',
        "people[0].conditions[0].until", None, "required",
    ),
    "condition of no kind": ("kind: exclusion", "kind: exclusive", "people[3].conditions[1].kind", "exclusive", "exclusion"),
    "two times": ('leave: "08:10"', 'leave: "08:10", arrive: "09:00"', "people[1].routine[0]", None, 'either "leave"'),
    "way of travel": ("by: car", "by: tank", "people[1].routine[0].by", "tank", "'walk', 'cycle', 'bus' or 'car'"),
    "weekday": ("fri], vary_min: 4", "fry], vary_min: 4", "people[0].routine[0].days[4]", "fry", "'fri'"),
    "two trips of one name": ("name: to the pub", "name: to work", "people[1].routine[1]", "to work", "of its own"),
    "deviation of no trip": (
        "trip: home from the pub", "trip: home from the bup",
        "people[1].deviations[0].trip", "home from the bup", "did you mean 'home from the pub'",
    ),
    "expectation of nobody": (
        "{wearer: kit, event: late", "{wearer: kitt, event: late",
        "expect[0].wearer", "kitt", "did you mean 'kit'",
    ),
    "expectation of no event": ("event: late_home", "event: late_hom", "expect[0].event", "late_hom", "late_home"),
    "expectation backwards": ('["19:00", "19:15"]', '["19:15", "19:00"]', "expect[0].between", None, "earlier one first"),
    "expectation with no time": (', between: ["19:00", "19:15"]', "", "expect[0]", None, "between"),
    "never and event": ("event: late_home,", "event: late_home, never: boot,", "expect[0]", None, "either"),
    "latitude": ("lat: 50.7154", "lat: 95", "town.centre.lat", 95, "less than or equal to 90"),
    "seed": ("seed: 20260601", "seed: soon", "seed", "soon", "integer"),
    "interval": ("fix_interval_s: 60", "fix_interval_s: 4", "policy.fix_interval_s", 4, "greater than or equal to 5"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_error_names_line_field_value_and_what_was_expected(tmp_path, name):
    old, new, field, value, expected = CASES[name]
    text, line = changed(old, new)
    error = error_of(tmp_path, text)
    assert error.field == field
    if value is not None:
        assert error.value == value
    assert expected in error.expected
    assert abs(int(error.file.rsplit(":", 1)[1]) - line) <= 1, (error.file, line)


def test_a_missing_key_is_named(tmp_path):
    error = error_of(tmp_path, TEXT.replace("timezone: Europe/London\n", ""))
    assert error.field == "timezone" and "required" in error.expected


def test_faults_are_checked(tmp_path):
    for fault, field, expected in (
        ('{kind: broker_down, from: "09:00", until: "08:00"}', "faults[0].until", "after its"),
        ('{kind: broker_down, from: "05:00", until: "08:00"}', "faults[0].from", "not before"),
        ('{kind: broken_down, from: "07:00", until: "08:00"}', "faults[0].kind", "broker_down"),
        ('{kind: coverage_lost, from: "07:00", until: "08:00", wearer: kat}', "faults[0].wearer", "did you mean 'kit'"),
        ('{kind: broker_down, from: "07:00", until: "08:00", wearer: kit}', "faults[0]", "coverage_lost"),
        ('{kind: jam, from: "07:00", until: "08:00", fall_db: 0.5}', "faults[0].fall_db", "greater"),
        (
            '{kind: jam, from: "07:00", until: "08:00", around: {place: Nowhere, radius_m: 9}}',
            "faults[0].around.place",
            "a place",
        ),
        ('{kind: shield, from: "07:00", until: "08:00", fall_db: 20}', "faults[0]", '"fall_db" only with "jam"'),
        ('{kind: spoof, from: "07:00", until: "08:00", bearing_deg: 20}', "faults[0]", '"jump_m", "drift_mps" or both'),
        ('{kind: receiver_dead, from: "07:00", until: "08:00"}', "faults[0]", "silent, garbage"),
        ('{kind: motion_stuck, from: "07:00", until: "08:00", how: silent}', "faults[0]", "still, moving"),
    ):
        error = error_of(tmp_path, TEXT + f"\nfaults: [{fault}]\n")
        assert error.field == field and expected in error.expected


def test_a_home_out_of_town_and_a_mains_event_without_a_home_unit(tmp_path):
    error = error_of(tmp_path, TEXT.replace("home: 30 Wren Place", "home: {lat: 51.5, lon: -0.1}"))
    assert error.field == "people[1].home" and "in the town" in error.expected
    text = TEXT.replace("    home_unit: hmu-000003\n", "").replace("what: strap_cut", "what: mains_off")
    error = error_of(tmp_path, text)
    assert error.field == "people[2].events[0].what" and "no home unit" in error.expected


def test_broken_yaml_names_the_line(tmp_path):
    error = error_of(tmp_path, TEXT.replace("timezone: Europe/London", "timezone: [Europe/London"))
    assert error.field == "(syntax)" and error.expected == "valid YAML"
    assert int(error.file.rsplit(":", 1)[1]) in range(9, 13)


def test_two_equal_keys_are_refused(tmp_path):
    error = error_of(tmp_path, TEXT + "\nseed: 3\n")
    assert error.field == "seed" and "once" in error.expected


def test_no_file_and_no_mapping(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "missing.yaml")
    assert "mapping" in error_of(tmp_path, "- a\n- b\n").expected
    assert "mapping" in error_of(tmp_path, "").expected


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_line_lost_or_garbled_is_accepted_or_explained_and_never_a_crash(tmp_path_factory, data):
    lines = TEXT.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 2))):
        i = data.draw(st.integers(0, len(lines) - 1))
        lines[i] = data.draw(st.sampled_from(["", "x\n", lines[i][:-3] + "\n", lines[i].replace(":", "", 1), "  " + lines[i]]))
    path = tmp_path_factory.mktemp("g") / "s.yaml"
    path.write_text("".join(lines), encoding="utf-8")
    try:
        load(path).world_spec()
    except ConfigError as error:
        assert error.expected
