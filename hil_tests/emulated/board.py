"""A machine that runs the image in QEMU, with what a board on a desk has: a port, a power switch, a reset button, a cable.

    with EmulatedBoard(folder) as board:
        serial.Serial(board.port)              # mpremote, homeward flash …: anything that takes a port

`virtual`: time is instructions (8 ns each) and sleeps, nothing else, and does not wait for the host; else time is the host's.
`run` is for measuring: a script's output, on a machine of its own, with a folder of modules to import.
"""

import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from hil_tests.emulated.build import EmulatedError, image, missing
from sim.board.line import TO_BOARD, TO_HOST, Fault, Line

INSTRUCTION_NS = 8
TICKS_HZ = 25_000_000
INSTRUCTIONS_PER_TICK = 1_000_000_000 // TICKS_HZ // INSTRUCTION_NS
"""Of `time.ticks_cpu()`: 5."""
HEAP = 128 * 1024
_PARTITIONS_KIB = 1664  # image/fs.h
_LOOK_S = 0.01
_LOG_MAX = 1 << 20


class EmulatedBoard:
    """A context manager: powered and plugged in from `__enter__` to `__exit__`. EmulatedError when it cannot be.

    `folder` keeps its flash and outlives it. `firmware`: an ELF for mps2-an385 with its REPL on the first UART; without, our own
    image is built. `modules`: a folder that the board (ours alone) sees as /host, for imports. `registry`: as of `sim.board`.
    """

    def __init__(
        self,
        folder: Path,
        serial_number: str = "EMU-000001",
        *,
        firmware: Path | None = None,
        modules: Path | None = None,
        virtual: bool = False,
        heap: int = HEAP,
        flash_kib: int = 2048,
        registry: Path | None = None,
        seed: int = 0,
        baud: int = 0,
    ) -> None:
        if lacking := missing(firmware):
            raise EmulatedError(lacking)
        if firmware is not None and not firmware.is_file():
            raise EmulatedError(f"--firmware: got {str(firmware)!r}, expected an ELF for QEMU's mps2-an385")
        self._elf = image() if firmware is None else firmware.absolute()
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial_number = serial_number
        self.line = Line(self.folder / "port", seed, baud)
        self.boots = 0
        self._registry = registry
        self._virtual = virtual
        self._heap = heap
        if modules is not None:
            link = self.folder / "host"
            link.unlink(missing_ok=True)
            link.symlink_to(modules.absolute())
        flash = self.folder / "flash"
        if not flash.exists():
            with flash.open("wb") as file:
                file.write(b"\xff" * ((flash_kib + _PARTITIONS_KIB) * 1024))
        self._log = bytearray()
        self._machine: subprocess.Popen[bytes] | None = None
        self._at: list[tuple[float, Callable[[], None]]] = []
        self._asked: list[Callable[[], None]] = []
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name=f"emulated board {serial_number}", daemon=True)
        self._closing = False
        self._failure: BaseException | None = None
        self._is_open = False  # somebody has the port open
        self._look_at = 0.0

    def __enter__(self) -> "EmulatedBoard":
        self._thread.start()
        self.do(self.line.plug)
        self._announce()
        self.do(self._boot)
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
            raise EmulatedError(f"emulated board {self.serial_number}: {self._failure}") from self._failure

    @property
    def port(self) -> str:
        """A pseudo-terminal."""
        return str(self.line.link)

    @property
    def is_on(self) -> bool:
        return self._machine is not None

    @property
    def log(self) -> bytes:
        """The last MiB that it has said."""
        return bytes(self._log)

    def power_off(self) -> None:
        """At this instant: what is written to flash so far is all that there is."""
        self.do(self._kill)

    def power_on(self) -> None:
        self.do(lambda: None if self.is_on else self._boot())

    def press_reset(self) -> None:
        self.do(self._reset)

    def unplug(self) -> None:
        """The cable; the machine runs on."""
        self.do(self.line.unplug)

    def plug(self) -> None:
        self.do(self.line.plug)

    def set_faults(self, faults: list[Fault]) -> None:
        """On the cable, from this byte on."""

        def give() -> None:
            self.line.passed = 0
            self.line.faults = sorted(faults, key=lambda fault: fault.at_byte)

        self.do(give)

    def do(self, action: Callable[[], object]) -> None:
        """Have the thread that serves the board do something, and wait until it is done."""
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
                raise EmulatedError(f"emulated board {self.serial_number} is closed") from self._failure

    # The machine

    def _boot(self) -> None:
        self.boots += 1
        self._serial, theirs = socket.socketpair()
        self._buttons, button = socket.socketpair()
        # Where there is such a thing (Linux), the machine ends with the process that it belongs to, however that ends.
        command = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command += ["qemu-system-arm", "-M", "mps2-an385", "-nodefaults", "-display", "none", "-kernel", str(self._elf)]
        if self._virtual:
            command += ["-icount", "shift=3,sleep=off"]
        options = {"heap": str(self._heap), "time": "virtual" if self._virtual else "real", "flash": "flash", "host": "host"}
        options["id"] = self.serial_number
        given = "".join(f",arg={name}={value}" for name, value in options.items())
        command += ["-semihosting-config", f"enable=on,target=native{given}"]
        command += ["-chardev", f"socket,id=serial,fd={theirs.fileno()}", "-serial", "chardev:serial"]
        command += ["-chardev", f"socket,id=buttons,fd={button.fileno()}", "-mon", "chardev=buttons,mode=readline"]
        with (self.folder / "qemu.log").open("ab") as log:
            self._machine = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), button.fileno()),
                start_new_session=True,
            )
        theirs.close()
        button.close()
        self._serial.setblocking(False)
        self._buttons.setblocking(False)

    def _kill(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.kill()
            machine.wait()
            self._serial.close()
            self._buttons.close()
            self._at.clear()

    def _reset(self) -> None:
        if self.is_on:
            self.boots += 1
            self._buttons.sendall(b"system_reset\n")

    # The thread's round

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
        looks = self.line.is_plugged and (self._is_open or time.monotonic() >= self._look_at)
        if looks:
            poll.register(self.line.master, select.POLLIN)
        if self.is_on:
            poll.register(self._serial, select.POLLIN)
            poll.register(self._buttons, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(self._timeout_ms())}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        while self._asked:
            self._asked.pop(0)()
        now = time.monotonic()
        for entry in [entry for entry in self._at if entry[0] <= now]:
            self._at.remove(entry)
            entry[1]()
        self._hear()
        if self.line.is_plugged and (self.line.master in ready or not self._is_open):
            self._is_open = self.line.read()
            self._look_at = now + _LOOK_S
        self._pump()

    def _timeout_ms(self) -> int:
        now = time.monotonic()
        waits = [0.5 if self._is_open else _LOOK_S] + [at - now for at, _ in self._at]
        if (due := self.line.due_s()) is not None:
            waits.append(max(due, 0.001))
        return max(0, int(min(waits) * 1000) + 1)

    def _hear(self) -> None:
        if not self.is_on:
            return
        try:
            self._buttons.recv(4096)  # the monitor's prompts
        except BlockingIOError:
            pass
        try:
            data = self._serial.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self._kill()
            said = (self.folder / "qemu.log").read_text("utf-8", "replace").strip().splitlines()
            raise EmulatedError(f"QEMU ended: {said[-1] if said else 'without a word'}; it said {bytes(self._log[-80:])!r}")
        self._log += data
        del self._log[:-_LOG_MAX]
        if self.line.is_plugged and self._is_open:
            self.line.push(TO_HOST, data)

    def _pump(self) -> None:
        for way in (TO_BOARD, TO_HOST):
            data, fault = self.line.pass_on(way)
            if data and way == TO_BOARD and self.is_on:
                try:
                    sent = self._serial.send(data)
                except BlockingIOError:
                    sent = 0
                self.line.unread(TO_BOARD, data[sent:])
            elif data and way == TO_HOST and self.line.is_plugged:
                try:
                    sent = os.write(self.line.master, data)
                except OSError:
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
            self._reset()
        elif fault.what == "power":
            self._kill()
            self._at.append((time.monotonic() + fault.for_s, lambda: None if self.is_on else self._boot()))

    def _announce(self) -> None:
        if self._registry is None:
            return
        self._registry.mkdir(parents=True, exist_ok=True)
        about = {"serial_number": self.serial_number, "port": self.port, "description": "emulated Cortex-M3"}
        path = self._registry / f"{self.serial_number}.json"
        path.with_suffix(".new").write_text(json.dumps(about), "utf-8")
        path.with_suffix(".new").replace(path)


def run(
    modules: Path, code: str, *, firmware: Path | None = None, heap: int = HEAP, timeout_s: int = 120, **given: object
) -> str:
    """What `code` prints on a fresh machine in virtual time, with `modules` first on its path.

    `given` become globals of the code. EmulatedError with the traceback when it raises. A firmware of somebody else's takes the
    modules by mpremote's mount, which needs its `vfs`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="emulated-") as folder,
        EmulatedBoard(Path(folder), modules=modules, firmware=firmware, virtual=True, heap=heap) as board,
    ):
        return run_on(board.port, modules, code, mounts=firmware is not None, timeout_s=timeout_s, **given)


def run_on(port: str, modules: Path, code: str, *, mounts: bool, timeout_s: int = 120, **given: object) -> str:
    """The same on a board that is there, ours (/host) or any other that `mounts`."""
    head = "".join(f"{name}={value!r}\n" for name, value in given.items())
    path = "/remote" if mounts else "/host"
    try:
        transport = SerialTransport(port)
        try:
            transport.enter_raw_repl(soft_reset=not mounts)
            if mounts:
                transport.mount_local(str(modules))
            out, failed = transport.exec_raw(f"import sys\nsys.path.insert(0,{path!r})\n{head}{code}", timeout=timeout_s)
        finally:
            transport.close()
    except (TransportError, OSError) as error:
        raise EmulatedError(f"{port}: {error}") from None
    if failed:
        raise EmulatedError(failed.decode("utf-8", "replace").strip())
    return out.decode("utf-8", "replace").replace("\r\n", "\n")


def figures(text: str) -> Mapping[str, float]:
    """name → number of the lines `name number` in an output."""
    return {name: float(value) for name, value in re.findall(r"^([a-z0-9_.]+) (-?[0-9.]+)$", text, re.MULTILINE)}
