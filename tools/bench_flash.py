"""Flashing's rows of the bench. `rows(quick)` yields them.

flash.first_time_s      wall time of `homeward flash tag` as a program, on a provisioned board on a pseudo-terminal without an
                        application: compiled anew, sent whole, verified, started, and tried for three seconds
flash.second_time_s     the same command again, with nothing changed: nothing is sent, all is verified by hash, and started
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.bench_sim import Measured


def rows(quick: bool) -> Iterator[Measured]:
    """Both of them; the second time is the median of three (`quick`: one)."""
    from sim.board.board import Board
    from sim.engine.folder import RunFolder
    from tools.board.ports import REGISTRY

    with tempfile.TemporaryDirectory(prefix="bench-flash-") as scratch:
        folder = Path(scratch)
        device = RunFolder(folder / "run").provision("tag-000001", "hmu-000001", ["hmu-000001"], 0, 9, {})
        environment = {**os.environ, REGISTRY: str(folder / "registry"), "XDG_CACHE_HOME": str(folder / "cache")}
        with Board(device, "BENCH-1", registry=folder / "registry") as board:
            yield Measured("flash.first_time_s", _flash(environment), "s", "compiled, sent, verified, started, tried for 3 s")
            before = board.line.passed
            times = sorted(_flash(environment) for _ in range(1 if quick else 3))
            each = (board.line.passed - before) // len(times)
            yield Measured(
                "flash.second_time_s", times[len(times) // 2], "s", f"{each} bytes on the line, none of them of a file"
            )


def _flash(environment: dict[str, str]) -> float:
    began = time.monotonic()
    command = [str(Path(sys.executable).with_name("homeward")), "flash", "tag", "--port", "BENCH-1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"homeward flash failed: {done.stderr or done.stdout}")
    return time.monotonic() - began
