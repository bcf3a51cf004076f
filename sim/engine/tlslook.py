"""A look at the TLS records that pass between a device and the broker (TLS 1.2, RFC 5246 sections 6.2.1 and 7.4).

Which of the handshake's flights await an answer, where a flight of the broker's is whole, and which records are sealed. What is
in those the device itself tells.
"""

from sim.engine.mqttlook import Key

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE = 20, 21, 22
_SERVER_HELLO_DONE = 14
_HEAD = 5

# What the device awaits: the broker's first flight, then its second.
_FLIGHTS: tuple[Key, ...] = (("tls hello", 0), ("tls finished", 0))


class Records:
    """Cuts a byte stream into whole TLS records."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The records that `data` completes."""
        buffer = self._buffer + data
        records = []
        while len(buffer) >= _HEAD and len(buffer) >= (end := _HEAD + int.from_bytes(buffer[3:5], "big")):
            records.append(buffer[:end])
            buffer = buffer[end:]
        self._buffer = buffer
        return records


class Tls:
    """One connection. `begins(data)` tells from a device's first bytes whether it is one."""

    def __init__(self) -> None:
        self._up = Records()
        self._down = Records()
        self._said = 0  # flights of the device that await an answer, all told
        self._heard = 0  # flights of the broker, all told
        self._flight = b""
        self._messages = b""  # of the handshake, not yet read
        self._changed = False

    @staticmethod
    def begins(data: bytes) -> bool:
        return data[:1] == bytes([HANDSHAKE])

    def said(self, data: bytes) -> list[Key]:
        """What these bytes of the device's will be answered with."""
        keys = []
        for record in self._up.feed(data):
            if (record[0] == HANDSHAKE and self._said == 0) or (record[0] == CHANGE_CIPHER_SPEC and self._said == 1):
                keys.append(_FLIGHTS[self._said])
                self._said += 1
        return keys

    def heard(self, data: bytes) -> list[tuple[Key | None, bytes]]:
        """(what it answers, a whole flight of the broker's), or (None, a sealed record)."""
        parts: list[tuple[Key | None, bytes]] = []
        for record in self._down.feed(data):
            if self._heard == len(_FLIGHTS):
                parts.append((None, record))
                continue
            self._flight += record
            if record[0] == ALERT or self._is_flight(record):
                parts.append((_FLIGHTS[self._heard], self._flight))
                self._flight = b""
                self._heard += record[0] != ALERT
        return parts

    def _is_flight(self, record: bytes) -> bool:
        if self._heard:
            if record[0] == CHANGE_CIPHER_SPEC:
                self._changed = True
                return False
            return self._changed  # the broker's Finished, sealed
        if record[0] == HANDSHAKE:
            self._messages += record[_HEAD:]
        while len(self._messages) >= 4:
            kind, end = self._messages[0], 4 + int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < end:
                return False
            self._messages = self._messages[end:]
            if kind == _SERVER_HELLO_DONE:
                return True
        return False
