"""A tag on a cable as a user finds it: a board on a pseudo-terminal that runs the firmware, with days of fixes in its journal,
and a scheme in whose store it is worn."""

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import serial
from sqlalchemy import create_engine, text

from bridge.cases.scheme import apply_scheme, load_scheme
from bridge.store import open_store
from firmware.core import record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import Journal
from firmware.hmu.store import RelayStore
from sim.board.board import Board
from sim.engine.folder import RunFolder
from tests.firmware.core.interpreter import ROOT, micropython

TAG = "tag-000001"
TAG_ID = 0x01000001
UNIT = "hmu-000001"
_BLOCKS, _RELAY_BLOCKS = 128, 256  # of 4 KiB: the journal's partition, and the relay store's
_DAYS = 11
_START = (
    f"import sys, vfs\nvfs.mount(vfs.VfsPosix({str(ROOT)!r}), '/host')\nsys.path.insert(0, '/host')\n"
    "from firmware.start import run\nrun('firmware.%s')\n"
)


def scheme_of(run: RunFolder) -> None:
    """The tag is worn, since eleven days; nothing of that is on it yet."""
    since = (datetime.now(UTC) - timedelta(days=_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    wearer = {"id": "w1", "name": "W", "tag": TAG, "home_unit": UNIT, "from": since}
    run.write_scheme({"timezone": "Europe/London", "wearers": [wearer], "policy": {"rest_interval_s": 1800}})
    apply_scheme(open_store(str(run.store)), load_scheme(run.path / "scheme.yaml"))


def journal_of(folder: Path, records: int) -> None:
    """A fix each minute until a minute ago, which nobody has."""
    device = FileDevice(str(folder / "journal.flash"), _BLOCKS)
    journal = Journal(device)
    assert journal.mount()
    raw = bytearray(record.SIZE)
    began = int(time.time()) - 60 * records
    for minute in range(records):
        where = (507_154_000 + 50 * minute, -24_367_000)
        record.pack_fix(raw, journal.next_seq, began + 60 * minute, record.MODE_GPS, 0, *where, 120, 50, 90, 9, 8, 80)
        assert journal.append(raw)
    device.close()


def pending(folder: Path) -> int:
    """How many records its journal holds that nobody has receipted, as its flash says."""
    device = FileDevice(str(folder / "journal.flash"), _BLOCKS)
    journal = Journal(device)
    assert journal.mount()
    count = journal.pending
    device.close()
    return count


def relay_store_of(folder: Path, messages: list[bytes]) -> None:
    """A home unit's, with messages that its tag has handed it."""
    device = FileDevice(str(folder / "relay.flash"), _RELAY_BLOCKS)
    store = RelayStore(device)
    assert store.mount()
    for message in messages:
        assert store.append_message(-70, message)
    device.close()


@contextmanager
def tag_on_a_cable(run: RunFolder, records: int, *, runs: bool = True, crashes: int = 0, **how) -> Iterator[Board]:
    """Powered and plugged in; `how` is for the board. Without `runs` there is no application on it, and the REPL answers.

    `crashes`: so many of late. With three it runs its safe tracker.
    """
    micropython()  # skips where there is none
    folder = run.provision(TAG, None, [], 0, 1, {"watchdog_s": 30})
    if crashes:
        (folder / "homeward.crash.nvs").write_bytes(struct.pack("<BBHIHH", crashes, 0, 10, 0, 0, 0))
    journal_of(folder, records)
    with Board(folder, **how) as board:
        if runs:
            run_firmware(board, "tag")
        yield board


@contextmanager
def home_unit_on_a_cable(run: RunFolder, messages: list[bytes], **how) -> Iterator[Board]:
    """Powered and plugged in, without a network, and with these messages of its tag in its store."""
    micropython()
    folder = run.provision(UNIT, None, [TAG], 0, 1, {"watchdog_s": 30})
    relay_store_of(folder, messages)
    with Board(folder, **how) as board:
        run_firmware(board, "hmu")
        yield board


def run_firmware(board: Board, kind: str) -> None:
    """From now on, at each start."""
    with serial.Serial(board.port, timeout=10, exclusive=True) as port:
        port.write(b"\r\n")
        assert port.read_until(b">>> ").endswith(b">>> ")
        port.write(f"f = open('/main.py', 'w'); n = f.write({_START % kind!r}); f.close(); print('wri' + 'tten')\r\n".encode())
        assert port.read_until(b"written").endswith(b"written")
    board.press_reset()


def stored(run: RunFolder) -> list[int]:
    """The numbers of the fixes that the store has of this tag."""
    engine = create_engine(f"sqlite:///{run.store}")
    with engine.connect() as connection:
        found = connection.execute(text("select seq from record where device_id = :id and kind = 1"), {"id": TAG_ID})
        numbers = sorted(found.scalars())
    engine.dispose()
    return numbers


def event_codes(run: RunFolder) -> list[int]:
    """Of the events that the store has of this tag, in order."""
    engine = create_engine(f"sqlite:///{run.store}")
    with engine.connect() as connection:
        found = connection.execute(
            text("select code from record where device_id = :id and kind = 2 order by seq"), {"id": TAG_ID}
        )
        codes = list(found.scalars())
    engine.dispose()
    return codes


def orders(run: RunFolder) -> dict[int, str]:
    """kind → state of what the bridge has asked of the tag."""
    engine = create_engine(f"sqlite:///{run.store}")
    with engine.connect() as connection:
        rows = connection.execute(text("select kind, state from orders where device_id = :id order by id"), {"id": TAG_ID}).all()
    engine.dispose()
    return {row.kind: row.state for row in rows}
