"""A machine that runs the image in QEMU, with what a board on a desk has: a port, a power switch, a reset button, a cable.

    with EmulatedBoard(folder) as board:
        serial.Serial(board.port)              # mpremote, homeward flash …: anything that takes a port

`virtual`: time is instructions (8 ns each) and sleeps, nothing else, and does not wait for the host; else time is the host's.
`run` is for measuring: a script's output, on a machine of its own, with a folder of modules to import.
"""

import re
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from firmware.core.blockdev import RamDevice
from hil_tests.emulated.build import EmulatedError, image, missing
from sim.board.served import Served
from sim.silicon import _channels as ch

INSTRUCTION_NS = 8
TICKS_HZ = 25_000_000
INSTRUCTIONS_PER_TICK = 1_000_000_000 // TICKS_HZ // INSTRUCTION_NS
"""Of `time.ticks_cpu()`: 5."""
HEAP = 128 * 1024
"""What the pure core is measured in."""
BOARD_HEAP = 256 * 1024
"""Of a board: the application takes more than the half of it (docs/emulated.md)."""
ARCHITECTURE = "armv7em"
"""What bundles for it are built for: mpy-cross's name of what its interpreter says that it is."""
_ITEM_HEAD, _ITEM_MAX = 8, 200  # image/modpins.c
_BLOCK = 4096
_PARTITIONS_KIB = 1664  # at the end of the flash (image/fs.h)
_PARTITIONS = {
    "journal": (0, 512),
    "config": (512, 128),
    "relay": (640, 1024),
}
"""KiB from there, and their sizes (image/modesp32.c)."""


