"""Light and deep sleep of a simulated ESP32: what wakes it, what it misses, and what it remembers."""

import pytest

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device, heard, lines_of, pin, sock, uart

FOR_EVER = 10**9


def test_light_sleep_ends_with_its_time_whatever_happens_meanwhile(tmp_path):
    script = """
import machine, time
machine.lightsleep(1000); print(time.ticks_ms(), machine.wake_reason() == machine.TIMER_WAKE)
machine.lightsleep(0); print(time.ticks_ms())
time.sleep_ms(9000)
"""
    with Device(tmp_path, script) as device:
        device.live(5000, [uart(300, 1, b"x"), pin(700, 5, 1)])
        assert device.lines == ["1000 True", "1000"]
        assert [(item.t_ms, item.sub) for item in device.sayings(ch.SLEEP)] == [(0, 1), (1000, 0), (1000, 1), (1000, 0)]


WAKES = {
    "ext0 high": ("esp32.wake_on_ext0(Pin(32, Pin.IN), esp32.WAKEUP_ANY_HIGH)", "EXT0_WAKE"),
    "ext1 any high": ("esp32.wake_on_ext1((Pin(32, Pin.IN), Pin(33, Pin.IN)), esp32.WAKEUP_ANY_HIGH)", "EXT1_WAKE"),
    "a level with wake": ("Pin(32, Pin.IN).irq(trigger=Pin.WAKE_HIGH, wake=machine.SLEEP)", "EXT0_WAKE"),
}


@pytest.mark.parametrize("how", WAKES)
def test_an_armed_pin_wakes_it_and_its_interrupt_runs_then(tmp_path, how):
    arm, reason = WAKES[how]
    script = f"""
import esp32, machine, time
from machine import Pin
seen = []
Pin(32, Pin.IN).irq(lambda p: seen.append((time.ticks_ms(), p.value())), Pin.IRQ_RISING | Pin.IRQ_FALLING)
{arm}
machine.lightsleep(60_000)
print(time.ticks_ms(), machine.wake_reason() == machine.{reason}, seen)
time.sleep_ms(1000)
print(seen)
"""
    assert lines_of(tmp_path, script, items=[pin(4321, 32, 1), pin(4500, 32, 0)]) == [
        "4321 True [(4321, 1)]",
        "[(4321, 1), (4500, 0)]",
    ]


def test_an_edge_on_a_pin_that_does_not_wake_it_is_lost_but_its_level_is_not(tmp_path):
    script = """
import machine
from machine import Pin
seen = []
p = Pin(5, Pin.IN)
p.irq(seen.append)
machine.lightsleep(1000)
print(seen, p.value())
"""
    assert lines_of(tmp_path, script, items=[pin(500, 5, 1)]) == ["[] 1"]


def test_a_wake_source_that_is_at_its_level_lets_nobody_sleep(tmp_path):
    script = """
import esp32, machine, time
from machine import Pin
time.sleep_ms(10)
esp32.wake_on_ext0(Pin(32, Pin.IN), 1)
machine.lightsleep(1000); print(time.ticks_ms())
esp32.wake_on_ext0(None)
machine.lightsleep(1000); print(time.ticks_ms())
"""
    assert lines_of(tmp_path, script, items=[pin(5, 32, 1)]) == ["10", "1010"]


def test_all_low_waits_for_the_last_of_them(tmp_path):
    script = """
import esp32, machine, time
from machine import Pin
time.sleep_ms(10)
esp32.wake_on_ext1([Pin(n, Pin.IN) for n in (32, 33)], esp32.WAKEUP_ALL_LOW)
machine.lightsleep(1000); print(time.ticks_ms())
"""
    items = [pin(1, 32, 1), pin(1, 33, 1), pin(100, 32, 0), pin(200, 33, 0)]
    assert lines_of(tmp_path, script, items=items) == ["200"]


def test_a_pin_without_a_line_to_the_rtc_wakes_nobody(tmp_path):
    script = """
import esp32, machine
from machine import Pin
for arm in (lambda: esp32.wake_on_ext0(Pin(5), 1), lambda: Pin(18).irq(trigger=Pin.WAKE_LOW, wake=machine.SLEEP),
            lambda: Pin(32).irq(trigger=Pin.IRQ_RISING, wake=machine.SLEEP)):
    try:
        arm()
        print("armed")
    except ValueError:
        print("refused")
"""
    assert lines_of(tmp_path, script) == ["refused"] * 3


