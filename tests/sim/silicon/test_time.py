"""Time in a simulated device: it moves only when the device waits, never past an input, never past its horizon unasked."""

import pytest

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.silicon.harness import Device, Ended, lines_of, pin, uart


def test_code_takes_no_time(tmp_path):
    script = """
import time
a = time.ticks_ms(), time.ticks_us(), time.time(), time.time_ns()
n = 0
for i in range(20000):
    n += i
print(a == (time.ticks_ms(), time.ticks_us(), time.time(), time.time_ns()))
time.sleep_ms(1500)
print(time.ticks_ms(), time.ticks_us(), time.time(), type(time.time()) is int)
"""
    assert lines_of(tmp_path, script) == ["True", "1500 1500000 1 True"]


def test_a_sleep_ends_exactly_when_it_should_through_any_inputs(tmp_path):
    script = """
import time
time.sleep_ms(1000); print(time.ticks_ms())
time.sleep(2); print(time.ticks_ms())
time.sleep_us(1); print(time.ticks_ms())
time.sleep_ms(0); time.sleep_ms(-5); print(time.ticks_ms())
"""
    items = [pin(t, 5, t // 7 % 2) for t in range(1, 3000, 7)]
    assert lines_of(tmp_path, script, items=items) == ["1000", "3000", "3001", "3001"]


def test_an_input_is_there_before_the_time_at_which_it_came_is_over(tmp_path):
    """Events before time: whoever wakes at t sees everything that came up to t."""
    script = """
import time
from machine import Pin
p = Pin(5, Pin.IN)
for t in (10, 20, 30):
    time.sleep_ms(10)
    print(time.ticks_ms(), p.value())
"""
    assert lines_of(tmp_path, script, items=[pin(10, 5, 1), pin(20, 5, 0), pin(31, 5, 1)]) == ["10 1", "20 0", "30 0"]


def test_pins_and_voltages_stand_before_the_first_instruction(tmp_path):
    with pytest.raises(Ended) as ended, Device(tmp_path, "from machine import Pin\nprint(Pin(7, Pin.IN).value())\n") as device:
        device.run(0, [pin(0, 7, 1)])
    assert not str(ended.value) and device.lines == ["1"]


def test_beyond_the_horizon_it_asks_and_says_when_it_would_act(tmp_path):
    with Device(tmp_path, "import time\ntime.sleep_ms(5000)\nprint(time.ticks_ms())\n") as device:
        answer = device.run(2000)
        assert (answer.now_ms, answer.wake_ms, answer.consumed) == (0, 5000, 0)
        answer = device.run(4999)
        assert answer.wake_ms == 5000 and device.lines == []
        with pytest.raises(Ended):
            device.run(5000)
        assert device.wait() == 0 and device.lines == ["5000"]


def test_inputs_beyond_what_it_did_are_given_back(tmp_path):
    script = """
import time
from machine import Pin
o = Pin(2, Pin.OUT, value=0)
p = Pin(5, Pin.IN)
time.sleep_ms(100)
o.on()
time.sleep_ms(100)
print(p.value())
"""
    with Device(tmp_path, script) as device:
        device.run(0)  # the level of the new output
        answer = device.run(1000, [pin(50, 5, 1), pin(150, 5, 0), pin(160, 5, 1)])
        assert answer.consumed == 1 and answer.now_ms == 100, "it stops where it said something, for the world may answer"
        assert answer.items == [Item(100, ch.PIN_OUT, 2, b"\1")]
        device.live(1000)
        assert device.lines == ["1"]


def test_a_life_may_begin_late_in_the_scenario(tmp_path):
    with Device(tmp_path, "import time\nprint(time.ticks_ms())\ntime.sleep_ms(10)\nprint(time.ticks_ms())\n") as device:
        device.now = 2**30 - 5
        device.live(2**30 + 100)
        assert device.lines == [str(2**30 - 5), "5"], "the ticks wrap as on a 32-bit port"


def test_ticks_compare_over_the_wrap(tmp_path):
    script = """
import time
print(time.ticks_diff(5, (1 << 30) - 5), time.ticks_diff((1 << 30) - 5, 5), time.ticks_add((1 << 30) - 5, 10))
print(time.ticks_diff(1 << 29, 0), time.ticks_diff((1 << 29) - 1, 0))
"""
    assert lines_of(tmp_path, script) == ["10 -10 5", f"{-(2**29)} {2**29 - 1}"]


def test_the_wall_clock_is_no_unix_time(tmp_path):
    """As on the ESP32 port before NTP: nobody may take it for the date."""
    assert lines_of(tmp_path, "import time\nprint(time.time() < 10)\n") == ["True"]


def test_much_output_at_one_moment_is_handed_over_in_order_and_time_stands_still(tmp_path):
    script = """
import time
from machine import UART
u = UART(1, 115200)
for i in range(100):
    u.write(b"%04d" % i * 20)
u.write(bytes(5000))
print(time.ticks_ms())
time.sleep_ms(1000)
"""
    with Device(tmp_path, script) as device:
        device.live(100)
        written = b"".join(item.payload for item in device.sayings(ch.UART_TX))
        assert written == b"".join(b"%04d" % i * 20 for i in range(100)) + bytes(5000)
        assert {item.t_ms for item in device.said} == {0} and device.lines == ["0"]


def test_without_an_engine_it_ends_quietly_and_acts_no_more(tmp_path):
    with Device(tmp_path, "import time\ntime.sleep_ms(5)\nprint('five')\ntime.sleep_ms(5000)\nprint('more')\n") as device:
        device.run(10)
    assert device.process.returncode == 0 and device.lines == ["five"] and not device.complaints


def test_a_call_of_the_silicon_comes_at_its_time_and_can_be_cancelled(tmp_path):
    script = """
import time
calls = []
def a(): calls.append(("a", _hw.now))
def b(): calls.append(("b", _hw.now))
_hw.call_at(30, a); _hw.call_at(10, b); _hw.call_at(30, b); _hw.call_at(20, a)
time.sleep_ms(15)
_hw.cancel_call(a)
time.sleep_ms(100)
print(calls)
"""
    assert lines_of(tmp_path, script) == ["[('b', 10), ('a', 30), ('b', 30)]"]


def test_bytes_for_a_uart_that_nobody_opened_are_lost_and_harm_nothing(tmp_path):
    assert lines_of(tmp_path, "import time\ntime.sleep_ms(9)\nprint('ok')\n", items=[uart(3, 9, b"x" * 100)]) == ["ok"]
