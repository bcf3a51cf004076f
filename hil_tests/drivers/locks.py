"""One program at a time on a board: a file lock for each USB serial number (or port), which says who holds it.

The lock is the kernel's (flock) and ends with its holder, however that dies; what the file says is only for people.
"""

import fcntl
import getpass
import json
import os
import re
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from hil_tests.drivers.base import DriverError


class LockError(DriverError):
    """Somebody else holds the board; the text says who, since when and with which program."""


def folder() -> Path:
    """Where locks lie: one folder for all users of this machine, or that of HOMEWARD_LOCKS."""
    path = Path(os.environ.get("HOMEWARD_LOCKS") or Path(tempfile.gettempdir()) / "homeward-locks")
    path.mkdir(mode=0o1777, parents=True, exist_ok=True)
    return path


class Lock:
    def __init__(self, name: str) -> None:
        self.name = name
        self.path = folder() / (re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_") + ".lock")
        self._fd: int | None = None

    def take(self) -> None:
        """LockError when it is held."""
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            words = os.read(fd, 4096).decode("utf-8", "replace")
            os.close(fd)
            raise LockError(f"{self.name}: held by {_who(words)}") from None
        holder = {
            "user": getpass.getuser(),
            "pid": os.getpid(),
            "since": datetime.now().isoformat(sep=" ", timespec="seconds"),
            "program": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
        }
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None


def _who(words: str) -> str:
    try:
        holder = json.loads(words)
        return f"{holder['user']} (process {holder['pid']}: {holder['program']}) since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another program that has just taken it"
