"""The bench itself: what it lacks is skipped by name, and what does not exist is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil_tests.rigs import RigError, rig_class
from hil_tests.rigs.capabilities import CAPABILITIES, missing

ROOT = Path(__file__).parents[1]


def test_a_rig_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(RigError, match="got 'desk', expected one of: sim"):
        rig_class("desk")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "hil_tests", "--rig", "desk", "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-o addopts= -o timeout="},
    )
    assert done.returncode == 4
    assert "--rig: got 'desk', expected one of: sim" in done.stderr


def test_the_sim_rig_has_every_capability_and_a_thing_without_them_lacks_them():
    assert missing(rig_class("sim"), tuple(CAPABILITIES)) == []
    assert missing(object, ("strap", "clock")) == ["strap", "clock"]
