"""TLS on a simulated device, with a server of this host's library in the engine's place."""

import ssl
from collections.abc import Iterator

import pytest

from bridge.broker.authority import Authority
from sim.engine.tlslook import Tls
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.brokers import server_tls
from tests.sim.silicon.harness import Device, link, sock

TALKS = """
import network, socket, time, _tls
lan = network.LAN(0); lan.active(True)
time.sleep_ms(10)
s = socket.socket(); s.setblocking(False)
try:
    s.connect(("10.0.0.1", 8883))
except OSError:
    pass
context = _tls.SSLContext(_tls.PROTOCOL_TLS_CLIENT); context.verify_mode = 0
secure = context.wrap_socket(s, do_handshake_on_connect=False)
said = None
while not said:
    time.sleep_ms(100)
    try:
        said = secure.write(b"hello")
    except OSError as error:
        pass
print("said", said)
buf = bytearray(100)
while True:
    time.sleep_ms(100)
    n = secure.readinto(buf)
    print(_hw.now, None if n is None else bytes(buf[:n]))
"""


class Server:
    """The other end, in memory: `takes` what the device sent, and gives what the handshake sends next."""

    def __init__(self, authority: Authority) -> None:
        given = server_tls(authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(given.certificate_file, given.key_file)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def takes(self, items: Iterator[Item]) -> bytes:
        for item in items:
            if item.channel == ch.SOCK_OUT and item.payload[0] == ch.SOCK_DATA:
                self._in.write(item.payload[1:])
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self._out.read()

    def ends(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._out.read()


def heard(device: Device) -> list[bytes]:
    """What it told of what it opened; an empty one is the end of what it was given."""
    return [item.payload[1:] for item in device.sayings(ch.SOCK_OUT) if item.payload[0] == ch.SOCK_HEARD]


def test_a_server_that_gives_up_before_the_device_says_anything_is_told_of_as_soon_as_it_does(tmp_path):
    server = Server(Authority(tmp_path / "authority"))
    with Device(tmp_path, TALKS) as device:
        device.live(50, [link(5, ch.NIC_LAN, True)])
        device.live(150, [sock(60, 1, ch.SOCK_OPENED)])
        flights, told = Tls(), 0
        for t_ms in (200, 400):
            answer = server.takes(iter(device.said[told:]))
            told = len(device.said)
            parts = flights.heard(answer)
            assert [key for key, _ in parts] == [(("tls hello", "tls finished")[t_ms // 400], 0)]
            if t_ms == 400:
                device.live(390, [sock(380, 1, ch.SOCK_SEALED, server.ends())])
                assert heard(device) == []
            device.live(t_ms + 90, [sock(t_ms, 1, ch.SOCK_DATA, data) for _, data in parts])
        device.live(600)
        assert device.lines[:1] == ["said 5"] and not device.complaints
        assert heard(device) == [b""], "what was sealed is opened, and its end is told"
        said = device.sayings(ch.SOCK_OUT)
        assert [item.payload for item in said if item.payload[0] == ch.SOCK_SENT] == [bytes([ch.SOCK_SENT]) + b"hello"]
