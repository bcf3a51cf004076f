"""`made`: a made-up run that is empty; `story`: a made-up day, gathered once for all that only look at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.report.gather import Story
from tests.sim.report.made_up import MadeUp, a_day

EXPECTED = [
    {"wearer": "jory", "event": "strap_cut", "of": "14:20:00", "within": "10s", "count": 1},
    {"wearer": "jory", "event": "zone_entered", "between": ["15:00", "16:00"]},
    {"wearer": "jory", "never": "jammed"},
    {"wearer": "jory", "event": "home", "between": ["day 2 05:00", "day 2 07:00"]},
]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MadeUp]:
    one = MadeUp(tmp_path)
    yield one
    one.close()


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    zone = {"kind": "exclusion", "name": "The <river>", "around": {"place": "The Millwheel", "radius_m": 120}}
    faults = [
        {"kind": "jam", "wearer": "jory", "from": "11:00", "until": "11:30"},
        {"kind": "coverage_lost", "wearer": "jory", "from": "12:00", "until": "12:20"},
    ]
    made = MadeUp(tmp_path_factory.mktemp("made-up"), expect=EXPECTED, faults=faults)
    try:
        jory = made.scenario.file.people[0].model_dump(mode="json", by_alias=True, exclude_none=True)
        jory |= {"name": "Jory </script> & Sons", "conditions": [*jory["conditions"], zone]}
    finally:
        made.close()
    made = MadeUp(tmp_path_factory.mktemp("made-up"), expect=EXPECTED, faults=faults, people=[jory])
    try:
        a_day(made)
        return made.story()
    finally:
        made.close()
