"""A device's inputs come in one order, whoever was told first; and its time only goes forward, through deaths too."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.engine.still import answer, inbox, parse_run, process_of, still_device

CHANNELS = (ch.UART_RX, ch.PIN_IN, ch.ADC_IN, ch.BLE_HEARD, ch.SOCK_IN, ch.LINK)
STREAMS = st.dictionaries(
    st.tuples(st.sampled_from(CHANNELS), st.integers(0, 2)), st.lists(st.integers(0, 20), max_size=8), max_size=6
)


@given(STREAMS, st.randoms(use_true_random=False))
def test_inputs_have_one_order_whichever_channel_was_told_first(streams: dict, rng: random.Random):
    """Each channel keeps its own order; how the host interleaves the channels must not matter."""
    pushes = [
        (channel, sub, t_ms, bytes([n])) for (channel, sub), times in streams.items() for n, t_ms in enumerate(sorted(times))
    ]
    orders = []
    for _ in range(2):
        queues = {key: [p for p in pushes if p[:2] == key] for key in streams}
        device = still_device()
        while any(queues.values()):
            channel, sub, t_ms, payload = queues[rng.choice([key for key, queue in queues.items() if queue])].pop(0)
            device.push(t_ms, channel, sub, payload)
        orders.append(inbox(device))
    assert orders[0] == orders[1]
    assert [item.t_ms for item in orders[0]] == sorted(item.t_ms for item in orders[0])
    for key in streams:
        mine = [item.payload[0] for item in orders[0] if (item.channel, item.sub) == key]
        assert mine == sorted(mine)


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 900)), max_size=30), st.integers(0, 1200))
def test_a_run_holds_what_lies_before_its_horizon_and_never_more_than_the_device_can_take(pushes: list, horizon_ms: int):
    device = still_device()
    answer(device, 0, 0)
    for t_ms, size in pushes:
        device.push(t_ms, ch.UART_RX, 1, bytes(size))
    expected = inbox(device)
    got: list[Item] = []
    for _ in range(len(pushes) + 1):
        device.run(horizon_ms)
        base_ms, reached_ms, items = parse_run(process_of(device).sent[-1])
        assert len(process_of(device).sent[-1]) - 4 <= ch.RUN_MAX
        assert reached_ms <= horizon_ms and all(item.t_ms <= reached_ms for item in items)
        got += items
        answer(device, max(base_ms, reached_ms), reached_ms + 1, len(items))
        if reached_ms == horizon_ms and not any(item.t_ms <= horizon_ms for item in inbox(device)):
            break
    assert got == [item for item in expected if item.t_ms <= horizon_ms]


def test_inputs_that_a_device_did_not_take_wait_for_its_next_turn():
    device = still_device()
    answer(device, 0, 5)
    for t_ms in (1, 2, 3):
        device.push(t_ms, ch.SOCK_IN, 0, bytes([t_ms]))
    device.run(10)
    answer(device, 1, 5, consumed=1, items=[Item(1, ch.SOCK_OUT, 0, b"x")])
    assert [item.t_ms for item in inbox(device)] == [2, 3]
    assert device.activity_ms == 2


def test_an_input_into_the_past_is_an_error_of_the_engine_not_of_the_world():
    device = still_device()
    answer(device, 0, 5)
    device.run(10)
    with pytest.raises(RuntimeError, match="tag-000001: input on channel 2 at 10 ms, but it ran to 10 ms"):
        device.push(10, ch.PIN_IN, 4, b"\1")


def test_a_device_that_said_something_can_be_answered_from_that_moment_on():
    device = still_device()
    answer(device, 0, 5)
    device.run(1000)
    answer(device, 40, 60, items=[Item(40, ch.SOCK_OUT, 0, b"x")])
    device.push(41, ch.SOCK_IN, 0, b"answer")
    assert device.activity_ms == 41


def test_a_reboot_keeps_pins_and_forgets_what_was_on_the_way():
    device = still_device()
    answer(device, 0, 5)
    for channel in CHANNELS:
        device.push(50, channel, 0, b"\0")  # while it starts
        device.push(5000, channel, 0, b"\0")
    old = process_of(device)
    device.reboot(1)
    assert old.closed and device.lives == 2 and device.running
    assert [(item.channel, item.t_ms) for item in inbox(device)] == [(ch.PIN_IN, 5000), (ch.ADC_IN, 5000)]
    answer(device, device.now_ms, device.now_ms)
    device.run(6000)
    base_ms, _, items = parse_run(process_of(device).sent[-1])
    assert base_ms == device.now_ms and len(items) == 2


@given(st.integers(0, 10_000), st.integers(0, 60_000))
def test_who_dies_on_the_way_starts_after_it(now_ms: int, ahead_ms: int):
    device = still_device()
    answer(device, now_ms, now_ms)
    device.run(now_ms + ahead_ms)
    device.reboot(2)
    assert device.now_ms > now_ms + ahead_ms
    device.push(device.now_ms, ch.PIN_IN, 3, b"\1")  # its inputs can be told anew


def test_what_is_settled_out_of_time_gives_a_sleeping_device_no_time():
    """What it is told by that comes right after where it stands, and not after whatever it would have slept on to."""
    device = still_device()
    answer(device, 0, 0)
    device.run(1_000)
    answer(device, 1_000, 900_000, 0)
    device.slip(ch.SOCK_IN, 1, bytes([ch.SOCK_SEALED]) + b"sealed")
    device.run(60_000)
    base_ms, reached_ms, items = parse_run(process_of(device).sent[-1])
    assert (base_ms, reached_ms) == (1_000, 1_000) and [item.payload[0] for item in items] == [ch.SOCK_SEALED]
    answer(device, 1_000, 900_000, 1)
    assert device.horizon_ms == 1_000
    device.push(1_001, ch.SOCK_IN, 1, bytes([ch.SOCK_DATA]) + b"what was in it")
    assert device.activity_ms == 1_001
