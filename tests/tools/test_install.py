"""`tools/install.sh`, where it cannot work: it says what is missing and what mends it, and leaves nothing."""

import os
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "install.sh"
NEEDED = ("sh", "rm", "cat", "env")


def install(tmp_path: Path, python: str | None = None, fake: str | None = None) -> subprocess.CompletedProcess[str]:
    """With nothing in PATH but a few tools and, if given, a `python3` that is this shell script."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    if fake is not None:
        (tools / "python3").write_text(f"#!/bin/sh\n{fake}\n")
        (tools / "python3").chmod(0o755)
    command = ["sh", str(SCRIPT), str(tmp_path / ".venv"), python or ""]
    return subprocess.run(command, env={**os.environ, "PATH": str(tools)}, cwd=tmp_path, capture_output=True, text=True)


def test_without_a_python_it_says_which_one_is_needed(tmp_path: Path) -> None:
    done = install(tmp_path)
    assert done.returncode == 1 and "no Python of 3.11 or newer in PATH" in done.stderr


def test_an_old_python_is_not_taken(tmp_path: Path) -> None:
    assert "no Python of 3.11" in install(tmp_path, fake="exit 1").stderr


def test_a_python_that_was_asked_for_and_is_none_is_named(tmp_path: Path) -> None:
    assert "PYTHON=/nowhere/python is not a Python" in install(tmp_path, python="/nowhere/python").stderr


def test_a_python_that_can_make_no_environment_is_told_with_what_mends_it(tmp_path: Path) -> None:
    fake = 'case "$*" in *version_info*) exit 0;; --version) echo Python 3.11.2;; *) exit 1;; esac'
    done = install(tmp_path, fake=fake)
    assert done.returncode == 1 and "cannot make a virtual environment" in done.stderr and "python3-venv" in done.stderr
    assert not (tmp_path / ".venv").exists()