class EmulatedBoard(Served):
    """A board as all of them without hardware (`sim.board.served`). EmulatedError when it cannot be.

    `firmware`: an ELF for mps2-an385 with its REPL on the first UART; without, our own
    image is built. `modules`: a folder that the board (ours alone) sees as /host, to import and to open.
    """

    description = "emulated Cortex-M3"
    ended = EmulatedError

    def __init__(
        self,
        folder: Path,
        serial_number: str = "EMU-000001",
        *,
        firmware: Path | None = None,
        modules: Path | None = None,
        virtual: bool = False,
        heap: int = BOARD_HEAP,
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
        super().__init__(folder, serial_number, registry=registry, seed=seed, baud=baud)
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
        self._machine: subprocess.Popen[bytes] | None = None
        self._pins: dict[int, int] = {}  # where they differ from a board's on a desk (image/modpins.c)
        self._microvolts: dict[int, int] = {}
        self.on_advertise: Callable[[int, bytes], None] = lambda interval_us, advertisement: None
        """What it shows by radio from now on, in the board's thread; interval 0: nothing."""

    @contextmanager
    def partition(self, label: str) -> Iterator[RamDevice]:
        """What of its flash is behind `label`, to be looked at; what is changed there stays if its power is off."""
        at, size = (kib * 1024 for kib in _PARTITIONS[label])
        with (self.folder / "flash").open("r+b") as file:
            start = file.seek(at - _PARTITIONS_KIB * 1024, 2)
            device = RamDevice(size // _BLOCK, _BLOCK, file.read(size))
            yield device
            if not self.is_on:
                file.seek(start)
                file.write(device.data)

    @property
    def is_on(self) -> bool:
        return self._machine is not None

    def _on(self) -> None:
        if not self.is_on:
            self._boot()

    def _off(self) -> None:
        self._kill()

    # What hangs on its pins

    def set_pin(self, pin: int, level: int) -> None:
        self._pins[pin] = level
        self.do(lambda: self._push(ch.PIN_IN, pin, bytes([level])))

    def set_microvolts(self, pin: int, microvolts: int) -> None:
        self._microvolts[pin] = microvolts
        self.do(lambda: self._push(ch.ADC_IN, pin, struct.pack("<I", microvolts)))

    def speak(self, uart: int, data: bytes) -> None:
        """What comes in on a UART, such as a receiver's sentences."""
        for at in range(0, len(data), _ITEM_MAX):
            self.do(lambda at=at: self._push(ch.UART_RX, uart, data[at : at + _ITEM_MAX]))

    def hear(self, address: bytes, rssi_dbm: int, advertisement: bytes) -> None:
        """By radio: it is for those who listen."""
        self.do(lambda: self._push(ch.BLE_HEARD, 0, address + struct.pack("b", rssi_dbm) + advertisement))

    def _push(self, channel: int, sub: int, payload: bytes) -> None:
        # As `sim/silicon/_channels.py` describes it, to image/modpins.c.
        if self.is_on:
            try:
                self._desk.sendall(struct.pack("<IBBH", 0, channel, sub, len(payload)) + payload)
            except (BlockingIOError, BrokenPipeError):
                pass  # nobody looks at the pins for so long that the socket is full, or the machine is at its end

    # The machine

    def _boot(self) -> None:
        self.boots += 1
        self._items = b""
        self.on_advertise(0, b"")
        self._serial, theirs = socket.socketpair()
        self._buttons, button = socket.socketpair()
        self._desk, pins = socket.socketpair()
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
        command += ["-chardev", f"socket,id=desk,fd={pins.fileno()}", "-serial", "chardev:desk"]
        command += ["-chardev", f"socket,id=buttons,fd={button.fileno()}", "-mon", "chardev=buttons,mode=readline"]
        with (self.folder / "qemu.log").open("ab") as log:
            self._machine = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), button.fileno(), pins.fileno()),
                start_new_session=True,
            )
        for end in (theirs, button, pins):
            end.close()
        for mine in (self._serial, self._buttons, self._desk):
            mine.setblocking(False)
        for pin, level in self._pins.items():
            self._push(ch.PIN_IN, pin, bytes([level]))
        for pin, microvolts in self._microvolts.items():
            self._push(ch.ADC_IN, pin, struct.pack("<I", microvolts))

    def _kill(self) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.kill()
            machine.wait()
            self._serial.close()
            self._buttons.close()
            self._desk.close()
            self.on_advertise(0, b"")
            self._at.clear()

    def _reset(self) -> None:
        if self.is_on:
            self.boots += 1
            self._buttons.sendall(b"system_reset\n")

    # The thread's round

    def _sources(self) -> list[int]:
        return [self._serial.fileno(), self._buttons.fileno(), self._desk.fileno()] if self.is_on else []

    def _work(self, now: float) -> None:
        self._hear()

    def _hear(self) -> None:
        if not self.is_on:
            return
        try:
            self._buttons.recv(4096)  # the monitor's prompts
        except BlockingIOError:
            pass
        self._take_items()
        try:
            data = self._serial.recv(65536)
        except BlockingIOError:
            return
        if not data:
            self._kill()
            said = (self.folder / "qemu.log").read_text("utf-8", "replace").strip().splitlines()
            raise EmulatedError(f"QEMU ended: {said[-1] if said else 'without a word'}; it said {bytes(self._log[-80:])!r}")
        self._note(data)
        self._say(data)

    def _take_items(self) -> None:
        try:
            self._items += self._desk.recv(4096)
        except BlockingIOError:
            return
        while len(self._items) >= _ITEM_HEAD:
            _, channel, _sub, size = struct.unpack_from("<IBBH", self._items)
            if len(self._items) < _ITEM_HEAD + size:
                return
            payload, self._items = self._items[_ITEM_HEAD : _ITEM_HEAD + size], self._items[_ITEM_HEAD + size :]
            if channel == ch.BLE_ADVERTISE:
                self.on_advertise(struct.unpack_from("<I", payload)[0], payload[4:])

    def _typed(self, data: bytes) -> int:
        if not self.is_on:
            return len(data)
        try:
            return self._serial.send(data)
        except BlockingIOError:
            return 0


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
