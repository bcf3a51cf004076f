"""MicroPython's `socket` over the engine: TCP streams to the real broker, datagrams to the simulated internet (NTP)."""

import errno

import _channels
import _hw
import network

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
SOL_SOCKET = 1
SO_REUSEADDR = 2
IPPROTO_TCP = 6
TCP_NODELAY = 1

_MP_STREAM_POLL = 3
_MP_STREAM_CLOSE = 4
_POLLIN = 1
_POLLOUT = 4
_POLLERR = 8
_POLLHUP = 16

_EHOSTUNREACH = 113

_sockets = {}

_NEW = 0
_CONNECTING = 1
_OPEN = 2
_CLOSED = 3
_FAILED = 4


def getaddrinfo(host, port, af=0, type=0, proto=0, flags=0):
    if not network.any_up():
        raise OSError(-2)
    return [(AF_INET, type or SOCK_STREAM, 0, "", (host, port))]


class socket:
    def __init__(self, af=AF_INET, type=SOCK_STREAM, proto=0):
        self._id = 1
        while self._id in _sockets:
            self._id += 1
        if self._id > 16:
            raise OSError(errno.ENFILE if hasattr(errno, "ENFILE") else 23)
        _sockets[self._id] = self
        self._type = type
        self._state = _NEW
        self._errno = 0
        self._chunks = []  # bytes received and not yet read
        self._timeout = -1

    def setblocking(self, flag):
        self._timeout = -1 if flag else 0

    def settimeout(self, seconds):
        self._timeout = -1 if seconds is None else int(seconds * 1000)

    def setsockopt(self, level, option, value):
        pass

    def fileno(self):
        return self._id

    def connect(self, address):
        if not network.any_up():
            raise OSError(_EHOSTUNREACH)
        self._state = _CONNECTING
        _hw.emit(_channels.SOCK_OUT, self._id, b"%c%s:%d" % (_channels.SOCK_OPENED, address[0], address[1]))
        if not self._wait(_POLLOUT):
            raise OSError(errno.EINPROGRESS if self._timeout == 0 else errno.ETIMEDOUT)
        if self._state == _FAILED:
            raise OSError(self._errno)

    def _wait(self, events):
        """Whether the socket became ready within its timeout."""
        deadline = 0xFFFFFFFFFFFFFFFF if self._timeout < 0 else _hw.now + self._timeout
        while not self.ioctl(_MP_STREAM_POLL, events):
            if _hw.now >= deadline:
                return False
            _hw.advance(deadline)
        return True

    def send(self, data, flags=0):
        if self._state == _FAILED:
            raise OSError(self._errno)
        if self._state == _CONNECTING:
            raise OSError(errno.EAGAIN)
        if self._state != _OPEN:
            raise OSError(errno.ENOTCONN if hasattr(errno, "ENOTCONN") else 107)
        if not network.any_up():
            raise OSError(_EHOSTUNREACH)
        n = min(len(data), 1460)  # one segment: the rest is the caller's to send again
        _hw.emit(_channels.SOCK_OUT, self._id, bytes([_channels.SOCK_DATA]) + data[:n])
        return n

    def write(self, data, n=-1):
        return self.send(data if n < 0 else data[:n])

    def sendall(self, data):
        sent = 0
        while sent < len(data):
            sent += self.send(data[sent:])

    def recv(self, n, flags=0):
        if not self._wait(_POLLIN):
            raise OSError(errno.EAGAIN)
        return self.read(n)

    def read(self, n=-1):
        """Up to n bytes; None when there is nothing yet, b"" at the end."""
        if self._chunks:
            chunk = self._chunks[0]
            if 0 <= n < len(chunk):
                self._chunks[0] = chunk[n:]
                return chunk[:n]
            return self._chunks.pop(0)
        if self._state == _FAILED:
            raise OSError(self._errno)
        return b"" if self._state == _CLOSED else None

    def readinto(self, buf, n=-1):
        data = self.read(len(buf) if n < 0 else min(n, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def sendto(self, data, address):
        if not network.any_up():
            raise OSError(_EHOSTUNREACH)
        _hw.emit(_channels.SOCK_OUT, self._id, b"%c%s:%d\x00" % (_channels.SOCK_DATAGRAM, address[0], address[1]) + data)
        self._state = _OPEN
        return len(data)

    def recvfrom(self, n):
        return self.recv(n), ("10.0.0.1", 123)

    def close(self):
        if _sockets.get(self._id) is self:
            del _sockets[self._id]
            if self._state != _NEW:
                _hw.emit(_channels.SOCK_OUT, self._id, bytes([_channels.SOCK_CLOSED]))
        self._state = _CLOSED

    def ioctl(self, request, arg):
        if request == _MP_STREAM_POLL:
            if self._state == _FAILED:
                return arg & (_POLLIN | _POLLOUT) | _POLLERR
            ready = 0
            if arg & _POLLIN and (self._chunks or self._state == _CLOSED):
                ready |= _POLLIN
            if arg & _POLLOUT and self._state in (_OPEN, _CLOSED):
                ready |= _POLLOUT
            return ready
        if request == _MP_STREAM_CLOSE:
            self.close()
            return 0
        return -1

    def _open_sealed(self, data):
        pass  # `_tls` puts its own here

    def _receive(self, what, data):
        if what == _channels.SOCK_OPENED:
            self._state = _OPEN
        elif what == _channels.SOCK_SEALED:
            self._open_sealed(data)
        elif what == _channels.SOCK_CLOSED:
            self._state = _CLOSED
        elif what == _channels.SOCK_ERROR:
            self._state = _FAILED
            self._errno = data[0]
        else:
            self._chunks.append(bytes(data))


def _sock_in(sub, payload):
    sock = _sockets.get(sub)
    if sock is not None:
        sock._receive(payload[0], payload[1:])


_hw.listen(_channels.SOCK_IN, _sock_in)
