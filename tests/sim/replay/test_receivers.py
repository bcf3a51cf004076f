"""Logs of real receivers, from their bytes to the store: through the firmware on its interpreter, sealed, over broker and bridge,
each log on a tag of its own, all of them in one run.
"""

import json
from datetime import date
from pathlib import Path

import pytest

from sim.engine.folder import RunFolder
from sim.replay.fixes import StoredFix
from sim.replay.replay import Replayed, run_replay
from sim.replay.source import open_source
from tests.firmware.core.receivers import RECEIVERS, Sight, gpsd_fixes, log, names, needs_logs, needs_micropython, pynmea2_fixes

pytestmark = [needs_logs, needs_micropython]

E7 = 1.01e-7  # degrees: half a unit of rounding on either side, and the floats of the oracles
GPSD = 1e-6


@pytest.fixture(scope="module")
def json_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fixes") / "fixes.jsonl"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory, json_file: Path) -> Replayed:
    sources = [open_source(str(RECEIVERS / f"{name}.log")) for name in names()]
    return run_replay(sources, RunFolder(tmp_path_factory.mktemp("run") / "replay"), json_file=json_file)


@pytest.fixture
def stored(replayed: Replayed, name: str) -> list[StoredFix]:
    return replayed.fixes[names().index(name)]


def sight(fix: StoredFix) -> Sight:
    day, clock = fix.time.rstrip("Z").split("T")
    hour, minute, second = clock.split(":")
    tod_ms = (int(hour) * 60 + int(minute)) * 60_000 + round(float(second) * 1000)
    return Sight(tod_ms, fix.lat, fix.lon, day if fix.date_known else None)


def test_no_log_makes_the_firmware_stumble(replayed):
    assert replayed.summary.crashes == []
    assert replayed.summary.is_good


@pytest.mark.parametrize("name", names())
def test_every_fix_that_gpsd_found_comes_out_of_the_store(name, stored):
    ours = [sight(fix) for fix in stored]
    sound_times = {known.tod_ms for known in pynmea2_fixes(log(name))}
    for theirs in gpsd_fixes(name):
        if theirs.tod_ms in sound_times:
            assert any(fix.is_near(theirs, GPSD) for fix in ours), theirs


@pytest.mark.parametrize("name", names())
def test_nothing_is_invented(name, stored):
    sound = pynmea2_fixes(log(name))
    for fix in stored:
        assert any(sight(fix).is_near(known, E7) for known in sound), fix


@pytest.mark.parametrize("name", names())
def test_no_time_with_a_sound_fix_is_left_out_and_none_is_stored_twice(name, stored):
    ours = [sight(fix) for fix in stored]
    sound = pynmea2_fixes(log(name))
    assert {fix.tod_ms for fix in ours} == {known.tod_ms for known in sound}
    # One time may come again (a repeated log, a receiver whose clock stands still), but not oftener than one sentence says it.
    for tod_ms in {fix.tod_ms for fix in ours}:
        kinds = [known.kind for known in sound if known.tod_ms == tod_ms]
        assert sum(fix.tod_ms == tod_ms for fix in ours) <= max(kinds.count("RMC"), kinds.count("GGA"))


@pytest.mark.parametrize("name", names())
def test_a_date_is_the_logs_own_and_flagged_when_it_is_not_to_be_believed(name, stored):
    said = {(known.tod_ms, known.date) for known in pynmea2_fixes(log(name)) if known.kind == "RMC"}
    times = {tod_ms for tod_ms, _ in said}
    for fix in stored:
        if fix.date_known and sight(fix).tod_ms in times:
            assert (sight(fix).tod_ms, sight(fix).date) in said
        if fix.date_known:
            assert fix.doubtful == (not 2024 <= date.fromisoformat(fix.time[:10]).year < 2036)
        else:
            assert fix.time.startswith("1970-01-01T") and not fix.doubtful


def test_receivers_that_had_no_fix_give_an_empty_result(replayed):
    empty = [name for name, fixes in zip(names(), replayed.fixes, strict=True) if not fixes]
    assert empty == [name for name in names() if not pynmea2_fixes(log(name))]
    assert "ublox-lea-5q" in empty


def test_the_file_holds_what_is_stored_one_object_a_line(replayed, json_file):
    lines = [json.loads(line) for line in json_file.read_text().splitlines()]
    assert len(lines) == sum(map(len, replayed.fixes)) == replayed.summary.fixes
    assert [line["seq"] for line in lines] == [fix.seq for fixes in replayed.fixes for fix in fixes]
    assert set(lines[0]) == {"time", "lat", "lon", "radius_m", "seq", "date_known", "doubtful", "quarantine"}
