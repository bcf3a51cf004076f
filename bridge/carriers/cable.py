"""The host's end of a cable to a device: pyserial, or any of its URLs. `firmware.core.cobs` has the frames.

`Session` is what is said, as bytes in and out, with no port and no clock of its own; `CablePort` is a thread on a port that is
opened again for as long as it takes. What holds:

- Until a device has answered, nothing but a zero a second goes out: it makes a device with our firmware say who it is, and is
  no key to a REPL or a console. What goes out afterwards has no control character in it but zeros.
- A message goes to `on_message` as it was sealed, as often as it comes whole. What goes down goes in order, a few frames at
  a time until the device says that they have come: a board's port holds few bytes.
- A session begins only while the `dock` can pass on what it takes, and ends with a BYE when it cannot any more: the device then
  has its other ways to itself.
- A port that vanishes, is held by another program or falls silent ends the session and nothing else.
"""

import errno
import queue
import re
import secrets
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import serial

from bridge.errors import ConfigError
from firmware.core import cobs, ident, message

try:
    from termios import error as _termios_error
except ImportError:  # no POSIX: its ports raise OSError alone
    _termios_error = serial.SerialException

BAUD = 115_200
FAST_BAUD = 921_600
FRAME_MAX = 4096  # bytes between two zeros; the largest message of ours has 2,101
STOPPED = "the dock is stopped"
_CALL_S = 1.0
_START_S = 0.5
PING_S = 0.5
_DOWN_AGAIN_S = 1.0
_DOWN_TRIES = 5
_DOWN_BYTES = 150  # on their way, until one more frame is sent: an ESP32 keeps 260 until the program reads them
SILENCE_S = 4.0  # the device gives up after 5
_DRAIN_S = 0.1
_SPEED_S = 2.0  # to be heard at the new speed
_LOOK_S = 0.01
_REOPEN_S = 1.0
_WRITE_S = 5.0
_HARMLESS = [
    bytes([cobs.ESCAPE, byte ^ cobs.TURN]) if 0 < byte < 32 or byte == cobs.ESCAPE else bytes([byte]) for byte in range(256)
]
GONE = (serial.SerialException, OSError, _termios_error)  # what pyserial raises of a port that has vanished


@dataclass(frozen=True)
class Backlog:
    """What a device has that no receipt speaks of: its records from `first` up to but not `next`, and what it relays."""

    first: int
    next: int
    relayed: int = 0

    @property
    def records(self) -> int:
        return self.next - self.first

    @property
    def is_empty(self) -> bool:
        return not self.records and not self.relayed


class Events(Protocol):
    """What a session tells; in its port's thread."""

    def docked(self, topic: str, backlog: Backlog) -> None: ...
    def message(self, topic: str, payload: bytes) -> None: ...
    def backlog(self, topic: str, backlog: Backlog) -> None: ...
    def left(self, topic: str, reason: str) -> None: ...


