"""The command as a newcomer meets it: help that helps, at once."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.cli import app


def help_of(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    return result.output


def test_help_says_what_to_type_first() -> None:
    text = help_of()
    assert "homeward sim run scenarios/demo.yaml" in text
    for command in ("sim", "replay", "bench", "bridge", "console"):
        assert command in text


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("sim", "run"), ("--speed", "--until", "--headless", "--json", "--seed", "--run", "--console-port", "--broker-port")),
        (("bench",), ("--json", "--quick", "bench.json")),
        (("replay",), ("--policy", "--json", "--baud", "/dev/ttyUSB0")),
        (("sim", "check"), ("homeward sim check",)),
        (("sim", "suite"), ("--only", "--seeds", "--first-seed", "--long", "--list", "--jobs", "--json", "--keep")),
        (("bridge", "run"), ("--config", "bridge.toml")),
        (("console", "run"), ("--store", "--port", "--town", "--tiles")),
    ],
)
def test_each_command_explains_its_options_with_an_example(words: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert "Example" in text
    for word in wanted:
        assert word in text


def test_exit_codes_are_documented_where_they_matter() -> None:
    text = help_of("sim", "run")
    assert "130 Ctrl-C" in text and "1 not good" in text


def test_version_is_the_installed_one() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.strip() == f"homeward {version('homeward')}"


def test_help_loads_none_of_the_heavy_parts() -> None:
    heavy = ("sqlalchemy", "shapely", "fastapi", "numpy", "paho", "sim.engine", "alembic")
    code = f"import sys, tools.cli; print([name for name in {heavy!r} if name in sys.modules])"
    folder = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
