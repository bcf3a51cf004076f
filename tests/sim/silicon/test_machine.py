"""Pins, ADC, UARTs, the watchdog and resets of a simulated ESP32."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device, adc, lines_of, pin, uart


def test_an_edge_interrupts_once_for_each_level_that_changes(tmp_path):
    script = """
import time
from machine import Pin
seen = []
both, rising, falling = Pin(5, Pin.IN), Pin(6, Pin.IN, Pin.PULL_UP), Pin(7, Pin.IN)
both.irq(lambda p: seen.append((5, time.ticks_ms(), p.value())), Pin.IRQ_RISING | Pin.IRQ_FALLING)
rising.irq(lambda p: seen.append((6, time.ticks_ms(), p.value())), Pin.IRQ_RISING)
falling.irq(lambda p: seen.append((7, time.ticks_ms(), p.value())), Pin.IRQ_FALLING)
time.sleep_ms(100)
print(seen)
"""
    items = [pin(t, n, level) for t, level in ((10, 1), (20, 1), (30, 0), (40, 1)) for n in (5, 6, 7)]
    expected = [(5, 10, 1), (6, 10, 1), (5, 30, 0), (7, 30, 0), (5, 40, 1), (6, 40, 1)]
    assert lines_of(tmp_path, script, items=items) == [repr(expected)]


def test_an_interrupt_wakes_a_task_at_that_moment(tmp_path):
    script = """
import asyncio, time
from machine import Pin
async def main():
    flag = asyncio.ThreadSafeFlag()
    p = Pin(5, Pin.IN)
    p.irq(lambda p: flag.set())
    for _ in range(3):
        await flag.wait()
        print(time.ticks_ms(), p.value())
asyncio.run(main())
"""
    assert lines_of(tmp_path, script, items=[pin(7, 5, 1), pin(1007, 5, 0), pin(99_999, 5, 1)]) == ["7 1", "1007 0", "99999 1"]


def test_one_pin_is_one_object_and_its_level_outlives_the_name(tmp_path):
    script = """
import time
from machine import Pin
time.sleep_ms(10)
print(Pin(5, Pin.IN) is Pin(5), Pin(5, Pin.IN).value(), Pin(5)())
"""
    assert lines_of(tmp_path, script, items=[pin(5, 5, 1)]) == ["True 1 1"]


def test_an_output_tells_its_first_level_and_each_change(tmp_path):
    script = """
import time
from machine import Pin
o = Pin(2, Pin.OUT, value=1)
for level in (1, 1, 0, 0, 1):
    time.sleep_ms(10)
    o.value(level)
o.off(); o.on(); o(0)
time.sleep_ms(1000)
"""
    with Device(tmp_path, script) as device:
        device.live(100)
        levels = [(item.t_ms, item.payload[0]) for item in device.sayings(ch.PIN_OUT)]
        assert levels == [(0, 1), (30, 0), (50, 1), (50, 0), (50, 1), (50, 0)]


def test_the_adc_reads_what_stands_on_its_pin_now(tmp_path):
    script = """
import time
from machine import ADC, Pin
a = ADC(Pin(35), atten=ADC.ATTN_11DB)
print(a.read_uv(), a.read_u16()); time.sleep_ms(10); print(a.read_uv(), a.read_u16())
"""
    assert lines_of(tmp_path, script, items=[adc(5, 35, 1_650_000)]) == ["0 0", "1650000 32767"]


def test_a_uart_keeps_as_many_bytes_as_its_buffer_holds_and_loses_the_newest(tmp_path):
    script = """
import time
from machine import UART
u = UART(2, 9600, rxbuf=10)
time.sleep_ms(10)
print(u.any(), u.read(4), u.any())
time.sleep_ms(10)
print(u.any(), u.read(), u.any(), u.read())
"""
    items = [uart(5, 2, b"0123456"), uart(6, 2, b"789abc"), uart(15, 2, b"defghij")]
    assert lines_of(tmp_path, script, items=items) == ["10 b'0123' 6", "10 b'456789defg' 0 None"]


def test_lines_and_parts_of_lines_are_read_as_they_are(tmp_path):
    script = """
import time
from machine import UART
u = UART(2, 9600, rxbuf=64)
b = bytearray(4)
print(u.readline(), u.readinto(b))
time.sleep_ms(10)
print(u.readline(), u.readinto(b, 1), u.readinto(b), bytes(b), u.readline(), u.readline(), u.any())
"""
    assert lines_of(tmp_path, script, items=[uart(5, 2, b"one\ntwo456\0")]) == [
        "None None", "b'one\\n' 1 4 b'wo45' b'6\\x00' None 0",
    ]  # fmt: skip


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 10), st.binary(min_size=1, max_size=40), st.integers(0, 50)), max_size=25))
def test_a_uart_is_a_bounded_queue_of_bytes(tmp_path, steps: list[tuple[int, bytes, int]]):
    """Against a bytearray."""
    script = f"""
import time
from machine import UART
u = UART(2, 9600, rxbuf=64)
for n in {[n for _, _, n in steps]}:
    time.sleep_ms(10)
    print(u.any(), (u.read(n) or b"").hex())
"""
    model, expected, items = bytearray(), [], []
    for i, (at, data, n) in enumerate(steps):
        items.append(uart(10 * i + at, 2, data))
        model += data[: 64 - len(model)]
        expected.append(f"{len(model)} {bytes(model[:n]).hex()}")
        del model[:n]
    assert lines_of(tmp_path, script, items=items) == expected


def test_the_watchdog_resets_the_device_at_its_time_and_not_a_moment_before(tmp_path):
    script = """
import time
from machine import WDT
w = WDT(timeout=5000)
for _ in range(3):
    time.sleep_ms(4999)
    w.feed()
print(time.ticks_ms())
time.sleep_ms(5000)
print(time.ticks_ms())
time.sleep_ms(1)
print("too late")
"""
    with Device(tmp_path, script) as device:
        device.live(10**6)
        assert device.lines == ["14997", "19997"]
        assert device.said[-1] == Item(19997, ch.RESET, 0, b"\3")


def test_a_watchdog_waits_for_the_engine_like_everything_else(tmp_path):
    script = "import time\nfrom machine import WDT, Pin\nw = WDT(timeout=100)\ntime.sleep_ms(1000)\n"
    with Device(tmp_path, script) as device:
        answer = device.run(50)
        assert answer.now_ms <= 50 and not device.said
        device.run(99)
        assert not device.said
        device.run(500)
        assert device.said == [Item(100, ch.RESET, 0, b"\3")]


@pytest.mark.parametrize(("call", "cause"), [("reset()", 2), ("soft_reset()", 5), ("deepsleep(1000)", 4)])
def test_a_reset_is_the_last_thing_that_is_said(tmp_path, call: str, cause: int):
    script = f"import machine, time\ntime.sleep_ms(30)\nmachine.{call}\nprint('still here')\n"
    with Device(tmp_path, script) as device:
        device.live(10**6)
        assert device.lines == []
        assert device.said[-1] == Item(30 if cause != 4 else 1030, ch.RESET, 0, bytes([cause]))


def test_a_device_knows_why_it_started_and_who_it_is(tmp_path):
    with Device(tmp_path, "import machine\nprint(machine.reset_cause(), machine.unique_id().hex())\n", cause=3) as device:
        device.live(1)
        assert device.lines == ["3 020100000100"]