def test_what_a_line_or_the_air_brings_to_a_sleeper_is_lost_and_tcp_repeats_itself(tmp_path):
    script = """
import machine, time, socket, network, bluetooth
from machine import UART
nic = network.LAN(); nic.active(True)
u = UART(1, 9600)
got = []
ble = bluetooth.BLE(); ble.active(True)
ble.irq(lambda event, data: got.append(event))
ble.gap_scan(0)
time.sleep_ms(100)
s = socket.socket(); s.setblocking(False)
try:
    s.connect(("broker", 1))
except OSError:
    pass
time.sleep_ms(100)
machine.lightsleep(1000)
print(u.any(), got, s.read())
time.sleep_ms(1000)
print(u.any(), got)
"""
    items = [
        Item(10, ch.LINK, ch.NIC_LAN, b"\1"),
        sock(150, 1, ch.SOCK_OPENED),
        uart(500, 1, b"lost"),
        heard(600, b"lost"),
        sock(700, 1, ch.SOCK_DATA, b"kept"),
        uart(1500, 1, b"here"),
        heard(1600, b"here"),
    ]
    with Device(tmp_path, script) as device:
        device.live(5000, items)
        assert device.lines == ["0 [] b'kept'", "4 [5]"]


def test_the_watchdog_sleeps_too(tmp_path):
    script = """
import machine, time
from machine import WDT
w = WDT(timeout=5000)
time.sleep_ms(3000)
machine.lightsleep(100_000)
time.sleep_ms(1900)
print("fed in time"); w.feed()
time.sleep_ms(6000)
"""
    with Device(tmp_path, script) as device:
        device.live(FOR_EVER)
        assert device.lines == ["fed in time"]
        assert device.said[-1] == Item(109_900, ch.RESET, 0, b"\3")


def test_deep_sleep_ends_this_life_and_rtc_memory_is_there_in_the_next(tmp_path):
    first = """
import machine, esp32
from machine import Pin
machine.RTC().memory(b"kept")
esp32.wake_on_ext0(Pin(32, Pin.IN), 1)
machine.deepsleep(60_000)
print("still here")
"""
    with Device(tmp_path, first) as device:
        device.live(FOR_EVER, [uart(10, 1, b"x"), pin(5000, 32, 1)])
        assert device.lines == []
        assert [(item.t_ms, item.channel) for item in device.said[-2:]] == [(0, ch.SLEEP), (5000, ch.RESET)]
        assert device.said[-1].payload == b"\4"
    again = "import machine\nprint(machine.RTC().memory(), machine.wake_reason() == machine.EXT0_WAKE)\n"
    assert _printed(tmp_path, again, cause=4) == ["b'kept' True"]
    assert _printed(tmp_path, again, cause=3) == ["b'kept' False"], "a watchdog reset keeps it"
    assert _printed(tmp_path, again, cause=1) == ["b'' False"], "it needs the supply"


def test_a_supply_that_fails_ends_it_in_its_sleep_and_awake(tmp_path):
    for script in ("import machine\nmachine.lightsleep(9000)\n", "import time\ntime.sleep_ms(9000)\n"):
        with Device(tmp_path, script + "print('still here')\n") as device:
            device.live(FOR_EVER, [Item(700, ch.POWER, 0, b"\0")])
            assert device.lines == []
            assert device.said[-1] == Item(700, ch.RESET, 0, bytes([ch.POWER_LOST]))


def test_an_exception_from_outside_is_raised_in_what_waits(tmp_path):
    script = """
import asyncio
async def main():
    await asyncio.sleep(9)
try:
    asyncio.run(main())
except RuntimeError as error:
    print(error)
"""
    assert lines_of(tmp_path, script, items=[Item(700, ch.CRASH, 0, b"a test's")]) == ["a test's"]


def _printed(folder, script: str, cause: int) -> list[str]:
    with Device(folder, script, cause=cause) as device:
        device.live(1000)
        return device.lines
