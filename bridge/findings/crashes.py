"""Where a device crashed, in words: the numbers of a CRASH record are checksums of names that the host knows.

The path is the CRC-32 of a firmware module's path, the type the low 15 bits of the CRC-32 of the exception's name
(`firmware.core.crash`). What no name of ours has is shown as its number: a newer firmware may have more.
"""

import builtins
import functools
import re
from pathlib import Path
from zlib import crc32

import firmware

_CLASS = re.compile(r"^class (\w+)\(\w*(?:Exception|Error)\w*\):", re.MULTILINE)


def place(path_crc: int, line: int, kind: int) -> str:
    """Such as `firmware/tag/tracker.py line 117 (OSError)`."""
    if not path_crc and not line and not kind:
        return "no trace: reset by the watchdog"
    paths, kinds = _names()
    where = paths.get(path_crc, f"module {path_crc:08x}") if path_crc else "outside of our modules"
    return f"{where} line {line} ({kinds.get(kind, f'exception {kind:04x}')})"


@functools.cache
def _names() -> tuple[dict[int, str], dict[int, str]]:
    paths: dict[int, str] = {}
    kinds = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)}
    for root in firmware.__path__:
        for file in Path(root).rglob("*.py"):
            path = "firmware/" + file.relative_to(root).as_posix()
            paths[crc32(path.encode())] = path
            kinds.update(_CLASS.findall(file.read_text(encoding="utf-8")))
    return paths, {crc32(name.encode()) & 0x7FFF: name for name in sorted(kinds)}
