"""The brokers with TLS: who shows no certificate of the scheme's is not heard, and who shows one is who it says, and no other."""

import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bridge.broker.authority import Authority, Identity
from bridge.broker.process import HOST, Tls
from bridge.errors import ConfigError
from tests.brokers import BROKERS, USERS, Broker, Party, client_context, server_tls, wait_for

UP = "hw/0/tag-000001/up"
DOWN = "hw/0/tag-000001/down"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another scheme, which calls itself the same."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def secure(broker_kind: str, authority: Authority, tmp_path: Path) -> Iterator[Broker]:
    with BROKERS[broker_kind](tmp_path / "broker", 0, USERS, tls=server_tls(authority)) as broker:
        yield broker


def party(broker: Broker, authority: Authority, name: str, **more) -> Party:
    return Party(broker.port, name, tls=client_context(authority.certificate_file, authority.client(name)), **more)


def shake(port: int, context: ssl.SSLContext, name: str = HOST) -> bytes:
    """The answer to a CONNECT without a login."""
    with socket.create_connection((HOST, port), 10) as wire, context.wrap_socket(wire, server_hostname=name) as tls:
        tls.sendall(b"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3abc")
        return tls.recv(4)


def test_who_takes_his_time_to_say_who_he_is_is_heard_all_the_same(secure: Broker, authority: Authority) -> None:
    context = client_context(authority.certificate_file, authority.client("tag-000001"))
    with socket.create_connection((HOST, secure.port), 10) as wire, context.wrap_socket(wire, server_hostname=HOST) as tls:
        tls.settimeout(3)  # a broker would give up after two, by nats-server's default
        with pytest.raises(TimeoutError):
            tls.recv(1)
        tls.settimeout(10)
        tls.sendall(b"\x10\x16\0\4MQTT\4\2\0\x3c\0\x0atag-000001")
        assert tls.recv(4) == b"\x20\2\0\0"


def test_a_device_and_the_bridge_reach_each_other(secure: Broker, authority: Authority) -> None:
    with party(secure, authority, "bridge") as bridge, party(secure, authority, "tag-000001") as tag:
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
        assert tag.subscribe(DOWN)
        tag.publish(UP, b"records")
        bridge.publish(DOWN, b"receipt")
        bridge.wait(lambda: bridge.payloads() == [b"records"], "the tag's message")
        tag.wait(lambda: tag.payloads() == [b"receipt"], "the receipt")


def test_a_client_without_a_certificate_is_refused_with_the_right_password_too(secure: Broker, authority: Authority) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert shake(secure.port, client_context(authority.certificate_file, None)), "it hung up"
        raise ConnectionError


def test_a_certificate_of_another_authority_is_refused(secure: Broker, authority: Authority, stranger: Authority) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        assert shake(secure.port, client_context(authority.certificate_file, stranger.client("tag-000001"))), "it hung up"


def test_plain_text_is_not_answered(secure: Broker) -> None:
    with socket.create_connection((HOST, secure.port), 10) as wire:
        wire.sendall(b"\x10\x0f\0\4MQTT\4\2\0\x3c\0\3abc")
        try:
            assert not wire.recv(4).startswith(b"\x20")
        except ConnectionError:
            pass


