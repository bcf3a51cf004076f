"""A release's manifest: which build for which board, and every file with its size and SHA-256. JSON with a file a line:

    {
    "format": 1,
    "version": "0.1.0",
    "build": "2fd1a0c3b9e4",
    "number": 1763788800,
    "kind": "tag",
    "board": "tag_t_a7670_l76k",
    "arch": "xtensawin",
    "mpy": "6.3",
    "root": {
    "main.py": [2412, "9f86…"],
    "switch.mpy": [812, "60a1…"]
    },
    "files": {
    "firmware/__init__.mpy": [65, "e3b0…"],
    …
    }
    }

There is one way only to write one: `parse_manifest` takes no other. A device reads it line by line, for a whole one would not fit
its heap; its folder holds it as `manifest.json`. `files` go into the device's folder `a` or `b`, over the air or by cable; `root`
goes beside the folders, by cable alone. `number` grows with time: a device takes a lower one only when it is told that it may.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from bridge.errors import ConfigError

FORMAT = 1
KINDS = ("tag", "hmu")
FILES_MAX = 128  # the device keeps a bit for each
FILE_MAX = 65_536
TOTAL_MAX = 1_048_576  # half of a flash file system of 2 MiB, the boards' own
MANIFEST_MAX = 16_384
NUMBER_MAX = 0xFFFFFFFF

_HEAD = ("version", "build", "number", "kind", "board", "arch", "mpy")
_SHAPES = {
    "version": re.compile(r"[0-9]+(\.[0-9]+){1,3}([-+.][0-9A-Za-z.]+)?"),
    "build": re.compile(r"[0-9a-f]{12}"),
    "board": re.compile(r"[a-z][a-z0-9_]{1,47}"),
    "arch": re.compile(r"[a-z0-9]{0,16}"),
    "mpy": re.compile(r"[0-9]{1,2}\.[0-9]{1,2}"),
}
_PLACES = {
    "files": re.compile(r"firmware(/[a-z_][a-z0-9_]{0,31}){1,5}\.mpy"),
    "root": re.compile(r"main\.py|switch\.mpy"),
}
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """A file of a release: bytes, and their SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`arch` is mpy-cross's name, "" for plain bytecode; `mpy` the version of the format, which the interpreter must know."""

    version: str
    build: str  # the first 12 hex digits of SHA-256 over the sources
    number: int  # seconds since 1970 of the newest source, by its history
    kind: str
    board: str
    arch: str
    mpy: str
    files: dict[str, File]
    root: dict[str, File]

    @property
    def name(self) -> str:
        """`homeward-0.1.0-tag_t_a7670_l76k`."""
        return f"homeward-{self.version}-{self.board}"

    def to_bytes(self) -> bytes:
        """The one way to write it: head, then the files in the order of their paths."""
        head = "".join(f'"{name}": {json.dumps(getattr(self, name))},\n' for name in _HEAD)
        parts = [f'"{part}": {{\n{_lines(getattr(self, part))}\n}}' for part in ("root", "files")]
        return f'{{\n"format": {FORMAT},\n{head}{parts[0]},\n{parts[1]}\n}}\n'.encode()


def _lines(files: dict[str, File]) -> str:
    return ",\n".join(f'"{path}": [{file.size}, "{file.sha256}"]' for path, file in sorted(files.items()))


def parse_manifest(data: bytes, source: object) -> Manifest:
    """ConfigError naming `source`, the field, its value and what was expected."""
    if len(data) > MANIFEST_MAX:
        raise ConfigError(source, "manifest.json", f"{len(data)} bytes", f"at most {MANIFEST_MAX}")
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError(source, "manifest.json", data[:40], "JSON") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        found = fields.get("format") if isinstance(fields, dict) else fields
        raise ConfigError(source, "format", found, f"{FORMAT}: it was built by another version of Homeward")
    for name in _HEAD:
        _check(source, name, fields.get(name))
    manifest = Manifest(
        **{name: fields[name] for name in _HEAD},
        files=_files(source, "files", fields.get("files")),
        root=_files(source, "root", fields.get("root")),
    )
    if not manifest.board.startswith(manifest.kind + "_"):
        raise ConfigError(source, "board", manifest.board, f"the name of a board for kind {manifest.kind}")
    total = sum(file.size for file in manifest.files.values())
    if total > TOTAL_MAX:
        raise ConfigError(source, "files", f"{total} bytes", f"at most {TOTAL_MAX} together")
    if manifest.to_bytes() != data:
        raise ConfigError(source, "manifest.json", data[:40], "the form that `homeward release build` writes, byte for byte")
    return manifest


def _check(source: object, name: str, value: Any) -> None:
    if name == "number":
        if type(value) is not int or not 0 <= value <= NUMBER_MAX:
            raise ConfigError(source, name, value, f"0 to {NUMBER_MAX}")
    elif name == "kind":
        if value not in KINDS:
            raise ConfigError(source, name, value, " or ".join(KINDS))
    elif not isinstance(value, str) or not _SHAPES[name].fullmatch(value):
        raise ConfigError(source, name, value, f"text like {_SHAPES[name].pattern}")


def _files(source: object, part: str, found: Any) -> dict[str, File]:
    if not isinstance(found, dict) or not 1 <= len(found) <= FILES_MAX:
        count = len(found) if isinstance(found, dict) else found
        raise ConfigError(source, part, count, f"1 to {FILES_MAX} files")
    files = {}
    for path, value in found.items():
        if not _PLACES[part].fullmatch(path):
            raise ConfigError(source, part, path, f"a path like {_PLACES[part].pattern}")
        is_pair = isinstance(value, list) and len(value) == 2 and type(value[0]) is int and isinstance(value[1], str)
        if not is_pair or not 0 < value[0] <= FILE_MAX or not _DIGEST.fullmatch(value[1]):
            raise ConfigError(source, f"{part} {path}", value, f"[size from 1 to {FILE_MAX}, SHA-256 in hex]")
        files[path] = File(*value)
    return files
