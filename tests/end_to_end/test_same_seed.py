"""Same seed, byte-identical records: however fast the host is, however many cores it has, and whatever else it does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import sim.scenarios

ROOT = Path(__file__).parents[2]
BRIEF = Path(__file__).with_name("brief.yaml")
DEMO = Path(sim.scenarios.__file__ or "").with_name("demo.yaml")


def one_run(folder: Path, *options: object, timeout_s: float = 200, before: tuple[str, ...] = (), **env: str) -> dict[str, Any]:
    """The summary of a run in a process of its own, which came to a good end."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "tests.end_to_end.one_run", str(folder), *map(str, options)],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert summary["crashes"] == []
    assert summary["records_made"] == summary["records_stored"]
    return summary


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a run as fast as possible with nothing in its way."""
    return one_run(tmp_path_factory.mktemp("first") / "run")["digest"]


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Others who want the processor as well."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def test_twice_the_same(digest: str, tmp_path: Path):
    assert one_run(tmp_path / "run")["digest"] == digest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process to a core")
def test_on_one_core(digest: str, tmp_path: Path):
    core = min(os.sched_getaffinity(0))
    assert one_run(tmp_path / "run", "--core", core)["digest"] == digest


@pytest.mark.slow  # at the wall clock's pace below is the quick one
@pytest.mark.parametrize("speed", [600, 2400])
def test_at_another_pace(digest: str, tmp_path: Path, speed: int):
    assert one_run(tmp_path / "run", "--speed", speed)["digest"] == digest


@pytest.mark.slow
def test_while_others_use_the_processor(digest: str, tmp_path: Path):
    with busy(2 * (os.cpu_count() or 1)):
        assert one_run(tmp_path / "run")["digest"] == digest


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a minute and a half as fast as possible."""
    summary = one_run(tmp_path_factory.mktemp("brief") / "run", "--scenario", BRIEF)
    assert [kind for _, kind, *_ in summary["told"]].count("strap_cut") == 1
    return summary


@pytest.mark.parametrize("speed", [30, pytest.param(1, marks=pytest.mark.slow)])
def test_on_the_wall_clock_the_same_is_recorded_and_found(brief: dict[str, Any], tmp_path: Path, speed: int):
    paced = one_run(tmp_path / "run", "--scenario", BRIEF, "--speed", speed)
    assert paced["wall_s"] >= 90 / speed
    assert (paced["digest"], paced["told"]) == (brief["digest"], brief["told"])


@pytest.mark.slow
def test_whatever_the_interpreter_makes_of_its_sets_and_whoever_is_served_first(brief: dict[str, Any], tmp_path: Path):
    for n, hash_seed in enumerate(("1", "4242")):
        other = one_run(tmp_path / str(n), "--scenario", BRIEF, before=("nice", "-n", str(n * 15)), PYTHONHASHSEED=hash_seed)
        assert (other["digest"], other["told"]) == (brief["digest"], brief["told"])


@pytest.mark.slow
def test_whatever_the_interpreter_makes_of_its_sets(digest: str, tmp_path: Path):
    assert one_run(tmp_path / "run", PYTHONHASHSEED="77")["digest"] == digest


def test_another_seed_gives_other_records(digest: str, tmp_path: Path, seed: int):
    assert one_run(tmp_path / "run", "--seed", seed + 8)["digest"] != digest


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_demonstrations_whole_day_is_the_same_each_time(tmp_path: Path):
    day = one_run(tmp_path / "first", "--scenario", DEMO, timeout_s=600)
    assert day["unmet"] == [] and day["holds_expired"] == 0
    assert day["simulated_s"] == 24 * 3600
    again = one_run(tmp_path / "second", "--scenario", DEMO, timeout_s=600)
    assert again["digest"] == day["digest"]
    with busy(2):
        paced = one_run(tmp_path / "paced", "--scenario", DEMO, "--speed", 1200, timeout_s=600)
    assert paced["digest"] == day["digest"]
