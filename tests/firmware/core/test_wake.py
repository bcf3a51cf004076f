"""A task waits with a time limit and leaves no garbage behind; what is set is never lost, by a task or by an interrupt."""

from tests.firmware.virtual import run_virtual

BEGIN = """
import _hw, gc
from firmware.core.wake import FOREVER_MS, Alarm, Wake
"""


def test_it_waits_until_it_is_set_or_the_time_is_over():
    script = (
        BEGIN
        + """
async def main():
    for make in (Wake, Alarm):
        wake = make()
        began = _hw.now
        async def waiter():
            for ms in (1000, 1000, 0, FOREVER_MS, 500):
                await wake.wait(ms)
                print(_hw.now - began, end=" ")
        task = asyncio.create_task(waiter())
        await asyncio.sleep_ms(1300)
        wake.set()  # while it waits
        await asyncio.sleep_ms(700)
        wake.set()
        await asyncio.sleep_ms(100)
        wake.set()  # two at once are one
        wake.set()
        await task
        wake.set()  # before it waits
        await wake.wait(1000)
        wake.set()
        wake.clear()
        await wake.wait(50)
        print(_hw.now - began)
asyncio.run(main())
"""
    )
    assert run_virtual(script) == ["1000 1300 1300 2000 2100 2150"] * 2


def test_an_interrupt_is_heard_whenever_it_comes():
    script = (
        BEGIN
        + """
import random
random.seed(20261122)
alarm = Alarm()
set_at = heard_at = -1
def interrupt():
    global set_at
    set_at = _hw.now
    alarm.set()
async def busy():
    while True:
        await asyncio.sleep_ms(random.randint(0, 9))
async def main():
    asyncio.create_task(busy())
    worst = 0
    for _ in range(500):
        _hw.call_at(_hw.now + random.randint(0, 60), interrupt)
        if random.random() < 0.5:
            await asyncio.sleep_ms(random.randint(0, 60))  # it comes while nobody waits
        waits_since = _hw.now
        await alarm.wait(100000)
        worst = max(worst, _hw.now - max(set_at, waits_since))
    print(worst)
asyncio.run(main())
"""
    )
    assert run_virtual(script) == ["0"]


def test_a_task_that_was_cancelled_while_it_waited_harms_nobody():
    script = (
        BEGIN
        + """
wake = Wake()
async def waiter():
    await wake.wait(FOREVER_MS)
async def main():
    task = asyncio.create_task(waiter())
    await asyncio.sleep_ms(10)
    task.cancel()
    await asyncio.sleep_ms(10)
    wake.set()
    await wake.wait(1000)
    print(_hw.now)
asyncio.run(main())
"""
    )
    assert run_virtual(script) == ["20"]


def test_waiting_allocates_nothing():
    script = (
        BEGIN
        + """
from asyncio import core
core._task_queue.push(asyncio.core.Task(None, None), 0)  # the queue's own room is taken
core._task_queue.pop()
wake = Wake()
core.cur_task = task = asyncio.core.Task(None, None)
def once():
    for _ in wake.wait(10):
        core._task_queue.pop()
    wake.set()
    for _ in wake.wait(10):
        print("waits though it is set")
before = after = _ = 0
for _ in range(5):
    once()
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(100):
    once()
after = gc.mem_alloc()
print(after - before)
"""
    )
    assert run_virtual(script) == ["0"]
