"""Each way in which a network fails, by itself: records go on being made while it lasts, and afterwards all of them arrive, once
and in order, with no more messages under way than ever. The real interpreter, a real broker, a proxy between them.

The catch-up is the time from the end of the outage to the last receipt. It is bounded by what the device waits for (here a
second for an answer, and a pause of a tenth of a second that doubles; a tag in the field: 20 s, and a pause of 1 s), so the
bounds are stated in those. `-s` prints what was measured. The other broker's outages are in `test_stream`.
"""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from firmware.core.mqtt.stream import CONNECTED, LOST
from tests.brokers import Broker
from tests.firmware.core.mqtt.proxy import Proxy
from tests.firmware.core.mqtt.test_stream import Bridge, Device, make_device  # noqa: F401 - a fixture

RECORDS = 400
OUTAGE_S = 2.5
LONGEST_PAUSE_S = 0.1 * 32  # after as many failures as this outage has room for
TIMEOUT_S = 1.0
DELIVERY_S = 6.0  # of some hundred messages by themselves, on a busy machine
WINDOW = 4

pytestmark = pytest.mark.parametrize("broker_kind", ["nats"], indirect=True)


@pytest.fixture
def bridge(broker: Broker) -> Iterator[Bridge]:
    one = Bridge(broker.port)
    yield one
    one.close()


def assert_all_arrived_in_order(bridge: Bridge, device: Device, records: int) -> dict[str, int]:
    figures = device.figures()
    assert bridge.arrivals == list(range(1, records + 1)) and figures["made"] == records
    assert figures["most"] <= WINDOW and figures["refused"] == 0
    return figures


@pytest.mark.parametrize("how", ["reset", "refuse", "black_hole", "half_open"])
def test_everything_arrives_once_and_in_order_after(
    how: str,
    broker: Broker,
    bridge: Bridge,
    make_device: Callable[..., Device],  # noqa: F811
) -> None:
    with Proxy(broker.port) as proxy:
        device = make_device(proxy.port, RECORDS)
        device.wait(lambda: len(bridge.arrivals) >= 100, "its first records")
        before = len(device.events(CONNECTED))
        getattr(proxy, how)()
        if how in ("refuse", "black_hole"):
            threading.Event().wait(OUTAGE_S)  # its length is what is asked for
            assert not device.figures()
        proxy.heal()
        healed = time.monotonic()
        device.wait(device.figures, "everything to be receipted")
        catch_up_s = time.monotonic() - healed
        figures = assert_all_arrived_in_order(bridge, device, RECORDS)
        print(f"{how}: caught up in {catch_up_s:.1f} s; {figures}")
        assert catch_up_s <= TIMEOUT_S + LONGEST_PAUSE_S + DELIVERY_S
        assert len(device.events(CONNECTED)) > before and device.events(LOST)


@pytest.mark.slow
def test_a_line_of_2_kbit_a_second_carries_everything_without_being_taken_for_a_dead_one(
    broker: Broker,
    bridge: Bridge,
    make_device: Callable[..., Device],  # noqa: F811
) -> None:
    with Proxy(broker.port) as proxy:
        proxy.bytes_per_s = 250
        began = time.monotonic()
        device = make_device(proxy.port, 60, 20, tls=("", "", "20000"))
        device.wait(device.figures, "everything to be receipted")
        took_s = time.monotonic() - began
        assert_all_arrived_in_order(bridge, device, 60)
        print(f"2 kbit/s: 60 records in {took_s:.1f} s, {proxy.up_bytes} bytes up")
        assert device.events(LOST) == [] and len(device.events(CONNECTED)) == 1
        # 250 bytes a second, both ways together: nothing is sent again for want of patience.
        assert proxy.up_bytes < 60 * 32 + 1500


@pytest.mark.slow
def test_an_outage_while_another_lasts_changes_nothing(
    broker: Broker,
    bridge: Bridge,
    make_device: Callable[..., Device],  # noqa: F811
) -> None:
    with Proxy(broker.port) as proxy:
        device = make_device(proxy.port, RECORDS)
        for n in (50, 150, 250):
            device.wait(lambda n=n: len(bridge.arrivals) >= n, f"{n} records")
            lost = len(device.events(LOST))
            proxy.half_open()
            device.wait(lambda lost=lost: len(device.events(LOST)) > lost, "the device to find its connection dead")
            proxy.refuse()
            device.wait(lambda lost=lost: len(device.events(LOST)) > lost + 1, "a refusal")
            proxy.black_hole()
            proxy.heal()
            proxy.reset()
        device.wait(device.figures, "everything to be receipted")
        assert_all_arrived_in_order(bridge, device, RECORDS)
