"""`homeward ca`: a scheme is begun, its secrets are kept apart, and what is issued is known by OpenSSL too."""

import json
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bridge.settings import load_settings
from firmware.core import ident
from sim.board.board import Board
from tests.tools.provision.boards import slot, told, usb
from tests.tools.provision.test_provision import TAG, UNIT, fleet_key
from tools.provision.state import State, parse_broker

Command = Callable[..., Any]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def verified(certificate: Path, authority: Path) -> bool:
    """By OpenSSL, which knows nothing of us. A certificate that begins in 1970 is valid today."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine")
    done = subprocess.run([openssl, "verify", "-CAfile", authority, certificate], capture_output=True, text=True, timeout=30)
    return done.returncode == 0


def test_a_scheme_is_begun_once_and_all_of_it_is_its_owner_s_alone(command: Command, tmp_path: Path) -> None:
    scheme = tmp_path / "scheme"
    said = command("ca", "init", "--broker", "broker.example", "--state", scheme).stdout
    assert "fleet.key" in said and (scheme / "fleet.key").read_text().strip() not in said
    for path in [scheme, *scheme.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    before = contents(scheme)
    assert "all of it is there" in command("ca", "init", "--broker", "broker.example:8883", "--state", scheme).stdout
    assert "change it there" in command("ca", "init", "--broker", "other.example", "--state", scheme, code=2).stderr
    assert contents(scheme) == before
    for name in ("broker", "bridge"):
        assert verified(scheme / f"tls/{name}.crt", scheme / "tls/ca.crt")
    settings = load_settings(scheme / "bridge.toml")
    assert settings.broker_tls() is not None and (settings.broker_host, settings.broker_port) == ("broker.example", 8883)
    names = x509.load_pem_x509_certificate((scheme / "tls/broker.crt").read_bytes())
    alternatives = names.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "broker.example" in alternatives.get_values_for_type(x509.DNSName)


def test_what_is_missing_is_made_and_what_is_there_stays(folder: Path, command: Command) -> None:
    before = contents(folder)
    (folder / "bridge.toml").unlink()
    assert "made bridge.toml" in command("ca", "init", "--broker", "127.0.0.1:8883").stdout
    after = contents(folder)
    assert after == before


def test_a_folder_that_others_may_read_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    refused = command("ca", "init", "--broker", "broker.example", "--state", tmp_path / "open", code=2)
    assert "0700: a folder of keys" in refused.stderr and not list((tmp_path / "open").iterdir())


def test_show_tells_what_was_issued_and_which_secrets_are_here(command: Command, folder: Path) -> None:
    about = json.loads(command("ca", "show", "--json").stdout)
    assert about["secrets_here"] == {"fleet_key": True, "authority_key": True, "kits": 0}
    assert [(row["name"], row["renew"]) for row in about["issued"]] == [("bridge", False), ("broker", False)]
    text = command("ca", "show").stdout
    assert about["sha256"] in text and "fleet.key, tls/ca.key" in text
    authority = x509.load_pem_x509_certificate((folder / "tls/ca.crt").read_bytes())
    assert f"{authority.not_valid_after_utc:%Y-%m-%d}" == about["until"]


def test_renewed_is_another_certificate_and_export_copies_it(command: Command, folder: Path, tmp_path: Path) -> None:
    before = (folder / "tls/broker.crt").read_bytes()
    command("ca", "renew", "broker", "--name", "192.0.2.7")
    command("ca", "export", "broker", "--out", tmp_path / "for-the-broker")
    copied = contents(tmp_path / "for-the-broker")
    assert set(copied) == {"ca.crt", "broker.crt", "broker.key"} and copied["broker.crt"] != before
    assert stat.S_IMODE((tmp_path / "for-the-broker/broker.key").stat().st_mode) == 0o600
    assert set(contents_of_export(command, tmp_path)) == {"ca.crt"}
    assert "one of ca, bridge, broker" in command("ca", "export", TAG, "--out", tmp_path / "x", code=2).stderr


def contents_of_export(command: Command, tmp_path: Path) -> dict[str, bytes]:
    command("ca", "export", "ca", "--out", tmp_path / "for-all")
    return contents(tmp_path / "for-all")


def test_without_its_key_the_authority_signs_elsewhere(command: Command, folder: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    shutil.copytree(folder, away)
    (folder / "tls/ca.key").unlink()
    assert "kept elsewhere" in command("ca", "renew", "broker", code=2).stderr
    file = Path(command("ca", "request", "broker").stdout.strip())
    assert "--yes" in command("ca", "sign", file, "--state", away, code=2).stderr
    signed = Path(command("ca", "sign", file, "--state", away, "--yes", "--name", "192.0.2.7").stdout.strip())
    old_key = (folder / "tls/broker.key").read_bytes()
    command("ca", "accept", signed)
    assert verified(folder / "tls/broker.crt", folder / "tls/ca.crt")
    assert (folder / "tls/broker.key").read_bytes() != old_key and not file.exists()
    assert contents(away)["tls/broker.key"] == old_key  # the new one was never there
    assert "the answer to a request" in command("ca", "accept", signed, code=2).stderr


def test_a_certificate_of_another_authority_is_not_accepted(command: Command, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    command("ca", "init", "--broker", "127.0.0.1", "--state", other)
    file = Path(command("ca", "request", "bridge").stdout.strip())
    signed = Path(command("ca", "sign", file, "--state", other, "--yes").stdout.strip())
    before = contents(folder)
    assert "this scheme's authority" in command("ca", "accept", signed, code=2).stderr
    assert contents(folder) == before
    file.write_text("no request")
    assert "a certificate request" in command("ca", "sign", file, "--yes", code=2).stderr


def test_a_bench_with_a_kit_has_no_more_than_its_devices_need(
    command: Command, plugged: Callable[..., Board], folder: Path, tmp_path: Path
) -> None:
    bench = tmp_path / "thursday"
    said = told(command("ca", "kit", f"{TAG}:{UNIT}", UNIT, "--out", bench))
    fleet = fleet_key(folder)
    held = contents(bench)
    assert set(held) == {"provision.toml", f"kits/{TAG}.json", f"kits/{UNIT}.json"}
    assert all(fleet.hex().encode() not in data for data in held.values()) and fleet.hex() not in said
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in bench.rglob("*") if path.is_file())
    board = plugged()
    command("provision", TAG, "--with", UNIT, "--state", bench)
    own, whole = slot(board), State(folder).keys(TAG, UNIT)
    assert (own.key, own.rf_key, own.password) == (whole.key, whole.rf_key, whole.password)
    assert "nothing to do" in command("provision", TAG, "--state", bench).stdout
    assert (
        "hmu-000001, for whom tag-000001's kit was made"
        in command("provision", TAG, "--with", "hmu-000009", "--state", bench, code=2).stderr
    )
    other = command("provision", "tag-000002", "--port", board.port, "--state", bench, code=2).stderr
    assert "this one is tag-000001" in other
    assert slot(board).device == ident.parse_device_name(TAG)
    assert "entered: tag-000001" in command("inventory", "import", bench).stdout
    assert "nothing that was not here" in command("inventory", "import", bench).stdout
    mine, theirs = (json.loads(command("inventory", "show", TAG, "--json", "--state", each).stdout) for each in (folder, bench))
    assert {**mine, "log": []} == {**theirs, "log": []} and mine["log"][-1] == theirs["log"][-1]


def test_a_kit_has_the_place_that_the_inventory_gave(
    command: Command, plugged: Callable[..., Board], folder: Path, tmp_path: Path
) -> None:
    command("inventory", "pair", "tag-000009", UNIT)
    bench = tmp_path / "thursday"
    command("ca", "kit", f"{TAG}:{UNIT}", UNIT, "--out", bench)
    board = plugged()
    command("provision", TAG, "--state", bench)
    assert slot(board).slot == 1 and slot(board).partners == [ident.parse_device_name(UNIT)]
    unit = plugged(usb(2))
    command("provision", UNIT, "--port", usb(2), "--state", bench)
    assert [ident.device_name(partner) for partner in slot(unit).partners] == ["tag-000009", TAG]


def test_a_device_without_a_kit_is_refused_before_anything_is_written(
    command: Command, plugged: Callable[..., Board], tmp_path: Path
) -> None:
    bench = tmp_path / "thursday"
    command("ca", "kit", TAG, "--out", bench)
    board = plugged()
    refused = command("provision", "tag-000002", "--state", bench, code=2).stderr
    assert "homeward ca kit tag-000002" in refused
    command("ca", "kit", "tag-000003", "--key", "2", "--out", bench)
    assert "with --key 1" in command("provision", "tag-000003", "--port", board.port, "--state", bench, code=2).stderr
    assert not list(board.folder.glob("*.nvs"))
    assert command("inventory", "list", "--state", bench).stdout.strip() == "the inventory is empty"


@pytest.mark.parametrize(
    "line, words",
    [
        ('broker = "x:0"', "provision.toml: broker: got 'x:0'"),
        ("", "provision.toml: broker: got None"),
        ('broker = "x"\ncolour = "red"', "colour"),
        ('broker = "x"\nlinks = ["pigeon"]', "some of cellular, ethernet, wifi"),
        ('broker = "x"\nlinks = ["wifi"]', "wifi_file"),
        ('broker = "x"\nshard = "a/b"', "one topic level"),
        ('broker = "x"\n[boards]\ncat = "x"', "tag or hmu"),
        ("broker = ", "valid TOML"),
    ],
)
def test_settings_that_cannot_be_are_one_line(command: Command, folder: Path, line: str, words: str) -> None:
    (folder / "provision.toml").write_text(line)
    refused = command("inventory", "list", code=2)
    assert words in refused.stderr and refused.stderr.count("\n") == 1


def test_a_broker_is_a_host_and_a_port() -> None:
    assert parse_broker("broker.example") == ("broker.example", 8883)
    assert parse_broker("10.0.0.1:1884") == ("10.0.0.1", 1884)
    assert parse_broker("[::1]:99") == ("::1", 99) and parse_broker("[::1]") == ("::1", 8883)


def test_a_wifi_passphrase_is_a_file_and_goes_to_the_home_unit(
    command: Command, plugged: Callable[..., Board], folder: Path
) -> None:
    text = (folder / "provision.toml").read_text() + 'links = ["ethernet", "wifi"]\nwifi_file = "wifi"\n'
    (folder / "provision.toml").write_text(text)
    assert tomllib.loads(text)["wifi_file"] == "wifi"
    (folder / "wifi").write_text("house\npassphrase\n")
    board = plugged()
    assert "0600" in command("provision", "hmu", code=2).stderr
    (folder / "wifi").chmod(0o600)
    said = told(command("provision", "hmu")) + told(command("inventory", "show", UNIT))
    fields = json.loads((board.folder / "homeward.provision.nvs").read_bytes())
    assert fields["links"] == ["ethernet", "wifi"] and fields["wifi"] == ["house", "passphrase"]
    assert "passphrase" not in said
