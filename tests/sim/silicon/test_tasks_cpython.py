"""asyncio on the silicon against CPython's, as far as both promise the same: every task's own story, to the half unit of time.

CPython's loop gets a clock that jumps to the next deadline. Of tasks due at the same moment it promises no order, so here no two
tasks act at the same moment of their own accord: task n acts at times that leave n when divided by `GRID`, its timeouts end
half-way between. Who is woken by another waits for its own next moment before it acts. And when the time is up for a task that
does not heed its cancellation, CPython's `wait_for` gives its result and MicroPython's tells the timeout: no program has both.
"""

import asyncio
import selectors
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.silicon.harness import lines_of
from tests.sim.silicon.programs import BODY, COMMON_OPS, UNITS_MAX, Program, programs

GRID = 16  # half units

_HEAD = """
G = {grid}
def grid_ms(me, n):
    # The task's own next moment that is n or more of G away.
    return n * G + (me - now()) % G
async def sleep_ms(ms):
    await asyncio.sleep_ms(ms)
async def pause(me, n):
    await sleep_ms(grid_ms(me, n))
def within(me, awaited, n):
    return wait_for_ms(awaited, grid_ms(me, n) + G // 2)
async def align(me):
    await sleep_ms(grid_ms(me, 0) or G)
def may_cancel(me, other):
    # Joins go to higher numbers too: nobody cancels who waits for it, and with that itself.
    return other > me
def begin():
    global began
    began = ticks()
def until_over():
    return sleep_ms({units} * G)
"""
_MICROPYTHON = """
import asyncio, time
wait_for_ms = asyncio.wait_for_ms
ticks = time.ticks_ms
def now():
    return time.ticks_diff(ticks(), began)
"""
_CPYTHON = """
def ticks():
    return round(asyncio.get_running_loop().time() * 1000)
def now():
    return ticks() - began
async def sleep_ms(ms):
    await asyncio.sleep(ms / 1000)
def wait_for_ms(awaited, ms):
    return asyncio.wait_for(awaited, ms / 1000)
"""
_TAIL = """
for number, steps in {programs!r}:
    asyncio.new_event_loop()
    asyncio.get_event_loop().set_exception_handler(lambda loop, context: None)
    print(number, asyncio.run(program(steps)))
"""


class _Jump(selectors.BaseSelector):
    """Nothing is ever ready; a wait moves the clock at once."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list:
        assert timeout is not None, "nobody is due any more"
        self.now_s += max(0.0, timeout)
        return []

    def get_map(self) -> dict:
        return {}


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s


def on_cpython(program: Program) -> list:
    names: dict[str, Any] = {"asyncio": asyncio}
    exec(_HEAD.format(grid=GRID, units=UNITS_MAX) + _CPYTHON + BODY, names)
    loop = _Loop()
    loop.set_exception_handler(lambda loop, context: None)
    try:
        return loop.run_until_complete(names["program"](program))
    finally:
        loop.close()


def stories(log: list) -> list:
    """Each task's own, and who was done in the end: the order of different tasks at one moment is not compared."""
    done = [entry for entry in log if isinstance(entry, list)]
    told = [(*entry[:2], *(str(word).replace(",)", ")") for word in entry[2:])) for entry in log if isinstance(entry, tuple)]
    return [done, *([entry for entry in told if entry[1] == me] for me in sorted({entry[1] for entry in told}))]


_common = st.one_of(*(programs(tuple(op for op in COMMON_OPS if op != without)) for without in ("deaf", "forjoin")))


def compare(folder: Path, batch: list[Program]) -> None:
    text = _HEAD.format(grid=GRID, units=UNITS_MAX) + _MICROPYTHON + BODY + _TAIL.format(programs=list(enumerate(batch)))
    for program, line in zip(batch, lines_of(folder, text), strict=True):
        virtual = stories(eval(line.partition(" ")[2]))
        theirs = stories(on_cpython(program))
        assert virtual == theirs, program


@settings(max_examples=8, deadline=None)
@given(batch=st.lists(_common, min_size=10, max_size=40))
def test_any_program_tells_the_same_stories_as_on_cpython(tmp_path_factory, batch):
    compare(tmp_path_factory.mktemp("programs"), batch)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(batch=st.lists(_common, min_size=10, max_size=40))
def test_many_programs_tell_the_same_stories_as_on_cpython(tmp_path_factory, batch):
    compare(tmp_path_factory.mktemp("programs"), batch)
