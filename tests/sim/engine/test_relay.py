"""The relay between broker and bridge: passes everything on in order, and parted lets it wait without a word."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from sim.engine.relay import Relay


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def relay(server: socket.socket) -> Iterator[Relay]:
    one = Relay(server.getsockname()[1])
    yield one
    one.close()


def pair(server: socket.socket, relay: Relay) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(("127.0.0.1", relay.port), timeout=5)
    behind, _ = server.accept()
    behind.settimeout(5)
    return client, behind


def received(one: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n and (part := one.recv(n - len(data))):
        data += part
    return data


def test_all_is_passed_on_both_ways_and_in_order(server: socket.socket, relay: Relay, seed: int):
    client, behind = pair(server, relay)
    with client, behind:
        data = random.Random(seed).randbytes(20 << 20)  # more than any buffer on the way
        sending = threading.Thread(target=client.sendall, args=(data,))
        sending.start()
        assert received(behind, len(data)) == data
        sending.join()
        behind.sendall(b"back")
        assert received(client, 4) == b"back"


def test_the_end_of_one_side_is_the_end_of_the_other_after_all_that_was_sent(server: socket.socket, relay: Relay):
    client, behind = pair(server, relay)
    with client, behind:
        client.sendall(b"last words")
        client.close()
        assert received(behind, 100) == b"last words"


def test_parted_nothing_arrives_and_nobody_is_told_and_joined_all_of_it_comes(server: socket.socket, relay: Relay):
    client, behind = pair(server, relay)
    with client, behind:
        client.sendall(b"before")
        assert received(behind, 6) == b"before"
        relay.passes(False)
        # Its thread takes wishes and bytes in any order: what shows that the wish was taken is a connection that leads nowhere.
        server.settimeout(0.2)
        with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as second:
            with pytest.raises(TimeoutError):
                server.accept()
            client.sendall(b"while parted")
            second.sendall(b"me too")
            behind.settimeout(0.1)
            with pytest.raises(TimeoutError):
                behind.recv(100)
            relay.passes(True)
            behind.settimeout(5)
            server.settimeout(5)
            assert received(behind, 12) == b"while parted"
            other, _ = server.accept()
            with other:
                other.settimeout(5)
                assert received(other, 6) == b"me too"


def test_without_anybody_behind_it_a_connection_ends(server: socket.socket, relay: Relay):
    server.close()
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as client:
        assert client.recv(10) == b""
