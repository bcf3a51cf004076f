"""`homeward replay`, whole: through the real command."""

import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.brokers import wait_for
from tests.firmware.core.receivers import needs_micropython
from tests.sim.replay.test_gpx import gpx
from tests.sim.replay.test_live import epoch, terminal  # noqa: F401 - a fixture
from tests.tools.commands import homeward, processes_of, refused, started
from tests.tools.test_sim_run import console_url, end, said

WALK = gpx([(0, 50.7154001, -2.4367009), (30, 50.7171001, -2.4301007)])


@needs_micropython
def test_a_track_goes_through_and_comes_out_as_json(tmp_path: Path) -> None:
    (tmp_path / "walk.gpx").write_bytes(WALK)
    done = homeward("replay", "walk.gpx", "--headless", "--json", "fixes.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "31 epochs, 31 fixes stored" in done.stdout and done.stderr == ""
    fixes = [json.loads(line) for line in (tmp_path / "fixes.jsonl").read_text().splitlines()]
    assert len(fixes) == 31
    assert fixes[0]["time"] == "2026-06-01T23:59:30.000Z"
    assert (fixes[-1]["lat"], fixes[-1]["lon"]) == (50.7171001, -2.4301007)
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize(
    "given", ["none.log", ".", "empty.log", "words.log", "bad.gpx", "/dev/ttyUSB99", "walk.gpx --policy hourly"]
)
def test_what_cannot_be_replayed_is_refused_in_one_line_and_nothing_is_left(given: str, tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    (tmp_path / "words.log").write_text("no sentence in here\n")
    (tmp_path / "bad.gpx").write_text("<gpx>")
    (tmp_path / "walk.gpx").write_bytes(WALK)
    before = sorted(tmp_path.iterdir())
    words = refused("replay", *given.split(), "--headless", cwd=tmp_path)
    assert ": got " in words and ", expected " in words
    assert sorted(tmp_path.iterdir()) == before


@needs_micropython
def test_a_recording_is_watched_on_the_console_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "walk.gpx").write_bytes(WALK)
    process = started("replay", "walk.gpx", "--console-port", 0, cwd=tmp_path)
    try:
        url = console_url(process, tmp_path)
        wait_for(lambda: "the console stays up until Ctrl-C" in said(tmp_path), "the recording's end", 60)
        assert httpx.get(url, follow_redirects=True).status_code == 200
        assert end(process, signal.SIGINT) == 0
    finally:
        process.kill()
    assert "Traceback" not in said(tmp_path)
    assert processes_of(tmp_path) == []


def fixes_in(folder: Path) -> int:
    (store,) = (folder / "run").glob("*/store.db")
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return connection.execute("select count(*) from record where kind = 1").fetchone()[0]


@pytest.mark.slow
@needs_micropython
def test_ctrl_c_ends_a_live_receiver_in_order(tmp_path: Path, terminal) -> None:  # noqa: F811
    ours, name = terminal
    stop = threading.Event()
    printed = 0

    def talk() -> None:
        nonlocal printed
        while not stop.wait(0.1):
            os.write(ours, epoch(printed % 60))
            printed += 1

    process = started("replay", name, "--headless", "--json", "fixes.jsonl", cwd=tmp_path)
    thread = threading.Thread(target=talk, daemon=True)
    try:
        wait_for(lambda: "Ctrl-C ends it" in said(tmp_path), "the start", 60)
        thread.start()
        wait_for(lambda: fixes_in(tmp_path) >= 10, "ten fixes in the store, while it goes on", 60)
        assert end(process, signal.SIGINT) == 0
    finally:
        stop.set()
        process.kill()
    assert "Traceback" not in said(tmp_path)
    assert len((tmp_path / "fixes.jsonl").read_text().splitlines()) >= 10
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@needs_micropython
def test_ctrl_c_before_the_end_of_a_recording_is_no_success_and_ends_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "walk.gpx").write_bytes(gpx([(second, 50.0 + second / 1e5, 0.0) for second in range(0, 3600, 100)]))
    process = started("replay", "walk.gpx", "--headless", "--speed", 10, "--json", "fixes.jsonl", cwd=tmp_path)
    try:
        wait_for(lambda: "replaying" in said(tmp_path), "the start", 60)
        assert end(process, signal.SIGINT) == 130
    finally:
        process.kill()
    assert "Traceback" not in said(tmp_path)
    assert len((tmp_path / "fixes.jsonl").read_text().splitlines()) < 3600
    assert processes_of(tmp_path) == []
