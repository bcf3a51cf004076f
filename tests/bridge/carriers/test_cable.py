"""The host's end of a cable: what it says and when, and one clear line for whatever becomes of the port."""

import os
import pty
import struct
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from cobs import cobs as peer
from hypothesis import given
from hypothesis import strategies as st

from bridge.carriers.cable import SILENCE_S, Backlog, CablePort, Session, why_not
from bridge.errors import ConfigError
from firmware.core import cobs, message
from tests.brokers import wait_for

TOPIC = "hw/0/tag-000001/up"


def frame(kind: int, number: int, payload: bytes, session: int) -> bytes:
    buf = bytearray(cobs.room(len(payload)))
    buf[cobs.GAP + cobs.HEAD : cobs.GAP + cobs.HEAD + len(payload)] = payload
    return bytes(buf[: cobs.seal(buf, memoryview(buf), kind, number, len(payload), session)])


def here(topic: str = TOPIC, version: int = cobs.VERSION) -> bytes:
    return frame(cobs.HERE, 0, struct.pack("<BIII", version, 1, 101, 0) + topic.encode(), 0)


class Host:
    """A session, and what it told. Time is a number."""

    def __init__(self, fast_baud: int = 921_600) -> None:
        self.now_s = 100.0
        self.may_take = True
        self.told: list[tuple] = []
        self.session = Session(self, lambda: self.may_take, lambda baud: self.told.append(("speed", baud)), fast_baud=fast_baud)

    def docked(self, topic: str, backlog: Backlog) -> None:
        self.told.append(("docked", topic, backlog))

    def message(self, topic: str, payload: bytes) -> None:
        self.told.append(("message", payload))

    def backlog(self, topic: str, backlog: Backlog) -> None:
        self.told.append(("backlog", backlog))

    def left(self, topic: str, reason: str) -> None:
        self.told.append(("left", reason))

    def hear(self, data: bytes) -> None:
        self.session.received(data, self.now_s)

    def said(self, wait_s: float = 0.0) -> list[tuple[int, int, bytes]]:
        """Frames, as the device reads them: (kind, number, payload)."""
        self.now_s += wait_s
        out = []
        for part in self.session.output(self.now_s).split(b"\0"):
            code, turn = bytearray(), 0
            for byte in part:
                if byte == cobs.ESCAPE:
                    turn = cobs.TURN
                else:
                    code.append(byte ^ turn)
                    turn = 0
            if code:
                body = peer.decode(bytes(code))
                out.append((body[0], body[1] | body[2] << 8, body[3:-4]))
        return out

    def dock(self, speed: int = 0) -> int:
        """The session's number."""
        assert self.session.output(self.now_s) == b"\0"
        self.hear(here())
        ((kind, _, payload),) = self.said()
        assert kind == cobs.START
        number = int.from_bytes(payload[:4], "little")
        self.offered = int(payload[4:])
        self.hear(frame(cobs.READY, 0, struct.pack("<I", speed), number))
        return number


def test_it_calls_asks_and_takes_what_comes_whole():
    host = Host(0)
    session = host.dock()
    assert host.offered == 0 and host.told == [("docked", TOPIC, Backlog(1, 101))]
    assert [kind for kind, _, _ in host.said()] == [cobs.PING]
    host.hear(frame(cobs.MESSAGE, 5, b"sealed", session)[:-3])
    host.hear(frame(cobs.MESSAGE, 6, b"sealed too", session))
    host.hear(frame(cobs.STATE, 1, struct.pack("<III", 40, 101, 7), session))
    assert host.told[1:] == [("message", b"sealed too"), ("backlog", Backlog(40, 101, 7))]
    assert host.said() == [(cobs.ACK, 6, b"")] and host.session.garbage == 1


