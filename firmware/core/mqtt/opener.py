"""The sockets that a stream carries its session over: TCP, or TLS over it.

An opener is called for each connection and gives two things: the socket, non-blocking, on which `connect` was called, and what is
written to and read from, which is the same socket or TLS over it. It raises OSError. Until then nothing was negotiated: the
first write does that, and says ValueError when the broker's certificate is not of the authority, not of that name, or over.

Dates are checked where the port does so (unix, and the ESP32 since 1.22), by the port's clock and not by the firmware's: one that
was never set stands at 1970 or 2000, where the scheme's certificates are valid already and an old one is not seen to be old.
"""

from ..port import const

_IPPROTO_TCP = const(6)
_TCP_NODELAY = const(1)  # on Linux and lwIP; neither port of `socket` names it
_IN_PROGRESS = (115, 119, 36, 11)  # EINPROGRESS of Linux, of lwIP ports, of BSD; EAGAIN


def tcp_opener(host, port, context=None):
    """An opener for TCP. The address is looked up each time: it may change, and the lookup may fail."""

    def open_socket():
        import socket

        info = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
        sock = socket.socket(info[0], info[1], info[2])
        sock.setblocking(False)
        try:
            # Packets are written whole; holding a small one back until the last is acknowledged costs 40 ms each.
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except (AttributeError, OSError):
            pass  # a port without it: slower, not wrong
        try:
            sock.connect(info[-1])
        except OSError as error:
            if error.errno not in _IN_PROGRESS:
                sock.close()
                raise
        if context is None:
            return sock, sock
        try:
            return sock, context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        except OSError:  # no memory for its buffers
            sock.close()
            raise

    return open_socket


def tls_opener(host, port, ca, cert, key):
    """An opener for TLS 1.2 and later: the broker's certificate must be of the authority `ca` and name `host`; `cert` and its
    `key` are this device's. All three are bytes in DER, and not kept. ValueError when they are none."""
    import tls  # what `ssl` is made of on every port, without its Python wrapper's 1 KB

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED  # type: ignore  # the stubs do not know it
    context.load_verify_locations(ca)
    context.load_cert_chain(cert, key)
    return tcp_opener(host, port, context)
