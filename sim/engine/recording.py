"""What reached a device and what it answered, kept in a file, so that the device can be run again alone.

A recording begins with `MAGIC` and one byte of version; the rest is one zlib stream of frames, each u8 kind, u32 length, body:

    HEAD     JSON: what was run (`Head`)
    BLOCK    u16 length of a file's name, its name, u32 number, up to 4096 bytes: a part of the device's folder that changed
    LIFE     JSON: a life begins with the folder as it now stands: t_ms, reset cause, unique id, {file: size}
    RUN      what the engine wrote to the pipe, and
    YIELD    the body that the device answered with: as `sim/silicon/_channels.py` describes them
    END      words: how its process ended when it did not say so itself

Flash is kept by the block at the start of each life, so a recording can be entered at any life, and a supply that failed in the
middle of a write is in it as it was. The folder holds keys: a recording is its owner's alone to read (mode 0600).
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from sim.engine.wire import Item

MAGIC = b"homeward recording"
VERSION = 1
HEAD, BLOCK, LIFE, RUN, YIELD, END = range(1, 7)

_FRAME = struct.Struct("<BI")
_RUN = struct.Struct("<IQQQH")  # as `wire` packs them
_ITEM = struct.Struct("<IBBH")
_BLOCK_BYTES = 4096
_FRAME_MAX = 1 << 20  # nothing that is written is longer: what says so is no recording
_FLUSH_BYTES = 1 << 18  # of frames: as much is lost at most when the run is killed
_LEVEL = 1  # of zlib; higher ones cost several times as much for a tenth less
_NOT_KEPT = ("console.log",)


class RecordingError(Exception):
    """A file that is no recording, or not one that can be run again; the text says what is wrong with it."""


@dataclass(frozen=True)
class Head:
    """Of which run, and of which device in it. `build` is the firmware's hash as `image.build_hash` makes it."""

    scenario: str
    seed: int
    build: str
    device: str
    application: str
    tls: bool


class Life(NamedTuple):
    """The start of a life. `files`: by name, the size of each file in the device's folder."""

    t_ms: int
    cause: int
    unique_id: bytes
    files: dict[str, int]


