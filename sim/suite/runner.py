"""Runs of many seeds over processes: each a bundle of scenarios under one seed, in a folder of its own that is gone afterwards.

A run that fails is its own result: its scenarios are tried again one by one, so that only the one that broke it has the crash
in its row. What is found depends on names and seeds alone, neither on the number of processes nor on the order in which they
are done.
"""

import multiprocessing
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.store.opening import open_store
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.scenario import Scenario
from sim.suite.arrivals import first_arrivals
from sim.suite.bundle import Bundle, bundles, merged
from sim.suite.requirements import BY_NAME, Requirement, scenario_of
from sim.suite.samples import Found
from sim.suite.take import Take
from sim.suite.vary import varied

_LOOK_S = 0.2
_ended: Any = None  # in a worker: an event that is set when the suite is to end


class Ended(BaseException):
    """The suite is being ended: what runs is to be taken down in order. No Exception: nobody shall take it for a failed run."""


@dataclass(frozen=True)
class Task:
    """One run: scenarios by name under one seed. `keep`: where the folder goes when something in it does not hold."""

    names: Bundle
    seed: int
    keep: Path | None = None


def tasks_of(wanted: Sequence[Requirement], seeds: Sequence[int], keep: Path | None = None) -> list[Task]:
    """What has to be run for these requirements, the longest first."""
    out = [Task((r.name,), seeds[0], keep) for r in wanted if r.alone is not None]
    with_scenario = [r for r in wanted if r.measure is not None]
    few = [r for r in with_scenario if r.most_seeds is not None]
    out += [Task((r.name,), seed, keep) for r in few for seed in seeds[: r.most_seeds]]
    groups = bundles((r.name, scenario_of(r.name)) for r in with_scenario if r.most_seeds is None)
    out += [Task(names, seed, keep) for seed in seeds for names in groups]
    return sorted(out, key=lambda task: -_weight(task.names))


def _weight(names: Bundle) -> int:
    """Simulated time by devices, roughly: what takes longest is begun first."""
    if BY_NAME[names[0]].alone is not None:
        return 1 << 40
    return sum(scenario_of(name).until_ms * len(scenario_of(name).file.people) for name in names)


def run_task(task: Task) -> list[Found]:
    """What each requirement of a task comes to. Raises nothing but Ended."""
    try:
        return _run(task)
    except Exception as error:
        if len(task.names) == 1:
            return [Found(task.names[0], task.seed, crash=_words(error))]
    return [found for name in task.names for found in run_task(Task((name,), task.seed, task.keep))]


def _run(task: Task) -> list[Found]:
    first = BY_NAME[task.names[0]]
    if first.alone is not None:
        return [Found(first.name, task.seed, first.alone())]
    parts = [varied(scenario_of(name), task.seed) for name in task.names]
    whole = merged("suite", parts)
    with _folder() as path:
        out = _measured(task, parts, whole, path)
        if task.keep is not None and not all(found.is_good(BY_NAME[found.requirement].figures) for found in out):
            _keep(path, task)
        return out


def _measured(task: Task, parts: Sequence[Scenario], whole: Scenario, path: Path) -> list[Found]:
    def tick(_: Run) -> None:
        if _ended is not None and _ended.is_set():
            raise Ended

    with Run(whole, RunFolder(path), Options(until_ms=whole.until_ms, shows_town=False)) as run:
        run.live(tick)
        summary = run.finish(tick)
        world = run.world
    arrivals = first_arrivals(path)
    journal_bytes = (path / "devices" / parts[0].file.people[0].tag / "journal.flash").stat().st_size
    engine = open_store(path / "store.db", read_only=True)
    try:
        out = []
        for name, part in zip(task.names, parts, strict=True):
            take = Take(part, world, engine, arrivals, part.until_ms, journal_bytes)
            out.append(found_of(BY_NAME[name], take, task.seed, summary.crashes))
        if summary.records_made != summary.records_stored:
            lost = f"{summary.records_made - summary.records_stored} records made and not stored"
            for found in out:
                found.missed.append(lost)
        return out
    finally:
        engine.dispose()


def found_of(requirement: Requirement, take: Take, seed: int, crashes: Sequence[str] = ()) -> Found:
    """What a take says of a requirement. `crashes` of devices count for those whose devices they are."""
    assert requirement.measure is not None
    mine = {name for p in take.people for name in (p.tag, p.home_unit) if name}
    crash = next((crash for crash in crashes if crash.split(" ", 1)[0] in mine), "")
    found = Found(requirement.name, seed, wearer_days=take.wearer_days, crash=crash.splitlines()[0] if crash else "")
    found.values = requirement.measure(take)
    found.missed = take.missed() + take.silent()
    found.false = take.false()
    return found


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="homeward-suite-") as around:
        yield Path(around) / "run"


def _keep(path: Path, task: Task) -> None:
    assert task.keep is not None
    name = task.names[0] if len(task.names) == 1 else f"{task.names[0]}-and-{len(task.names) - 1}-more"
    with suppress(FileExistsError):
        shutil.copytree(path, task.keep / f"{name}-seed-{task.seed}")


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}".rstrip(": ")


# The pool


def _begin(ended: Any) -> None:
    global _ended
    _ended = ended
    # Ctrl-C goes to the whole terminal; here the event ends a run in order.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _guarded(task: Task) -> list[Found]:
    try:
        if _ended is not None and _ended.is_set():
            return []
        return run_task(task)
    except Ended:
        return []


def run_all(
    tasks: Sequence[Task],
    jobs: int,
    on_done: Callable[[Task, list[Found]], None] = lambda task, found: None,
    tick: Callable[[], None] = lambda: None,
) -> list[Found]:
    """All tasks over `jobs` processes. `tick` is called between; what it raises ends everything in order and goes on."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    out: list[Found] = []
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(ended,)) as pool:
        futures: dict[Future[list[Found]], Task] = {pool.submit(_guarded, task): task for task in tasks}
        left = set(futures)
        try:
            while left:
                done, left = wait(left, _LOOK_S, FIRST_COMPLETED)
                for future in done:
                    found = _result(future, futures[future])
                    out += found
                    on_done(futures[future], found)
                tick()
        except BaseException:
            ended.set()
            for future in left:
                future.cancel()
            raise
    return out


def _result(future: Future[list[Found]], task: Task) -> list[Found]:
    try:
        return future.result()
    except Exception as error:  # the worker itself has gone: killed, or out of memory
        return [Found(name, task.seed, crash=_words(error)) for name in task.names]
