"""Who of a household may run how far, and until when nobody minds what it does with its radio."""

import selectors
import struct

from sim.engine.air import Air
from sim.engine.device import Device
from sim.engine.household import Household
from sim.engine.net import Network
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from tests.sim.engine.still import answer, still_device

FAR_MS = 10_000


class Bare:
    """Nothing hangs on its pins."""

    next_ms = ch.NEVER

    def fill(self, upto_ms: int) -> int:
        return upto_ms

    def output(self, item: Item) -> None: ...
    def changed(self, t_ms: int) -> None: ...
    def stopped(self, t_ms: int) -> None: ...
    def restarted(self, t_ms: int) -> None: ...


class Home:
    """A tag and a home unit in one room, both started and at time 0."""

    def __init__(self) -> None:
        self.tag = still_device("tag-000001", 0x01000001)
        self.unit = still_device("hmu-000001", 0x02000001)
        devices = [self.tag, self.unit]
        self.air = Air(1, lambda one, other, t_ms: t_ms, lambda sender, hearer, t_ms: -60.0)
        self.air.join(devices, lambda device: device is self.unit)
        network = Network(selectors.DefaultSelector(), ("127.0.0.1", 1), 0, lambda name, t_ms: 15)
        self.household = Household(devices, {device.name: Bare() for device in devices}, self.air, network)

    def rests(self, device: Device, now_ms: int, wake_ms: int, *said: tuple[int, int, bytes]) -> None:
        """It comes to the end of its turn, having said (when, channel, what)."""
        items = [Item(t_ms, channel, 0, payload) for t_ms, channel, payload in said]
        for item in answer(device, now_ms, wake_ms, items=items).items:
            self.household.output(device, item)

    def run(self) -> dict[str, tuple[int, int]]:
        """(horizon, clear) of each that may run now; they run."""
        out = {}
        for device, horizon_ms, clear_ms in self.household.who_may_run(FAR_MS):
            device.run(horizon_ms, clear_ms)
            out[device.name] = horizon_ms, clear_ms
        return out


def advertising(interval_ms: int) -> bytes:
    return struct.pack("<I", interval_ms * 1000) + bytes(24)


def scanning(ms: int) -> bytes:
    return struct.pack("<III", ms, 30_000, 30_000)


def test_who_does_not_listen_leaves_others_free_in_what_they_say():
    home = Home()
    home.rests(home.tag, 0, 5_000)
    home.rests(home.unit, 0, 1_000)
    assert home.run() == {"hmu-000001": (5_000, 5_000)}


def test_who_begins_to_listen_hears_what_is_on_the_air_from_that_moment_on():
    home = Home()
    home.rests(home.tag, 0, 5_000, (0, ch.BLE_ADVERTISE, advertising(30)))
    home.rests(home.unit, 0, 1_000)
    ((_, clear_ms),) = home.run().values()
    assert not clear_ms, "its scan must be told at once"
    home.rests(home.unit, 1_000, 2_000, (1_000, ch.BLE_SCAN, scanning(500)))
    assert home.run().keys() == {"hmu-000001"}
    assert 10 < home.air.heard <= 17, "half a second of one each 30 ms"
