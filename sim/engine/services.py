"""The real programs that a run needs beside the devices: broker, bridge, console. Started, waited for, watched, ended.

All of them are the products that an operator runs, as processes of their own; a run may kill them (faults), and `watch`
starts again what has died. When the run itself is killed, `leash` ends them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bridge.broker.nats import EmbeddedBroker
from bridge.broker.process import BrokerError, BrokerProcess
from sim.engine.leash import Leash
from sim.engine.relay import Relay
from sim.engine.stutter import Stutter

_READY_S = 30.0
_GIVE_UP_TRIES = 3
_BROKER_TRIES = 5


class ServiceError(Exception):
    """A service did not start; the text holds its own last words."""


class Service:
    """A Python module run as a process, which prints a JSON line with `event: <ready>` when it is of use."""

    def __init__(self, name: str, arguments: list[str], log: Path, ready: str, leash: Leash) -> None:
        self.name = name
        self._command = [sys.executable, "-m", *arguments]
        self._log = log
        self._ready = ready
        self._leash = leash
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._gave_up = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, wait: bool = True) -> dict[str, object]:
        """Start it, and unless told otherwise wait for its ready line, which is returned. ServiceError with its last words."""
        offset = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C is for the run, which then ends its services in order.
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, env={**os.environ}
            )
        self._leash.hold(self._process.pid)
        self.starts += 1
        return self._wait_ready(offset) if wait else {}

    def _wait_ready(self, offset: int) -> dict[str, object]:
        assert self._process is not None
        deadline = time.monotonic() + _READY_S
        while True:
            ended = self._process.poll()
            text = self._log.read_bytes()[offset:].decode("utf-8", "replace")
            for line in text.splitlines():
                if self._ready in line and line.startswith("{"):
                    return json.loads(line)
            if ended is not None or time.monotonic() > deadline:
                words = "\n".join(text.splitlines()[-5:])
                raise ServiceError(words or f"{self.name} ended with status {ended} and said nothing")
            try:
                self._process.wait(0.02)
            except subprocess.TimeoutExpired:
                pass

    def restart_if_ended(self) -> None:
        """Start it again when it was killed. ServiceError with its last words when it gave up by itself, again and again."""
        if self._process is None or self.alive:
            return
        if self._process.returncode > 0:
            self._gave_up += 1
            if self._gave_up >= _GIVE_UP_TRIES:
                words = self._log.read_text("utf-8", "replace").splitlines()[-5:]
                raise ServiceError("\n".join(words) or f"{self.name} ended with status {self._process.returncode}")
        self.start(wait=False)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Services:
    """Broker, bridge and, if wanted, console over one run's folder."""

    def __init__(self, folder: Path, broker: BrokerProcess, console_port: int | None) -> None:
        self.broker = broker
        self.down: set[str] = set()  # what a scenario has taken down
        self._slow: dict[str, Stutter] = {}
        self._relay: Relay | None = None
        self._broker_failures = 0
        self._leash = leash = Leash()
        self.bridge = Service(
            "bridge", ["bridge", "--config", str(folder / "bridge.toml")], folder / "bridge.log", "bridge ready", leash
        )
        self.console: Service | None = None
        self.console_url = ""
        if console_port is not None:
            arguments = ["bridge.console", "--store", f"sqlite:///{folder / 'store.db'}", "--port", str(console_port)]
            self.console = Service("console", arguments, folder / "console.log", "console ready", leash)

    def start(self) -> None:
        """All of them, in order. The broker must be running: its port is in the bridge's settings."""
        self._leash.hold(self.broker.pid)
        self.bridge.start()
        if self.console is not None:
            self.console_url = str(self.console.start()["url"])

    def broker_port_of_the_bridge(self, can_part: bool) -> int:
        """Where the bridge finds the broker, which is running: at the broker itself, or at what can part the two."""
        if not can_part:
            return self.broker.port
        self._relay = Relay(self.broker.port)
        return self._relay.port

    def part(self, parted: bool) -> None:
        """Let nothing pass between broker and bridge, or all of it again."""
        assert self._relay is not None, "nothing stands between broker and bridge"
        self._relay.passes(not parted)

    def slow(self, what: str, is_slow: bool) -> None:
        """Hold "broker" or "bridge" up again and again, or no longer."""
        if is_slow and what not in self._slow:
            program = self.broker if what == "broker" else self.bridge
            self._slow[what] = Stutter(lambda: program.pid if program.alive else None)
        elif not is_slow and what in self._slow:
            self._slow.pop(what).end()

    def watch(self) -> None:
        """Start again what has died, but for what was taken down; nobody waits for it here."""
        if not self.broker.alive and "broker" not in self.down:
            self._restart_broker()
        if "bridge" not in self.down:
            self.bridge.restart_if_ended()

    def take_down(self, what: str) -> None:
        """End "broker" or "bridge" as a power cut would, until `bring_up`."""
        self.down.add(what)
        (self.broker if what == "broker" else self.bridge).kill()

    def bring_up(self, what: str) -> None:
        """Start it again."""
        self.down.discard(what)
        if what == "broker":
            self._restart_broker()
        else:
            self.bridge.start()

    def _restart_broker(self) -> None:
        try:
            self.broker.restart()
        except BrokerError:
            # It may have been killed again while it was starting; what can never start fails each time.
            self._broker_failures += 1
            if self._broker_failures >= _BROKER_TRIES:
                raise
            return
        self._broker_failures = 0
        self._leash.hold(self.broker.pid)

    def pids(self) -> list[int]:
        """Of those that run now."""
        console = self.console.pid if self.console is not None else None
        return [pid for pid in (self.broker.pid, self.bridge.pid, console) if pid]

    def stop(self) -> None:
        for what in tuple(self._slow):
            self.slow(what, False)
        if self._relay is not None:
            self._relay.passes(True)
        if self.console is not None:
            self.console.stop()
        self.bridge.stop()
        self.broker.stop()
        if self._relay is not None:
            self._relay.close()
        self._leash.close()


def embedded_broker(folder: Path, port: int, users: list) -> EmbeddedBroker:
    """The default broker of a run."""
    return EmbeddedBroker(folder / "broker", port, users)
