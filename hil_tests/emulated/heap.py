"""What the pure core's modules take of the heap on 32 bits, beside what they take on the unix port's 64: module by module.

`python -m hil_tests.emulated.heap` prints both. Bytecode and buffers are as large on either, pointers half as large, so half of
the 64 bits' bytes is too little for 32. Machine code is left out: an ESP32 has it in other memory, this machine in the heap.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hil_tests.emulated import board
from hil_tests.emulated.core import MCU, lines, modules
from sim.engine.image import host_architecture

# In an order in which none is imported by one that comes before it.
MODULES = (
    *(f"core.{name}" for name in ("record", "ring", "journal", "nmea", "gnss", "message", "seal", "frame", "slots", "zonemap")),
    *(f"core.{name}" for name in ("clock", "recorder", "settings", "battery", "ident")),
    *(f"tag.{name}" for name in ("zones", "mode", "detect", "jump")),
)

_CODE = """
import gc
def used():
    gc.collect()
    return gc.mem_alloc()
for name in ("core._nmea_viper", "core._seal_viper", "core._geo_viper", "tag._zones_viper"):
    __import__("firmware." + name)
names = NAMES
a = b = 0
a = used()
for name in names:
    __import__("firmware." + name)
    b = used()
    print(name, b - a)
    a = b
"""


def bytes_of_modules() -> Mapping[str, tuple[int, int]]:
    """module → bytes on the emulated microcontroller and on the unix port."""
    code = _CODE.replace("NAMES", repr(MODULES))
    here = lines(board.run(modules(MCU), code))
    given = f"import sys\nsys.path.insert(0, {str(modules(host_architecture()))!r})\n"
    command = [str(Path(sys.executable).with_name("micropython")), "-c", given + code]
    there = lines(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    return {name: (int(here[name]), int(there[name])) for name in MODULES}


def share(found: Mapping[str, tuple[int, int]]) -> float:
    """Of the 64 bits' bytes, what the same takes on 32."""
    return sum(here for here, _ in found.values()) / sum(there for _, there in found.values())


if __name__ == "__main__":
    found = bytes_of_modules()
    for name, (here, there) in found.items():
        print(f"{name:16} {here:6} {there:6} {here / there:.2f}")
    print(f"{'all':16} {sum(h for h, _ in found.values()):6} {sum(t for _, t in found.values()):6} {share(found):.2f}")
