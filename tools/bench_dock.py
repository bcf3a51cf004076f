"""The dock's rows of the bench. `rows(quick)` yields them.

dock.ten_days_s             from the moment at which a tag is docked until it has the receipt of its last record: ten days of a
                            fix a minute, 14,400 records, by `homeward dock --store` as a program. The tag is a board on a
                            pseudo-terminal at 921,600 baud that was flashed with `homeward flash`
dock.bytes_per_record       on the line, both ways, frames, acknowledgements, receipts and states included; the record's are 32
dock.device_us_per_record   of the device's own work, what grows with the records: read from flash, sealed and framed in
                            messages of 64, on this machine's interpreter and not on a microcontroller
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench_sim import Measured

if TYPE_CHECKING:
    from sim.board.board import Board
    from sim.engine.folder import RunFolder

BAUD = 921_600
RECORDS = 14_400
_BLOCKS = 128  # of 4 KiB: the journal's partition
_WORK = """
import sys, time
sys.path.insert(0, "")
from firmware.core import cobs, message, record
from firmware.core.blockdev import RamDevice
from firmware.core.journal import Journal
from firmware.core.seal import Ccm
from firmware.core.uplink import Uplink
journal = Journal(RamDevice(6))
journal.mount()
raw = bytearray(record.SIZE)
while journal.next_seq <= 256:
    record.pack_event(raw, journal.next_seq, 1, 0, 0, record.STATUS, 0, 0, 90)
    journal.append(raw)
uplink = Uplink(journal, Ccm(bytes(16)), 0x01000001, 1, batch=64)
uplink.restart(0)
buf = bytearray(cobs.room(message.HEADER + 64 * record.SIZE + message.TAG_LENGTH))
view = memoryview(buf)
payload = view[cobs.GAP + cobs.HEAD :]
token = uplink.poll(0)
def one():
    cobs.seal(buf, view, cobs.MESSAGE, 1, uplink.render(token, payload), 1)
one()
began = time.ticks_us()
for _ in range(100):
    one()
print(time.ticks_diff(time.ticks_us(), began) / 6400)
"""


def rows(quick: bool) -> Iterator[Measured]:
    """All of them; `quick`: a quarter of the records, and the time that four times as many take."""
    records = RECORDS // 4 if quick else RECORDS
    with (
        tempfile.TemporaryDirectory(prefix="bench-dock-") as scratch,
        flashed_tag(Path(scratch), "BENCH-2") as (run, board, environment),
    ):
        board.power_off()
        fill(board.folder, records)
        board.do(lambda: setattr(board.line, "baud", BAUD))
        board.power_on()
        before = board.line.passed
        said = homeward(environment, "dock", "--store", str(run.path / "bridge.toml"), "--port", "BENCH-2", "--once")
        passed = board.line.passed - before
    found = re.search(r"all is stored, ([0-9,]+) records in ([0-9.]+) s", said)
    if found is None:
        raise RuntimeError(f"homeward dock: {said}")
    count, took_s = int(found[1].replace(",", "")), float(found[2])
    how = f"{count} records and {passed} bytes at {BAUD} baud" + (f", x {RECORDS // records}" if quick else "")
    yield Measured("dock.ten_days_s", took_s * RECORDS / records, "s", how)
    yield Measured("dock.bytes_per_record", passed / count, "bytes", how)
    yield Measured("dock.device_us_per_record", _device_us(), "us", "read, sealed and framed")


@contextmanager
def flashed_tag(folder: Path, serial_number: str, seed: int = 0) -> "Iterator[tuple[RunFolder, Board, dict[str, str]]]":
    """A scheme in whose store a tag is worn; that tag, without a network and flashed, on a board on a pseudo-terminal; the
    environment in which `homeward` finds it."""
    from bridge.cases.scheme import apply_scheme, load_scheme
    from bridge.store import open_store
    from sim.board.board import Board
    from sim.engine.folder import RunFolder
    from tools.board.ports import REGISTRY

    run = RunFolder(folder / "run")
    run.write_bridge_settings(1, "wall")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 300 * 86_400))
    wearer = {"id": "w1", "name": "W", "tag": "tag-000001", "from": since}
    run.write_scheme({"timezone": "Europe/London", "wearers": [wearer]})
    apply_scheme(open_store(str(run.store)), load_scheme(run.path / "scheme.yaml"))
    device = run.provision("tag-000001", None, [], 0, 1, {"watchdog_s": 30})
    registry = run.path / "registry"
    environment = {**os.environ, REGISTRY: str(registry), "XDG_CACHE_HOME": str(run.path / "cache"), "COLUMNS": "200"}
    with Board(device, serial_number, registry=registry, seed=seed) as board:
        homeward(environment, "flash", "tag", "--port", serial_number)
        yield run, board, environment


def fill(folder: Path, records: int) -> None:
    """A tag's journal with so many fixes more, one a minute until a minute ago."""
    from firmware.core import record
    from firmware.core.blockdev import FileDevice
    from firmware.core.journal import Journal

    device = FileDevice(str(folder / "journal.flash"), _BLOCKS)
    journal = Journal(device)
    journal.mount()
    raw = bytearray(record.SIZE)
    began = int(time.time()) - 60 * records
    for minute in range(records):
        where = (507_154_000 + 50 * minute, -24_367_000)
        record.pack_fix(raw, journal.next_seq, began + 60 * minute, record.MODE_GPS, 0, *where, 120, 50, 90, 9, 8, 80)
        journal.append(raw)
    device.close()


def _device_us() -> float:
    command = [str(Path(sys.executable).with_name("micropython")), "-X", "heapsize=128wK", "-c", _WORK]
    root = str(Path(__file__).parents[1])
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


def homeward(environment: dict[str, str], *arguments: str) -> str:
    command = [str(Path(sys.executable).with_name("homeward")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"homeward {arguments[0]} failed: {done.stderr or done.stdout}")
    return done.stdout
