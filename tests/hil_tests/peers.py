"""What stands on the other end of a driver's wire in tests: a real MicroPython with the fixture's program, a real RFC 2217
server; and, since no such hardware is here, peers that speak the protocols of a relay board and of a supply, byte by byte."""

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from serial.rfc2217 import PortManager

from hil_tests.drivers.ptys import Answering, PtyPair

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "hil_tests" / "drivers"


class Peer(Answering):
    """On a pseudo-terminal, `answer(bytes)` says what comes back for what has come. `heard` is all of it."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda data: b"") -> None:
        super().__init__()
        self._answer = answer
        self.heard = bytearray()
        self._more = threading.Condition()

    def wait_for(self, data: bytes, timeout_s: float = 5.0) -> bytes:
        """Until that much has come; all that has."""
        with self._more:
            self._more.wait_for(lambda: len(self.heard) >= len(data), timeout_s)
        return bytes(self.heard)

    def _run(self) -> None:
        while not self._ends.is_set():
            if select.select([self._pty.fd], [], [], 0.02)[0] and (data := self._pty.read_available()):
                with self._more:
                    self.heard += data
                    self._more.notify_all()
                if back := self._answer(data):
                    self._pty.write(back)


class Supply:
    """A supply by SCPI-99, as far as the driver goes: voltage, output, an error queue."""

    def __init__(self) -> None:
        self.volts = dict.fromkeys("12", 0.0)
        self.on = dict.fromkeys("12", True)
        self.selected = "1"
        self._errors: list[str] = []
        self._line = b""

    def answer(self, data: bytes) -> bytes:
        out = b""
        self._line += data
        while b"\n" in self._line:
            line, _, self._line = self._line.partition(b"\n")
            out += self._do(line.decode("ascii"))
        return out

    def _do(self, line: str) -> bytes:
        command, _, value = line.partition(" ")
        if command == "*IDN?":
            return b"HOMEWARD,PEER,0,1\n"
        if command == "SYST:ERR?":
            return ((self._errors.pop(0) if self._errors else '0,"No error"') + "\n").encode()
        if command == "VOLT" and float(value) <= 5:
            self.volts[self.selected] = float(value)
        elif command == "OUTP" and value in ("ON", "OFF"):
            self.on[self.selected] = value == "ON"
        elif command == "INST:NSEL" and value in self.volts:
            self.selected = value
        else:
            self._errors.append('-222,"Data out of range"' if command in ("VOLT", "INST:NSEL") else '-113,"Undefined header"')
        return b""


@contextmanager
def fixture_board(wires: Path) -> Iterator[str]:
    """The fixture's program on MicroPython's unix port, whose pins are files in `wires`; the port's name."""
    interpreter = Path(sys.executable).with_name("micropython")
    if not interpreter.exists():
        pytest.skip("no MicroPython interpreter for this platform")
    wires.mkdir(exist_ok=True)
    with PtyPair() as pty:
        os.set_blocking(pty.fd, True)
        # The interpreter looks for `machine` where we say before it takes its own.
        environment = {**os.environ, "WIRES": str(wires), "MICROPYPATH": f"{DRIVERS / 'wires'}:.frozen"}
        command = [str(interpreter), str(DRIVERS / "fixture_board.py")]
        process = subprocess.Popen(command, stdin=pty.fd, stdout=pty.fd, stderr=subprocess.PIPE, env=environment)
        try:
            yield pty.name
        finally:
            process.kill()
            _, errors = process.communicate()
            assert not errors, errors.decode()


class _PtySerial(serial.Serial):
    """A pseudo-terminal has no modem lines."""

    def _update_rts_state(self) -> None: ...

    def _update_dtr_state(self) -> None: ...

    cts = dsr = ri = cd = property(lambda self: False)  # type: ignore[assignment]


class _Connection:
    """What pyserial's PortManager writes its telnet answers to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.sendall(data)


class Rfc2217Server:
    """A context manager: one serial port at `url`, one client after the other. pyserial's server side does the protocol."""

    def __init__(self, port: str) -> None:
        self._name = port
        self._ends = threading.Event()

    def __enter__(self) -> "Rfc2217Server":
        self._serial = _PtySerial(self._name, timeout=0)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.05)
        self.url = f"rfc2217://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()
        self._listening.close()
        self._serial.close()

    @property
    def baud(self) -> int:
        return self._serial.baudrate

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            with connection:
                self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        manager = PortManager(self._serial, _Connection(connection))  # type: ignore[arg-type]
        while not self._ends.is_set():
            ready, _, _ = select.select([connection, self._serial.fileno()], [], [], 0.05)
            if connection in ready:
                data = connection.recv(1024)
                if not data:
                    return
                self._serial.write(b"".join(manager.filter(data)))
            if self._serial.fileno() in ready:
                connection.sendall(b"".join(manager.escape(self._serial.read(1024))))
