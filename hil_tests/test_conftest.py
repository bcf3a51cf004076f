"""The suite itself: what a rig lacks is skipped by name, what does not exist is said, and a run leaves logs and a timeline."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hil_tests.rigs import RigError, find_rig
from hil_tests.rigs.capabilities import CAPABILITIES

ROOT = Path(__file__).parents[1]


def pytest_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Of a test of ours, in a process of its own."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-o addopts= -o timeout="}
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", "-q", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def test_a_rig_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(RigError, match=r"got 'desk', expected sim, emulated or a file NAME\.toml"):
        find_rig("desk")
    done = pytest_run("hil_tests", "--rig", "desk", "--collect-only")
    assert done.returncode == 4
    assert "--rig: got 'desk', expected sim, emulated or a file NAME.toml" in done.stderr


def test_the_sim_rig_has_every_capability_but_a_console():
    assert find_rig("sim").has == set(CAPABILITIES) - {"console"}


def test_what_a_rig_lacks_is_named_and_why_if_that_is_known():
    spec = find_rig("emulated")
    assert spec.lacking(("wake", "network")) == "wake, network (there is none)"


def test_a_run_leaves_steps_a_timeline_and_junit(tmp_path):
    test = "hil_tests/test_core.py"
    name = "test_two_virtual_minutes_are_the_same_as_on_cpython"
    timeline, junit, logs = tmp_path / "run.html", tmp_path / "run.xml", tmp_path / "logs"
    options = ["--hil-timeline", str(timeline), "--hil-logs", str(logs), "--junitxml", str(junit)]
    done = pytest_run(f"{test}::{name}", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = logs.iterdir()
    told = [json.loads(line) for line in (folder / "steps.jsonl").read_text("utf-8").splitlines()]
    assert [(step["what"], step["rig"]) for step in told] == [("switched on", "sim")]
    assert told[0]["s"] >= 0 and told[0]["utc"].endswith("Z")
    page = timeline.read_text("utf-8")
    assert "two virtual minutes are the same as on cpython" in page and "1 passed" in page and "switched on" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page
    properties = {each.get("name"): each.get("value") for each in ET.parse(junit).iter("property")}
    assert properties == {"rig": "sim", "hil_log": str(folder)}


def test_a_test_that_is_skipped_says_what_the_rig_lacks(tmp_path):
    timeline = tmp_path / "run.html"
    done = pytest_run("hil_tests/test_soak.py", "--rig", "emulated", "-rs", "--hil-timeline", str(timeline))
    assert done.returncode == 0
    assert "the rig 'emulated' lacks network (there is none), mains" in done.stdout
    assert "lacks network (there is none), mains" in timeline.read_text("utf-8")
