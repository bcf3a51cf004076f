"""Boards on pseudo-terminals that are to be provisioned, and what is on them, read behind their backs."""

import base64
import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from firmware.core.provision import Provision
from sim.board.board import Board
from sim.silicon import _channels as ch
from tools.board import Link
from tools.provision.bench import Bench

CHUNK = 1024  # bytes of a socket in one item: a pipe takes it whole or not at all


def usb(n: int) -> str:
    """A board's USB serial number, which no board of another process bears: boards are locked by it."""
    return f"PTY{os.getpid()}-{n:05d}"


def value(board: Board, key: str) -> bytes:
    """Of its settings store; empty when there is none."""
    path = board.folder / f"homeward.{key}.nvs"
    return path.read_bytes() if path.exists() else b""


def values(board: Board) -> dict[str, bytes]:
    """All of its settings store, but for what a start changes by itself."""
    keys = {path.name.split(".")[1]: path.read_bytes() for path in board.folder.glob("homeward.*.nvs")}
    return {key: data for key, data in keys.items() if key not in ("boots", "crash", "rf")}


def slot(board: Board) -> Provision:
    """What the firmware itself reads of its key slot."""
    return Provision(value(board, "provision"))


@contextmanager
def bench(board: Board, timeout_s: float = 5.0) -> Iterator[Bench]:
    with Link(board.port, timeout_s=timeout_s) as link:
        yield Bench(link)


def pretend_firmware(board: Board, name: str) -> None:
    """As if an application for a board were in its folder `a`, whole."""
    with Link(board.port) as link:
        link.enter()
        link.run("import os\nif 'a' not in os.listdir('/'): os.mkdir('/a')")
        link.write_file("/a/manifest.json", json.dumps({"board": name, "version": "1"}).encode())


class Ethernet:
    """The socket in the wall that a board's Ethernet is plugged into: what it says to an address of this machine goes there.

    Once something was said under TLS, what comes is handed over sealed, and a second time as the board has opened it
    (`sim/silicon/_tls.py`).
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._sockets: dict[int, socket.socket] = {}
        self._sealed: set[int] = set()
        self._closing = False
        board.on_output = self._heard

    def close(self) -> None:
        self._closing = True
        for each in list(self._sockets.values()):
            each.close()

    def _heard(self, channel: int, sub: int, payload: bytes) -> None:
        if channel == ch.NIC and sub == ch.NIC_LAN:
            self._board.push(ch.LINK, ch.NIC_LAN, payload[:1])
        elif channel == ch.RESET:
            self.close()
            self._sockets.clear()
            self._closing = False
        elif channel == ch.SOCK_OUT:
            self._say(sub, payload[0], bytes(payload[1:]))

    def _say(self, sub: int, what: int, data: bytes) -> None:
        if what == ch.SOCK_OPENED:
            host, _, port = data.decode().rpartition(":")
            try:
                real = self._sockets[sub] = socket.create_connection((host, int(port)), 5)
            except OSError as error:
                self._hear(sub, bytes([ch.SOCK_ERROR, (error.errno or 111) & 0xFF]))
                return
            self._sealed.discard(sub)
            threading.Thread(target=self._listen, args=(sub, real), daemon=True).start()
            self._hear(sub, bytes([ch.SOCK_OPENED]))
        elif what == ch.SOCK_DATA and sub in self._sockets:
            self._sockets[sub].sendall(data)
        elif what == ch.SOCK_SENT:
            self._sealed.add(sub)
        elif what == ch.SOCK_HEARD and data:
            self._hear(sub, bytes([ch.SOCK_DATA]) + data)
        elif what == ch.SOCK_CLOSED and sub in self._sockets:
            self._sockets.pop(sub).close()

    def _listen(self, sub: int, real: socket.socket) -> None:
        try:
            while not self._closing and self._sockets.get(sub) is real:
                if not select.select([real], [], [], 0.2)[0]:
                    continue
                data = real.recv(CHUNK)
                what = ch.SOCK_SEALED if sub in self._sealed else ch.SOCK_DATA
                self._hear(sub, bytes([what]) + data if data else bytes([ch.SOCK_CLOSED]))
                if not data:
                    return
        except (OSError, ValueError):
            if not self._closing and self._sockets.get(sub) is real:
                self._hear(sub, bytes([ch.SOCK_CLOSED]))

    def _hear(self, sub: int, payload: bytes) -> None:
        self._board.push(ch.SOCK_IN, sub, payload)


def words_of(secret: bytes) -> list[bytes]:
    """The ways in which a secret could stand in a log."""
    return [secret, secret.hex().encode(), base64.b64encode(secret), repr(secret).encode()]


def told(result: Any) -> str:
    """All that a command has printed."""
    return result.stdout + result.stderr