class Session:
    """The protocol. `received` what came, send what `output` gives, `set_speed` is called when both ends change theirs.

    `may_take()`: whether what is taken can be passed on. Times are seconds of any clock that does not jump.
    """

    def __init__(
        self, events: Events, may_take: Callable[[], bool], set_speed: Callable[[int], None], *, fast_baud: int = FAST_BAUD
    ) -> None:
        self.garbage = 0
        """Pieces between two zeros that were no frame: noise, or what the device printed."""
        self.topic = ""  # of the device that is docked; "": none
        self._events = events
        self._may_take = may_take
        self._set_speed = set_speed
        self._fast_baud = fast_baud
        self._piece = bytearray()
        self._out = bytearray()
        self._is_up = False
        self._is_fast = False
        self._session = 0
        self._here: tuple[str, Backlog] | None = None
        self._heard_s = self._tried_s = 0.0
        self._at_s = -_CALL_S  # of the last zero, START or PING
        self._number = 0
        self._down: deque[bytes] = deque()
        self._flying: deque[tuple[int, bytes]] = deque()  # DOWN frames on their way, by number
        self._down_number = 0  # of the last one
        self._down_s = 0.0  # when it was sent, or the oldest sent again
        self._down_tries = 0
        self._speed_until_s = 0.0
        self._ended_s = 0.0

    @property
    def is_up(self) -> bool:
        return self._is_up

    def send(self, payload: bytes) -> None:
        """A sealed message for the docked device."""
        if self._is_up and cobs.room(len(payload)) - cobs.GAP <= cobs.DOWN_MAX:
            about = _relayed_receipt(payload)
            if about:
                # The newest answers everything that a home unit has passed on before it.
                for older in [each for each in self._down if _relayed_receipt(each) == about]:
                    self._down.remove(older)
            self._down.append(payload)

    def received(self, data: bytes, now_s: float) -> None:
        """What the port gave, cut anywhere."""
        *whole, rest = data.split(b"\0")
        for part in whole:
            self._piece += part
            if self._piece:
                self._take(self._piece, now_s)
            self._piece = bytearray()
        self._piece += rest
        if len(self._piece) > FRAME_MAX:
            del self._piece[FRAME_MAX:]  # it is none, and fills no memory

    def output(self, now_s: float) -> bytes:
        """What is to be sent now."""
        if self._is_up:
            self._keep_up(now_s)
            self._ended_s = now_s
        elif self._is_fast and now_s - self._ended_s < _DRAIN_S:
            pass  # the goodbye is still in the port's own buffer
        elif self._is_fast:
            self._is_fast = False
            self._set_speed(0)
        elif self._here is not None:
            self._start(now_s)
        elif now_s - self._at_s >= _CALL_S and self._may_take():
            self._at_s = now_s
            self._out += b"\0"
        out, self._out = bytes(self._out), bytearray()
        return out

    def end(self, reason: str, *, says_bye: bool = False) -> None:
        """The session is over, if there was one; what is on its way goes again in the next."""
        if says_bye and self._is_up:
            self._say(cobs.BYE, 0, b"")
        was_up, self._is_up = self._is_up, False
        self._here = None
        self._piece.clear()
        self._down.clear()
        self._flying.clear()
        topic, self.topic = self.topic, ""
        if was_up:
            self._events.left(topic, reason)

    # Up

    def _take(self, piece: bytearray, now_s: float) -> None:
        n = cobs.decode(piece, len(piece))
        frame = None
        if n >= 0 and self._session:
            frame = cobs.parse(piece, n, self._session)
        if n >= 0 and frame is None:
            frame = cobs.parse(piece, n, 0)
            if frame is not None and frame[0] != cobs.HERE:
                frame = None
        if frame is None:
            self.garbage += 1
            return
        kind, number, end = frame
        self._heard_s = now_s
        payload = bytes(piece[cobs.HEAD : end])
        if kind == cobs.HERE:
            self._greeted(payload, now_s)
            return
        if kind == cobs.READY and self._here is not None and len(payload) == 4:
            self._ready(int.from_bytes(payload, "little"), now_s)
            return
        if not self._is_up:
            return
        self._speed_until_s = 0.0
        if kind == cobs.MESSAGE:
            self._say(cobs.ACK, number, b"")
            self._events.message(self.topic, payload)
        elif kind == cobs.STATE and len(payload) == 12:
            self._events.backlog(self.topic, Backlog(*struct.unpack("<III", payload)))
        elif kind == cobs.ACK:
            while self._flying and (number - self._flying[0][0]) & 0xFFFF < 0x8000:
                self._flying.popleft()
                self._down_tries = 0

    def _greeted(self, payload: bytes, now_s: float) -> None:
        if len(payload) < 13 or payload[0] != cobs.VERSION or not self._may_take():
            return
        topic = payload[13:].decode("ascii", "replace")
        try:
            leaf = ident.parse_topic(topic)[2]
        except ValueError:
            return
        if leaf != ident.UP:
            return
        if self._is_up:
            self.end("the device has started anew")
        if self._here is None:
            self._session = 0
            self._tried_s = now_s
            self._at_s = now_s - _START_S
        self._here = topic, Backlog(*struct.unpack_from("<III", payload, 1))

    def _ready(self, speed: int, now_s: float) -> None:
        assert self._here is not None
        if self._is_up:
            return
        self._is_up = True
        self.topic, backlog = self._here
        self._number = self._down_number = self._down_tries = 0
        self._at_s = now_s - PING_S
        if speed:
            self._is_fast = True
            self._set_speed(speed)
            self._speed_until_s = now_s + _SPEED_S
        self._events.docked(self.topic, backlog)

    # Down

    def _start(self, now_s: float) -> None:
        if now_s - self._tried_s > SILENCE_S:
            self.end("")
        elif now_s - self._at_s >= _START_S:
            self._at_s = now_s
            self._session = self._session or secrets.randbelow(0xFFFFFFFF) + 1
            payload = self._session.to_bytes(4, "little") + str(self._fast_baud).encode()
            self._out += self._frame(cobs.START, 0, payload, 0)

    def _keep_up(self, now_s: float) -> None:
        if self._speed_until_s and now_s > self._speed_until_s:
            self._fast_baud = 0  # this line does not carry it
            self.end("the line does not carry the higher speed; it is tried again at the lower one")
            return
        if now_s - self._heard_s > SILENCE_S:
            self.end("the device has fallen silent")
            return
        if not self._may_take():
            self.end("what it has cannot be passed on", says_bye=True)
            return
        if now_s - self._at_s >= PING_S:
            self._at_s = now_s
            self._number = (self._number + 1) & 0xFFFF
            self._say(cobs.PING, self._number, b"")
        if self._flying and now_s - self._down_s >= _DOWN_AGAIN_S:
            self._down_tries += 1
            self._down_s = now_s
            if self._down_tries > _DOWN_TRIES:
                self.end("the device takes nothing that goes down", says_bye=True)
                return
            for _, frame in self._flying:
                self._out += frame
        while self._down and sum(len(frame) for _, frame in self._flying) < _DOWN_BYTES:
            self._down_number = (self._down_number + 1) & 0xFFFF
            frame = self._frame(cobs.DOWN, self._down_number, self._down.popleft(), self._session)
            self._flying.append((self._down_number, frame))
            self._out += frame
            self._down_s = now_s

    def _say(self, kind: int, number: int, payload: bytes) -> None:
        self._out += self._frame(kind, number, payload, self._session)

    @staticmethod
    def _frame(kind: int, number: int, payload: bytes, session: int) -> bytes:
        buf = bytearray(cobs.room(len(payload)))
        at = cobs.GAP + cobs.HEAD
        buf[at : at + len(payload)] = payload
        code = bytes(buf[: cobs.seal(buf, memoryview(buf), kind, number, len(payload), session)])
        return b"".join(_HARMLESS[byte] for byte in code)


