"""`homeward sim suite` as it is typed: what it refuses, what it lists, and its table and JSON of a run."""

import json
from pathlib import Path

from sim.suite.requirements import REQUIREMENTS
from sim.suite.samples import Found, judge
from sim.suite.table import again, as_dict
from tests.tools.commands import homeward, refused


def test_a_requirement_that_there_is_not_is_refused(tmp_path: Path):
    assert "--only: got 'strap'" in refused("sim", "suite", "--only", "strap", cwd=tmp_path)


def test_what_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path):
    assert "--json" in refused("sim", "suite", "--json", "no/where.json", cwd=tmp_path)


def test_what_cannot_be_shown_is_said_and_is_no_success(tmp_path: Path):
    done = homeward("sim", "suite", "--only", "authorised_absence", cwd=tmp_path)
    assert done.returncode == 2 and "no authorised absences" in done.stdout.replace("\n", " ")


def test_the_list_names_each_of_them(tmp_path: Path):
    text = homeward("sim", "suite", "--list", cwd=tmp_path).stdout
    assert all(each.name in text for each in REQUIREMENTS)


def test_json_says_of_each_requirement_whether_it_held_and_how_it_is_run_again():
    wanted = [each for each in REQUIREMENTS if each.name in ("first_fix", "strap_cut", "hidden_backlog", "store_ten_days")]
    good = judge("first_fix", wanted[0].figures, [Found("first_fix", 3, {"seconds": [28.0]}, wearer_days=0.05)])
    cut = Found("strap_cut", 4, {"on_tag": [3.7], "shown": [2.0]}, false=["x: jammed at 10:00:00"])
    bad = judge("strap_cut", wanted[1].figures, [cut])
    found = json.loads(json.dumps(as_dict(wanted, [good, bad])))
    rows = {row["name"]: row for row in found["requirements"]}
    assert found["held"] is False
    assert {name: row["held"] for name, row in rows.items()} == {
        "first_fix": True, "strap_cut": False, "hidden_backlog": None, "store_ten_days": None
    }  # fmt: skip
    assert rows["strap_cut"]["again"] == again(bad) == "homeward sim suite --only strap_cut --seeds 1 --first-seed 4"
    assert rows["strap_cut"]["problems"] == ["seed 4: x: jammed at 10:00:00"]
    assert [(f["worst"], f["held"]) for f in rows["strap_cut"]["figures"]] == [(3.7, False), (2.0, True)]
