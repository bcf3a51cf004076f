"""A scheme's authority: made once, asked as often as one likes, and nobody else can read its keys."""

import ipaddress
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

import bridge.broker.authority as module
from bridge.broker.authority import Authority
from bridge.errors import ConfigError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


def test_asked_again_it_gives_the_same(authority: Authority) -> None:
    ca, server, client = authority.certificate_der, authority.server().certificate_der, authority.client("tag-000001").key_der
    again = Authority(authority.folder)
    assert again.certificate_der == ca
    assert again.server().certificate_der == server
    assert again.client("tag-000001").key_der == client


def test_keys_and_their_folder_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        authority = Authority(tmp_path / "tls")
        authority.server()
        authority.client("bridge")
    finally:
        os.umask(before)
    assert stat.S_IMODE(authority.folder.stat().st_mode) == 0o700
    keys = [path for path in authority.folder.iterdir() if b"PRIVATE" in path.read_bytes()]
    assert len(keys) == 3 and {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}


def test_what_it_signs_may_sign_nothing_itself(authority: Authority) -> None:
    own = x509.load_der_x509_certificate(authority.certificate_der)
    constraints = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    for identity in (authority.server(), authority.client("tag-000001")):
        assert not identity.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        identity.certificate.verify_directly_issued_by(own)


def test_a_device_is_its_common_name_and_the_broker_its_addresses(authority: Authority) -> None:
    client = authority.client("tag-000001").certificate
    assert client.subject.rfc4514_string() == "CN=tag-000001"
    server = authority.server(["broker.example", "192.0.2.7"]).certificate
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "broker.example"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("192.0.2.7")]
    usage = x509.ExtendedKeyUsage
    assert server.extensions.get_extension_for_class(usage).value != client.extensions.get_extension_for_class(usage).value


def test_a_device_without_a_clock_finds_every_certificate_valid_and_a_worn_tag_outlives_its_longest_lease(
    authority: Authority,
) -> None:
    for identity in (authority.server(), authority.client("tag-000001")):
        assert identity.certificate.not_valid_before_utc.year == 1970
    left = authority.client("tag-000001").certificate.not_valid_after_utc - datetime.now(UTC)
    assert left > timedelta(days=400)


def test_it_renews_what_is_about_to_end_or_was_asked_for_and_nothing_else(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLIENT_DAYS", 399)
    short = authority.client("tag-000001").key_der
    monkeypatch.undo()
    fresh = authority.client("tag-000001")
    assert fresh.key_der != short
    key = fresh.key_der
    assert authority.client("tag-000001").key_der == key
    assert authority.client("tag-000001", renew=True).key_der != key
    one = authority.server().certificate_der
    assert authority.server(["broker.example"]).certificate_der != one


def test_a_certificate_of_an_earlier_authority_or_with_another_key_is_made_anew(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger").client("tag-000001")
    mine = authority.client("tag-000001")
    mine.certificate_file.write_bytes(stranger.certificate_file.read_bytes())
    again = authority.client("tag-000001").certificate
    again.verify_directly_issued_by(x509.load_der_x509_certificate(authority.certificate_der))
    mine.key_file.write_bytes(stranger.key_file.read_bytes())  # as when the power goes between the two files
    identity = authority.client("tag-000001")
    key = load_der_private_key(identity.key_der, None)
    assert key.public_key() == identity.certificate.public_key()


def test_an_authority_with_the_wrong_key_is_not_used(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    (authority.folder / "ca.key").write_bytes((other.folder / "ca.key").read_bytes())
    with pytest.raises(ConfigError, match="the key of ca"):
        Authority(authority.folder)
    (authority.folder / "ca.key").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match=r"ca\.key") as caught:
        Authority(authority.folder)
    assert "rubbish" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "ca", "broker", "-x", "a.b", "x*"])
def test_names_that_are_none_are_refused(authority: Authority, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        authority.client(name)


@pytest.mark.parametrize("name", ["", "a b", "https://x", "x*", "a@b", "bücher"])
def test_names_of_no_machine_are_refused(authority: Authority, name: str) -> None:
    with pytest.raises(ConfigError, match="host name"):
        authority.server([name])
