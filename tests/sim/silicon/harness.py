"""A simulated device at the end of its two pipes, with the test in the engine's place.

`Device` starts the real interpreter on a script that finds the silicon on its path, speaks the pipe's protocol with it, and keeps
what it prints. The test hands it RUNs: inputs and a horizon. Time is virtual; nothing here waits but for the process itself.
"""

import os
import select
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

from sim.engine.wire import Item, Yield, pack_run, parse_yield
from sim.silicon import _channels as ch
from tests.firmware.core.interpreter import HEAP, ROOT, micropython

SILICON = ROOT / "sim" / "silicon"
ANSWER_S = 20  # of wall time: the machine may be busy

_BEGIN = """
import sys
sys.path.insert(0, {root!r})
sys.path.insert(0, {silicon!r})
import _hw, _tasks
sys.modules["_asyncio"] = _tasks
_hw.folder = {folder!r}
_hw.unique_id = b"\\x02\\x01\\x00\\x00\\x01\\x00"
_hw.reset_cause = {cause}
_hw.attach({pipe_in}, {pipe_out})
for peripheral in ("machine", "bluetooth", "network", "socket"):
    __import__(peripheral)
_hw.settle()
"""


class Ended(Exception):
    """The device's process is over."""


class Device:
    """`now`: its clock by its last YIELD; `said`: all that it ever said; `yields`: each time that it handed over."""

    def __init__(self, folder: Path, script: str, *, cause: int = 1, heap: str = HEAP, begin: str = _BEGIN) -> None:
        self.folder = folder
        self.now = 0
        self.wake = 0
        self.said: list[Item] = []
        self.yields: list[Yield] = []
        self._pending: list[Item] = []
        in_read, self._write_fd = os.pipe()
        self._read_fd, out_write = os.pipe()
        head = begin.format(
            root=str(ROOT), silicon=str(SILICON), folder=str(folder), cause=cause, pipe_in=in_read, pipe_out=out_write
        )
        path = folder / "script.py"
        path.write_text(head + script)
        self._output = open(folder / "output.txt", "w+")  # noqa: SIM115 - closed with the device
        self._errors = open(folder / "errors.txt", "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [micropython(), "-X", f"heapsize={heap}", str(path)],
            stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._errors, pass_fds=[in_read, out_write],
        )  # fmt: skip
        os.close(in_read)
        os.close(out_write)
        self._buffer = b""
        self._receive()

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, horizon: int, items: Iterable[Item] = ()) -> Yield:
        """One RUN and its YIELD. Inputs not yet taken are handed over again. Ended when the device is over."""
        self._pending = sorted([*self._pending, *items], key=lambda item: item.t_ms)
        body = 0
        handed = []
        for item in self._pending:
            body += 8 + len(item.payload)
            if item.t_ms > horizon or body > ch.RUN_MAX - 64:
                horizon = min(horizon, item.t_ms)
                break
            handed.append(item)
        self._send(pack_run(self.now, horizon, handed))
        answer = self._receive()
        del self._pending[: answer.consumed]
        return answer

    def live(self, until: int, items: Iterable[Item] = ()) -> None:
        """RUNs until the device sleeps beyond `until`, or is over. What it says goes unanswered."""
        self._pending = sorted([*self._pending, *items], key=lambda item: item.t_ms)
        try:
            while self.wake <= until or (self._pending and self._pending[0].t_ms <= until):
                self.run(until)
        except Ended:
            self.wait()

    def send_raw(self, data: bytes) -> None:
        self._send(data)

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._write_fd, data)
        except BrokenPipeError:
            raise Ended(self.complaints) from None

    def _receive(self) -> Yield:
        body = self._exactly(int.from_bytes(self._exactly(4), "little"))
        answer = parse_yield(body)
        assert answer.now_ms >= self.now, "time went back"
        self.now, self.wake = answer.now_ms, max(answer.wake_ms, answer.now_ms)
        self.said += answer.items
        self.yields.append(answer)
        return answer

    def _exactly(self, n: int) -> bytes:
        while len(self._buffer) < n:
            assert select.select([self._read_fd], [], [], ANSWER_S)[0], f"the device says nothing: {self.complaints}"
            data = os.read(self._read_fd, 65536)
            if not data:
                raise Ended(self.complaints)
            self._buffer += data
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    @property
    def lines(self) -> list[str]:
        """What it printed so far."""
        return Path(self._output.name).read_text().splitlines()

    @property
    def complaints(self) -> str:
        return Path(self._errors.name).read_text()

    def sayings(self, channel: int) -> list[Item]:
        return [item for item in self.said if item.channel == channel]

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self.process.wait(ANSWER_S)

    def close(self) -> None:
        for fd in (self._write_fd, self._read_fd):
            try:
                os.close(fd)
            except OSError:
                pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._output.close()
        self._errors.close()


def lines_of(folder: Path, script: str, until: int = 10**12, items: Iterable[Item] = ()) -> list[str]:
    """What a script prints that is left alone in virtual time until it ends."""
    with Device(folder, script) as device:
        device.live(until, items)
        assert not device.complaints, device.complaints
        return device.lines


def uart(t_ms: int, number: int, data: bytes) -> Item:
    return Item(t_ms, ch.UART_RX, number, data)


def pin(t_ms: int, number: int, level: int) -> Item:
    return Item(t_ms, ch.PIN_IN, number, bytes([level]))


def adc(t_ms: int, number: int, microvolts: int) -> Item:
    return Item(t_ms, ch.ADC_IN, number, microvolts.to_bytes(4, "little"))


def link(t_ms: int, nic: int, up: bool) -> Item:
    return Item(t_ms, ch.LINK, nic, bytes([up]))


def sock(t_ms: int, number: int, what: int, data: bytes = b"") -> Item:
    return Item(t_ms, ch.SOCK_IN, number, bytes([what]) + data)


def heard(t_ms: int, advertisement: bytes, rssi: int = -70) -> Item:
    return Item(t_ms, ch.BLE_HEARD, 0, b"\x02\x02\0\0\0\1" + bytes([rssi & 0xFF]) + advertisement)
