"""A crash leaves a note and the device starts again; after three within ten minutes the safe application runs instead."""

from pathlib import Path
from zlib import crc32

import pytest

from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device

FOR_EVER = 10**9
POWER_ON, HARD, WATCHDOG = 1, 2, 3

_BEGIN = """
sys.path.append({folder!r})
from firmware.start import run
run("application")
"""
_WELL = """
import time
from machine import WDT
def build():
    print("{name} built")
def start(application):
    time.sleep({seconds})
    {end}
"""


def application(folder: Path, name: str, end: str, seconds: int = 30) -> None:
    package = folder / "application"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / f"{name}.py").write_text(_WELL.format(name=name, end=end, seconds=seconds))


def life(folder: Path, cause: int = HARD) -> tuple[list[str], int]:
    """What it printed in one life, and the cause of the reset that ended it."""
    with Device(folder, _BEGIN.format(folder=str(folder)), cause=cause) as device:
        device.live(FOR_EVER)
        (reset,) = device.sayings(ch.RESET)
        return device.lines, reset.payload[0]


def note(folder: Path) -> bytes:
    return (folder / "homeward.crash.nvs").read_bytes()


def test_a_crash_is_noted_and_the_third_within_ten_minutes_starts_the_safe_application(tmp_path):
    application(tmp_path, "main", "raise ValueError('a bad day')")
    application(tmp_path, "safe", "raise SystemExit")
    for n in range(3):
        lines, cause = life(tmp_path, HARD if n else POWER_ON)
        assert lines[0] == "main built" and lines[-1] == "ValueError: a bad day" and cause == HARD
        assert note(tmp_path)[:2] == bytes([n + 1, 1])
        assert note(tmp_path)[10:] == (crc32(b"ValueError") & 0x7FFF).to_bytes(2, "little")
    with Device(tmp_path, _BEGIN.format(folder=str(tmp_path)), cause=HARD) as device:
        device.live(FOR_EVER)
        assert device.lines == ["safe built"]


def test_crashes_that_are_far_apart_leave_it_the_whole_application(tmp_path):
    application(tmp_path, "main", "raise ValueError", seconds=301)
    application(tmp_path, "safe", "raise ValueError")
    for _ in range(6):
        assert life(tmp_path)[0][0] == "main built"


def test_a_device_without_a_safe_application_goes_on_with_the_whole_one(tmp_path):
    application(tmp_path, "main", "raise ValueError")
    for _ in range(5):
        assert life(tmp_path)[0][0] == "main built"


@pytest.mark.parametrize("broken", ["def build(:", "import no_such_module", "def build():\n    raise MemoryError"])
def test_one_that_cannot_be_built_or_imported_counts_as_well(tmp_path, broken):
    application(tmp_path, "safe", "raise ValueError")
    (tmp_path / "application" / "main.py").write_text(broken)
    for _ in range(3):
        lines, cause = life(tmp_path)
        assert "safe built" not in lines and cause == HARD
    assert life(tmp_path)[0][0] == "safe built"


def test_three_resets_by_the_watchdog_start_the_safe_application(tmp_path):
    application(tmp_path, "main", "WDT(timeout=5000); time.sleep(3600)")
    application(tmp_path, "safe", "raise ValueError")
    assert life(tmp_path, POWER_ON) == (["main built"], WATCHDOG)
    for _ in range(2):
        assert life(tmp_path, WATCHDOG) == (["main built"], WATCHDOG)
    assert life(tmp_path, WATCHDOG)[0][0] == "safe built"


def test_a_store_that_keeps_nothing_does_not_keep_it_from_starting_again(tmp_path):
    application(tmp_path, "main", "import esp32; esp32.NVS.commit = None; raise ValueError")
    lines, cause = life(tmp_path)
    assert lines[0] == "main built" and cause == HARD and not (tmp_path / "homeward.crash.nvs").exists()
