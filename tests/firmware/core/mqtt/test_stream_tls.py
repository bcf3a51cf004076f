"""The real interpreter with its real TLS against real brokers: who is not the scheme's broker learns nothing, and over a network
that breaks in every way everything arrives once and in order, as without TLS.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from bridge.broker.authority import NOT_BEFORE, Authority
from bridge.broker.process import Tls
from firmware.core.mqtt.session import CLOSED
from firmware.core.mqtt.stream import CONNECTED, LOST
from tests.brokers import BROKERS, USERS, Broker, client_context, server_tls, wait_for
from tests.firmware.core.mqtt.proxy import Proxy
from tests.firmware.core.mqtt.test_stream import Bridge, Device, make_device  # noqa: F401 - a fixture

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secure(broker_kind: str, authority: Authority, tmp_path: Path) -> Iterator[Broker]:
    with BROKERS[broker_kind](tmp_path / "broker", 0, USERS, tls=server_tls(authority)) as broker:
        yield broker


@pytest.fixture
def bridge(secure: Broker, authority: Authority) -> Iterator[Bridge]:
    one = Bridge(secure.port, client_context(authority.certificate_file, authority.client("bridge")))
    yield one
    one.close()


def given(folder: Path, authority: Authority, trusts: Authority | None = None, name: str = "tag-000001") -> Path:
    """A folder with what provisioning puts into a device's settings store."""
    folder.mkdir(exist_ok=True)
    identity = authority.client(name)
    (folder / "ca").write_bytes((trusts or authority).certificate_der)
    (folder / "cert").write_bytes(identity.certificate_der)
    (folder / "key").write_bytes(identity.key_der)
    return folder


@pytest.mark.slow
def test_everything_arrives_once_and_in_order_over_a_network_that_breaks_in_every_way(
    secure: Broker,
    bridge: Bridge,
    authority: Authority,
    make_device: Callable[..., Device],  # noqa: F811
    tmp_path: Path,
) -> None:
    with Proxy(secure.port) as proxy:
        device = make_device(proxy.port, 300, tls=(HOST, str(given(tmp_path / "tls", authority))))

        def at(n: int) -> tuple[int, int]:
            device.wait(lambda: len(bridge.arrivals) >= n, f"{n} records")
            return len(device.events(CONNECTED)), len(device.events(LOST))

        def reconnected(after: int) -> None:
            device.wait(lambda: len(device.events(CONNECTED)) > after, "a new connection")

        connections, _ = at(40)
        proxy.reset()
        reconnected(connections)

        connections, lost = at(80)
        proxy.black_hole()
        device.wait(lambda: len(device.events(LOST)) >= lost + 2, "the device to give up twice: a dead link, then no handshake")
        proxy.heal()
        reconnected(connections)

        connections, lost = at(120)
        proxy.refuse()
        device.wait(lambda: len(device.events(LOST)) >= lost + 2, "refused connections")
        proxy.heal()
        reconnected(connections)

        connections, _ = at(160)
        proxy.half_open()
        reconnected(connections)

        connections, _ = at(200)
        proxy.refuse()
        secure.kill()
        bridge.subscribed.clear()
        secure.start()
        assert bridge.subscribed.wait(20)
        proxy.heal()
        reconnected(connections)

        device.wait(lambda: device.figures(), "everything to be receipted and acknowledged")
        figures = device.figures()
        print(figures, "bytes up", proxy.up_bytes)
        assert bridge.arrivals == list(range(1, 301)) and figures["made"] == 300
        assert figures["most"] <= 4 and figures["refused"] == 0

        # Idle: no polling. The interval is what is measured.
        process = psutil.Process(device.process.pid)
        before = process.cpu_times(), process.num_ctx_switches().voluntary
        threading.Event().wait(2)
        after = process.cpu_times(), process.num_ctx_switches().voluntary
        used = after[0].user + after[0].system - before[0].user - before[0].system
        print(f"idle for 2 s: {used * 1000:.0f} ms of CPU, {after[1] - before[1]} wakeups")
        assert used <= 0.05 and after[1] - before[1] < 10


