"""What `--record` kept of a device makes it live again as it lived: with crashes, a killed process, its flash and all; and a
firmware that behaves otherwise is told by the first thing that it does so."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from sim.engine import rerun
from sim.engine.device import CRASH_WORDS
from sim.engine.image import Image
from sim.engine.recording import Reader, RecordingError
from sim.engine.rerun import Outcome, Rerun, Watcher, Wish
from sim.engine.run import Options
from sim.scenario import load
from sim.silicon import _channels as ch
from tests.end_to_end.runs import ERRAND, make_run

TAG, UNIT = "tag-000003", "hmu-000003"
CRASH_MS, KILLED_MS, UNTIL_MS = 400_000, 700_000, 1_000_000

# Another firmware: the first time that it hears from its receiver after eight minutes, it sets a pin.
_OTHER = """
import _hw, _channels
from .start_then import run as _run
def run(application):
    print("another one")
    heard = _hw._listeners[_channels.UART_RX]
    def other(sub, payload):
        heard(sub, payload)
        if _hw.now > {after_ms}:
            _hw.emit(_channels.PIN_OUT, 33, b"\\x01", False)
    _hw.listen(_channels.UART_RX, other)
    _run(application)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder: one tag crashes, and its process is killed later; it and its home unit are recorded."""
    folder = tmp_path_factory.mktemp("recorded") / "run"
    run = make_run(folder, load(ERRAND), until_ms=UNTIL_MS)
    run.options = Options(UNTIL_MS, record=frozenset({TAG, UNIT}))
    with run:
        run.kernel.run_to(60_000)
        tag = next(device for device in run.kernel.devices if device.name == TAG)
        tag.push(CRASH_MS, ch.CRASH, 0, CRASH_WORDS.encode())
        run.kernel.run_to(KILLED_MS)
        os.kill(tag.process.pid, signal.SIGKILL)
        run.kernel.run_to(UNTIL_MS)
        assert tag.lives == 3
    return folder


@pytest.fixture
def again(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a device again with the image of its own run, or with another one's `start.py` in it."""

    def build(folder: Path, stamp: str = "") -> Image:
        source = recorded / "image"
        if start:
            source = folder
            shutil.copytree(recorded / "image", folder)
            os.rename(folder / "device/firmware/start.mpy", folder / "device/firmware/start_then.mpy")
            (folder / "device/firmware/start.py").write_text(start[0])
        return Image(source / "silicon" / "boot.py", source / "device")

    start: list[str] = []
    monkeypatch.setattr(rerun, "build", build)

    def run(name: str, wish: Wish, watcher: Watcher | None = None, other: str = "") -> Outcome:
        start[:] = [other] if other else []
        place = tmp_path / "device"
        place.mkdir()
        with Rerun(Reader(recorded / "recordings" / f"{name}.rec"), tmp_path / "image", place, watcher or Watcher()) as one:
            return one.run(wish)

    return run


def test_a_device_lives_again_as_it_lived_with_its_crash_and_its_end(again, tmp_path: Path):
    told: list[str] = []
    outcome = again(TAG, Wish(), Watcher(noted=lambda t_ms, text: told.append(text)))
    assert outcome.difference == "" and outcome.lives == 3 and outcome.t_ms > UNTIL_MS - 120_000
    assert next(text for text in told if text.startswith("here it ended: ")).endswith("by SIGKILL")


def test_its_flash_is_at_the_end_what_it_was(again, recorded: Path, tmp_path: Path):
    assert again(UNIT, Wish()).difference == ""
    for path in (recorded / "devices" / UNIT).iterdir():
        if path.name != "console.log":
            assert (tmp_path / "device" / path.name).read_bytes() == path.read_bytes(), path.name


def test_it_can_be_entered_at_any_life(again):
    traced: list[int] = []
    outcome = again(TAG, Wish(from_life=2, until_ms=KILLED_MS - 100_000), Watcher(traced=lambda t_ms, text: traced.append(t_ms)))
    assert outcome.difference == "" and outcome.lives == 1
    assert min(traced) > CRASH_MS and KILLED_MS - 200_000 < max(traced) < KILLED_MS


def test_there_is_no_life_that_is_not_recorded(again):
    with pytest.raises(RecordingError, match="holds 3 lives, and none of number 4"):
        again(TAG, Wish(from_life=4))


def test_another_firmware_is_told_by_the_first_thing_that_it_does_otherwise(again):
    printed: list[str] = []
    watcher = Watcher(printed=lambda t_ms, text: printed.append(text))
    outcome = again(TAG, Wish(), watcher, other=_OTHER.format(after_ms=480_000))
    assert " it now sets pin 33 high" in outcome.difference
    assert 480_000 < outcome.t_ms < UNTIL_MS - 120_000, "it went no further"
    assert printed.count("another one") == outcome.lives


def test_who_wants_to_goes_on_behind_the_first_difference(again):
    pins: list[int] = []
    watcher = Watcher(traced=lambda t_ms, text: pins.append(t_ms) if "sets pin 33" in text else None)
    outcome = again(TAG, Wish(goes_on=True), watcher, other=_OTHER.format(after_ms=480_000))
    assert outcome.difference and outcome.lives == 3 and outcome.t_ms > UNTIL_MS - 120_000
    assert pins == sorted(pins) and max(pins) > KILLED_MS


def test_a_firmware_that_only_prints_more_parts_nowhere(again):
    paused: list[int] = []
    watcher = Watcher(pause=paused.append)
    outcome = again(TAG, Wish(until_ms=300_000, waits_at_ms=0), watcher, other=_OTHER.format(after_ms=10**9))
    assert outcome.difference == "" and len(paused) == 1 and paused[0] > 0
