"""What a whole application takes of a heap on 32 bits, started out of files with nobody on the air, and the least it starts in.

`python -m hil_tests.emulated.application` prints both, beside what the same takes on the unix port's 64 bits. Built: when all
parts are there. Running: what is left after a collection once its tasks have run for a while. Machine code is in other memory, as
on an ESP32; so are there the buffers of TLS, of which this machine has none. asyncio is in its read-only memory.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from bridge import provisioning
from bridge.provisioning import Place
from firmware.core.ident import parse_device_name
from hil_tests.emulated import board
from hil_tests.emulated.build import EmulatedError
from hil_tests.emulated.core import MCU
from sim.board.board import Board
from sim.engine.image import compile_firmware, firmware_sources, host_architecture

NAMES = ("tag-000001", "hmu-000001")
STEP = 4 * 1024

_CODE = """
import asyncio, gc
from esp32 import NVS
store = NVS("homeward")
for key, value in values.items():
    store.set_blob(key, value)
store.commit()
del values, store
class Done(BaseException):
    pass
async def look():
    await asyncio.sleep(seconds)
    gc.collect()
    print("running", gc.mem_alloc() - before)
    raise Done
gc.collect()
gc.threshold(2048)  # as firmware/start.py
before = gc.mem_alloc()
main = __import__("firmware." + kind + ".main", None, None, ("start",))
application = main.build()
gc.collect()
gc.threshold(8192)
print("built", gc.mem_alloc() - before)
asyncio.create_task(look())
try:
    main.start(application)
except Done:
    print("all", gc.mem_alloc())
"""


_BY_PATH = "import vfs\nvfs.mount(vfs.VfsPosix({!r}), '/64')\nimport sys\nsys.path.insert(0, '/64')\n"


def modules(folder: Path, architecture: str = MCU) -> Path:
    """The firmware for this processor, or another."""
    for source, place in firmware_sources():
        compile_firmware(source, folder / place.with_suffix(".mpy"), place, folder / "folded", architecture)
    return folder


def values(name: str) -> dict[str, bytes]:
    """What provisioning puts into its settings store."""
    partner = NAMES[1 - NAMES.index(name)]
    keys = provisioning.device_keys(bytes(32), name, NAMES[1])
    place = Place(("127.0.0.1", 1883), partners=(parse_device_name(partner),))
    return provisioning.settings(name, provisioning.BOARDS[name[:3]], place, keys, None)


def taken(folder: Path, name: str, heap: int = board.BOARD_HEAP, seconds: int = 60) -> Mapping[str, float]:
    """ "built", "running" and "all" (with the interpreter's own) → bytes. EmulatedError when the heap is too small."""
    return board.figures(board.run(folder, _CODE, heap=heap, values=values(name), kind=name[:3], seconds=seconds))


def taken_on_unix(name: str) -> Mapping[str, float]:
    """The same on the unix port, as a board on a pseudo-terminal."""
    with tempfile.TemporaryDirectory(prefix="emulated-application-") as there:
        folder = modules(Path(there) / "modules", host_architecture())
        code = _BY_PATH.format(str(folder)) + _CODE
        with Board(Path(there) / "board") as one:
            said = board.run_on(one.port, folder, code, mounts=False, values=values(name), kind=name[:3], seconds=2)
    return board.figures(said)


def least(folder: Path, name: str) -> int:
    """The smallest heap, in steps of 4 KiB, in which it starts and runs for a minute."""
    low, high = 64 * 1024, board.BOARD_HEAP
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        try:
            taken(folder, name, middle)
            high = middle
        except EmulatedError:
            low = middle
    return high


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="emulated-application-") as there:
        built = modules(Path(there))
        for device in NAMES:
            found = taken(built, device)
            wide = taken_on_unix(device)
            for what in ("built", "running"):
                print(f"{device} {what:8} {found[what]:6.0f} {wide[what]:6.0f} {found[what] / wide[what]:.2f}")
            print(f"{device} with the interpreter's own {found['all']:.0f}; the least heap {least(built, device) // 1024} KiB")
