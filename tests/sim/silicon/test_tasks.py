"""asyncio over the silicon's own tasks does what the interpreter's C ones do: the same programs, the same lines in order.

The real ones run on the host's clock, which a busy machine makes uneven: their sleeps end at whole units of it, so that what is
due at the same moment in virtual time is so in theirs, and a program that came out otherwise is run again with longer units. The
virtual ones have to be right the first time.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.firmware.core.interpreter import run
from tests.sim.silicon.harness import lines_of
from tests.sim.silicon.programs import BODY, UNITS_MAX, Program, programs

UNIT_MS = 8
TRIES = 7  # each with units twice as long
AT_ONCE = 12  # interpreters: they sleep most of the time

_HEAD = """
import asyncio, time
from asyncio import core
U = {unit}
began = 0
sleep_ms = core.sleep_ms
def begin():
    global began
    began = time.ticks_ms()
def now():
    return time.ticks_diff(time.ticks_ms(), began) * 2 // U
def aligned(ms):
    # From the last half unit on.
    return sleep_ms(ms and max(0, ms - time.ticks_diff(time.ticks_ms(), began) % (U // 2)))
core.sleep_ms = aligned
def pause(me, n):
    return aligned(n * U)
def within(me, awaited, n):
    return asyncio.wait_for_ms(awaited, n * U + U // 2)
async def align(me):
    pass
def may_cancel(me, other):
    return me != other
def until_over():
    return asyncio.sleep_ms({units} * U)
"""
_TAIL = """
for number, steps in {programs!r}:
    asyncio.new_event_loop()
    asyncio.get_event_loop().set_exception_handler(lambda loop, context: None)
    print(number, asyncio.run(program(steps)))
"""

Numbered = list[tuple[int, Program]]


def script(numbered: Numbered, unit_ms: int) -> str:
    return _HEAD.format(unit=unit_ms, units=UNITS_MAX) + BODY + _TAIL.format(programs=numbered)


def results(lines: list[str]) -> dict[int, str]:
    return {int(number): result for number, _, result in (line.partition(" ") for line in lines)}


def real_ones(numbered: Numbered, unit_ms: int) -> dict[int, str]:
    """What the interpreter's own asyncio makes of them, on the wall clock."""
    parts = [numbered[n::AT_ONCE] for n in range(min(AT_ONCE, len(numbered)))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(lambda part: results(run(script(part, unit_ms))), parts)
        return {number: result for part in done for number, result in part.items()}


def compare(folder: Path, batch: list[Program]) -> None:
    left = list(enumerate(batch))
    virtual = results(lines_of(folder, script(left, UNIT_MS)))
    assert virtual.keys() == dict(left).keys()
    real: dict[int, str] = {}
    for tried in range(TRIES):
        real = real_ones(left, UNIT_MS << tried)
        left = [(number, program) for number, program in left if real[number] != virtual[number]]
        if not left:
            return
    number, program = left[0]
    raise AssertionError(f"{program}\nvirtual {virtual[number]}\nreal    {real[number]}")


# On the wall clock every look costs seconds: nothing is made smaller, the programs are small.
_SETTINGS: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": [Phase.generate],
}


@settings(max_examples=1, **_SETTINGS)
@given(batch=st.lists(programs(), min_size=36, max_size=36))
def test_any_program_of_tasks_events_locks_timeouts_and_cancellations_runs_as_on_the_interpreter_itself(tmp_path_factory, batch):
    compare(tmp_path_factory.mktemp("programs"), batch)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=20, **_SETTINGS)
@given(batch=st.lists(programs(), min_size=60, max_size=60))
def test_many_programs_run_as_on_the_interpreter_itself(tmp_path_factory, batch):
    compare(tmp_path_factory.mktemp("programs"), batch)


def test_tasks_due_at_the_same_moment_run_first_in_first_out(tmp_path):
    program = """
import asyncio
order = []
async def one(n):
    await asyncio.sleep_ms(50)
    order.append(n)
    await asyncio.sleep_ms(0)
    order.append(n)
async def main():
    await asyncio.gather(*[one(n) for n in range(12)])
    print(order)
asyncio.run(main())
"""
    assert lines_of(tmp_path, program) == [str([*range(12), *range(12)])]


def test_sleeps_are_exact_in_virtual_time_over_the_wrap_of_the_ticks(tmp_path):
    from tests.sim.silicon.harness import Device

    program = """
import asyncio, time
async def main():
    start = _hw.now
    async def tick(ms):
        for _ in range(20):
            await asyncio.sleep_ms(ms)
        return _hw.now - start
    print(await asyncio.gather(tick(1000), tick(1), tick(77), tick(999)))
asyncio.run(main())
"""
    with Device(tmp_path, program) as device:
        device.now = 2**30 - 5000
        device.live(2**30 + 10**6)
        assert device.lines == ["[20000, 20, 1540, 19980]"]


def test_a_task_taken_out_of_a_queue_does_not_run_and_the_others_do(tmp_path):
    program = """
q = _tasks.TaskQueue()
tasks = [_tasks.Task(None) for _ in range(4)]
for due, task in zip((30, 10, 20, 10), tasks):
    q.push(task, due)
q.remove(tasks[2])
print([tasks.index(q.pop()) for _ in range(3)], q.peek())
try:
    q.remove(tasks[2])
except ValueError:
    print("not in it")
"""
    assert lines_of(tmp_path, program) == ["[1, 3, 0] None", "not in it"]


def test_nobody_waits_longer_for_a_cancelled_task(tmp_path):
    program = """
import asyncio, time
async def main():
    async def long():
        try:
            await asyncio.sleep_ms(10**6)
        finally:
            print("cleaned up at", time.ticks_ms())
    task = asyncio.create_task(long())
    await asyncio.sleep_ms(10)
    print(task.cancel(), task.done())
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled at", time.ticks_ms(), task.done(), task.cancel())
asyncio.run(main())
"""
    assert lines_of(tmp_path, program) == ["True False", "cleaned up at 10", "cancelled at 10 True False"]
