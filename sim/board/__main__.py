"""`python -m sim.board --folder F`: a board by itself, until it is interrupted. Prints its port."""

import argparse
import signal
import sys
import tempfile
import threading
from pathlib import Path

from sim.board.board import Board
from sim.board.line import random_faults


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sim.board", description=__doc__)
    parser.add_argument("--folder", type=Path, help="keeps its flash; without it, it is a new board that is thrown away")
    parser.add_argument("--serial-number", default="PTY-000001", help="what its USB interface says")
    parser.add_argument("--registry", type=Path, help="folder where it makes itself known (HOMEWARD_BOARDS of the programs)")
    parser.add_argument("--baud", type=int, default=0, help="how fast its line is; 0: as fast as it goes")
    parser.add_argument("--faults", type=int, default=0, metavar="N", help="at N random bytes of its first MiB")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    arguments = parser.parse_args()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="board-") as scratch:
        folder = arguments.folder or Path(scratch)
        board = Board(folder, arguments.serial_number, registry=arguments.registry, baud=arguments.baud, seed=arguments.seed)
        with board:
            if arguments.faults:
                board.set_faults(random_faults(arguments.seed, 1 << 20, arguments.faults))
            print(board.port, flush=True)
            try:
                stop.wait()
            except KeyboardInterrupt:
                pass
    sys.exit(0)


if __name__ == "__main__":
    main()
