"""The virtual hour of `device/hour.py` on three interpreters, and the firmware compiled for each.

`python -m hil_tests.emulated.core [seconds]` prints the digests side by side.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bridge.orders.zonemap import Circle, Zone, pack
from firmware.core import frame, ident, message, nmea, record
from hil_tests.emulated import board
from sim.engine.image import compile_firmware, compile_module, firmware_sources, host_architecture

MCU = "armv7m"
_DEVICE = Path(__file__).parent / "device"
_PACKAGES = ("__init__.py", "core", "tag")

NUMBERS = {
    "tag": ident.device_id(ident.TAG, 1),
    "hmu": ident.device_id(ident.HMU, 1),
    "accepted": nmea.ACCEPTED,
    "bad": nmea.BAD,
    "refused": nmea.REFUSED,
    "zone": record.ZONE,
    "status": record.STATUS,
    "beacon": frame.BEACON,
    "fresh": frame.FRESH,
    "header": message.HEADER,
    "size": record.SIZE,
    "tag_length": message.TAG_LENGTH,
    "records": message.RECORDS,
}
PLACES = ((507_151_234, -24_368_765), (612_175_000, -1_498_997_000), (-178_000_000, 1_799_960_000), (-338_600_000, 1_512_100_000))
"""Dorset; Anchorage, beyond 107.37 degrees, where a longitude is a long integer on 32 bits; Fiji, at 180; Sydney."""


def zones() -> bytes:
    """A map with a circle, a square, a home and a scheduled zone at each of the places."""
    found: list[Zone] = []
    for lat_e7, lon_e7 in PLACES:
        lat, lon = lat_e7 / 1e7, lon_e7 / 1e7
        n = len(found)
        square = [
            (lat - 0.001, lon - 0.001),
            (lat - 0.001, lon + 0.0012),
            (lat + 0.0012, lon + 0.001),
            (lat + 0.001, lon - 0.001),
        ]
        around = [(y, x - 360 if x > 180 else x) for y, x in square]
        soon = ((1_780_000_600, 1_780_001_500), (1_780_002_400, 1_780_003_300))
        found += [
            Zone(n + 1, "exclusion", Circle(lat + 0.002, lon + 0.003, 120.0)),
            Zone(n + 2, "home", around),
            Zone(n + 3, "inclusion", Circle(lat, lon, 150.0), interval_s=30, confirm=2),
            Zone(n + 4, "exclusion", around, confirm=1, intervals=soon),
        ]
    return pack(found)


def build(folder: Path, architecture: str) -> Path:
    """The pure core and our scripts, compiled for an architecture of mpy-cross's ("": bytecode alone). The folder to import."""
    for source, place in firmware_sources():
        if place.parts[1] in _PACKAGES:
            compile_firmware(source, folder / place.with_suffix(".mpy"), place, folder / "folded", architecture)
    for source in _DEVICE.glob("*.py"):
        if source.stem == "counts" and architecture != MCU:  # it has a function in the processor's own instructions
            continue
        compile_module(source, folder / source.with_suffix(".mpy").name, source.name, architecture)
    return folder


@cache
def modules(architecture: str) -> Path:
    """The same, once for this process."""
    kept = tempfile.TemporaryDirectory(prefix="emulated-modules-")
    _kept.append(kept)
    return build(Path(kept.name), architecture)


_kept: list[tempfile.TemporaryDirectory[str]] = []  # away with them when the process ends


def script(seconds: int) -> str:
    return f"import hour\nfor name, value in hour.drive({seconds}, {NUMBERS!r}, {zones()!r}, {PLACES!r}):\n print(name, value)\n"


def on_cpython(seconds: int) -> Mapping[str, str]:
    given = f"import sys\nsys.path.insert(0, {str(_DEVICE)!r})\n"
    return _told([sys.executable, "-c", given + script(seconds)])


def on_unix(seconds: int, architecture: str | None = None) -> Mapping[str, str]:
    """On the unix port, 64 bits and doubles: native code, or bytecode with `architecture` ""."""
    folder = modules(host_architecture() if architecture is None else architecture)
    given = f"import sys\nsys.path.insert(0, {str(folder)!r})\n"
    return _told([str(Path(sys.executable).with_name("micropython")), "-c", given + script(seconds)])


def on_mcu(seconds: int, architecture: str = MCU, firmware: Path | None = None) -> Mapping[str, str]:
    """On the emulated Cortex-M3, 32 bits and single floats, with a heap of 128 KiB."""
    return lines(board.run(modules(architecture), script(seconds), firmware=firmware))


def _told(command: list[str]) -> Mapping[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parents[2])
    if done.returncode or done.stderr:
        raise RuntimeError(done.stderr or done.stdout)
    return lines(done.stdout)


def lines(text: str) -> Mapping[str, str]:
    return dict(line.split() for line in text.splitlines())


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    found = {}
    for name, run in (("cpython", on_cpython), ("unix", on_unix), ("mcu", on_mcu)):
        began = time.monotonic()
        found[name] = run(seconds)
        took_s = time.monotonic() - began
        print(f"{name}: {took_s:.1f} s, {seconds / took_s:.0f} x real time")
    for part in found["cpython"]:
        values = [found[name][part] for name in found]
        print(f"{part:8} {'same' if len(set(values)) == 1 else 'DIFFERS'} {' '.join(value[:12] for value in values)}")


if __name__ == "__main__":
    main()
