"""Settings: what is wrong is named with its file, field, value and what was expected, and the process ends with 2."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.broker.authority import Authority
from bridge.errors import ConfigError
from bridge.settings import load_settings
from tests.bridge.bridges import write_config


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load_settings(write_config(tmp_path, 1883))
    assert settings.store == str(tmp_path / "store.db") and settings.fleet_key_file == tmp_path / "fleet.key"
    assert settings.broker_password() == "password of bridge"


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMEWARD_BROKER_PORT", "1999")
    assert load_settings(write_config(tmp_path, 1883)).broker_port == 1999
    monkeypatch.setenv("HOMEWARD_BROKER_PORT", "none")
    with pytest.raises(ConfigError, match="environment: HOMEWARD_BROKER_PORT: got 'none'"):
        load_settings(write_config(tmp_path, 1883))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"broker_prot": 1}, "broker_prot: got 1, expected one of .*broker_port"),
        ({"broker_port": 0}, "broker_port: got 0, expected greater than or equal to 1"),
        ({"clock": "sundial"}, "clock: got 'sundial', expected 'wall' or 'records'"),
        ({"shards": ["a/b"]}, "shards: got .*, expected names of shards"),
        ({"shards": []}, r"shards: got \[\]"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match="bridge.toml: " + message):
        load_settings(write_config(tmp_path, 1883, **change))


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = load_settings(write_config(tmp_path, 1883))
    os.chmod(tmp_path / "bridge.password", 0o644)
    with pytest.raises(ConfigError, match="0600"):
        settings.broker_password()


@pytest.mark.parametrize("what", ["settings", "scheme", "key", "store"])
def test_a_bridge_with_bad_input_ends_with_2_and_has_made_nothing(tmp_path: Path, what: str) -> None:
    config = write_config(tmp_path, 1, scheme_file="scheme.yaml")
    (tmp_path / "scheme.yaml").write_text(
        "timezone: Europe/Londn\nwearers: []\n" if what == "scheme" else "timezone: UTC\nwearers: []\n"
    )
    if what == "settings":
        config.write_text("store = 3\n")
    if what == "key":
        os.chmod(tmp_path / "fleet.key", 0o604)
    if what == "store":
        (tmp_path / "store.db").write_bytes(b"not a store" * 100)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    command = [sys.executable, "-m", "bridge", "--config", str(config)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2 and str(tmp_path) in ended.stderr and ", expected " in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_broker_on_another_machine_is_spoken_to_by_tls_alone(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "broker.example", "0.0.0.0", "127.example.org"):
        with pytest.raises(ConfigError, match=r"broker_host: got .*, expected 127\.0\.0\.1, or broker_ca_file"):
            load_settings(write_config(tmp_path, 1883, broker_host=host)).broker_tls()
    for host in ("127.0.0.1", "127.1.2.3", "localhost", "::1"):
        assert load_settings(write_config(tmp_path, 1883, broker_host=host)).broker_tls() is None


def test_tls_wants_all_three_files_and_verifies_certificate_and_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tls")
    authority.client("bridge")
    files = {"broker_ca_file": "tls/ca.crt", "broker_cert_file": "tls/bridge.crt", "broker_key_file": "tls/bridge.key"}
    context = load_settings(write_config(tmp_path, 8883, broker_host="broker.example", **files)).broker_tls()
    assert context is not None and context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    for missing in files:
        some = {name: path for name, path in files.items() if name != missing}
        with pytest.raises(ConfigError, match=missing):
            load_settings(write_config(tmp_path, 8883, **some)).broker_tls()
    authority.client("other")
    for field, path in (("broker_ca_file", "fleet.key"), ("broker_cert_file", "tls/other.crt"), ("broker_key_file", "none")):
        with pytest.raises(ConfigError, match=field):
            load_settings(write_config(tmp_path, 8883, **{**files, field: path})).broker_tls()
    os.chmod(tmp_path / "tls" / "bridge.key", 0o640)
    with pytest.raises(ConfigError, match="0600"):
        load_settings(write_config(tmp_path, 8883, **files)).broker_tls()
