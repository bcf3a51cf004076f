"""MicroPython's `tls` over the engine's sockets: the real one, the C module, with its real bytes. On a device that has a
certificate `boot.py` puts this module in its place.

What a server answers would then be hidden from the engine, which must know it to tell when it is heard. So the engine hands over
what is sealed as soon as it has it, outside of time; it is opened here at once, told back (SOCK_HEARD), and comes a second
time, in clear, at the moment when the device hears it. What the device says in clear is told beside its bytes (SOCK_SENT).
The handshake has no secrets that matter: its bytes come at their time like those of any connection.
"""

import errno
import io

import _channels
import _hw
import tls
from tls import CERT_REQUIRED, PROTOCOL_TLS_CLIENT  # noqa: F401 - this module stands for that one

_real = tls.SSLContext


class _Wire(io.IOBase):
    """The stream under the C module: the socket until the handshake is done, then what the engine hands over sealed."""

    def __init__(self, sock):
        self._sock = sock
        self.sealed = None

    def readinto(self, buf):
        sealed = self.sealed
        try:
            if sealed is None:
                return self._sock.readinto(buf)
        except OSError as error:
            return -error.errno
        if not sealed:
            return None  # EAGAIN
        chunk = sealed.pop(0)
        n = min(len(buf), len(chunk))
        buf[:n] = chunk[:n]
        if n < len(chunk):
            sealed.insert(0, chunk[n:])
        return n

    def write(self, buf):
        try:
            return self._sock.send(buf)
        except OSError as error:
            return -error.errno

    def ioctl(self, request, arg):
        return self._sock.ioctl(request, arg)


class SSLContext:
    def __init__(self, protocol):
        self._context = _real(protocol)

    @property
    def verify_mode(self):
        return self._context.verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        self._context.verify_mode = mode

    def load_verify_locations(self, cadata):
        self._context.load_verify_locations(cadata)

    def load_cert_chain(self, cert, key):
        self._context.load_cert_chain(cert, key)

    def wrap_socket(self, sock, server_hostname=None, do_handshake_on_connect=True):
        if do_handshake_on_connect:
            raise NotImplementedError("a handshake that blocks")
        wire = _Wire(sock)
        return SSLSocket(
            sock, wire, self._context.wrap_socket(wire, server_hostname=server_hostname, do_handshake_on_connect=False)
        )


class SSLSocket:
    def __init__(self, sock, wire, secure):
        self._sock = sock
        self._wire = wire
        self._secure = secure
        self._early = []  # sealed, and come before the device has said anything: of a broker that has given it up
        sock._open_sealed = self._keep_sealed

    def write(self, data):
        n = self._secure.write(data)
        if n:
            begins = self._wire.sealed is None
            if begins:
                self._wire.sealed = []
                self._sock._open_sealed = self._open_sealed
            _hw.emit(_channels.SOCK_OUT, self._sock._id, bytes([_channels.SOCK_SENT]) + data[:n])
            while begins and self._early:
                self._open_sealed(self._early.pop(0))
        return n

    def readinto(self, buf):
        return (self._secure if self._wire.sealed is None else self._sock).readinto(buf)

    def cipher(self):
        return self._secure.cipher()

    def close(self):
        self._secure.close()

    def _keep_sealed(self, data):
        self._early.append(bytes(data))

    def _open_sealed(self, data):
        self._wire.sealed.append(bytes(data))
        buf = bytearray(512)
        n = 1
        while n:
            try:
                n = self._secure.readinto(buf)
            except OSError:  # it was tampered with on the way: the connection is over
                self._sock._receive(_channels.SOCK_ERROR, bytes([errno.ECONNRESET]))
                n = 0
            if n:
                _hw.emit(_channels.SOCK_OUT, self._sock._id, bytes([_channels.SOCK_HEARD]) + buf[:n])
        _hw.emit(_channels.SOCK_OUT, self._sock._id, bytes([_channels.SOCK_HEARD]))
