"""Programs of asyncio made at random, in one text that runs on MicroPython's asyncio and on CPython's.

A program is a list of tasks, each a list of steps (op, a, b). All times are whole or half units of `U` ms. `log` holds what
happened in order: (half units since the start, task, what …).
"""

from hypothesis import strategies as st

UNITS_MAX = 48  # no program takes longer: then whatever still waits is cancelled

Step = tuple[str, int, int]
Program = list[list[Step]]

OPS = (
    "sleep", "sleep", "sleep", "sleep", "yield", "set", "set", "clear", "wait", "lock", "lock", "cancel", "cancel", "join", "for",
    "for", "forevent", "forjoin", "forlock", "gather", "gatherx", "raise", "flag", "waitflag", "nest", "deaf",
)  # fmt: skip
# What the two asyncios promise alike. MicroPython's flag is its own; of tasks due at the same moment CPython promises no order.
COMMON_OPS = tuple(op for op in OPS if op not in ("flag", "waitflag", "yield"))

# Put before this text: `now()`, in half units; `pause(me, n)`, which sleeps for n units or to a moment soon after; `within(me,
# awaitable, n)`, a timeout; `align(me)`, after each step; `may_cancel(me, other)`; `begin()` and `until_over()`.
BODY = """
async def program(steps):
    # The interpreter's own asyncio crashes now and then when a task that has failed is awaited afterwards: here nobody does.
    tasks, log, failed = [], [], []
    events = [asyncio.Event() for _ in range(3)]
    lock = asyncio.Lock()
    flag = asyncio.ThreadSafeFlag() if hasattr(asyncio, "ThreadSafeFlag") else None
    begin()
    def note(me, *what):
        log.append((now(), me) + what)
    async def held(me, n):
        async with lock:
            note(me, "has lock")
            await pause(me, n)
    async def nap(me, n):
        await pause(me, n)  # MicroPython's sleep is one object for all: it must be awaited where it is called
    async def child(me, n):
        await pause(me, n)
        note(me, "child", n)
        if n == 3:
            raise KeyError(n)
        return n
    async def deaf(me, n):
        try:
            await pause(me, n + 1)
        except asyncio.CancelledError:
            note(me, "deaf")
            await pause(me, 1)
        return "deaf"
    async def step(me, op, a, b):
        if op == "sleep":
            await pause(me, a)
        elif op == "yield":
            await asyncio.sleep(0)
        elif op == "set":
            events[a].set()
        elif op == "clear":
            events[a].clear()
        elif op == "wait":
            await events[a].wait()
        elif op == "lock":
            await held(me, a)
        elif op == "cancel":
            return may_cancel(me, a) and a < len(tasks) and bool(tasks[a].cancel())
        elif op == "join":
            if me < a < len(tasks) and a not in failed:
                return await tasks[a]
        elif op == "for":
            await within(me, nap(me, a), b)
        elif op == "forevent":
            await within(me, events[a].wait(), b)
        elif op == "forlock":
            await within(me, held(me, a), b)
        elif op == "forjoin":
            if me < a < len(tasks) and a not in failed:
                return await within(me, tasks[a], b)
        elif op == "gather":
            return repr(await asyncio.gather(child(me, a), child(me, b), return_exceptions=True))
        elif op == "gatherx":
            return repr(await asyncio.gather(child(me, a), child(me, b)))
        elif op == "nest":
            return await asyncio.create_task(child(me, b))
        elif op == "deaf":
            await asyncio.create_task(deaf(me, a))
        elif op == "flag":
            flag.set()
        elif op == "waitflag":
            await within(me, flag.wait(), b)
        elif op == "raise":
            raise ValueError(a)
    async def task(me, mine):
        try:
            for op, a, b in mine:
                try:
                    result = await step(me, op, a, b)
                    note(me, op, a, b, str(result))
                except asyncio.TimeoutError:
                    note(me, op, "timeout")
                except (ValueError, KeyError) as error:
                    note(me, op, "error", str(error.args[0]))
                    if a == 2:
                        failed.append(me)
                        raise
                await align(me)
        except asyncio.CancelledError:
            note(me, "cancelled")
            raise
        finally:
            note(me, "end")
        return me
    for me, mine in enumerate(steps):
        tasks.append(asyncio.create_task(task(me, mine)))
    await until_over()
    log.append([t.done() for t in tasks])
    for t in tasks:
        t.cancel()
    for me, t in enumerate(tasks):
        if me in failed:
            continue
        try:
            note(me, "result", await t)
        except asyncio.CancelledError:
            note(me, "result", "cancelled")
    return log
"""


def steps(ops: tuple[str, ...], tasks: int) -> st.SearchStrategy[Step]:
    return st.tuples(st.sampled_from(ops), st.integers(0, max(2, tasks - 1)), st.integers(0, 3)).map(
        lambda step: step if step[0] in ("cancel", "join", "forjoin") else (step[0], step[1] % 3, step[2])
    )


def programs(ops: tuple[str, ...] = OPS, tasks: int = 5) -> st.SearchStrategy[Program]:
    return st.lists(st.lists(steps(ops, tasks), min_size=1, max_size=7), min_size=2, max_size=tasks)
