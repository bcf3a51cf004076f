"""Real runs: a requirement is held by the firmware as it is, not by a device that is broken, and a crash is a row of its own."""

from pathlib import Path

import pytest

from sim.scenario import Scenario
from sim.suite import runner
from sim.suite.requirements import BY_NAME, REQUIREMENTS, scenario_of
from sim.suite.runner import Ended, Task, run_task, tasks_of
from sim.suite.samples import judge


def short(name: str, who: str, until: str) -> Scenario:
    """A requirement's scenario with one of its people, and an earlier end."""
    file = scenario_of(name).file
    people = [p for p in file.people if p.id == who]
    expect = [e for e in file.expect if e.wearer == who]
    return Scenario(name, file.model_copy(update={"people": people, "expect": expect, "until": until}))


def test_a_cut_strap_is_held_and_without_its_cut_it_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int):
    seed %= 1000
    requirement = BY_NAME["strap_cut"]
    whole = short("strap_cut", "cut-hal", "22m")
    monkeypatch.setattr(runner, "scenario_of", lambda name: whole)
    (found,) = run_task(Task(("strap_cut",), seed))
    verdict = judge("strap_cut", requirement.figures, [found])
    assert verdict.held, found
    assert 0 < found.wearer_days < 0.02 and len(found.values["shown"]) == 1
    assert run_task(Task(("strap_cut",), seed)) == [found], "the same seed again"

    people = [p.model_copy(update={"events": []}) for p in whole.file.people]
    broken = Scenario("strap_cut", whole.file.model_copy(update={"people": people, "until": "22m"}))
    monkeypatch.setattr(runner, "scenario_of", lambda name: broken)
    (found,) = run_task(Task(("strap_cut",), seed, tmp_path))
    assert not judge("strap_cut", requirement.figures, [found]).held
    assert len(found.missed) == 1 and found.missed[0].startswith("cut-hal: strap_cut")
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"strap_cut-seed-{seed}" and (kept / "store.db").exists()


def test_a_run_that_fails_is_the_row_of_who_broke_it(monkeypatch: pytest.MonkeyPatch):
    tried: list[tuple[str, ...]] = []

    def run(task: Task):
        tried.append(task.names)
        if "b" in task.names:
            raise RuntimeError("no room\nat all")
        return [runner.Found(name, task.seed) for name in task.names]

    monkeypatch.setattr(runner, "_run", run)
    found = run_task(Task(("a", "b", "c"), 4))
    assert tried == [("a", "b", "c"), ("a",), ("b",), ("c",)]
    assert [(each.requirement, each.crash) for each in found] == [("a", ""), ("b", "RuntimeError: no room"), ("c", "")]


def test_what_is_being_ended_is_no_failed_run(monkeypatch: pytest.MonkeyPatch):
    def run(task: Task):
        raise Ended

    monkeypatch.setattr(runner, "_run", run)
    with pytest.raises(Ended):
        run_task(Task(("a", "b"), 1))


def test_each_requirement_is_run_under_each_seed_and_what_knows_no_seed_once():
    wanted = [each for each in REQUIREMENTS if not each.not_shown]
    tasks = tasks_of(wanted, range(5, 25))
    runs = {each.name: [task.seed for task in tasks if each.name in task.names] for each in wanted}
    for each in wanted:
        if each.alone is not None or each.most_seeds == 1:
            assert runs[each.name] == [5]
        else:
            assert sorted(runs[each.name]) == list(range(5, 25)), each.name


@pytest.mark.slow
def test_one_alone_gives_the_figures_that_it_gives_in_company(seed: int):
    seed %= 1000
    names = ("strap_cut", "locate_now", "curfew")
    together = run_task(Task(names, seed))
    assert together == [found for name in names for found in run_task(Task((name,), seed))]
