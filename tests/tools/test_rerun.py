"""`homeward sim rerun` and `--record`: what is wrong with what was typed is told in one line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bridge.errors import ConfigError
from tools.cli import app
from tools.rerun import wanted_recordings

KNOWN = {"tag-000001", "hmu-000001"}


def test_names_are_taken_with_blanks_and_all_is_all():
    assert wanted_recordings("", KNOWN) == frozenset()
    assert wanted_recordings(" tag-000001, hmu-000001 ,", KNOWN) == KNOWN
    assert wanted_recordings("all", KNOWN) == {"all"}


def test_a_device_that_the_scenario_has_not_is_refused():
    with pytest.raises(ConfigError, match=r"--record: got 'tag-000009', expected \"all\", or .*hmu-000001, tag-000001"):
        wanted_recordings("tag-000001,tag-000009", KNOWN)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such.rec"], "No such file"),
        (["some.txt"], "a recording that can be run again (it does not begin as one)"),
        (["some.txt", "--folder", "."], "a folder that does not exist yet"),
    ],
)
def test_what_is_no_recording_is_told(tmp_path: Path, monkeypatch, arguments: list[str], words: str):
    (tmp_path / "some.txt").write_text("Dear diary")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["sim", "rerun", *arguments])
    assert done.exit_code == 2
    assert words in done.stderr and "Traceback" not in done.stderr
