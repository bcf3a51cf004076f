"""What is wrong is named with file, field, value and what was expected; exit code 2, nothing left running, nothing half done."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.commands import DEMO, homeward, processes_of, refused, short_scenario

_ZONE = "around: {place: 27 Friars Street, radius_m: 150}"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize("verb", ["check", "run"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed: 20260601", "sead: 20260601", ("wrong.yaml:8", "'sead'", "did you mean 'seed'")),
        (_ZONE, "polygon: [[50.71, -2.43], [50.72, -2.43]]", ("conditions[1].polygon: got [[50.71", "at least three")),
        ("Europe/London", "Europe/Dorchester", ("wrong.yaml:10: timezone: got 'Europe/Dorchester', expected the name",)),
    ],
    ids=["unknown key", "polygon with two points", "no such time zone"],
)
def test_a_scenario_that_is_wrong(verb: str, old: str, new: str, words: tuple[str, ...], tmp_path: Path) -> None:
    text = DEMO.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "wrong.yaml").write_text(text.replace(old, new), encoding="utf-8")
    said = refused("sim", verb, "wrong.yaml", cwd=tmp_path)
    for word in words:
        assert word in said
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


def test_a_good_scenario_is_told_so(tmp_path: Path) -> None:
    done = homeward("sim", "check", "scenarios/demo.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "good. 4 wearers" in done.stdout


@pytest.mark.parametrize("option", ["--broker-port", "--console-port"])
def test_a_port_in_use(option: str, taken_port: int, tmp_path: Path) -> None:
    said = refused("sim", "run", "demo", option, taken_port, cwd=tmp_path)
    assert f"{option}: got {taken_port}, expected a free port on 127.0.0.1" in said
    assert list(tmp_path.iterdir()) == []


def test_a_run_never_writes_into_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "store.db").write_text("precious")
    assert "--run: got 'old', expected a folder that does not exist" in refused(
        "sim", "run", "demo", "--run", "old", cwd=tmp_path
    )
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["store.db"]


@pytest.mark.slow
def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The bridge refuses its settings (an environment variable), long after the broker has been started."""
    scenario = short_scenario(tmp_path / "one.yaml")
    arguments = ("sim", "run", scenario, "--headless", "--run", "deep/er/run")
    said = refused(*arguments, cwd=tmp_path, HOMEWARD_SHARDS='["a/b"]')
    assert "HOMEWARD_SHARDS" in said and "expected" in said
    assert [path.name for path in tmp_path.iterdir()] == ["one.yaml"]
    assert processes_of(tmp_path) == []


def test_a_corrupt_store(tmp_path: Path) -> None:
    garbage = b"SQLite format 3\x00" + os.urandom(5000)
    (tmp_path / "store.db").write_bytes(garbage)
    for name, text in (("fleet.key", "ab" * 32), ("bridge.password", "secret")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    settings = 'store = "store.db"\nfleet_key_file = "fleet.key"\nbroker_password_file = "bridge.password"\n'
    (tmp_path / "bridge.toml").write_text(settings)
    before = sorted(path.name for path in tmp_path.iterdir())
    said = refused("bridge", "run", "--config", "bridge.toml", cwd=tmp_path)
    assert "store.db: " in said and "expected" in said and "secret" not in said
    assert "store.db: " in refused("console", "run", "--store", "store.db", cwd=tmp_path)
    assert (tmp_path / "store.db").read_bytes() == garbage
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_settings_of_the_bridge_with_an_unknown_key(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text('storr = "store.db"\n')
    assert "bridge.toml: " in refused("bridge", "run", "--config", "bridge.toml", cwd=tmp_path)


@pytest.mark.parametrize(
    ("option", "value"), [("--speed", "fast"), ("--until", "never"), ("--seed", "-1"), ("--broker-port", "70000")]
)
def test_an_option_that_means_nothing(option: str, value: str, tmp_path: Path) -> None:
    done = homeward("sim", "run", "demo", option, value, cwd=tmp_path)
    assert done.returncode == 2 and option in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
