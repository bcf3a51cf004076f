"""JUnit's XML of a run, read by a parser of somebody else's."""

from pathlib import Path
from typing import Any

import junitparser
import pytest

from sim.engine.expecting import Outcome
from sim.report import junit
from tests.summaries import summary

MET = Outcome("jory", "jory: strap_cut between 14:19:00 and 14:22:00", True)
UNMET = Outcome("kit", "kit: never late_home", False, "kit: late_home must not be found, but was, 1 times")
BEYOND = Outcome("kit", "kit: home between 19:40:00 and 19:55:00", None, "beyond what was simulated")


def parsed(tmp_path: Path, **changes: Any) -> junitparser.TestSuite:
    junit.write(tmp_path / "day.xml", summary(**changes))
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "day.xml"))
    return suite


def cases(suite: junitparser.TestSuite) -> dict[str, junitparser.TestCase]:
    return {case.name: case for case in suite}


def test_each_expectation_is_a_case_and_so_is_what_was_lost_and_what_crashed(tmp_path: Path):
    suite = parsed(tmp_path, expected=[MET, UNMET, BEYOND], unmet=[UNMET.why])
    assert (suite.name, suite.tests, suite.failures, suite.skipped, suite.errors) == ("demo", 5, 1, 1, 0)
    assert suite.time == pytest.approx(43.2)
    found = cases(suite)
    assert list(found) == [MET.text, UNMET.text, BEYOND.text, "nothing lost", "nothing crashed"]
    assert found[MET.text].is_passed and found["nothing lost"].is_passed and found["nothing crashed"].is_passed
    assert found[UNMET.text].is_failure and found[UNMET.text].result[0].message == UNMET.why
    assert found[BEYOND.text].is_skipped and found[BEYOND.text].result[0].message == "beyond what was simulated"
    assert {case.classname for case in suite} == {"demo"}


def test_it_can_be_repeated_by_what_the_file_says(tmp_path: Path):
    told = {each.name: each.value for each in parsed(tmp_path).properties()}
    assert told["seed"] == "7" and told["digest"] == "ab" * 32


def test_lost_records_and_crashes_fail_with_words(tmp_path: Path):
    crashes = ["tag-000001 at 5 ms: ended\nTraceback\nMemoryError: full", "hmu-000001 at 9 ms: ended"]
    found = cases(parsed(tmp_path, records_stored=8, crashes=crashes))
    assert found["nothing lost"].result[0].message == "2 of 10 records made are not in the store"
    crash = found["nothing crashed"].result[0]
    assert crash.message == "tag-000001 at 5 ms: ended (and 1 more)" and "MemoryError: full" in (crash.text or "")


def test_what_a_device_printed_may_hold_anything(tmp_path: Path):
    found = cases(parsed(tmp_path, crashes=["tag <&\"'> \x00\x1b[31m ]]> \ud800 é 🦊"]))
    assert found["nothing crashed"].result[0].message == "tag <&\"'> \ufffd\ufffd[31m ]]> \ufffd é 🦊"


def test_the_file_is_whole_or_not_there(tmp_path: Path):
    parsed(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["day.xml"]


@pytest.mark.parametrize("bad", [{"unmet": ["x"], "expected": [UNMET]}, {"records_stored": 9}, {"crashes": ["x"]}, {}])
def test_there_is_a_failure_exactly_when_the_run_is_not_good(tmp_path: Path, bad: dict[str, Any]):
    suite = parsed(tmp_path, **bad)
    assert (suite.failures == 0) is summary(**bad).is_good
