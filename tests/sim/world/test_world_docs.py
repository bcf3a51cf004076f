"""docs/simulator-world.md tells what the models say, and every model says where it comes from."""

import importlib
import re

import pytest

from sim.scenario.models import Person, Trip
from tests.test_docs import ROOT, rows

PAGE = ROOT / "docs" / "simulator-world.md"
FIGURES = rows(PAGE, "figure", "value", "where", "source")
MODELS = ("bystanders", "cellular", "energy", "gnss", "mapped", "motion", "radio", "sky", "streets", "trouble")


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: row[0])
def test_a_figure_of_the_page_is_the_models(row):
    _, told, where, source = row
    found = re.fullmatch(r'`(\w+)\.(\w+)(?:\["(\w+)"\])?`', where)
    assert found is not None, where
    module, name, key = found.groups()
    value = getattr(importlib.import_module(f"sim.world.{module}"), name)
    value = value[key] if key else value
    numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", told)]
    assert numbers == ([float(v) for v in value] if isinstance(value, tuple) else [float(value)])
    assert source


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_where_it_comes_from_or_that_it_is_our_judgement(name):
    text = (ROOT / "sim" / "world" / f"{name}.py").read_text("utf-8")
    assert re.search(r"judge?ment|judged|data sheet|ITU-R|typical", text)


def test_every_key_of_a_persons_life_is_on_the_page():
    told = {cell.strip("`").split("`")[0] for cell, _ in rows(PAGE, "key of a person", "what it is")}
    not_a_life = {
        "id", "name", "tag", "home_unit", "home", "conditions", "battery", "home_unit_battery", "worn_from", "worn_until",
    }  # fmt: skip
    assert told == set(Person.model_fields) - not_a_life
    routine = next(what for cell, what in rows(PAGE, "key of a person", "what it is") if cell == "`routine`")
    for key in set(Trip.model_fields) - {"name", "gpx"}:
        assert f"`{key}`" in routine, key
