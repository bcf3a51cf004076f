"""TCP through the engine: answers come at the virtual moment that follows from the question, not from the host's haste."""

import selectors
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import sim.engine.net as net
from firmware.core import sntp
from sim.engine.device import Device
from sim.engine.net import Network
from sim.silicon import _channels as ch
from tests.brokers import wait_for
from tests.sim.engine.still import answer, inbox, still_device
from tests.sim.engine.test_mqttlook import CONNECT, packet

START_MS = 1_780_290_000_000
LATENCY_MS = 80
CONNACK = packet(2, 0, b"\0\0")


class Site:
    """A device, the network, and at its other end a socket in the place of the broker."""

    def __init__(self, latency_ms: int | None = LATENCY_MS) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.settimeout(10)
        self.selector = selectors.DefaultSelector()
        self.changed: list[Device] = []
        self.latency_ms = latency_ms
        address = self.listening.getsockname()
        self.address = b"%s:%d" % (address[0].encode(), address[1])
        self.network = Network(self.selector, address, START_MS, lambda name, t_ms: self.latency_ms)
        self.network.on_change = self.changed.append
        self.device = still_device()
        answer(self.device, 0, 1_000_000)

    def say(self, t_ms: int, what: int, data: bytes = b"", sub: int = 3) -> None:
        self.network.output(self.device, t_ms, sub, bytes([what]) + data)

    def open(self, t_ms: int = 0) -> socket.socket:
        self.say(t_ms, ch.SOCK_OPENED, self.address)
        peer, _ = self.listening.accept()
        peer.settimeout(10)
        return peer

    def attend(self) -> None:
        for key, _ in self.selector.select(0.01):
            key.data()
        self.network.poll()

    def heard(self) -> list[tuple[int, int, bytes]]:
        """(time, SOCK_*, data) of what waits for the device."""
        return [(item.t_ms, item.payload[0], item.payload[1:]) for item in inbox(self.device)]

    def close(self) -> None:
        self.network.close()
        self.listening.close()
        self.selector.close()


@contextmanager
def made(**options) -> Iterator[Site]:
    site = Site(**options)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with made() as site:
        yield site


def test_a_connection_is_open_a_round_trip_later(site: Site):
    site.open(1000)
    assert site.heard() == [(1000 + 2 * LATENCY_MS, ch.SOCK_OPENED, b"")]
    assert not site.network.is_waiting()


def test_virtual_time_waits_for_the_answer_and_the_answer_comes_when_it_is_due(site: Site):
    peer = site.open(0)
    site.say(500, ch.SOCK_DATA, CONNECT)
    assert peer.recv(1000) == CONNECT
    due_ms = 500 + 2 * LATENCY_MS
    assert site.network.is_waiting() and site.network.bound(site.device, 10**9) == due_ms - 1
    peer.sendall(CONNACK)
    wait_for(lambda: (site.attend(), not site.network.is_waiting())[1], "the CONNACK")
    assert site.heard()[-1] == (due_ms, ch.SOCK_DATA, CONNACK)
    assert site.network.bound(site.device, 10**9) == 10**9
    assert site.device in site.changed


def test_a_long_packet_comes_in_pieces_that_the_device_can_hold_in_order_and_whole(site: Site):
    peer = site.open(0)
    long = packet(3, 0, b"\0\1a" + bytes(range(256)) * 20)
    peer.sendall(long)
    wait_for(lambda: (site.attend(), len(site.heard()) > 5)[1], "the packet")
    data = [data for _, what, data in site.heard() if what == ch.SOCK_DATA]
    assert b"".join(data) == long and max(map(len, data)) <= 1024


def test_a_hold_that_nobody_answers_ends_and_is_counted(site: Site, monkeypatch: pytest.MonkeyPatch):
    peer = site.open(0)
    monkeypatch.setattr(net, "HOLD_S", 0.05)
    site.say(500, ch.SOCK_DATA, CONNECT)
    assert peer.recv(1000) == CONNECT
    wait_for(lambda: (site.attend(), not site.network.is_waiting())[1], "the end of the hold")
    assert site.network.holds_expired == 1
    assert site.network.bound(site.device, 10**9) == 10**9


def test_without_coverage_nothing_holds_time():
    with made(latency_ms=None) as site:
        site.say(0, ch.SOCK_OPENED, site.address)
        assert not site.network.is_waiting()
        assert site.network.bound(site.device, 10**9) == 10**9


def test_another_address_is_refused_and_a_broker_that_is_gone_is_tried_until_the_hold_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    site.say(0, ch.SOCK_OPENED, b"192.0.2.1:1883")
    ((at_ms, what, _),) = site.heard()
    assert (at_ms, what) == (2 * LATENCY_MS, ch.SOCK_ERROR)

    monkeypatch.setattr(net, "HOLD_S", 0.1)
    site.listening.close()
    site.say(1000, ch.SOCK_OPENED, site.address, sub=4)
    assert site.network.is_waiting()
    wait_for(lambda: (site.attend(), len(site.heard()) == 2)[1], "the refusal")
    assert site.heard()[-1][:2] == (1000 + 2 * LATENCY_MS, ch.SOCK_ERROR)


def test_a_connection_that_the_broker_drops_is_told_after_all_that_came_before(site: Site):
    peer = site.open(0)
    peer.sendall(CONNACK)
    peer.close()
    wait_for(lambda: (site.attend(), site.heard()[-1][1] == ch.SOCK_CLOSED)[1], "the end")
    assert [what for _, what, _ in site.heard()] == [ch.SOCK_OPENED, ch.SOCK_DATA, ch.SOCK_CLOSED]
    times = [t_ms for t_ms, _, _ in site.heard()]
    assert times == sorted(times)


def test_a_device_that_loses_power_loses_its_sockets(site: Site):
    peer = site.open(0)
    site.network.disconnect(site.device)
    assert peer.recv(10) == b""
    assert not site.network.is_waiting()


def test_the_simulated_internet_tells_virtual_time(site: Site):
    stamp = bytes(range(8))
    site.say(60_000, ch.SOCK_DATAGRAM, b"pool.ntp.org:123\0" + sntp.request(stamp))
    ((at_ms, what, packet_),) = site.heard()
    assert at_ms == 60_000 + 2 * LATENCY_MS and what == ch.SOCK_DATA
    told = sntp.parse(packet_, stamp)
    assert told is not None
    assert abs(told[0] * 1000 + told[1] - (START_MS + 60_000 + LATENCY_MS)) <= 1
    assert sntp.parse(packet_, bytes(8)) is None


@pytest.mark.parametrize("datagram", [b"", b"pool.ntp.org:123\0short", b"pool.ntp.org:53\0" + bytes(48), b"\xff\0" + bytes(48)])
def test_other_datagrams_go_nowhere(site: Site, datagram: bytes):
    site.say(0, ch.SOCK_DATAGRAM, datagram)
    assert site.heard() == []
