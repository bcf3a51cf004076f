"""A board on the bench: its settings store and its flash, read and written over its cable.

The firmware's own `Lease` and `Slots` work on them as they do on the device: what is written here is laid out by the code that
will read it. Secrets go to the board and never come back; what stands there is compared by a salted SHA-256 that the board
makes of it, so that no log of the line is of any use to anybody.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bridge.errors import ConfigError
from bridge.provisioning import BOARD, CERTIFICATES, KEY_SLOT, LIFE, VALUE_MAX
from firmware import switch
from firmware.core.blockdev import BLOCK_COUNT, BLOCK_ERASE, BLOCK_SIZE
from tools.board import DeviceError, Link
from tools.board.link import NAMESPACE

PARTITIONS = ("journal", "config", "relay")  # what a life leaves in flash
GUARD_S = 60  # the application's watchdog cannot be stopped; ours is fed by each block that is erased
WIPE_TIMEOUT_S = 120.0  # 416 blocks of 4 KiB, at most 0.2 s each (data sheets of 3.3 V NOR flash give 45 to 200 ms)

_HELPERS = f"""
import esp32, hashlib, json, machine, sys
from binascii import hexlify
_store = esp32.NVS({NAMESPACE!r})
def _get(key):
    buf = bytearray({VALUE_MAX})
    try:
        return memoryview(buf)[:_store.get_blob(key, buf)]
    except OSError:
        return b""
def _number(key):
    try:
        return _store.get_i32(key)
    except OSError:
        return 0
def _sum(salt, key):
    h = hashlib.sha256(salt)
    h.update(_get(key))
    return h.digest()
def _part(label):
    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=label)
    return found[0] if found else None
def _read(n, block, offset):
    buf = bytearray(n)
    _p.readblocks(block, buf, offset)
    return bytes(buf)
def _clear(part):
    buf, blank = bytearray(256), b"\\xff" * 256
    for block in range(part.ioctl({BLOCK_COUNT}, 0)):
        _w.feed()
        for at in range(0, part.ioctl({BLOCK_SIZE}, 0), 256):
            part.readblocks(block, buf, at)
            if buf != blank:
                part.ioctl({BLOCK_ERASE}, block)
                break
def _forget(keys):
    for key in keys:
        try:
            _store.erase_key(key)
            _store.commit()
        except OSError:
            pass
def _manifest(folder):
    try:
        with open(folder + "/manifest.json") as file:
            manifest = json.load(file)
        return manifest["board"], manifest["version"]
    except (OSError, ValueError, KeyError):
        return None
def _bears():
    try:
        slot = json.loads(bytes(_get({KEY_SLOT!r})))
        return slot["device"], slot["key_id"]
    except (TypeError, ValueError, KeyError):
        return None, 0
"""

_LOOK = f"""r = {{
    "chip": hexlify(machine.unique_id()).decode(),
    "machine": getattr(sys.implementation, "_machine", sys.platform),
    "board": bytes(_get({BOARD!r})).decode(),
    "bears": _bears(),
    "release": _number({switch.KEY!r}),
    "manifests": [_manifest("/" + name) for name in {switch.NAMES}],
    "partitions": [label for label in {PARTITIONS} if _part(label)],
}}"""


@dataclass(frozen=True)
class Found:
    """What a board says of itself. `device`: the id that it bears, None when it is nobody yet; `key_id`: of its bench key.
    `firmware_…`: of the application that it starts, None when there is none."""

    chip: str
    machine: str
    board: str
    device: int | None
    key_id: int
    partitions: tuple[str, ...]
    firmware_board: str | None
    firmware_version: str | None


class Bench:
    """One board. ConfigError names the port when it is none of ours."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.store = BenchStore(link)

    @property
    def name(self) -> str:
        return self.link.port.name

    def look(self) -> Found:
        """Take the board from what runs on it, and see what it is. `wipe` and `flash` need it."""
        self.link.enter()
        try:
            self.link.run(_HELPERS)
            self.link.guard(GUARD_S)
        except DeviceError as error:
            expected = "an ESP32 with MicroPython (homeward flash --firmware puts it on)"
            raise ConfigError(self.name, "board", error.traceback.strip().splitlines()[-1], expected) from None
        said: Any = self.link.run(_LOOK)
        folder, _ = switch.start(said["release"], lambda at: said["manifests"][at] is not None)
        board, version = said["manifests"][folder] if folder is not None else (None, None)
        device, key_id = said["bears"]
        return Found(
            said["chip"], said["machine"], said["board"], device, key_id, tuple(said["partitions"]), board, version
        )  # fmt: skip

    def flash(self, label: str) -> "BenchFlash":
        """ConfigError when the board has no such partition."""
        if self.link.run(f"_w.feed()\n_p = _part({label!r})\nr = _p is None"):
            expected = f"a partition table with {label!r} (homeward flash --firmware writes it)"
            raise ConfigError(self.name, "partition", label, expected)
        return BenchFlash(self.link)

    def wipe(self, partitions: Iterable[str], tell: Callable[[str], None] = lambda label: None) -> None:
        """The board is nobody's afterwards: no name, no keys, no records. Its firmware stays."""
        self.link.run(f"_forget({(BOARD, KEY_SLOT, *CERTIFICATES, *LIFE)!r})")
        for label in partitions:
            tell(label)
            self.link.run(f"_clear(_part({label!r}))", WIPE_TIMEOUT_S)


class BenchStore:
    """A board's settings store; `blob` is for what is no secret."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def blob(self, key: str, size: int) -> bytes:
        return self._link.blob(key, size)

    def keep_blob(self, key: str, value: bytes) -> None:
        self._link.keep_blob(key, value)

    def keep_number(self, key: str, value: int) -> None:
        self._link.keep_number(key, value)

    def differing(self, values: Mapping[str, bytes]) -> list[str]:
        """The keys under which something else stands there, or nothing."""
        salt = secrets.token_bytes(16)
        sums: Any = self._link.run(f"r = [_sum({salt!r}, key) for key in {tuple(values)!r}]")
        return [key for (key, value), there in zip(values.items(), sums, strict=True) if there != sha256(salt + value).digest()]


class BenchFlash:
    """The partition that `Bench.flash` has chosen, as a block device of `firmware.core.blockdev`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sizes: dict[int, int] = {}

    def ioctl(self, op: int, arg: int) -> int:
        if op in self._sizes:
            return self._sizes[op]
        said: Any = self._link.run(f"_w.feed()\nr = _p.ioctl({op}, {arg}) or 0")
        if op in (BLOCK_COUNT, BLOCK_SIZE):
            self._sizes[op] = said
        return said

    def readblocks(self, block: int, buf: Any, offset: int = 0) -> int:
        buf[:] = self._link.run(f"_w.feed()\nr = _read({len(buf)}, {block}, {offset})")
        return 0

    def writeblocks(self, block: int, buf: Any, offset: int = 0) -> int:
        self._link.run(f"_w.feed()\n_p.writeblocks({block}, {bytes(buf)!r}, {offset})")
        return 0
