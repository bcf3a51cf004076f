"""A release as a file: the same bytes for the same release, and not one byte of it can be changed unseen."""

import io
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.releases import Bundle, Manifest, load_signer, load_trusted, make_keys, read_bundle, write_bundle
from bridge.releases.bundle import describe, parse_bundle
from bridge.releases.manifest import File, parse_manifest

ROOT_FILES = {"main.py": b"import sys\n", "switch.mpy": b"M\x06\x00\x1f"}
FILES = {"firmware/__init__.mpy": b"M\x06", "firmware/core/a.mpy": bytes(range(256)), "firmware/tag/main.mpy": b"M\x06tag"}
MANIFEST = Manifest(
    "0.1.0", "0123456789ab", 17, "tag", "tag_t_a7670_l76k", "xtensawin", "6.3", describe(FILES), describe(ROOT_FILES)
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def bundle(keys: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("b") / "r.hwr", MANIFEST, FILES | ROOT_FILES, load_signer(keys[0]))


def test_a_release_is_read_as_it_was_written(keys: tuple[Path, Path], bundle: Bundle, tmp_path: Path):
    again = write_bundle(tmp_path / "again.hwr", MANIFEST, FILES | ROOT_FILES, load_signer(keys[0]))
    read = read_bundle(tmp_path / "again.hwr", load_trusted(keys[1]))
    assert again.data == bundle.data == (tmp_path / "again.hwr").read_bytes() and read == bundle
    assert read.image == MANIFEST.to_bytes() + b"".join(FILES[path] for path in sorted(FILES))
    assert [path.name for path in tmp_path.iterdir()] == ["again.hwr"]
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as file:  # anybody's unzip opens it
        assert file.testzip() is None and set(file.namelist()) == {"manifest.json", "manifest.sig", *FILES, *ROOT_FILES}


def test_openssl_verifies_the_same_signature(keys: tuple[Path, Path], bundle: Bundle, tmp_path: Path):
    (tmp_path / "m").write_bytes(MANIFEST.to_bytes())
    (tmp_path / "s").write_bytes(bundle.signature)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(keys[1]), "-rawin", "-in", "m", "-sigfile", "s"]
    try:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    assert done.returncode == 0, done


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_byte_can_be_changed_taken_out_or_put_in_unseen(keys: tuple[Path, Path], bundle: Bundle, data: st.DataObject):
    """It is refused, or it is the same release all the same: zip has bytes that mean nothing."""
    raw = bytearray(bundle.data)
    at = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(("change", "cut", "remove", "insert"))):
        case "change":
            raw[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del raw[at:]
        case "remove":
            del raw[at]
        case "insert":
            raw.insert(at, data.draw(st.integers(0, 255)))
    try:
        read = parse_bundle(bytes(raw), "r.hwr", load_trusted(keys[1]))
    except ConfigError as error:
        assert str(error).startswith("r.hwr: ") and "\n" not in str(error)
    else:
        assert (read.manifest, read.contents, read.signature) == (bundle.manifest, bundle.contents, bundle.signature)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_other_file_is_refused_in_one_line(keys: tuple[Path, Path], raw: bytes):
    with pytest.raises(ConfigError):
        parse_bundle(raw, "r.hwr", load_trusted(keys[1]))


def test_only_a_trusted_key_counts_and_one_of_several_will_do(keys: tuple[Path, Path], bundle: Bundle, tmp_path: Path):
    _, other = make_keys(tmp_path / "other")
    with pytest.raises(ConfigError, match="one of the trusted release keys"):
        parse_bundle(bundle.data, "r.hwr", load_trusted(other))
    both = tmp_path / "both.pub"
    both.write_bytes(other.read_bytes() + b"the old one:\n" + keys[1].read_bytes())
    assert parse_bundle(bundle.data, "r.hwr", load_trusted(both)) == bundle


@pytest.mark.parametrize(
    "change, words",
    [
        ({"files": {"firmware/../../etc/x.mpy": File(1, "0" * 64)}}, "a path like"),
        ({"files": {"firmware/a.mpy": File(0, "0" * 64)}}, "size from 1"),
        ({"files": {f"firmware/m{i}.mpy": File(1, "0" * 64) for i in range(129)}}, "1 to 128 files"),
        ({"root": {"boot.py": File(1, "0" * 64)}}, "a path like"),
        ({"board": "hmu_esp32_poe"}, "board for kind tag"),
        ({"number": -1}, "number: got -1"),
        ({"version": "latest"}, "version: got 'latest'"),
        ({"build": "unbuilt"}, "build: got 'unbuilt'"),
        ({"kind": "modem"}, "tag or hmu"),
    ],
)
def test_a_manifest_that_no_release_has_is_refused_though_it_is_signed(
    change: dict, words: str, keys: tuple[Path, Path], tmp_path: Path
):
    with pytest.raises(ConfigError, match=words):
        parse_manifest(replace(MANIFEST, **change).to_bytes(), "m")
    with pytest.raises(ConfigError):
        write_bundle(tmp_path / "r.hwr", replace(MANIFEST, **change), FILES | ROOT_FILES, load_signer(keys[0]))
    assert not list(tmp_path.iterdir())


def test_there_is_one_way_only_to_write_a_manifest():
    data = MANIFEST.to_bytes()
    assert parse_manifest(data, "m") == MANIFEST
    for other in (
        data + b"\n",
        data.replace(b'"format": 1', b'"format":1'),
        data.replace(b'"format": 1', b'"more": 1,\n"format": 1'),
    ):
        with pytest.raises(ConfigError, match="byte for byte"):
            parse_manifest(other, "m")


def test_keys_are_nobody_elses_and_never_overwritten(tmp_path: Path):
    key, public = make_keys(tmp_path / "k")
    before = key.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="a key is there"):
        make_keys(tmp_path / "k")
    assert key.read_bytes() == before
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="0600: nobody else"):
        load_signer(key)
    key.chmod(0o600)
    with pytest.raises(ConfigError, match="an Ed25519 key") as wrong:
        load_signer_of(tmp_path, before[:-60] + b"\n-----END PRIVATE KEY-----\n")
    assert before.splitlines()[1][:10].decode() not in str(wrong.value)
    with pytest.raises(ConfigError, match="one Ed25519 public key"):
        load_trusted(key)
    assert load_trusted(public)


def load_signer_of(folder: Path, data: bytes):
    path = folder / "wrong.key"
    path.write_bytes(data)
    path.chmod(0o600)
    return load_signer(path)