def _relayed_receipt(payload: bytes) -> bytes:
    """The tag of a receipt that goes down by its home unit; b"" for everything else. Its length tells: orders are longer."""
    outer, inner = message.parse_header(payload), message.parse_header(payload[message.HEADER :])
    if outer is None or outer[0] != message.RELAY_DOWN or inner is None or inner[2] != message.RECEIPT_SIZE:
        return b""
    return payload[4:8]


class PortEvents(Protocol):
    """What a port tells the dock; in the port's thread."""

    def docked(self, port: "CablePort", topic: str, backlog: Backlog) -> None: ...
    def message(self, port: "CablePort", topic: str, payload: bytes) -> None: ...
    def backlog(self, port: "CablePort", topic: str, backlog: Backlog) -> None: ...
    def left(self, port: "CablePort", topic: str, reason: str) -> None: ...
    def fault(self, port: "CablePort", words: str) -> None:
        """The port cannot be used, and is tried again; told once for each reason."""
        ...


class CablePort(threading.Thread):
    """A port that is served until `stop`. `url` is a device's name or any URL that pyserial knows."""

    def __init__(
        self,
        url: str,
        events: PortEvents,
        may_take: Callable[[], bool],
        *,
        baud: int = BAUD,
        fast_baud: int = FAST_BAUD,
        guard: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """`guard(url)` is held while the port is open; a ConfigError out of it says who else has the device."""
        super().__init__(name=f"cable {url}", daemon=True)
        self.url = url
        self._events = events
        self._may_take = may_take
        self._baud = baud
        self._fast_baud = fast_baud
        self._guard = guard
        self._reason = STOPPED
        self._stopped = threading.Event()
        self._down: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._told = ""

    def send(self, payload: bytes) -> None:
        """A sealed message for the device that is docked here; dropped when it has gone. From any thread."""
        self._down.put(payload)

    def stop(self, reason: str = STOPPED) -> None:
        self._reason = reason
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._guard(self.url), self._open() as port:
                    self._serve(port)
            except ConfigError as error:
                self._tell(str(error))
            except (ValueError, *GONE) as error:
                self._tell(why_not(self.url, error))
            self._stopped.wait(_REOPEN_S)

    def _open(self) -> serial.Serial:  # or what has the same methods
        port = serial.serial_for_url(self.url, do_not_open=True, baudrate=self._baud, timeout=_LOOK_S, write_timeout=_WRITE_S)
        if isinstance(port, serial.Serial):
            port.exclusive = True
        port.open()
        return port  # type: ignore[return-value]

    def _serve(self, port: serial.Serial) -> None:
        def set_speed(baud: int) -> None:
            port.baudrate = baud or self._baud

        session = Session(_Told(self, self._events), self._may_take, set_speed, fast_baud=self._fast_baud)
        try:
            while not self._stopped.is_set():
                if data := self._read(port):
                    session.received(data, time.monotonic())
                    self._told = ""
                while not self._down.empty():
                    session.send(self._down.get())
                if out := session.output(time.monotonic()):
                    port.write(out)
            session.end(self._reason, says_bye=True)
            port.write(session.output(time.monotonic()))
        except GONE as error:
            words = why_not(self.url, error)
            if session.is_up:
                session.end(words)
                self._told = words
            else:
                self._tell(words)

    def _read(self, port: serial.Serial) -> bytes:
        if self.url.startswith("socket://"):
            return port.read(FRAME_MAX)  # it does not say how much is there
        data = port.read(1)
        return data + port.read(port.in_waiting) if data else data

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._events.fault(self, words)


@dataclass(frozen=True)
class _Told:
    port: CablePort
    events: PortEvents

    def docked(self, topic: str, backlog: Backlog) -> None:
        self.events.docked(self.port, topic, backlog)

    def message(self, topic: str, payload: bytes) -> None:
        self.events.message(self.port, topic, payload)

    def backlog(self, topic: str, backlog: Backlog) -> None:
        self.events.backlog(self.port, topic, backlog)

    def left(self, topic: str, reason: str) -> None:
        self.events.left(self.port, topic, reason)


def why_not(url: str, error: BaseException) -> str:
    """In one line, why this port cannot be used, and what would help."""
    text = str(error)
    told = re.search(r"Errno (\d+)", text)  # pyserial puts some into words
    number = getattr(error, "errno", None) or (int(told[1]) if told else error.args[0] if error.args else None)
    if isinstance(error, serial.SerialTimeoutException):
        return f"{url}: takes nothing for {_WRITE_S:g} s"
    if number in (errno.EAGAIN, errno.EBUSY) or "exclusively lock" in text:
        return f"{url}: another program has it open"
    if number in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        return f"{url}: this user may not open it (on Linux: the group dialout; on Windows: another program may have it)"
    if number == errno.ENOENT or "FileNotFoundError" in text:
        return f"{url}: not there"
    if number in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF) or "returned no data" in text or "disconnected" in text:
        return f"{url}: unplugged"
    return f"{url}: {' '.join(text.split()) or type(error).__name__}"