@pytest.mark.parametrize(
    "greeting",
    [
        here("hw/0/tag-000001/down"),
        here("hw/0/x/up"),
        here("\xff"),
        here(version=2),
        frame(cobs.HERE, 0, b"\1", 0),
        here()[:-4] + b"\0",
    ],
)
def test_who_does_not_make_sense_is_not_asked(greeting: bytes):
    host = Host()
    host.session.output(host.now_s)
    host.hear(greeting)
    assert host.said() == [] and host.told == []


def test_nobody_is_called_while_nothing_can_be_passed_on_and_who_is_docked_is_let_go():
    host = Host()
    host.may_take = False
    assert host.session.output(host.now_s + 60) == b""
    host.may_take = True
    host.dock()
    host.may_take = False
    assert [kind for kind, _, _ in host.said()] == [cobs.BYE]
    assert host.told[-1] == ("left", "what it has cannot be passed on")


def test_a_device_that_falls_silent_or_starts_anew_has_left():
    host = Host(0)
    host.dock()
    host.said(SILENCE_S + 0.1)
    assert host.told[-1] == ("left", "the device has fallen silent")
    host.now_s += 2
    host.dock()
    host.hear(here())
    assert host.told[-1] == ("left", "the device has started anew")
    assert [kind for kind, _, _ in host.said()] == [cobs.START]


def test_a_line_that_does_not_carry_the_higher_speed_is_used_at_the_lower_one():
    host = Host()
    session = host.dock(921_600)
    assert host.offered == 921_600 and ("speed", 921_600) in host.told
    host.said(2.5)
    host.said(0.2)
    assert host.told[-2:] == [
        ("left", "the line does not carry the higher speed; it is tried again at the lower one"),
        ("speed", 0),
    ]
    host.now_s += 2
    assert host.dock() != session and host.offered == 0


def test_after_a_goodbye_a_device_is_called_at_the_speed_that_it_went_back_to():
    host = Host()
    session = host.dock(921_600)
    host.hear(frame(cobs.STATE, 1, struct.pack("<III", 1, 101, 0), session))
    host.may_take = False
    assert [kind for kind, _, _ in host.said()] == [cobs.BYE] and ("speed", 0) not in host.told
    host.may_take = True
    assert host.session.output(host.now_s + 0.01) == b"", "the goodbye is still on its way"
    assert host.session.output(host.now_s + 0.2) == b"" and host.told[-1] == ("speed", 0)
    assert host.session.output(host.now_s + 2) == b"\0"


def test_what_goes_down_goes_in_order_and_again_until_it_has_come():
    host = Host(0)
    session = host.dock()
    sent = [bytes([80 + value]) * 60 for value in range(5)]
    for payload in sent:
        host.session.send(payload)
    downs = [(number, payload) for kind, number, payload in host.said() if kind == cobs.DOWN]
    assert downs == [(1, sent[0]), (2, sent[1]), (3, sent[2])], "a device's port holds few bytes"
    host.hear(frame(cobs.ACK, 1, b"", session))
    assert [number for kind, number, _ in host.said() if kind == cobs.DOWN] == [4]
    assert [number for kind, number, _ in host.said(1.1) if kind == cobs.DOWN] == [2, 3, 4]
    host.hear(frame(cobs.ACK, 4, b"", session))
    assert [number for kind, number, _ in host.said() if kind == cobs.DOWN] == [5]


def test_of_receipts_that_go_down_by_a_home_unit_the_newest_is_enough():
    host = Host(0)
    host.dock()

    def receipt(tag: int, token: int, size: int = message.RECEIPT_SIZE) -> bytes:
        outer, inner = bytearray(message.HEADER), bytearray(message.HEADER)
        message.pack_header(outer, message.RELAY_DOWN, 0, 0, tag, token)
        message.pack_header(inner, message.DOWN, 1, size, tag, token)
        return bytes(outer + inner) + bytes(size + message.TAG_LENGTH)

    going = [receipt(1, 1), receipt(1, 2), receipt(2, 3), receipt(1, 4, 30), receipt(1, 5)]
    for payload in going:
        host.session.send(payload)
    seen = []
    while len(seen) < 3:
        seen += [payload for kind, _, payload in host.said() if kind == cobs.DOWN]
        host.hear(frame(cobs.ACK, len(seen), b"", host.session._session))
    assert seen == going[2:]


