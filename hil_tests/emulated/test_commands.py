"""The commands of the bench on an emulated microcontroller: another processor, 32 bits, a heap of 128 KiB, littlefs, a watchdog.

What it has no hardware for ends there: the application itself does not start (docs/emulated.md), so `dock` has nobody to talk to.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil_tests.emulated.board import EmulatedBoard
from hil_tests.emulated.build import missing
from sim.board.line import random_faults

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"the emulated microcontroller: {missing()}"),
    pytest.mark.slow,
]

BOARD, ARCHITECTURE = "tag_t_a7670_l76k", "armv7em"
NOISE = ("garbage", "lost", "flip", "stall")


@pytest.fixture
def typed(tmp_path: Path):
    """`typed("flash", …)`: the real command, in a scheme's folder of its own; what it said. It must end with `code`."""
    environment = {**os.environ, "HOMEWARD_STATE": str(tmp_path / "state"), "HOMEWARD_BOARDS": str(tmp_path / "registry")}

    def run(*arguments: object, code: int = 0) -> str:
        command = [str(Path(sys.executable).with_name("homeward")), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**environment, "COLUMNS": "200", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def release(typed, folder: Path) -> Path:
    typed("release", "keys")
    typed("release", "build", "--board", BOARD, "--arch", ARCHITECTURE, "--number", 1)
    (found,) = (folder / "dist").glob("*.hwr")
    return found


def test_it_is_flashed_again_without_a_byte_and_provisioned_once(typed, tmp_path):
    serial = f"EMU{os.getpid()}"
    port = ("--port", serial)
    with EmulatedBoard(tmp_path / "board", serial, registry=tmp_path / "registry") as board:
        bundle = release(typed, tmp_path)
        assert "files sent" in typed("flash", "tag", *port, "--board", BOARD, "--release", bundle)
        assert "0 files sent" in typed("flash", "tag", *port, "--release", bundle)
        board.power_off()
        board.power_on()
        typed("ca", "init", "--broker", "127.0.0.1:8883")
        assert "wrote" in typed("provision", "tag-000001", "--with", "hmu-000001", *port, "--yes")
        assert "nothing to do" in typed("provision", "tag-000001", "--with", "hmu-000001", *port, "--yes")


def test_it_is_flashed_over_a_line_that_garbles_loses_and_stalls(typed, tmp_path):
    serial = f"EMU{os.getpid()}"
    port = ("--port", serial)
    with EmulatedBoard(tmp_path / "board", serial, registry=tmp_path / "registry", seed=3) as board:
        bundle = release(typed, tmp_path)
        board.set_faults(random_faults(3, 150_000, 4, NOISE))
        assert "files sent" in typed("flash", "tag", *port, "--board", BOARD, "--release", bundle)
        assert not board.line.faults  # all of them came
        assert "0 files sent" in typed("flash", "tag", *port, "--release", bundle)
