"""`homeward sim run`, whole: a short stretch of a scenario through the real command, and every way it may end."""

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path

import httpx
import junitparser
import pytest

from tests.brokers import wait_for
from tests.tools.commands import homeward, processes_of, short_scenario, started

KEYS = {
    "simulated_s", "wall_s", "records_made", "records_stored", "fixes", "events", "findings", "bytes", "peak_memory_mb",
    "digest", "seed", "scenario", "good", "folder",
}  # fmt: skip


def test_an_unattended_run_sums_up_and_exits_0(tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml", name="one")
    results = ("--json", "day.json", "--junit", "day.xml", "--report", "day.html")
    done = homeward("sim", "run", scenario, "--until", "10m", "--headless", "--seed", 7, *results, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == "" and "records stored" in done.stdout and "console:" not in done.stdout
    assert "Rowan Ashdown: at home" in done.stdout and "Rowan Ashdown: boot: home unit" in done.stdout
    found = json.loads((tmp_path / "day.json").read_text())
    assert found.keys() >= KEYS
    assert found["simulated_s"] == 600 and found["seed"] == 7 and found["scenario"] == "one" and found["good"]
    assert found["records_made"] == found["records_stored"] > 0 and found["peak_memory_mb"] > 10
    assert re.fullmatch("[0-9a-f]{64}", found["digest"])
    (folder,) = (tmp_path / "run").iterdir()
    assert folder.name.startswith("one-") and str(folder) == found["folder"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "day.xml"))
    assert [case.name for case in suite if case.is_passed] == ["nothing lost", "nothing crashed"]
    page = (tmp_path / "day.html").read_text(encoding="utf-8")
    assert "report: day.html" in done.stdout and "Rowan Ashdown" in page and found["digest"] in page and "Energy by state" in page
    assert processes_of(tmp_path) == []


@pytest.mark.slow
def test_an_expectation_that_is_not_met_makes_it_exit_1_and_say_so(tmp_path: Path) -> None:
    wanted = [{"wearer": "rowan", "event": "strap_cut", "between": ["06:00", "06:02"]}]
    scenario = short_scenario(tmp_path / "one.yaml", expect=wanted)
    results = ("--json", "day.json", "--junit", "day.xml")
    done = homeward("sim", "run", scenario, "--until", "3m", "--headless", *results, cwd=tmp_path)
    assert done.returncode == 1
    assert "not good" in done.stderr and "rowan: strap_cut must be found" in done.stderr
    found = json.loads((tmp_path / "day.json").read_text())
    assert found["good"] is False and [each["met"] for each in found["expected"]] == [False]
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "day.xml"))
    assert (suite.failures, suite.tests) == (1, 3)


def said(folder: Path) -> str:
    return (folder / "out").read_text()


def console_url(process: subprocess.Popen[str], folder: Path) -> str:
    found = None

    def look() -> object:
        nonlocal found
        found = re.search(r"console: (http://\S+)", said(folder))
        assert process.poll() is None, said(folder)
        return found

    wait_for(look, "the console's address", 60)
    assert found is not None
    return found[1]


def end(process: subprocess.Popen[str], number: signal.Signals) -> int:
    """To the whole group, as a terminal does."""
    os.killpg(process.pid, number)
    return process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_ends_a_run_that_is_watched_and_nothing_is_left(number: signal.Signals, tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml")
    process = started("sim", "run", scenario, "--console-port", 0, cwd=tmp_path)
    try:
        url = console_url(process, tmp_path)
        page = httpx.get(url, follow_redirects=True)
        assert page.status_code == 200 and "Homeward" in page.text
        assert end(process, number) == 0
    finally:
        process.kill()
    assert "Traceback" not in said(tmp_path) and re.search(r"ended at 06:\d\d:\d\d BST of the scenario", said(tmp_path))
    assert processes_of(tmp_path) == []


def test_ctrl_c_in_an_unattended_run_is_no_success(tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml")
    process = started("sim", "run", scenario, "--headless", "--speed", "1", "--json", "day.json", cwd=tmp_path)
    try:
        wait_for(lambda: "day 1 06:00" in said(tmp_path), "the run's first line", 60)
        assert end(process, signal.SIGINT) == 130
    finally:
        process.kill()
    assert "Traceback" not in said(tmp_path) and not (tmp_path / "day.json").exists()
    assert processes_of(tmp_path) == []


def test_ctrl_c_before_it_has_begun_leaves_nothing(tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml")
    process = started("sim", "run", scenario, "--headless", cwd=tmp_path)
    try:
        wait_for(lambda: "starting" in said(tmp_path), "the first word", 60)
        assert end(process, signal.SIGINT) == 130
    finally:
        process.kill()
    assert "Traceback" not in said(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.yaml", "out"]
    assert processes_of(tmp_path) == []


def test_at_the_scenarios_end_the_console_stays_up_until_ctrl_c(tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml")
    arguments = ("--until", "2m", "--speed", "max", "--console-port", 0, "--run", "kept")
    process = started("sim", "run", scenario, *arguments, cwd=tmp_path)
    try:
        url = console_url(process, tmp_path)
        wait_for(lambda: "the console stays up until Ctrl-C" in said(tmp_path), "the scenario's end", 60)
        assert httpx.get(url, follow_redirects=True).status_code == 200
        assert end(process, signal.SIGINT) == 0
    finally:
        process.kill()
    assert "records stored" in said(tmp_path) and "Traceback" not in said(tmp_path)
    assert (tmp_path / "kept" / "store.db").exists()
    assert processes_of(tmp_path) == []
