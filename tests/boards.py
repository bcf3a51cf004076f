"""Boards on pseudo-terminals for tests: provisioned ones, releases for them, and what is on them, read behind their backs."""

import hashlib
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bridge.releases import Manifest, make_keys, write_bundle
from bridge.releases.bundle import describe
from bridge.releases.signing import load_signer
from firmware import switch
from sim.engine.folder import RunFolder
from sim.engine.image import compile_firmware, compile_module, firmware_sources, host_architecture
from tools.release.build import compile_release

MPREMOTE = Path(sys.executable).parent / "mpremote"
OLD, NEW, BAD = "0000000000aa", "0000000000bb", "0000000000cc"
TAG_BOARD = "tag_t_a7670_l76k"


def mpremote(port: str, *arguments: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    """The real program, unmodified."""
    command = [str(MPREMOTE), "connect", port, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def said(port: str, *arguments: str) -> str:
    """What it prints, when all goes well."""
    done = mpremote(port, *arguments)
    assert done.returncode == 0, done
    return done.stdout


def provisioned(folder: Path, name: str = "tag-000001") -> Path:
    """The folder of a board that holds its keys and no application. Its broker is nobody's."""
    kind = name.partition("-")[0]
    other = name.replace("tag", "hmu") if kind == "tag" else name.replace("hmu", "tag")
    return RunFolder(folder).provision(name, other if kind == "tag" else None, [other], 0, 9, {})


class Releases:
    """Signed releases of a board for this host's interpreter: `old`, `new` (another build, no more), `bad` (raises at once)."""

    def __init__(self, folder: Path, board: str = TAG_BOARD) -> None:
        private, self.trust = make_keys(folder / "keys")
        self._signer = load_signer(private)
        self._folder = folder
        self._board = board
        manifest, contents = compile_release(board, 1, host_architecture())
        self.manifests: dict[str, Manifest] = {}
        self.old = self._make("old", manifest, contents, OLD)
        self.new = self._make("new", manifest, contents, NEW)
        with tempfile.TemporaryDirectory() as scratch:
            source, target = Path(scratch) / "main.py", Path(scratch) / "main.mpy"
            source.write_text('raise ValueError("not today")\n', "utf-8")
            compile_module(source, target, "firmware/tag/main.py", host_architecture())
            broken = contents | {f"firmware/{manifest.kind}/main.mpy": target.read_bytes()}
        self.bad = self._make("bad", manifest, broken, BAD)

    def _make(self, name: str, manifest: Manifest, contents: dict[str, bytes], build: str) -> Path:
        version = next(pair for pair in firmware_sources() if pair[1].name == "version.py")
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "version.mpy"
            compile_firmware(*version[:1], target, version[1], Path(scratch) / "folded", host_architecture(), build)
            contents = contents | {version[1].with_suffix(".mpy").as_posix(): target.read_bytes()}
        files = describe({path: data for path, data in contents.items() if path in manifest.files})
        self.manifests[name] = replace(manifest, build=build, files=files)
        path = self._folder / f"{name}.hwr"
        write_bundle(path, self.manifests[name], contents, self._signer)
        return path


def release_number(folder: Path) -> int:
    """Of `firmware.switch`, as it stands in the settings store."""
    path = folder / "homeward.release.nvs"
    return int.from_bytes(path.read_bytes(), "little") if path.exists() else 0


def running(folder: Path) -> str:
    """The folder that is good."""
    return switch.NAMES[release_number(folder) & 1]


def flash_digest(folder: Path) -> str:
    """Of all that its file system is."""
    return hashlib.sha256((folder / "vfs.flash").read_bytes()).hexdigest()