@given(st.lists(st.binary(max_size=80) | st.just(b"\0") | st.builds(here), max_size=12), st.booleans())
def test_any_bytes_at_all_do_no_harm(pieces: list[bytes], is_docked: bool):
    host = Host(0)
    if is_docked:
        host.dock()
    for piece in pieces:
        host.hear(piece)
        host.said(0.3)
    assert all(what[0] in ("docked", "left") for what in host.told)


# Ports


class Watched:
    """What a port tells."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.left_for: list[str] = []
        self.called = threading.Event()

    def docked(self, port, topic, backlog) -> None:
        self.called.set()

    def message(self, port, topic, payload) -> None: ...
    def backlog(self, port, topic, backlog) -> None: ...
    def left(self, port, topic, reason) -> None:
        self.left_for.append(reason)

    def fault(self, port, words) -> None:
        self.faults.append(words)


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    try:
        os.close(master)
    except OSError:
        pass  # the test has


def served(url: str, **more) -> tuple[CablePort, Watched]:
    watched = Watched()
    port = CablePort(url, watched, lambda: True, fast_baud=0, **more)
    port.start()
    return port, watched


def end(port: CablePort) -> None:
    port.stop()
    port.join(10)
    assert not port.is_alive()


def test_a_port_that_vanishes_ends_the_session_in_a_line(line):
    master, name = line
    port, watched = served(name)
    try:
        assert os.read(master, 1) == b"\0"
        os.write(master, here())
        start = b""
        while start.strip(b"\0").count(b"\0") or not start.endswith(b"\0") or len(start.strip(b"\0")) < 10:
            start += os.read(master, 100)
        body = bytearray()
        turn = 0
        for byte in start.strip(b"\0"):
            if byte == cobs.ESCAPE:
                turn = cobs.TURN
            else:
                body.append(byte ^ turn)
                turn = 0
        session = int.from_bytes(peer.decode(bytes(body))[3:7], "little")
        os.write(master, frame(cobs.READY, 0, bytes(4), session))
        assert watched.called.wait(10)
        os.close(master)
        wait_for(lambda: watched.left_for, "it is told")
        assert watched.left_for == [f"{name}: unplugged"]
    finally:
        end(port)


def test_a_port_that_is_not_there_or_taken_is_told_once_and_tried_again(line, tmp_path: Path):
    _, name = line
    absent, told = served(str(tmp_path / "ttyUSB9"))
    with serial.Serial(name, exclusive=True):
        taken, told_too = served(name)
        wait_for(lambda: told.faults and told_too.faults, "both are told")
        assert told.faults == [f"{tmp_path}/ttyUSB9: not there"]
        assert told_too.faults == [f"{name}: another program has it open"]
    end(absent)
    end(taken)


def test_what_holds_the_board_is_told_in_its_own_words(line):
    def held(url: str):
        raise ConfigError(url, "board", "x", "that nobody has it")

    port, told = served(line[1], guard=held)
    wait_for(lambda: told.faults, "it is told")
    assert "that nobody has it" in told.faults[0]
    end(port)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (serial.SerialException(13, "could not open port COM3: PermissionError(13, 'Access is denied.')"), "may not open it"),
        (serial.SerialException("could not open port 'COM9': FileNotFoundError(2, ...)"), "not there"),
        (serial.SerialException("device reports readiness to read but returned no data (device disconnected?)"), "unplugged"),
        (serial.SerialTimeoutException("Write timeout"), "takes nothing for"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ValueError("invalid URL,\n protocol 'x' not known"), "protocol 'x' not known"),
    ],
)
def test_whatever_pyserial_says_is_one_line(error: Exception, words: str):
    line = why_not("COM3", error)
    assert line.startswith("COM3: ") and words in line and "\n" not in line
