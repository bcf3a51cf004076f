"""Households divided among processes: the same records, the same acts, and a worker that ends is named."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from sim.control.acts import Act
from sim.control.hand import Hand
from sim.engine.run import Options, Run
from sim.engine.worker import WorkerEnded
from sim.scenario import load
from tests.brokers import wait_for
from tests.end_to_end.runs import ERRAND, make_run

UNTIL_MS = 12 * 60_000


def test_the_records_do_not_depend_on_how_many_workers_there_are(tmp_path: Path):
    """With somebody who cuts a strap and takes the network away in each part, and a bridge that is gone for a while."""
    found = []
    scenario = load(ERRAND)
    wearers = [person.id for person in scenario.file.people]
    acts = [Act(120_000 + 1000 * i, "strap_cut", wearer) for i, wearer in enumerate(wearers)]
    acts += [Act(180_000, "bridge_down"), Act(240_000, "bridge_down_over"), Act(300_000, "coverage_lost", wearers[-1])]
    for workers in (1, 2):
        run = make_run(tmp_path / str(workers), scenario, until_ms=UNTIL_MS)
        run.options = replace(run.options, workers=workers)
        run.hand = Hand(scenario, run.folder.path, acts)
        with run:
            run.live()
            summary = run.finish()
            figures = {each.name: (each.ms_on_cell, each.lives) for each in run.device_figures()}
            assert len(run.workers) == workers - 1
        found.append((summary.digest, summary.records_made, summary.records_stored, summary.crashes, figures))
    assert found[0] == found[1]
    assert found[0][1] == found[0][2] > 10


def test_a_killed_worker_is_named_and_leaves_nothing(tmp_path: Path):
    run = make_run(tmp_path / "run", load(ERRAND), until_ms=UNTIL_MS, speed=60)
    run.options = replace(run.options, workers=2)
    begun: list[psutil.Process] = []

    def tick(run: Run) -> None:
        if not begun:
            children = psutil.Process(os.getpid()).children(recursive=True)
            begun.extend(p for p in children if not any("resource_tracker" in word for word in p.cmdline()))
            os.kill(run.workers[0].pid, signal.SIGKILL)

    with pytest.raises(WorkerEnded, match=r"a worker of the simulation .* has ended"), run:
        run.live(tick)
    wait_for(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in begun), "the end of all", 15)


def test_there_are_no_more_workers_than_households(tmp_path: Path):
    run = make_run(tmp_path / "run", load(ERRAND), until_ms=1000)
    run.options = Options(until_ms=1000, workers=64)
    with run:
        run.live()
        assert 0 < len(run.workers) < 8
