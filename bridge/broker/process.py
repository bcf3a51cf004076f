"""A broker's process under supervision: started once its port is known to be free, ready when it accepts, stopped or killed.

Guarantees:
- Nothing is started, and no running broker is touched, when the port is taken or another supervisor holds the folder.
- A broker that outlived its supervisor (which was killed) is found by its pid file and ended before the next one starts: two
  on one store would corrupt it.
- Everything the broker writes is inside its folder; secrets are in files of mode 0600, never on a command line, never logged.
- It listens to other machines by TLS alone. With `tls` every client needs a certificate of the authority, whose common name is
  the user that it is; passwords are then neither asked for nor written down.
"""

import errno
import fcntl
import ipaddress
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

from ..errors import ConfigError
from .users import User, check_users

HOST = "127.0.0.1"
READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0
_PORT_TRIES = 5
_POLL_S = 0.01


class BrokerError(Exception):
    """The broker could not be started, or ended by itself while it was starting."""


@dataclass(frozen=True)
class Tls:
    """What a broker needs for TLS, as files in PEM: the authority that clients are known by, its own certificate and key."""

    ca_file: Path
    certificate_file: Path
    key_file: Path


class BrokerProcess:
    """Base of the brokers. A subclass writes the configuration (`_write_config`) and gives the command (`_command`).

    `port` 0 takes a free one, kept over restarts. `host` is the address to listen on; other than this machine's own it needs
    `tls`, and without `tls` clients log in with passwords. Usable as a context manager: started on entry, stopped on exit.
    """

    name = "broker"

    def __init__(
        self, folder: Path, port: int = 0, users: Sequence[User] = (), *, tls: Tls | None = None, host: str = HOST
    ) -> None:
        check_users(users, passwords=tls is None)
        try:
            address = ipaddress.IPv4Address(host)
        except ValueError:
            raise ConfigError("broker", "host", host, "an IPv4 address of this machine, or 0.0.0.0") from None
        if tls is None and not address.is_loopback:
            raise ConfigError("broker", "host", host, f"{HOST}, or a certificate: other machines are spoken to by TLS alone")
        if not 0 <= port <= 65535:
            raise ConfigError("broker", "port", port, "0 (any free port) to 65535")
        self.folder = Path(folder).absolute()
        self.users = tuple(users)
        self.tls = tls
        self.host = host
        self._wanted_port = port
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    # What a subclass gives.

    def _command(self) -> list[str]:
        """The command line. BrokerError with what to install when the program is missing."""
        raise NotImplementedError

    def _write_config(self) -> None:
        """Write every file that the broker reads, for `self.port` and `self.users`."""
        raise NotImplementedError

    # What everybody uses.

    @property
    def port(self) -> int:
        """Where it listens for MQTT; 0 before the first start when any free port was asked for."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id, None when it is not running."""
        return self._process.pid if self._process is not None and self.alive else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start and wait until MQTT connections are accepted. Does nothing when it runs already.

        ConfigError when the port or the folder is in use; BrokerError when the program is missing or ends by itself.
        """
        if self.alive:
            return
        command = self._command()
        for path in (self.tls.ca_file, self.tls.certificate_file, self.tls.key_file) if self.tls else ():
            if not os.access(path, os.R_OK):  # mosquitto listens, and only then finds out
                raise ConfigError("broker", "tls", str(path), "a file in PEM that can be read")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_folder()
        try:
            self._end_orphan()
            any_port = self._wanted_port == 0 and self._port == 0
            for attempt in range(_PORT_TRIES):
                if any_port:
                    self._port = free_port()
                self._check_port()
                self._write_config()
                try:
                    self._launch(command)
                    return
                except BrokerError:
                    # Somebody else may have taken the port between our look and the broker's bind.
                    if not any_port or attempt == _PORT_TRIES - 1:
                        raise
        except BaseException:
            self._drop_folder()
            raise

    def stop(self) -> None:
        """End it in good order, by force after a deadline. Does nothing when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, nothing flushed."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop (when running) and start on the same port and store."""
        self.stop()
        self.start()

    def set_users(self, users: Sequence[User]) -> None:
        """Replace the list of users; a running broker takes it without a restart and cuts off those who are gone."""
        check_users(users, passwords=self.tls is None)
        self.users = tuple(users)
        if self._process is not None and self.alive:
            self._write_config()
            self._process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # How.

    def _check_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self._port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                why = "a port that is free" if taken else f"a port that may be opened ({error.strerror})"
                raise ConfigError("broker", "port", self._port, f"{why} on {self.host}") from None

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        handle = open(self.folder / "broker.lock", "w", encoding="ascii")  # noqa: SIM115 - held while the broker runs
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise ConfigError("broker", "folder", str(self.folder), "a folder that no running broker uses") from None
        self._lock = handle

    def _drop_folder(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _end_orphan(self) -> None:
        pid_file = self.folder / "broker.pid"
        try:
            orphan = psutil.Process(int(pid_file.read_text(encoding="ascii")))
            # The number may be another process's by now: only one that was started on this very folder is ours.
            if not any(str(self.folder) in word for word in orphan.cmdline()):
                return
            orphan.terminate()
            try:
                orphan.wait(STOP_TIMEOUT_S)
            except psutil.TimeoutExpired:
                orphan.kill()
                orphan.wait(STOP_TIMEOUT_S)
        except (OSError, ValueError, psutil.NoSuchProcess):
            pass

    def _launch(self, command: list[str]) -> None:
        with open(self.log, "ab") as log:
            # A group of its own: Ctrl-C is for whoever started it, which then ends it in its turn.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._process = process
        (self.folder / "broker.pid").write_text(f"{process.pid}\n", encoding="ascii")
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex((HOST if self.host == "0.0.0.0" else self.host, self._port)) == 0:
                    return
            try:
                process.wait(_POLL_S)  # paces the polling, and notices at once when it ends by itself
                self._process = None
                raise BrokerError(f"{self.name} ended with status {process.returncode}: {self._last_words()}")
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    self._kill_now()
                    raise BrokerError(f"{self.name} did not listen on port {self._port}: {self._last_words()}") from None

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return " | ".join(lines[-3:]) or "no log"

    def _kill_now(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is not None:
            if process.poll() is None:
                process.send_signal(how)
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            self._process = None
            (self.folder / "broker.pid").unlink(missing_ok=True)
        self._drop_folder()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
