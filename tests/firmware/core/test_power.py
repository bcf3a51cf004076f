"""Sleep between duties on the simulated chip: only when all rest, never over a task that is due, and a pin is served at once."""

from pathlib import Path

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device, pin

_BEGIN = """
import asyncio, esp32, machine, time
from machine import Pin
from firmware.core.power import Sleeper
resting = True
strap = Pin(32, Pin.IN)
esp32.wake_on_ext0(strap, 1)
changed = asyncio.ThreadSafeFlag()
strap.irq(lambda p: changed.set(), Pin.IRQ_RISING | Pin.IRQ_FALLING)
def say(*what):
    print(time.ticks_ms(), *what)
async def guard():
    await changed.wait()
    say("strap")
sleeper = Sleeper(lambda: resting, machine.lightsleep)
"""


def life(
    folder: Path, script: str, items: list[Item] | None = None, until: int = 10**9
) -> tuple[list[str], list[tuple[int, int]]]:
    """What it printed, and from when to when it slept."""
    with Device(folder, _BEGIN + script + "machine.reset()\n") as device:
        device.live(until, items or [])
        assert not device.complaints, device.complaints
        told = [(item.t_ms, item.sub) for item in device.sayings(ch.SLEEP)]
        naps = [
            (begin, end) for (begin, kind), (end, awake) in zip(told[::2], told[1::2], strict=False) if kind == 1 and not awake
        ]
        assert len(naps) == len(told) // 2
        return device.lines, naps


def test_it_sleeps_to_the_next_task_and_only_while_all_parts_rest(tmp_path):
    lines, naps = life(
        tmp_path,
        """
async def main():
    global resting
    for rest in (True, False, True):
        resting = rest
        await asyncio.sleep_ms(10_000)
        say("tick")
    print(sleeper.asleep_ms)
asyncio.run(main())
""",
    )
    assert lines == ["10000 tick", "20000 tick", "30000 tick", "20000"]
    assert naps == [(0, 10_000), (20_000, 30_000)]


def test_of_several_tasks_the_first_to_come_wakes_it(tmp_path):
    lines, naps = life(
        tmp_path,
        """
async def every(ms, n):
    for _ in range(n):
        await asyncio.sleep_ms(ms)
        say(ms)
async def main():
    await asyncio.gather(every(7000, 3), every(10_000, 2))
asyncio.run(main())
""",
    )
    assert lines == ["7000 7000", "10000 10000", "14000 7000", "20000 10000", "21000 7000"]
    assert sum(end - begin for begin, end in naps) == 21_000


def test_short_waits_are_waited_through(tmp_path):
    lines, naps = life(
        tmp_path,
        """
async def main():
    for _ in range(20):
        await asyncio.sleep_ms(40)
    say("done")
asyncio.run(main())
""",
    )
    assert lines == ["800 done"] and naps == []


def test_a_pin_in_its_sleep_is_served_in_the_same_millisecond(tmp_path):
    lines, naps = life(
        tmp_path,
        """
async def main():
    asyncio.create_task(guard())
    await asyncio.sleep(3600)
    say("hour")
asyncio.run(main())
""",
        [pin(123_456, 32, 1), pin(130_000, 32, 0)],
    )
    assert lines == ["123456 strap", "3600000 hour"]
    assert all(not begin < 123_456 < end for begin, end in naps)
    assert not any(begin < 130_000 and end > 123_456 for begin, end in naps), "a pin at its waking level lets nobody sleep"
    assert sum(end - begin for begin, end in naps) > 3_500_000


def test_what_waits_already_is_served_before_it_sleeps(tmp_path):
    lines, _ = life(
        tmp_path,
        """
async def main():
    asyncio.create_task(guard())
    await asyncio.sleep_ms(1000)
    changed.set()
    await asyncio.sleep_ms(5000)
    say("later")
asyncio.run(main())
""",
    )
    assert lines == ["1000 strap", "6000 later"]


def test_with_no_task_to_come_it_sleeps_until_a_pin(tmp_path):
    lines, naps = life(tmp_path, "asyncio.run(guard())\n", [pin(200_000, 32, 1)])
    assert lines == ["200000 strap"]
    assert naps == [(0, 60_000), (60_000, 120_000), (120_000, 180_000), (180_000, 200_000)], "no longer than a minute at once"


def test_a_part_that_is_switched_on_keeps_it_awake_from_then_on(tmp_path):
    lines, naps = life(
        tmp_path,
        """
async def radio():
    global resting
    while True:
        await asyncio.sleep_ms(9000)
        resting = False
        await asyncio.sleep_ms(1000)
        resting = True
async def main():
    asyncio.create_task(radio())
    await asyncio.sleep(100)
    print(sleeper.asleep_ms)
asyncio.run(main())
""",
    )
    assert lines == ["90000"]
    assert naps == [(10_000 * n, 10_000 * n + 9000) for n in range(10)]