def test_a_broker_of_another_authority_or_another_name_is_not_spoken_to(
    secure: Broker, authority: Authority, stranger: Authority
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(secure.port, client_context(stranger.certificate_file, authority.client("tag-000001")))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"broker\.example"):
        shake(secure.port, client_context(authority.certificate_file, authority.client("tag-000001")), "broker.example")
    assert shake(secure.port, client_context(authority.certificate_file, authority.client("tag-000001")), "localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_before_1_2_is_refused(secure: Broker, authority: Authority, version: ssl.TLSVersion) -> None:
    context = client_context(authority.certificate_file, authority.client("tag-000001"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake(secure.port, context)


@pytest.mark.parametrize("topic", ["hw/0/tag-000002/up", "hw/0/tag-000002/state", DOWN, "hw/0/tag-000002/down"])
def test_a_device_cannot_speak_for_another_whatever_it_calls_itself(secure: Broker, authority: Authority, topic: str) -> None:
    liar = party(secure, authority, "tag-000001", client_id="tag-000002")
    if secure.name == "mosquitto":  # NATS lets nobody in who gives a password as well
        liar.client.username_pw_set("tag-000002", "password of tag-000002")
    with party(secure, authority, "bridge") as bridge, liar:
        assert bridge.subscribe("hw/+/+/up", "hw/+/+/state")
        for qos in (0, 1):
            liar.client.publish(topic, b"spoof", qos)
        liar.publish(UP, b"mine")
        bridge.wait(lambda: bridge.payloads() == [b"mine"], "the tag's own message alone")


def test_a_device_hears_nothing_of_another(secure: Broker, authority: Authority) -> None:
    with (
        party(secure, authority, "bridge") as bridge,
        party(secure, authority, "tag-000001") as tag,
    ):
        for pattern in ("hw/0/tag-000002/down", "hw/#", "#", "hw/0/+/down"):
            tag.subscribe(pattern)  # mosquitto grants it and delivers nothing
        assert tag.subscribe(DOWN)
        bridge.publish("hw/0/tag-000002/down", b"secret")
        bridge.publish(DOWN, b"mine")
        tag.wait(lambda: tag.heard, "its own message")
        assert set(tag.payloads()) == {b"mine"}


def test_a_durable_session_is_its_owners_alone(secure: Broker, authority: Authority) -> None:
    with party(secure, authority, "tag-000001", clean=False) as tag:
        assert tag.subscribe(DOWN)
    with party(secure, authority, "bridge") as bridge:
        for i in range(5):
            bridge.publish(DOWN, b"%d" % i)
        with party(secure, authority, "tag-000002", client_id="tag-000001", clean=False) as thief:
            assert thief.subscribe("hw/0/tag-000002/down")
            bridge.publish("hw/0/tag-000002/down", b"its own")
            thief.wait(lambda: thief.heard, "its own message")
            assert thief.payloads() == [b"its own"]
    with party(secure, authority, "tag-000001", clean=False) as tag:
        tag.wait(lambda: len(tag.heard) >= 5, "what was kept for it")
        assert tag.payloads() == [b"%d" % i for i in range(5)]


def test_a_device_that_is_taken_off_the_list_may_do_nothing_more(secure: Broker, authority: Authority) -> None:
    secure.set_users([user for user in USERS if user.name != "tag-000002"])

    def is_out() -> bool:
        try:
            return is_without_rights()
        except ConnectionError:
            return False  # while the broker reads its list anew it may cut off who is just shaking hands

    def is_without_rights() -> bool:
        with party(secure, authority, "bridge") as bridge, party(secure, authority, "tag-000002") as gone:
            if gone.connack is not None and gone.connack.is_failure:
                return True  # NATS
            assert bridge.subscribe("hw/+/+/up")
            gone.publish("hw/0/tag-000002/up", b"spoof")
            with party(secure, authority, "tag-000001") as tag:
                tag.publish(UP, b"mine")
            bridge.wait(lambda: b"mine" in bridge.payloads(), "the other tag's message")
            return bridge.payloads() == [b"mine"]

    wait_for(is_out, "the device to be without rights")


def test_keys_are_their_owners_alone_and_no_password_is_written(secure: Broker, authority: Authority) -> None:
    for path in authority.folder.iterdir():
        if b"PRIVATE" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for path in secure.folder.rglob("*"):
        if path.is_file():
            assert b"password of" not in path.read_bytes(), path
            assert b"PRIVATE" not in path.read_bytes(), path
    assert secure.pid is not None and "PRIVATE" not in " ".join(psutil.Process(secure.pid).cmdline())


def test_to_other_machines_it_listens_with_tls_alone(broker_kind: str, authority: Authority, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.0.2.1"):
        with pytest.raises(ConfigError, match="TLS alone"):
            BROKERS[broker_kind](tmp_path / "b", 0, USERS, host=host)
    with pytest.raises(ConfigError, match="IPv4"):
        BROKERS[broker_kind](tmp_path / "b", 0, USERS, host="example.org")
    with BROKERS[broker_kind](tmp_path / "b", 0, USERS, tls=server_tls(authority), host="0.0.0.0") as broker:
        assert broker.pid is not None
        listening = [c.laddr for c in psutil.Process(broker.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert next(a.ip for a in listening if a.port == broker.port) in ("0.0.0.0", "::")
        assert shake(broker.port, client_context(authority.certificate_file, authority.client("tag-000001")))


def test_a_broker_without_its_files_says_so(broker_kind: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.pem"
    broker = BROKERS[broker_kind](tmp_path / "b", 0, USERS, tls=Tls(nowhere, nowhere, nowhere))
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        broker.start()
    assert not broker.alive


def test_identities_differ(authority: Authority) -> None:
    one, other = authority.client("tag-000001"), authority.client("tag-000002")
    assert isinstance(one, Identity) and one.key_der != other.key_der
