"""`socket` and a broker with a bridge behind it, in virtual time: enough of MQTT 3.1.1 for one device's session. MicroPython.

`start` puts this module in the place of `socket`. Written from the standard, section numbers in brackets.
"""

# pyright: basic, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOptionalSubscript=false
import struct
import sys

import _hw

from firmware.core import message, record
from firmware.core.seal import Ccm

AF_INET, SOCK_STREAM, SOCK_DGRAM = 2, 1, 2
WAY_MS = 40

stored = {}
through = 0
silent = False
logins = goodbyes = counter = packet_id = 0
_ccm = None
_device = 0
_open = []


def start(key, device):
    global _ccm, _device
    _ccm, _device = Ccm(key), device
    sys.modules["socket"] = sys.modules[__name__]


def cut():
    """The network is gone: whoever is connected learns it."""
    for one in _open:
        one.dead = True
    _open.clear()


def getaddrinfo(host, port, *rest):
    return [(2, 1, 0, "", (host, port))]


class socket:
    def __init__(self, *kind):
        self._in = b""
        self._heard = b""
        self.dead = False

    def setblocking(self, flag):
        pass

    def connect(self, address):
        _open.append(self)

    def close(self):
        self.dead = True
        if self in _open:
            _open.remove(self)

    def fileno(self):
        return 1

    def ioctl(self, request, arg):
        if request != 3:
            return 0
        return arg & 4 | (arg & 1 if self._in or self.dead else 0)

    def write(self, data):
        if self.dead:
            raise OSError(104)
        self._heard += bytes(data)
        while self._heard:
            n = self._packet()
            if not n:
                break
            self._heard = self._heard[n:]
        return len(data)

    send = write

    def readinto(self, buf, n=-1):
        if not self._in:
            return 0 if self.dead else None
        n = min(len(buf), len(self._in))
        buf[:n] = self._in[:n]
        self._in = self._in[n:]
        return n

    recv_into = readinto

    def read(self, n=-1):
        data = self._in[:n]
        self._in = self._in[len(data) :]
        return data if data or self.dead else None

    def _say(self, data):
        def arrive():
            if not self.dead:
                self._in += data

        _hw.call_at(_hw.now + WAY_MS, arrive)

    def _packet(self):
        # The length of the first whole packet [2.2], after it was answered; 0 when there is none.
        global logins, goodbyes
        raw = self._heard
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(raw):
                return 0
            size |= (raw[at] & 127) << shift
            shift += 7
            at += 1
            if not raw[at - 1] & 128:
                break
        if len(raw) < at + size:
            return 0
        body = raw[at : at + size]
        kind = raw[0] >> 4
        if kind == 1:
            logins += 1
            self._say(b"\x20\x02\x00\x00")
        elif kind == 8:
            self._say(b"\x90\x03" + body[:2] + b"\x01")
        elif kind == 12:
            self._say(b"\xd0\x00")
        elif kind == 14:
            goodbyes += 1
            self.close()
        elif kind == 3 and raw[0] & 6:
            n = body[0] << 8 | body[1]
            self._say(b"\x40\x02" + body[2 + n : 4 + n])
            if body[2 : 2 + n].endswith(b"/up"):
                self._bridge(bytearray(body[4 + n :]))
        return at + size

    def _bridge(self, sealed):
        global through, counter, packet_id
        first = message.parse_header(sealed)[4]
        size = _ccm.open(sealed, len(sealed))
        assert size > 0
        for at in range(message.HEADER, message.HEADER + size, 32):
            stored[record.seq_of(sealed, at)] = _hw.now
        while through + 1 in stored:
            through += 1
        if silent:
            return
        counter += 1
        body = message.pack_receipt(through, first)
        down = bytearray(message.HEADER + len(body) + message.TAG_LENGTH)
        message.pack_header(down, message.DOWN, 1, len(body), _device, counter)
        down[message.HEADER : message.HEADER + len(body)] = body
        _ccm.seal(memoryview(down), len(body))
        packet_id = packet_id % 65535 + 1
        topic = b"hw/0/tag-000001/down"
        rest = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id) + bytes(down)
        self._say(b"\x32" + bytes([len(rest)]) + rest)
