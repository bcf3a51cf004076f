"""A serial session, both ways with its times, as a file; and a port that answers as it was recorded.

A recording is lines of JSON. The first says what it is, each other one is a piece as it passed:

    {"recording": 1, "port": "/dev/ttyACM0", "baud": 115200, "utc": "2026-06-01T06:00:00.000Z"}
    {"us": 1503, "way": ">", "hex": "737461746550"}        microseconds since the beginning; > to the device, < from it

A replay goes by bytes, not by pieces: what the device said is said again once all has come that it had heard by then. A program
that says something else is told nothing more, and `problem` says where the two part.

    python -m hil_tests.drivers.recording record PORT FILE [--baud 115200]    a port in between; its name is printed
    python -m hil_tests.drivers.recording replay FILE [--speed 1]             0: without the recorded pauses
"""

import argparse
import json
import select
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from bridge.errors import ConfigError
from hil_tests.drivers.ptys import Answering, PtyPair

_VERSION = 1
_LOOK_S = 0.05  # how often a thread of ours looks whether it is to end


class Recorder:
    """Writes a file as bytes pass. Safe to call from two threads: each piece is one line, flushed."""

    def __init__(self, path: Path, port: str, baud: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="ascii", buffering=1)
        self._began = time.monotonic()
        self._lock = threading.Lock()
        utc = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._put({"recording": _VERSION, "port": port, "baud": baud, "utc": utc})

    def passed(self, way: str, data: bytes) -> None:
        with self._lock:
            self._put({"us": round((time.monotonic() - self._began) * 1e6), "way": way, "hex": data.hex()})

    def close(self) -> None:
        self._file.close()

    def _put(self, line: dict) -> None:
        self._file.write(json.dumps(line) + "\n")


def load(path: Path) -> list[tuple[int, str, bytes]]:
    """(microseconds, way, bytes) in order. ConfigError, naming file and line, for what is no recording."""
    pieces: list[tuple[int, str, bytes]] = []
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(path, "(file)", str(error), "a recording that can be read") from None
    for number, text in enumerate(lines, 1):
        try:
            line = json.loads(text)
            if number == 1:
                if line["recording"] != _VERSION:
                    raise ConfigError(path, "recording", line["recording"], f"version {_VERSION}")
                continue
            us, way, data = line["us"], line["way"], bytes.fromhex(line["hex"])
            if type(us) is not int or us < (pieces[-1][0] if pieces else 0) or way not in ("<", ">"):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}:{number}", "(line)", text, "a line of a recording") from None
        pieces.append((us, way, data))
    if not lines:
        raise ConfigError(path, "(file)", "", "a recording, which begins with a line that says so")
    return pieces


class Replay(Answering):
    """`problem` is "" as long as the program at `port` says what was said then, `is_over` once all has been said and heard."""

    def __init__(self, path: Path, speed: float = 0.0) -> None:
        super().__init__()
        self._pieces = load(path)
        self._speed = speed
        self.problem = ""
        self.is_over = not self._pieces

    def _run(self) -> None:
        heard = bytearray()
        offset = before_us = 0
        for us, way, data in self._pieces:
            if way == "<":
                if self._speed and self._ends.wait((us - before_us) / 1e6 / self._speed):
                    return
                self._pty.write(data)
            else:
                while len(heard) < len(data) and not self.problem:
                    if self._ends.is_set():
                        return
                    if select.select([self._pty.fd], [], [], _LOOK_S)[0]:
                        heard += self._pty.read_available()
                    self._compare(data, bytes(heard[: len(data)]), offset)
                if self.problem:
                    return
                del heard[: len(data)]
                offset += len(data)
            before_us = us
        self.is_over = not heard
        if heard:
            self.problem = f"at byte {offset}: got {bytes(heard)!r}, expected no more"

    def _compare(self, expected: bytes, got: bytes, offset: int) -> None:
        for i, (a, b) in enumerate(zip(expected, got, strict=False)):
            if a != b:
                self.problem = f"at byte {offset + i}: got {got[i : i + 20]!r}, expected {expected[i : i + 20]!r}"
                return


class Between:
    """A context manager: a port of its own in front of a real one (any URL of pyserial), which records what passes. A program
    that cannot be told of recordings, such as mpremote, opens `port`."""

    def __init__(self, url: str, path: Path, baud: int = 115200) -> None:
        import serial

        try:
            self._real = serial.serial_for_url(url, baudrate=baud, timeout=_LOOK_S)
        except (ValueError, OSError) as error:
            raise ConfigError(url, "port", str(error), "a serial port that can be opened, or a URL of pyserial") from None
        self._recorder = Recorder(path, url, baud)
        self._ends = threading.Event()
        self.problem = ""

    def __enter__(self) -> "Between":
        self._pty = PtyPair()
        self.port = self._pty.name
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._up, self._down)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        for thread in self._threads:
            thread.join()
        self._real.close()
        self._recorder.close()
        self._pty.close()

    def _up(self) -> None:
        try:
            while not self._ends.is_set():
                if select.select([self._pty.fd], [], [], _LOOK_S)[0] and (data := self._pty.read_available()):
                    self._recorder.passed(">", data)
                    self._real.write(data)
        except OSError as error:
            self.problem = str(error)

    def _down(self) -> None:
        try:
            while not self._ends.is_set():
                if data := self._real.read(1):
                    data += self._real.read(min(self._real.in_waiting, 4096))
                    self._recorder.passed("<", data)
                    self._pty.write(data)
        except OSError as error:
            self.problem = str(error)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hil_tests.drivers.recording")
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="a port in between, which writes down what passes")
    record.add_argument("port")
    record.add_argument("file", type=Path)
    record.add_argument("--baud", type=int, default=115200)
    replay = commands.add_parser("replay", help="a port that answers as recorded")
    replay.add_argument("file", type=Path)
    replay.add_argument("--speed", type=float, default=1.0, help="of the recorded pauses; 0 leaves them out")
    given = parser.parse_args()
    try:
        what = Between(given.port, given.file, given.baud) if given.command == "record" else Replay(given.file, given.speed)
        with what as opened:
            print(opened.port, flush=True)
            while not opened.problem and not getattr(opened, "is_over", False):
                time.sleep(_LOOK_S)
            if isinstance(opened, Replay):
                while not opened.problem and opened._pty.waiting():
                    time.sleep(_LOOK_S)  # what was said last is still to be read
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    if opened.problem:
        print(opened.problem, file=sys.stderr)
    return 1 if opened.problem else 0


if __name__ == "__main__":
    sys.exit(main())
