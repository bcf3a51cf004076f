"""Logs of real receivers and what others make of them, and the interpreter of the device, for the tests of NMEA and GNSS.

The logs lie in ../shared/data/receivers beside the repository, or where HOMEWARD_RECEIVERS points; they are no part of the
project. Tests that want them are skipped with a message where they are absent.
"""

import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynmea2
import pytest

ROOT = Path(__file__).resolve().parents[3]
RECEIVERS = Path(os.environ.get("HOMEWARD_RECEIVERS") or ROOT.parent / "shared" / "data" / "receivers")
MICROPYTHON = Path(sys.executable).with_name("micropython")

_SENTENCE = re.compile(rb"\$([^$*\r\n]*)\*([0-9A-Fa-f]{2})")

needs_logs = pytest.mark.skipif(
    not RECEIVERS.is_dir(), reason=f"no receiver logs at {RECEIVERS}; set HOMEWARD_RECEIVERS to the folder that holds them"
)
needs_micropython = pytest.mark.skipif(not MICROPYTHON.exists(), reason=f"no MicroPython for this machine at {MICROPYTHON}")


def names() -> list[str]:
    return sorted(path.stem for path in RECEIVERS.glob("*.log"))


def log(name: str) -> bytes:
    return (RECEIVERS / f"{name}.log").read_bytes()


@dataclass(frozen=True)
class Sight:
    """A position at a time of the day, and the date where there is one."""

    tod_ms: int
    lat: float
    lon: float
    date: str | None = None  # YYYY-MM-DD
    kind: str = ""

    def is_near(self, other: "Sight", degrees: float) -> bool:
        return self.tod_ms == other.tod_ms and abs(self.lat - other.lat) <= degrees and abs(self.lon - other.lon) <= degrees


def gpsd_fixes(name: str) -> list[Sight]:
    """What gpsd reported with a time and a position."""
    found = []
    for line in (RECEIVERS / f"{name}.fixes.jsonl").read_text().splitlines():
        fix = json.loads(line)
        if "time" in fix and "lat" in fix:
            date, clock = fix["time"].rstrip("Z").split("T")
            hour, minute, second = clock.split(":")
            tod_ms = (int(hour) * 60 + int(minute)) * 60_000 + round(float(second) * 1000)
            found.append(Sight(tod_ms, fix["lat"], fix["lon"], date))
    return found


def checksum(body: bytes) -> int:
    return functools.reduce(lambda total, byte: total ^ byte, body, 0)


def sentence(body: str) -> bytes:
    """`GPRMC,…` as it goes over the line."""
    return b"$%s*%02X\r\n" % (body.encode(), checksum(body.encode()))


def sound_sentences(data: bytes) -> list[bytes]:
    """Bodies of all sentences with a right checksum, by a plain search of the text."""
    return [body for body, digits in _SENTENCE.findall(data) if checksum(body) == int(digits, 16)]


def parse(body: str) -> Any:
    """pynmea2's reading; its attributes have no types."""
    return pynmea2.parse("$" + body)


def pynmea2_fixes(data: bytes) -> list[Sight]:
    """Every RMC with status A and every GGA with quality above 0, as pynmea2 reads them."""
    found = []
    for body in sound_sentences(data):
        if body[2:5] not in (b"RMC", b"GGA"):
            continue
        message = parse(body.decode("latin-1"))
        valid = message.status == "A" if body[2:5] == b"RMC" else bool(message.gps_qual)
        if not valid:
            continue
        time = message.timestamp
        tod_ms = ((time.hour * 60 + time.minute) * 60 + time.second) * 1000 + time.microsecond // 1000
        date = message.datestamp.isoformat() if body[2:5] == b"RMC" else None
        found.append(Sight(tod_ms, message.latitude, message.longitude, date, body[2:5].decode()))
    return found


def run_micropython(script: str, *arguments: object, heap: str = "128wK") -> str:
    """The output of `script` on the device's interpreter, `firmware` importable."""
    prelude = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={heap}", "-c", prelude + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
