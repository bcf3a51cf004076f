"""asyncio over the silicon's own tasks does what the interpreter's C ones do: the same programs, the same lines in order.

The programs are made at random from a seed. The real ones run on the host's clock, which a busy machine makes uneven, so a
program that came out otherwise is run again a few times; the virtual ones have to be right the first time.
"""

import random

from tests.firmware.core.interpreter import run
from tests.sim.silicon.harness import lines_of

UNIT_MS = 12
PROGRAMS = 24
TRIES = 5

_PROGRAM = """
import asyncio
U = {unit}
async def program(steps):
    tasks, log = [], []
    events = [asyncio.Event() for _ in range(3)]
    lock = asyncio.Lock()
    async def step(me, op, a, b):
        if op == "sleep":
            await asyncio.sleep_ms(a * U)
        elif op == "yield":
            await asyncio.sleep_ms(0)
        elif op == "set":
            events[a].set()
        elif op == "clear":
            events[a].clear()
        elif op == "wait":
            await events[a].wait()
        elif op == "lock":
            async with lock:
                log.append((me, "has lock"))
                await asyncio.sleep_ms(a * U)
        elif op == "cancel":
            return a != me and a < len(tasks) and tasks[a].cancel()
        elif op == "join":
            if me < a < len(tasks):
                await tasks[a]
        elif op == "for":
            await asyncio.wait_for_ms(asyncio.sleep_ms(a * U), b * U + U // 2)
        elif op == "forevent":
            await asyncio.wait_for_ms(events[a].wait(), b * U + U // 2)
        elif op == "gather":
            return await asyncio.gather(child(me, a), child(me, b), return_exceptions=True)
        elif op == "raise":
            raise ValueError(a)
    async def child(me, n):
        await asyncio.sleep_ms(n * U)
        log.append((me, "child", n))
        if n == 3:
            raise KeyError(n)
        return n
    async def task(me, mine):
        try:
            for op, a, b in mine:
                try:
                    result = await step(me, op, a, b)
                    log.append((me, op, a, b, str(result)))
                except asyncio.TimeoutError:
                    log.append((me, op, "timeout"))
                except ValueError as error:
                    log.append((me, op, "error", str(error)))
                    if a == 2:
                        raise
        except asyncio.CancelledError:
            log.append((me, "cancelled"))
            raise
        finally:
            log.append((me, "end"))
        return me
    for me, mine in enumerate(steps):
        tasks.append(asyncio.create_task(task(me, mine)))
    await asyncio.sleep_ms(30 * U)
    log.append([t.done() for t in tasks])
    for t in tasks:
        t.cancel()
    for t in tasks:
        try:
            log.append(("result", await t))
        except BaseException as error:
            log.append(("result", repr(error)))
    return log
for number, steps in {programs!r}:
    asyncio.new_event_loop()
    asyncio.get_event_loop().set_exception_handler(lambda loop, context: None)
    print(number, asyncio.run(program(steps)))
"""

Step = tuple[str, int, int]
Program = list[list[Step]]


def any_program(chance: random.Random) -> Program:
    ops = ["sleep"] * 4 + ["yield", "set", "set", "clear", "wait", "lock", "lock", "cancel", "join"] + ["for"] * 2
    ops += ["forevent", "gather", "raise"]
    return [
        [(chance.choice(ops), chance.randint(0, 2), chance.randint(0, 3)) for _ in range(chance.randint(1, 7))]
        for _ in range(chance.randint(2, 5))
    ]


def script(programs: list[tuple[int, Program]]) -> str:
    return _PROGRAM.format(unit=UNIT_MS, programs=programs)


def test_any_program_of_tasks_events_locks_timeouts_and_cancellations_runs_as_on_the_interpreter_itself(tmp_path, seed: int):
    chance = random.Random(seed)
    programs = [(number, any_program(chance)) for number in range(PROGRAMS)]
    virtual = dict(line.split(" ", 1) for line in lines_of(tmp_path, script(programs)))
    assert len(virtual) == PROGRAMS
    left = programs
    real: dict[str, str] = {}
    for _ in range(TRIES):
        real = dict(line.split(" ", 1) for line in run(script(left)))
        left = [(number, program) for number, program in left if real[str(number)] != virtual[str(number)]]
        if not left:
            return
    number, program = left[0]
    raise AssertionError(f"{program}\nvirtual {virtual[str(number)]}\nreal    {real[str(number)]}")


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
