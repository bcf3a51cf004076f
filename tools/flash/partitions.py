"""A board's flash, as its `partitions.csv` lays it out, in the form that the boot loader reads.

The text is that of ESP-IDF ("Partition Tables"): name, type, subtype, offset, size, one a line. The binary is 32 bytes an entry:
AA 50, type, subtype, offset, size, 16 bytes of name, flags; then EB EB, 14 bytes FF, the MD5 of the entries; filled up with FF.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import firmware
from bridge.errors import ConfigError

TABLE_AT = 0x8000
TABLE_SIZE = 0x1000
APP_ALIGNED = 0x10000
_SECTOR = 0x1000
_TYPES = {"app": 0, "data": 1}
_SUBTYPES = {"app": {"factory": 0}, "data": {"phy": 1, "nvs": 2, "undefined": 6, "fat": 0x81}}


@dataclass(frozen=True)
class Partition:
    name: str
    type: str
    subtype: str
    offset: int
    size: int


def board_partitions(board: str) -> list[Partition]:
    """A board's own. ConfigError when it has none, or they are wrong."""
    return parse_partitions(Path(firmware.__file__).parent / "boards" / board / "partitions.csv")


def parse_partitions(path: Path) -> list[Partition]:
    """ConfigError names the line: an unknown word, a partition that overlaps another, or is not aligned as it must be."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise ConfigError(path, "partitions", str(path), f"a file that can be read ({error.strerror})") from None
    out: list[Partition] = []
    end = TABLE_AT + TABLE_SIZE
    for number, line in enumerate(lines, 1):
        words = [word.strip() for word in line.partition("#")[0].split(",")]
        if words == [""]:
            continue
        try:
            name, kind, subtype, offset, size = words[0], words[1], words[2], int(words[3], 0), int(words[4], 0)
        except (IndexError, ValueError):
            raise ConfigError(path, f"line {number}", line, "name, type, subtype, offset, size") from None
        if kind not in _TYPES or subtype not in _SUBTYPES[kind] or not 0 < len(name.encode()) <= 16:
            raise ConfigError(path, f"line {number}", line, "a type and subtype of " + str(_SUBTYPES))
        aligned = APP_ALIGNED if kind == "app" else _SECTOR
        if offset < end or offset % aligned or size <= 0 or size % _SECTOR:
            raise ConfigError(path, f"line {number}", line, f"from {end:#x} on, aligned to {aligned:#x}, whole sectors")
        out.append(Partition(name, kind, subtype, offset, size))
        end = offset + size
    return out


def pack_partitions(partitions: list[Partition]) -> bytes:
    """For TABLE_AT: TABLE_SIZE bytes."""
    entries = b"".join(
        struct.pack(
            "<2sBBII16sI", b"\xaa\x50", _TYPES[p.type], _SUBTYPES[p.type][p.subtype], p.offset, p.size, p.name.encode(), 0
        )
        for p in partitions
    )
    return (entries + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(entries).digest()).ljust(TABLE_SIZE, b"\xff")
