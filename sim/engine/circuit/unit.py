"""The home unit's circuit: Olimex ESP32-POE-ISO with Ethernet, mains sense, tilt switch, case contact and a cell, as its board
file has it."""

from collections.abc import Callable, Iterator

from sim.engine.circuit.cell import SUPPLY, Cell
from sim.engine.circuit.inputs import Level, Moments, Supply, Voltage
from sim.engine.circuit.processor import Processor
from sim.engine.device import Device
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world import World, energy

# The wiring of firmware/boards/hmu_esp32_poe, as its schematic has it.
BATTERY_ADC, MAINS, TILT, CASE = 35, 39, 36, 34
_DIVIDER = 2
_ETHERNET_MS = 2_000  # link negotiation and DHCP (our judgement)
_WIFI_MS = 4_000  # scan, association, DHCP (our judgement)
_WIFI = b"home"  # the household's own, WPA2
_WIFI_SEEN = bytes([ch.NIC_NETWORK, 256 - 58, 3]) + _WIFI
_PARTS = {ch.NIC_LAN: ("lan", _ETHERNET_MS), ch.NIC_WLAN: ("wlan", _WIFI_MS)}
# A rolling-ball switch while somebody lifts, carries and puts down: when it opens and closes after that began.
_TILT_MS = (0, 180, 420, 700, 1150, 1900, 2300, 3100, 4200, 4900)


class UnitCircuit:
    def __init__(self, device: Device, world: World) -> None:
        self._device = device
        self._household = world.household(device.name)
        self.cell = cell = Cell(energy.UNIT, self._household[0].spec.unit_battery)
        for part, state in (("board", "on"), ("lan", "off"), ("wlan", "off"), (SUPPLY, "outside")):
            cell.set(0, part, state)
        self._processor = Processor(cell)
        self.case = Level(device, CASE, 0, self._happens("unit_opened", "unit_closed"))  # 1: open
        self._pins = [Level(device, MAINS, 1, self._mains), Level(device, TILT, 0, self._tilt), self.case]
        self._supply = Supply(device, self._happens("unit_on", "unit_off"))
        self._crashes = Moments(device, ch.CRASH, self._happens("unit_crash", "unit_hung"))
        self._battery = Voltage(device, BATTERY_ADC, Cell.EVERY_MS, self._microvolts, self._cell_read)
        self._quiet_until_ms = 0  # no part changes before; it is asked often
        device.push(0, ch.LINK, ch.NIC_WLAN, _WIFI_SEEN)

    def fill(self, upto_ms: int) -> int:
        if upto_ms < self._quiet_until_ms:
            return upto_ms
        upto_ms = self._battery.fill(upto_ms)
        self._supply.fill(upto_ms)
        for pin in self._pins:
            pin.fill(upto_ms)
        self._crashes.fill(upto_ms)
        self._quiet_until_ms = min(part.next_ms for part in (self._battery, self._supply, self._crashes, *self._pins))
        return upto_ms

    @property
    def next_ms(self) -> int:
        return min(self._battery.next_ms, self._supply.next_ms, self._crashes.next_ms, *[pin.next_ms for pin in self._pins])

    def output(self, item: Item) -> None:
        t_ms, channel, sub, payload = item
        if channel == ch.NIC:
            if sub in _PARTS:
                part, up_ms = _PARTS[sub]
                self.cell.set(t_ms, part, "up" if payload[0] else "off")
                if payload[0] and (sub == ch.NIC_LAN or payload[1:].startswith(_WIFI + b"\0")):
                    self._device.push(t_ms + up_ms, ch.LINK, sub, b"\x01")
        else:
            if channel == ch.SLEEP and sub == 2:
                self.stopped(t_ms)
            self._processor.output(item)

    def stopped(self, t_ms: int) -> None:
        self.cell.set(t_ms, "lan", "off")
        self.cell.set(t_ms, "wlan", "off")
        self._processor.stopped(t_ms)

    def restarted(self, t_ms: int) -> None:
        self.stopped(t_ms)
        self._processor.started(t_ms)
        for pin in self._pins:
            pin.again(t_ms)
        self._battery.again(t_ms)
        self._device.push(max(t_ms, self._device.horizon_ms + 1), ch.LINK, ch.NIC_WLAN, _WIFI_SEEN)

    def changed(self, t_ms: int) -> None:
        """Somebody changed the world as it is from t_ms on, a time that the device has not reached."""
        self.cell.unplan(t_ms, SUPPLY)
        for part in (self._supply, self._crashes, *self._pins):
            part.ask_again(t_ms)
        self._quiet_until_ms = 0

    def _happens(self, *kinds: str) -> Callable[[int, int], Iterator[tuple[int, int]]]:
        """The changes that events of these kinds make: 1 by the first, 0 by the second. Whoever of the household did it."""

        def changes(from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
            events = [e for wearer in self._household for e in wearer.events(from_ms, until_ms)]
            for event in sorted(events, key=lambda e: e.at_ms):  # of one moment in the order in which they were done
                if event.device == self._device.name and event.kind in kinds:
                    yield event.at_ms, int(event.kind == kinds[0])

        return changes

    def _mains(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        for at_ms, on in self._happens("mains_on", "mains_off")(from_ms, until_ms):
            self.cell.plan(at_ms, SUPPLY, "outside" if on else "cell")
            yield at_ms, on

    def _tilt(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        # What began before `from_ms` may go on in it.
        for at_ms, _ in self._happens("unit_moved")(max(0, from_ms - _TILT_MS[-1]), until_ms):
            for i, after_ms in enumerate(_TILT_MS):
                if from_ms <= at_ms + after_ms < until_ms:
                    yield at_ms + after_ms, 1 - i % 2

    def _microvolts(self, t_ms: int) -> int:
        return self.cell.millivolts(t_ms) * 1000 // _DIVIDER

    def _cell_read(self, t_ms: int, microvolts: int) -> None:
        self._supply.cell(t_ms, microvolts * _DIVIDER // 1000)
