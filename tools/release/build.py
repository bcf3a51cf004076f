"""A release out of the sources: every module that a board carries, compiled for its processor by mpy-cross.

The same sources give the same bytes: mpy-cross is told each module's place and not where it lay, and nothing is dated but by the
sources' own history.
"""

import ast
import os
import subprocess
import tempfile
from pathlib import Path

import firmware
from bridge.errors import ConfigError
from bridge.releases.bundle import describe
from bridge.releases.manifest import Manifest
from firmware.core.version import VERSION
from sim.engine.image import build_hash, compile_firmware, compile_module, firmware_sources

BOARDS = Path(firmware.__file__).parent / "boards"
_EPOCH = "SOURCE_DATE_EPOCH"  # https://reproducible-builds.org/specs/source-date-epoch/
_OTHERS = {"tag": "hmu", "hmu": "tag"}


def boards() -> list[str]:
    """The boards that there is firmware for."""
    return sorted(path.parent.name for path in BOARDS.glob("*/manifest.py"))


def architecture(board: str) -> str:
    """mpy-cross's name of a board's processor, as its `manifest.py` says it. ConfigError when there is no such board."""
    if board not in boards():
        raise ConfigError("command line", "--board", board, "one of " + ", ".join(boards()))
    path = BOARDS / board / "manifest.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ARCH" and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    raise ConfigError(path, "ARCH", None, 'the processor\'s name for mpy-cross, such as ARCH = "xtensawin"')


def source_number() -> int:
    """When the sources were changed last, in seconds since 1970: SOURCE_DATE_EPOCH, else of the newest commit that touched them.

    ConfigError when neither is to be had, or when what lies there was changed since: nobody could build that again.
    """
    given = os.environ.get(_EPOCH)
    if given is not None:
        if not given.isdigit() or int(given) > 0xFFFFFFFF:
            raise ConfigError("environment", _EPOCH, given, "seconds since 1970")
        return int(given)
    folder = Path(firmware.__file__).parent
    expected = f"sources under git, or {_EPOCH} or --number set"
    changed = _git(folder, expected, "status", "--porcelain", "--untracked-files=all", "--", str(folder))
    if changed:
        raise ConfigError(folder, "sources", changed.splitlines()[0].strip(), "sources that are committed, or --number set")
    number = _git(folder, expected, "log", "-1", "--format=%ct", "--", str(folder))
    if not number.isdigit():
        raise ConfigError(folder, "sources", "no commit", expected)
    return int(number)


def _git(folder: Path, expected: str, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(folder, "git", type(error).__name__, expected) from None
    if done.returncode:
        raise ConfigError(folder, "git", done.stderr.strip()[:80], expected)
    return done.stdout.strip()


def carried(board: str) -> list[tuple[Path, Path]]:
    """(source, place on the device) of what this board carries: not the other kind's application, and no other board."""
    kind = board.partition("_")[0]
    out = []
    for source, place in firmware_sources():
        parts = place.parts
        is_foreign = parts[1] == _OTHERS[kind] or (parts[1] == "boards" and len(parts) > 3 and parts[2] not in (board, "drivers"))
        if not is_foreign:
            out.append((source, place))
    return out


def compile_release(board: str, number: int, arch: str | None = None) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the files of a release. `arch`: for another processor than the board's own. ImageError names what does
    not compile."""
    own = architecture(board)
    arch = own if arch is None else arch
    root = Path(firmware.__file__).parent
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="homeward-release-") as scratch:
        target = Path(scratch) / "module.mpy"
        for source, place in carried(board):
            compile_firmware(source, target, place, Path(scratch) / "folded", arch)
            files[place.with_suffix(".mpy").as_posix()] = target.read_bytes()
        compile_module(root / "switch.py", target, "switch.py", arch)
        beside = {"main.py": (root / "main.py").read_bytes(), "switch.mpy": target.read_bytes()}
    mpy = max(_mpy_version(data) for path, data in (files | beside).items() if path.endswith(".mpy"))
    kind = board.partition("_")[0]
    manifest = Manifest(VERSION, build_hash(), number, kind, board, arch, mpy, describe(files), describe(beside))
    return manifest, files | beside


def _mpy_version(data: bytes) -> str:
    # "M", major version, minor version in the low two bits when there is native code in it (MicroPython, ".mpy files").
    return f"{data[1]}.{data[2] & 3}"
