"""One program at a time on a board: a lock by the board's name, which holds while its port comes and goes; and who else has the
port open, for not every program locks."""

import os
import re
import tempfile
from pathlib import Path
from types import TracebackType

import psutil

from tools.board.errors import BoardError
from tools.board.ports import Port

try:
    import fcntl
except ImportError:  # Windows: there a port can be opened once only
    fcntl = None


class BoardLock:
    """A context manager. BoardError names the program that has the board. The lock ends with the process, however that ends."""

    def __init__(self, port: Port) -> None:
        self._port = port
        folder = Path(tempfile.gettempdir()) / f"homeward-boards-{os.getuid() if hasattr(os, 'getuid') else 0}"
        folder.mkdir(mode=0o700, exist_ok=True)
        name = re.sub(r"[^0-9A-Za-z_.-]", "_", port.serial_number or os.path.abspath(port.device))
        self._path = folder / f"{name}.lock"
        self._fd = -1

    def __enter__(self) -> "BoardLock":
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl is not None:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.read(self._fd, 32).decode("ascii", "replace")
                os.close(self._fd)
                raise in_use(self._port, int(pid) if pid.isdigit() else 0) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        os.close(self._fd)


def in_use(port: Port, pid: int) -> BoardError:
    """The error that tells which process has it; 0 when that is not known."""
    try:
        words = psutil.Process(pid).cmdline() if pid else []
    except psutil.Error:
        words = []
    program = " ".join(os.path.basename(word) if i < 2 else word for i, word in enumerate(words[:4]))
    return BoardError(port.name, f"in use by {program or 'another program'}" + (f" (process {pid})" if pid else ""))


def holder(device: str) -> int:
    """The process, other than this one, that has a port open; 0 when none is found. Only where there is /proc, and only processes
    that this user may look into."""
    real = os.path.realpath(device)
    if not real.startswith("/dev/") or not os.path.isdir("/proc/self/fd"):
        return 0
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            for fd in os.listdir(f"/proc/{name}/fd"):
                if os.readlink(f"/proc/{name}/fd/{fd}") == real:
                    return int(name)
        except OSError:
            continue  # ended, or another user's
    return 0
