"""What docs/bench.md shows is what runs: its bench file, its driver, its CI jobs' options, its table of kinds."""

import itertools
import re
from pathlib import Path

import pytest
import yaml

from hil_tests.drivers.base import DriverError
from hil_tests.drivers.kinds import KINDS
from hil_tests.rigs.bench import spec_of
from hil_tests.steps import Steps
from tests.hil_tests.peers import Peer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bench.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_bench_file_is_right_and_has_what_the_page_says(tmp_path):
    (text,) = blocks("toml")
    (tmp_path / "desk.toml").write_text(text.replace("[drivers.me]", '[drivers.me]\nterminal = "/dev/null"'))
    spec = spec_of(tmp_path / "desk.toml")
    assert spec.has == {"clock", "store", "gnss", "wake", "radio", "strap", "case", "mains", "power", "zone", "console"}
    assert "no terminal" in spec.lacking(("network",))


def test_the_driver_in_20_lines_switches_and_says_what_went_wrong(tmp_path):
    (source,) = blocks("python")
    assert len([line for line in source.splitlines() if line.strip()]) <= 20
    (tmp_path / "strip.py").write_text(source)
    answers = itertools.chain([b"OK\n", b"ERR\n"], itertools.repeat(b"OK\n"))
    with Peer(lambda data: next(answers)) as peer, Steps(tmp_path / "steps") as steps:
        head = f'name = "own"\n[device]\nname = "tag-000123"\n[drivers.strip]\nkind = "strip.py:Strip"\nport = "{peer.port}"\n'
        (tmp_path / "own.toml").write_text(head + '[mains]\ndriver = "strip"\nchannel = "3"\n')
        with (
            pytest.raises(DriverError, match=r"drivers\.strip: socket 3 did not answer OK"),
            spec_of(tmp_path / "own.toml").open(tmp_path, steps, frozenset({"mains"})) as rig,
        ):
            rig.mains.lose()
        assert peer.heard.startswith(b"ON 3\nOFF 3\n")


def test_the_jobs_are_yaml_and_their_options_exist():
    github, gitlab = [yaml.safe_load(text) for text in blocks("yaml")]
    assert github["jobs"]["bench"]["runs-on"] == ["self-hosted", "homeward-bench"] and github["jobs"]["bench"]["concurrency"]
    assert gitlab["bench"]["resource_group"] and gitlab["bench"]["artifacts"]["reports"] == {"junit": "run.xml"}
    known = (ROOT / "hil_tests" / "conftest.py").read_text("utf-8")
    commands = [line for line in (github["jobs"]["bench"]["steps"][2]["run"], *gitlab["bench"]["script"]) if "pytest" in line]
    for command in [*commands, *re.findall(r"^\.venv/bin/pytest.*", PAGE, re.MULTILINE)]:
        for option in re.findall(r"--[a-z-]+", command):
            assert option == "--junitxml" or f'addoption("{option}"' in known


def test_the_table_of_kinds_is_that_of_the_drivers():
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([a-z, ]+) \|$", PAGE.replace("| `kind` |", ""), re.MULTILINE)
    told = {kind: set(can.replace(" ", "").split(",")) for kind, can in rows}
    methods = ("switch", "sense", "supply", "speak")
    assert told == {kind: {name for name in methods if hasattr(made, name)} for kind, made in KINDS.items()}


def test_the_parts_add_up_and_the_picture_is_there():
    prices = [int(price) for price in re.findall(r"\| (\d+) \|$", PAGE, re.MULTILINE)]
    assert f"**{sum(prices)}**" in PAGE
    picture = (ROOT / "docs" / "images" / "bench.svg").read_text("utf-8")
    for pin in ("GPIO32", "GPIO13", "GPIO22", "GPIO19"):
        assert pin in picture
