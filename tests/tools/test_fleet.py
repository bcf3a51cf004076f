"""`homeward sim fleet` as it is typed: what it refuses, and a small fleet over TLS from its start to its figures."""

import json
import resource
import subprocess
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from tests.tools.commands import homeward, processes_of, refused
from tools import fleet


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--wearers", "0"), "got 0, expected 1 to 5,000 wearers"),
        (("--wearers", "999999"), "--wearers: got 999999, expected at most"),
        (("--wearers", "3", "--json", "no/where.json"), "--json"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_starts(options: tuple[str, ...], words: str, tmp_path: Path):
    assert words in refused("sim", "fleet", *options, cwd=tmp_path)
    assert not (tmp_path / "run").exists()


def test_without_a_number_nothing_starts(tmp_path: Path):
    assert homeward("sim", "fleet", cwd=tmp_path).returncode == 2


def test_more_devices_than_files_may_be_open_is_said_with_how_many_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(ConfigError, match=r"at most 632.*4,096 files open"):
        fleet.room_for(2 * 1000)


def test_as_many_files_as_are_needed_may_be_open(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 20_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    fleet.room_for(2 * 12)
    fleet.room_for(2 * 1000)
    assert asked == [(20_000, 20_000)] * 2


@pytest.mark.slow
def test_a_small_fleet_lives_over_tls_and_all_it_recorded_is_stored(tmp_path: Path):
    done = homeward(
        "sim", "fleet", "--wearers", 12, "--speed", 30, "--until", "10m", "--json", "f.json", "--run", "f", cwd=tmp_path
    )
    assert done.returncode == 0, done
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["devices"] == 24 and found["good"] and found["crashes"] == [] and found["holds_expired"] == 0
    assert found["records_made"] == found["records_stored"] > 24
    assert 0.3 < found["private_mib_mean"] <= found["private_mib_max"] < 3
    assert "24 devices up" in done.stdout and "24 up," in done.stdout
    # No tag was short of memory with TLS: each lived once.
    boots = {path.read_bytes() for path in (tmp_path / "f" / "devices").glob("*/homeward.boots.nvs")}
    assert boots == {(1).to_bytes(4, "little")}
    certificates = subprocess.run(["ls", tmp_path / "f" / "tls"], capture_output=True, text=True).stdout
    assert "tag-000012.crt" in certificates
    assert processes_of(tmp_path) == []
