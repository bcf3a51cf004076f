"""A tag docked again and again while everything happens to it: `python -m tools.dock_soak --cycles 100 --seed 1`.

Each cycle the tag gets some hundred records more, its power is switched on, and it is docked into a store over a line with random
faults: garbage, lost bytes, flipped bits, stalls, the cable pulled, a reset, the supply gone at any byte or at any write to its
flash. Then its journal must say that all is receipted, and the store must hold each record that it ever made, once.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import structlog
from sqlalchemy import create_engine, text

from bridge.carriers.cable import Backlog
from bridge.dock import Dock, ToStore
from bridge.settings import load_settings
from firmware.core.blockdev import FileDevice
from firmware.core.journal import made
from sim.board.board import Board
from sim.board.line import FAULTS, random_faults
from sim.engine.folder import RunFolder
from tools.bench_dock import fill, flashed_tag

_BLOCKS = 128
_CYCLE_S = 240.0  # a Ctrl-C made up by a bad line ends the application, which the watchdog starts again after 30 s
_TAG = 0x01000001


class Watcher:
    """Sees when the tag has nothing left."""

    def __init__(self) -> None:
        self.empty = 0
        self.sessions = 0

    def docked(self, url: str, device: str, backlog: Backlog) -> None:
        self.sessions += 1
        self.empty = 0

    def backlog(self, url: str, device: str, backlog: Backlog) -> None:
        self.empty = self.empty + 1 if backlog.is_empty else 0

    def left(self, url: str, device: str, reason: str) -> None: ...
    def fault(self, url: str, words: str) -> None: ...
    def way(self, is_open: bool, words: str) -> None: ...


def cycle(run: RunFolder, board: Board, chance: random.Random) -> int:
    """One of them. How many sessions it took. AssertionError says what was lost."""
    board.power_off()
    fill(board.folder, chance.randrange(50, 700))
    board.set_faults(random_faults(chance.getrandbits(32), 15_000, chance.randrange(1, 8), FAULTS))
    if chance.random() < 0.5:
        board.cut_power_at_write(chance.randrange(1, 30), chance.randrange(1001))
    board.power_on()
    watcher = Watcher()
    dock = Dock(ToStore(load_settings(run.path / "bridge.toml")), watcher, fast_baud=0)
    served = threading.Thread(target=dock.run)
    served.start()
    dock.add(board.port)
    until = time.monotonic() + _CYCLE_S
    while watcher.empty < 3:
        time.sleep(0.05)
        assert time.monotonic() < until, f"not handed over in {_CYCLE_S} s, {board.boots} starts: {board.log[-300:]!r}"
        if not board.is_on:
            board.never_cut()
            board.power_on()
    dock.stop()
    served.join()
    board.never_cut()
    board.power_off()
    check(run, board.folder)
    return watcher.sessions


def check(run: RunFolder, folder: Path) -> None:
    device = FileDevice(str(folder / "journal.flash"), _BLOCKS)
    count = made(device)
    device.close()
    engine = create_engine(f"sqlite:///{run.store}")
    with engine.connect() as connection:
        where = {"id": _TAG}
        stored = connection.execute(
            text("select count(*), count(distinct seq), max(seq) from record where device_id = :id"), where
        )
        kept, distinct, highest = stored.one()
        conflicts = connection.execute(text("select count(*) from record_conflict")).scalar()
        through = connection.execute(text("select stored_through from device where device_id = :id"), where).scalar() or 0
    engine.dispose()
    assert kept == distinct == highest == through and not conflicts, (kept, distinct, highest, through, conflicts)
    assert count - 3 <= through <= count, f"{count} made, {through} with the bridge"  # the last may have been made since


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.dock_soak", description="A tag docked again and again, with faults.")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    chance = random.Random(options.seed)
    began = time.monotonic()
    sessions = 0
    with tempfile.TemporaryDirectory(prefix="dock-soak-") as scratch, flashed_tag(Path(scratch), "SOAK-2", options.seed) as found:
        run, board, _ = found
        for number in range(1, options.cycles + 1):
            try:
                sessions += cycle(run, board, chance)
            except AssertionError as error:
                print(f"cycle {number}, seed {options.seed}: {error}", file=sys.stderr)
                return 1
            if number % 10 == 0 or number == options.cycles:
                print(
                    f"{number} cycles, {sessions} sessions, {board.boots} starts, nothing lost; {time.monotonic() - began:.0f} s"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
