"""The table is whole: each row of the field's requirements is shown by a scenario of its own, or says why not."""

from collections import Counter

import pytest

from bridge.store.opening import open_store
from sim.suite import measures, requirements
from sim.suite.bundle import bundles, merged
from sim.suite.requirements import FOLDER, REQUIREMENTS, ROWS, scenario_of
from sim.suite.runner import found_of
from sim.suite.samples import Figure
from sim.suite.table import number
from sim.suite.take import Take

WITH_SCENARIO = [each for each in REQUIREMENTS if each.measure is not None]


def test_each_row_has_a_requirement_and_each_requirement_a_row():
    assert {each.row for each in REQUIREMENTS} == set(ROWS)
    assert Counter(section for section, _ in ROWS.values()) == {2: 15, 3: 9}


def test_each_requirement_says_in_one_way_how_it_is_shown():
    for each in REQUIREMENTS:
        ways = [each.measure is not None, each.alone is not None, bool(each.not_shown)]
        assert sum(ways) == 1, each.name
        assert bool(each.figures) != bool(each.not_shown), each.name
    assert len({each.name for each in REQUIREMENTS}) == len(REQUIREMENTS)


def test_scenarios_are_those_of_the_requirements_and_are_named_after_them():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {each.name for each in WITH_SCENARIO}
    for each in WITH_SCENARIO:
        assert scenario_of(each.name).name == each.name


def test_no_measure_is_left_over():
    defined = [value for value in vars(measures).values() if getattr(value, "__module__", "") == measures.__name__]
    made = {f.__name__ for f in defined if callable(f) and f.__annotations__.get("return") == measures.Samples}
    used = {each.measure.__name__ for each in WITH_SCENARIO if each.measure}
    assert made == used


def test_people_and_devices_of_the_suite_are_nobody_elses():
    people = [p for each in WITH_SCENARIO for p in scenario_of(each.name).file.people]
    for key in ("id", "tag"):
        assert max(Counter(getattr(p, key) for p in people).values()) == 1
    units = Counter((each.name, p.home_unit) for each in WITH_SCENARIO for p in scenario_of(each.name).file.people if p.home_unit)
    assert max(Counter(unit for _, unit in units).values()) == 1


def test_what_is_run_together_shares_a_world_and_what_meddles_with_everybody_is_alone():
    found = bundles((each.name, scenario_of(each.name)) for each in WITH_SCENARIO)
    assert ("duplicates",) in found and sum(map(len, found)) == len(WITH_SCENARIO)
    for names in found:
        parts = [scenario_of(name) for name in names]
        assert len({(part.start_utc_ms, part.until_ms) for part in parts}) == 1
        whole = merged("all", parts)
        assert len(whole.world().wearers) == sum(len(part.file.people) for part in parts)


def test_of_a_store_that_holds_nothing_no_requirement_is_held(tmp_path):
    """A measure that finds no occasion must not be satisfied, nor is who has said nothing wrong all right."""
    engine = open_store(tmp_path / "store.db")
    for each in WITH_SCENARIO:
        scenario = scenario_of(each.name)
        found = found_of(each, Take(scenario, scenario.world(), engine, {}, scenario.until_ms, 512 * 1024), 1)
        assert set(found.values) >= {figure.key for figure in each.figures}, each.name
        assert not found.is_good(each.figures), each.name


@pytest.mark.parametrize(("value", "text"), [(None, "none"), (3.0, "3"), (0.333, "0.33"), (12.34, "12.3"), (86_400.0, "86400")])
def test_numbers_have_as_many_digits_as_tell_something(value: float | None, text: str):
    assert number(value) == text


def test_bounds_are_in_words():
    assert Figure("x", "y", 10, "s").asked == "≤ 10 s (worst)"
    assert Figure("x", "y", 0.95, "", "share", True).asked == "≥ 0.95 (share)"
    assert requirements.BY_NAME["locate_now"].figures[0].bound == 180
