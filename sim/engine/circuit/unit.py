"""The home unit's circuit: Olimex ESP32-POE-ISO with Ethernet, mains sense, tilt switch and a cell, as its board file has it."""

from collections.abc import Iterator

from sim.engine.circuit.cell import UNIT_MA, Cell
from sim.engine.circuit.inputs import Level, Voltage
from sim.engine.device import Device
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world import World

# The wiring of firmware/boards/hmu_esp32_poe, as its schematic has it.
BATTERY_ADC, MAINS, TILT = 35, 39, 36
_DIVIDER = 2
_CAPACITY_MAH = 4400.0
_ETHERNET_MS = 2_000  # link negotiation and DHCP (our judgement)


class UnitCircuit:
    def __init__(self, device: Device, world: World) -> None:
        self._device = device
        self._wearer = world.wearers[world.home_unit(device.name).wearer_id]
        self.cell = Cell(_CAPACITY_MAH, 1.0)
        self.cell.draw(0, "unit", 0.0)
        self._pins = [Level(device, MAINS, 1, self._mains), Level(device, TILT, 0, lambda *_: ())]
        self._battery = Voltage(device, BATTERY_ADC, Cell.EVERY_MS, self._microvolts)

    def fill(self, upto_ms: int) -> int:
        upto_ms = self._battery.fill(upto_ms)
        for pin in self._pins:
            pin.fill(upto_ms)
        return upto_ms

    def output(self, item: Item) -> None:
        if item.channel == ch.NIC and item.sub == ch.NIC_LAN and item.payload[0]:
            self._device.push(item.t_ms + _ETHERNET_MS, ch.LINK, ch.NIC_LAN, b"\x01")

    def restarted(self, t_ms: int) -> None:
        for pin in self._pins:
            pin.again(t_ms)
        self._battery.again(t_ms)

    def _mains(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        for event in self._wearer.events(from_ms, until_ms):
            if event.device == self._device.name and event.kind in ("mains_off", "mains_on"):
                on = event.kind == "mains_on"
                self.cell.plan(event.at_ms, "unit", 0.0 if on else UNIT_MA)
                yield event.at_ms, int(on)

    def _microvolts(self, t_ms: int) -> int:
        return self.cell.millivolts(t_ms) * 1000 // _DIVIDER
