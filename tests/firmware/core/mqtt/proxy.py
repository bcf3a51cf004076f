"""A TCP proxy that breaks connections the way a mobile network does: reset, refused, or swallowed without a word."""

import selectors
import socket
import struct
import threading


class Proxy:
    """Forwards 127.0.0.1:`port` to `target`. One thread; the test calls `reset`, `refuse`, `black_hole`, `heal`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepted = 0
        self.up_bytes = 0
        self._selector = selectors.DefaultSelector()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._orphans: list[socket.socket] = []  # held open, read by nobody
        self._lock = threading.RLock()
        self._swallow = False
        self.bytes_per_s = 0  # when not 0: no more than that, up and down together
        self._running = True
        self.listener = self._listen(0)
        self.port: int = self.listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        return listener

    # Faults.

    def reset(self) -> None:
        """Every connection ends with an RST."""
        with self._lock:
            while self._pairs:
                self._close(next(iter(self._pairs)), reset=True)

    def refuse(self) -> None:
        """RST for every connection, and no new one is accepted."""
        with self._lock:
            if self.listener.fileno() >= 0:
                self._selector.unregister(self.listener)
                self.listener.close()
            self.reset()

    def black_hole(self) -> None:
        """Connections stand, new ones too, and nothing comes out of them any more."""
        with self._lock:
            self._swallow = True

    def half_open(self) -> None:
        """Connections end on the far side alone: their owner hears nothing of it, and new ones are fine."""
        with self._lock:
            for sock in [sock for sock in self._pairs if self._selector.get_key(sock).data]:
                server = self._pairs.pop(sock)
                self._pairs.pop(server)
                for one in (sock, server):
                    self._selector.unregister(one)
                server.close()
                self._orphans.append(sock)

    def heal(self) -> None:
        """As before; what was swallowed stays lost, so those connections end."""
        with self._lock:
            if self._swallow:
                self._swallow = False
                self.reset()
            if self.listener.fileno() < 0:
                self.listener = self._listen(self.port)

    # How.

    def _run(self) -> None:
        while self._running:
            ready = self._selector.select(0.02)
            with self._lock:
                for key, _ in ready:
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    if sock is self.listener:
                        self._accept()
                    elif sock in self._pairs:
                        self._forward(sock)

    def _accept(self) -> None:
        try:
            client, _ = self.listener.accept()
        except OSError:
            return
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self.target), 2)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            one.settimeout(2)
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ, one is client)

    def _forward(self, sock: socket.socket) -> None:
        try:
            # A slow line is a narrow one: what does not fit waits with its sender.
            data = sock.recv(max(1, self.bytes_per_s // 50) if self.bytes_per_s else 65536)
            if self.bytes_per_s:
                threading.Event().wait(len(data) / self.bytes_per_s)
            if not data:
                raise ConnectionError
            if self._swallow:
                return
            if self._selector.get_key(sock).data:
                self.up_bytes += len(data)
            self._pairs[sock].sendall(data)
        except OSError:
            if self._swallow:
                self._selector.unregister(sock)
                self._pairs.pop(self._pairs.pop(sock), None)
                return
            self._close(sock, reset=False)

    def _close(self, sock: socket.socket, reset: bool) -> None:
        other = self._pairs.pop(sock, None)
        for one in (sock, other):
            if one is None:
                continue
            self._pairs.pop(one, None)
            try:
                self._selector.unregister(one)
            except (KeyError, ValueError):
                pass
            if reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

    def close(self) -> None:
        self._running = False
        self._thread.join()
        self.refuse()
        for sock in self._orphans:
            sock.close()
        self._selector.close()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
