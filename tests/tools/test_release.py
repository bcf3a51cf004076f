"""`homeward release` as a process: keys, build, verify, send, status."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import insert

from bridge.errors import ConfigError
from bridge.releases import load_trusted, read_bundle, rollout
from bridge.store import open_store, schema
from firmware.core import ident
from tests.tools.commands import homeward, refused
from tools.release import build

BOARD = "tag_t_a7670_l76k"
NAME = f"homeward-0.1.0-{BOARD}.hwr"


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys and a release in it."""
    folder = tmp_path_factory.mktemp("factory")
    assert homeward("release", "keys", cwd=folder).returncode == 0
    done = homeward("release", "build", "--board", BOARD, "--number", 7, cwd=folder)
    assert done.returncode == 0 and NAME in done.stdout, done
    return folder


def test_the_key_that_signs_is_nobody_elses(factory: Path):
    assert stat.S_IMODE((factory / "release-keys/release.key").stat().st_mode) == 0o600
    assert "a key is there" in refused("release", "keys", cwd=factory)


def test_the_same_sources_give_the_same_bytes_wherever_they_lie(factory: Path, tmp_path: Path):
    key = factory / "release-keys/release.key"
    done = homeward(
        "release",
        "build",
        "--board",
        BOARD,
        "--out",
        tmp_path,
        "--key",
        key,
        cwd=tmp_path,
        SOURCE_DATE_EPOCH="7",
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 0, done
    assert (tmp_path / NAME).read_bytes() == (factory / "dist" / NAME).read_bytes()


def test_what_is_built_is_what_the_board_carries(factory: Path):
    bundle = read_bundle(factory / "dist" / NAME, load_trusted(factory / "release-keys/release.pub"))
    manifest = bundle.manifest
    assert (manifest.board, manifest.arch, manifest.mpy, manifest.number) == (BOARD, "xtensawin", "6.3", 7)
    assert "firmware/tag/main.mpy" in manifest.files and f"firmware/boards/{BOARD}/__init__.mpy" in manifest.files
    assert not [path for path in manifest.files if "/hmu" in path or "cpython" in path or "firmware/main" in path]
    assert set(manifest.root) == {"main.py", "switch.mpy"}
    assert manifest.build.encode() in bundle.contents["firmware/core/version.mpy"]


def test_verify_tells_what_it_is_and_says_no(factory: Path, tmp_path: Path):
    told = json.loads(homeward("release", "verify", f"dist/{NAME}", "--json", cwd=factory).stdout)
    assert (told["board"], told["version"], told["sources of"]) == (BOARD, "0.1.0", "1970-01-01 00:00:07Z")
    assert homeward("release", "verify", f"dist/{NAME}", cwd=factory).stdout.endswith("are good\n")
    data = bytearray((factory / "dist" / NAME).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.hwr").write_bytes(data)
    trust = ("--trust", factory / "release-keys/release.pub")
    assert "bad.hwr" in refused("release", "verify", tmp_path / "bad.hwr", *trust, cwd=tmp_path)
    assert "can be read" in refused("release", "verify", tmp_path / "none.hwr", *trust, cwd=tmp_path)
    homeward("release", "keys", "--out", "others", cwd=tmp_path)
    assert "trusted release keys" in refused(
        "release", "verify", factory / "dist" / NAME, "--trust", "others/release.pub", cwd=tmp_path
    )


def test_what_cannot_be_built_is_told_before_anything_is_written(factory: Path, tmp_path: Path):
    key = ("--key", factory / "release-keys/release.key")
    assert f"expected one of hmu_esp32_poe, hmu_t_a7670, {BOARD}" in refused(
        "release", "build", "--board", "esp8266", *key, cwd=tmp_path
    )
    assert "can be read" in refused("release", "build", "--key", "none.key", cwd=tmp_path)
    assert "seconds since 1970" in refused("release", "build", *key, cwd=tmp_path, SOURCE_DATE_EPOCH="yesterday")
    assert not os.listdir(tmp_path)


def test_sources_that_are_not_committed_have_no_number(monkeypatch: pytest.MonkeyPatch):
    root = Path(build.firmware.__file__).parent
    asked = ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all", "--", str(root)]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("these sources are not under git")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if done.stdout:
        with pytest.raises(ConfigError, match="sources that are committed"):
            build.source_number()
    else:
        assert build.source_number() > 1_700_000_000


def test_it_is_sent_to_devices_that_can_take_it_and_to_nobody_else(factory: Path, tmp_path: Path):
    engine = open_store(tmp_path / "store.db")
    devices = {"tag-000001": BOARD, "tag-000002": None, "tag-000003": "tag_other", "hmu-000001": "hmu_esp32_poe"}
    with engine.begin() as connection:
        for name, board in devices.items():
            values = {"device_id": ident.parse_device_name(name), "name": name, "kind": name[:3], "shard": "0", "board": board}
            connection.execute(insert(schema.device).values(stored_through=0, highest_seq=0, build="old", **values))
    engine.dispose()
    (tmp_path / "release.pub").write_bytes((factory / "release-keys/release.pub").read_bytes())
    bundle = read_bundle(factory / "dist" / NAME, load_trusted(tmp_path / "release.pub"))
    engine = open_store(tmp_path / "store.db")
    for names, words in (
        (("tag-000001", "tag-000003"), "tag-000003: board: got 'tag_other'"),
        (("tag-000001", "hmu-000001"), "expected a tag"),
        (("tag-000001", "tag-000009"), "tag-000009"),
    ):
        with pytest.raises(ConfigError, match=words):
            rollout.ask(engine, names, bundle, by_whom="test")
    engine.dispose()
    send = ("release", "send", "--release", factory / "dist" / NAME, "--no-wait")
    assert "the names of devices, or --all" in refused(*send, cwd=tmp_path)
    assert homeward(*send, "tag-000001", "tag-000002", "--reason", "a test", cwd=tmp_path).returncode == 0
    assert homeward(*send, "--all", cwd=tmp_path).returncode == 0
    rows = json.loads(homeward("release", "status", "--json", cwd=tmp_path).stdout)
    assert [(row["device"], row["state"], row["reason"]) for row in rows] == [
        ("tag-000001", "queued", ""), ("tag-000002", "queued", "a test"), ("tag-000001", "queued", "a test"),
    ]  # fmt: skip