@pytest.mark.slow
def test_a_line_of_2_kbit_a_second_is_enough(
    secure: Broker,
    bridge: Bridge,
    authority: Authority,
    make_device: Callable[..., Device],  # noqa: F811
    tmp_path: Path,
) -> None:
    with Proxy(secure.port) as proxy:
        proxy.bytes_per_s = 250
        began = time.monotonic()
        device = make_device(proxy.port, 10, 10, tls=(HOST, str(given(tmp_path / "tls", authority)), "20000"))
        device.wait(lambda: device.events(CONNECTED), "a handshake")
        shaken_s = time.monotonic() - began
        device.wait(device.figures, "everything to be receipted")
        print(f"connected after {shaken_s:.1f} s, done after {time.monotonic() - began:.1f} s, {proxy.up_bytes} bytes up")
        assert bridge.arrivals == list(range(1, 11)) and device.events(LOST) == []


class Server:
    """A TLS server that counts who gets so far as to say something under it."""

    def __init__(self, tls: Tls, version: ssl.TLSVersion | None = None, host: str = HOST) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(tls.certificate_file, tls.key_file)
        if version is not None:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.TLSv1
            self.context.maximum_version = version
        self.listener = socket.create_server((host, 0))
        self.port: int = self.listener.getsockname()[1]
        self.tried = 0
        self.heard = b""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                wire, _ = self.listener.accept()
            except OSError:
                return
            self.tried += 1
            wire.settimeout(5)
            try:
                with self.context.wrap_socket(wire, server_side=True) as secure:
                    self.heard += secure.recv(1000)
                    secure.recv(1000)  # until it hangs up
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()


def expired(authority: Authority, folder: Path) -> Tls:
    """The broker's certificate as it will be once its time is over."""
    tls = server_tls(authority)
    old = x509.load_pem_x509_certificate(tls.certificate_file.read_bytes())
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(old.issuer)
        .public_key(old.public_key())
        .serial_number(1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(datetime.now(UTC) - timedelta(days=1))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    key = load_pem_private_key((authority.folder / "ca.key").read_bytes(), None)
    path = folder / "expired.crt"
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))  # type: ignore[arg-type]
    return Tls(tls.ca_file, path, tls.key_file)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("what", ["good", "other authority", "other name", "a device", "expired", "TLS 1.1"])
def test_only_the_schemes_broker_is_told_anything(
    what: str,
    authority: Authority,
    make_device: Callable[..., Device],  # noqa: F811
    tmp_path: Path,
) -> None:
    trusts = Authority(tmp_path / "stranger") if what == "other authority" else authority
    tls = expired(authority, tmp_path) if what == "expired" else server_tls(authority)
    if what == "a device":
        poser = authority.client("tag-000002")
        tls = Tls(tls.ca_file, poser.certificate_file, poser.key_file)
    host = "127.0.0.2" if what == "other name" else HOST
    server = Server(tls, ssl.TLSVersion.TLSv1_1 if what == "TLS 1.1" else None, host)
    try:
        device = make_device(server.port, 5, tls=(host, str(given(tmp_path / "tls", authority, trusts))))
        if what == "good":
            wait_for(lambda: server.heard.startswith(b"\x10"), "its CONNECT")
            return
        device.wait(lambda: server.tried >= 2 and len(device.events(LOST)) >= 2, "two attempts")
        assert server.heard == b"" and set(device.events(LOST)) == {CLOSED}
    finally:
        server.close()


def test_a_device_with_a_strangers_certificate_is_turned_away_and_comes_back_slower_and_slower(
    secure: Broker,
    authority: Authority,
    make_device: Callable[..., Device],  # noqa: F811
    tmp_path: Path,
) -> None:
    device = make_device(secure.port, 5, tls=(HOST, str(given(tmp_path / "tls", Authority(tmp_path / "stranger"), authority))))
    device.wait(lambda: len(device.events(LOST)) >= 3, "three attempts")
    assert device.events(CONNECTED) == []


def test_what_is_no_certificate_is_said_at_once(authority: Authority, tmp_path: Path) -> None:
    folder = given(tmp_path / "tls", authority)
    (folder / "cert").write_bytes(b"\x30\x03abc")
    device = Device(1, tmp_path, 5, 1, tls=(HOST, str(folder)))
    try:
        assert device.process.wait(10) == 1
        wait_for(lambda: "ValueError: invalid cert" in device.lines, "its last words")
    finally:
        device.close()