class Recorder:
    """Writes one device's recording. Every method but `close` costs about as much as the pipe itself."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path = path
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(fd, "wb")
        self._file.write(MAGIC + bytes([VERSION]))
        self._zlib = zlib.compressobj(_LEVEL)
        self._unflushed = 0
        self._known: dict[str, list[bytes]] = {}  # of each file, its blocks' digests
        self._frame(HEAD, json.dumps(asdict(head)).encode())

    def life(self, folder: Path, t_ms: int, cause: int, unique_id: bytes) -> None:
        """A process is about to be started on this folder."""
        sizes = {}
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name not in _NOT_KEPT:
                sizes[path.name] = self._keep(path)
        for name in self._known.keys() - sizes.keys():
            del self._known[name]
        life = {"t_ms": t_ms, "cause": cause, "unique_id": unique_id.hex(), "files": sizes}
        self._frame(LIFE, json.dumps(life).encode())
        self._flush()

    def run(self, run: bytes) -> None:
        """The engine writes this to the device's pipe."""
        self._frame(RUN, run)

    def answer(self, body: bytes) -> None:
        """The device said this."""
        self._frame(YIELD, body)

    def ended(self, reason: str) -> None:
        """Its process ended without having said why."""
        self._frame(END, reason.encode())
        self._flush()

    def close(self) -> None:
        if not self._file.closed:
            self._file.write(self._zlib.flush())
            self._file.close()

    def _keep(self, path: Path) -> int:
        known = self._known.setdefault(path.name, [])
        name = path.name.encode()
        data = path.read_bytes()
        del known[-(-len(data) // _BLOCK_BYTES) :]
        for number, at in enumerate(range(0, len(data), _BLOCK_BYTES)):
            block = data[at : at + _BLOCK_BYTES]
            digest = hashlib.blake2b(block, digest_size=16).digest()
            if number == len(known):
                known.append(b"")
            if known[number] != digest:
                known[number] = digest
                self._frame(BLOCK, struct.pack("<H", len(name)) + name + struct.pack("<I", number) + block)
        return len(data)

    def _frame(self, kind: int, body: bytes) -> None:
        self._file.write(self._zlib.compress(_FRAME.pack(kind, len(body)) + body))
        self._unflushed += len(body)
        if self._unflushed >= _FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._unflushed = 0
        self._file.write(self._zlib.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()


class Recordings:
    """The recordings of a run. `wanted`: names of devices, or "all"."""

    def __init__(self, folder: Path, wanted: frozenset[str], scenario: str, seed: int, build: str, tls: bool) -> None:
        self._folder = folder
        self._wanted = wanted
        self._facts = (scenario, seed, build)
        self._tls = tls

    def of(self, device: str, application: str) -> Recorder | None:
        """The recorder of a device, None when it is not wanted."""
        if device not in self._wanted and "all" not in self._wanted:
            return None
        return Recorder(self._folder / f"{device}.rec", Head(*self._facts, device, application, self._tls))


class Reader:
    """A recording, read once from its start. RecordingError when it is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_whole = True  # False once a read came to an end that the run had not written
        frames = self._frames()
        kind, body = next(frames, (0, b""))
        if kind != HEAD:
            raise RecordingError("it ends before it says what was run")
        try:
            self.head = Head(**json.loads(body))
        except (ValueError, TypeError) as error:
            raise RecordingError(f"its head is none of version {VERSION}: {error}") from None
        self.frames = frames

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        unpacked = b""
        with open(self._path, "rb") as file:
            start = file.read(len(MAGIC) + 1)
            if start[:-1] != MAGIC:
                raise RecordingError("it does not begin as one")
            if start[-1] != VERSION:
                raise RecordingError(f"it is of version {start[-1]}, not {VERSION}")
            stream = zlib.decompressobj()
            while not stream.eof:
                packed = file.read(65536)
                if not packed:
                    break
                try:
                    unpacked += stream.decompress(packed)
                except zlib.error as error:
                    raise RecordingError(f"damaged before byte {file.tell()}: {error}") from None
                at = 0
                while len(unpacked) - at >= _FRAME.size:
                    kind, length = _FRAME.unpack_from(unpacked, at)
                    if not HEAD <= kind <= END or length > _FRAME_MAX:
                        raise RecordingError(f"a frame of kind {kind} and {length} bytes, which there is not")
                    end = at + _FRAME.size + length
                    if len(unpacked) < end:
                        break
                    yield kind, unpacked[at + _FRAME.size : end]
                    at = end
                unpacked = unpacked[at:]
            self.is_whole = stream.eof and not unpacked


class KeptFolder:
    """A device's files as a recording had them, by its BLOCK and LIFE frames in their order."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}

    def block(self, body: bytes) -> None:
        (length,) = struct.unpack_from("<H", body)
        name = body[2 : 2 + length].decode()
        _check(name)
        at = struct.unpack_from("<I", body, 2 + length)[0] * _BLOCK_BYTES
        data = body[6 + length :]
        content = self.files.setdefault(name, bytearray())
        content.extend(bytes(max(0, at - len(content))))
        content[at : at + len(data)] = data

    def life(self, life: Life) -> None:
        """What there was as a life began: files that were gone are forgotten."""
        for name in life.files:
            _check(name)
        self.files = {name: self.files.get(name, bytearray())[:size] for name, size in life.files.items()}

    def differences(self, folder: Path) -> list[str]:
        """What stands otherwise in a folder, in words."""
        there = {path.name for path in folder.iterdir() if path.is_file() and path.name not in _NOT_KEPT}
        out = [f"{name} is new" for name in sorted(there - self.files.keys())]
        for name, content in sorted(self.files.items()):
            if name not in there:
                out.append(f"{name} is missing")
                continue
            data = (folder / name).read_bytes()
            if data != content:
                pairs = enumerate(zip(data, content, strict=False))
                at = next((i for i, (new, old) in pairs if new != old), min(len(data), len(content)))
                out.append(f"{name} differs from byte {at}")
        return out

    def write(self, folder: Path) -> None:
        """Make a folder's files these, each readable by its owner alone."""
        for path in folder.iterdir():
            if path.is_file() and path.name not in self.files and path.name not in _NOT_KEPT:
                path.unlink()
        for name, content in self.files.items():
            fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(content)


def _check(name: str) -> None:
    if name in ("", ".", "..") or "/" in name:
        raise RecordingError(f"it has a file of the name {name!r}")


def parse_life(body: bytes) -> Life:
    """A LIFE frame's body."""
    fields = json.loads(body)
    return Life(fields["t_ms"], fields["cause"], bytes.fromhex(fields["unique_id"]), fields["files"])


class Run(NamedTuple):
    """What a RUN handed to the device."""

    base_ms: int
    horizon_ms: int
    items: list[Item]


def parse_run(run: bytes) -> Run:
    """A RUN frame's body: RecordingError when it is none."""
    try:
        _, base_ms, horizon_ms, _, n = _RUN.unpack_from(run)
        at = _RUN.size
        items = []
        for _ in range(n):
            dt, channel, sub, length = _ITEM.unpack_from(run, at)
            at += _ITEM.size
            items.append(Item(base_ms + dt, channel, sub, run[at : at + length]))
            at += length
    except struct.error as error:
        raise RecordingError(f"a RUN of {len(run)} bytes: {error}") from None
    return Run(base_ms, horizon_ms, items)
