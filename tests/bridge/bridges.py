"""The bridge as users run it, for tests: a process with a settings file, waited for by its own "bridge ready" line."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.bridge.devices import FLEET_KEY

DEADLINE_S = 30.0


def write_secret(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    return path


def write_config(folder: Path, port: int, **more: object) -> Path:
    """A settings file in `folder`, with its secrets beside it; `more` are further settings."""
    folder.mkdir(exist_ok=True)
    write_secret(folder / "fleet.key", FLEET_KEY.hex())
    write_secret(folder / "bridge.password", "password of bridge")
    values: dict[str, object] = {
        "broker_port": port,
        "broker_user": "bridge",
        "broker_password_file": "bridge.password",
        "store": "store.db",
        "fleet_key_file": "fleet.key",
        **more,
    }
    path = folder / "bridge.toml"
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()), encoding="utf-8")
    return path


class BridgeProcess:
    def __init__(self, config: Path) -> None:
        self.config = config
        self.store = config.parent / "store.db"
        self.lines: list[dict] = []
        self._process: subprocess.Popen[str] | None = None
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self, *, wait: bool = True) -> "BridgeProcess":
        command = [sys.executable, "-m", "bridge", "--config", str(self.config)]
        self._queue = queue.SimpleQueue()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._read, args=(self._process, self._queue), daemon=True).start()
        if wait:
            self.wait_line("bridge ready")
        return self

    def wait_line(self, event: str) -> dict:
        """The next log line with this event. AssertionError when the process ends, or the deadline passes, without."""
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event!r} in {DEADLINE_S} s: {self.lines[-10:]}") from None
            assert line is not None, f"the bridge ended before {event!r}: {self.lines[-10:]}"
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line.rstrip()}
            self.lines.append(entry)
            if entry["event"] == event:
                return entry

    def kill(self) -> None:
        """SIGKILL, at once."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(DEADLINE_S)

    def __enter__(self) -> "BridgeProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @staticmethod
    def _read(process: subprocess.Popen[str], lines: "queue.SimpleQueue[str | None]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)
