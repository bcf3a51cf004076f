"""What was done and said in a test, each with its time, in a folder of its own.

steps.jsonl         a line of JSON a step: utc, s (since the test began), rig_s (the rig's clock, when it has begun), what, …
serial-NAME.log     a line a piece: 06:00:01.203 > b'who\\n'      > to the port, < from it
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Steps:
    """A context manager. `now_ms` is set to the rig's clock once there is one."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.now_ms: Callable[[], int] | None = None
        self._began = time.monotonic()
        self._file: TextIO = (folder / "steps.jsonl").open("w", encoding="utf-8", buffering=1)
        self._serial: dict[str, TextIO] = {}
        self._lock = threading.Lock()

    def note(self, what: str, **about: Any) -> None:
        """A step; `about` are numbers, texts and what json takes."""
        line: dict[str, Any] = {"utc": _utc(), "s": round(time.monotonic() - self._began, 3)}
        if self.now_ms is not None:
            line["rig_s"] = self.now_ms() / 1000
        with self._lock:
            self._file.write(json.dumps(line | {"what": what} | about, ensure_ascii=False, default=str) + "\n")

    def heard(self, port: str, way: str, data: bytes) -> None:
        """Bytes of a serial port, as `drivers.base.Place.heard`."""
        with self._lock:
            if port not in self._serial:
                self._serial[port] = (self.folder / f"serial-{port.replace('/', '_')}.log").open(
                    "w", encoding="utf-8", buffering=1
                )
            self._serial[port].write(f"{_utc()[11:23]} {way} {data!r}\n")

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._file, *self._serial.values()):
            file.close()
