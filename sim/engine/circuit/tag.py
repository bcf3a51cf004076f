"""The tag's circuit: LilyGO T-A7670 with L76K, strap loop, motion sensor, charger and one cell, on the pins of its board file."""

from collections.abc import Iterator

from firmware.core.ident import parse_device_name
from sim.engine.circuit.cell import CHARGE_MA, GNSS_MA, MCU_MA, MODEM_MA, SCAN_MA, Cell
from sim.engine.circuit.inputs import Level, Voltage
from sim.engine.circuit.modem import ModemChip
from sim.engine.circuit.receiver import GnssChip, ReceiverChip
from sim.engine.device import Device
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world import World

# The wiring of firmware/boards/tag_t_a7670_l76k, as its schematic has it.
MODEM_UART, GNSS_UART = 1, 2
MODEM_POWER_KEY, GNSS_WAKEUP, BATTERY_ADC, STRAP, MOTION, VIBRATION, CHARGER = 4, 19, 35, 32, 34, 18, 39
_DIVIDER = 2
_CAPACITY_MAH = 3400.0  # an 18650 cell
_FIRST_CHARGE = 0.97
_MOVES_ABOVE_MPS = 0.2


class WorldSky:
    """What a wearer's receiver hears in the world."""

    def __init__(self, world: World, tag: str) -> None:
        self._world = world
        self._wearer = world.wearer_of_tag(tag)
        self._receiver = world.receiver(parse_device_name(tag))

    def epoch(self, t_ms: int, on_since_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        start = self._world.start_utc_ms
        truth = self._wearer.truth(t_ms)
        utc_ms, on_utc_ms = start + t_ms, start + on_since_ms
        has_fix = self._receiver.has_fix(utc_ms, truth, on_utc_ms, last_fix_age_ms)
        return self._receiver.epoch(utc_ms, truth, on_utc_ms, last_fix_age_ms), has_fix


class TagCircuit:
    def __init__(self, device: Device, world: World, receiver: GnssChip | None = None) -> None:
        self._device = device
        self._world = world
        self._wearer = world.wearer_of_tag(device.name)
        self.cell = Cell(_CAPACITY_MAH, _FIRST_CHARGE)
        self.cell.draw(0, "mcu", MCU_MA)
        self.cell.draw(0, "scan", SCAN_MA)
        self.receiver = receiver or ReceiverChip(device, GNSS_UART, WorldSky(world, device.name))
        self.modem = ModemChip(device, MODEM_UART, self._is_covered, self._registration_ms)
        self.strap = Level(device, STRAP, 0, self._strap)  # 1: cut
        self._pins = [
            self.strap,
            Level(device, CHARGER, 0, self._charger),
            Level(device, MOTION, 0, self._motion),
        ]
        self._battery = Voltage(device, BATTERY_ADC, Cell.EVERY_MS, self._microvolts)

    def fill(self, upto_ms: int) -> int:
        upto_ms = self.receiver.fill(self._battery.fill(upto_ms))
        for pin in self._pins:
            pin.fill(upto_ms)
        return upto_ms

    def output(self, item: Item) -> None:
        t_ms, channel, sub, payload = item
        if channel == ch.PIN_OUT:
            on = bool(payload[0])
            if sub == GNSS_WAKEUP:
                self.receiver.power(t_ms, on)
                self.cell.draw(t_ms, "gnss", GNSS_MA if on else 0.0)
            elif sub == MODEM_POWER_KEY:
                self.modem.power_key(t_ms, on)
                self.cell.draw(t_ms, "modem", MODEM_MA if self.modem.is_on else 0.0)
        elif channel == ch.UART_TX and sub == MODEM_UART:
            self.modem.written(t_ms, payload)
        elif channel == ch.NIC and sub == ch.NIC_PPP:
            self.modem.connect(t_ms, bool(payload[0]))

    def restarted(self, t_ms: int) -> None:
        self.receiver.power(t_ms, False)
        self.modem.off()
        self.cell.draw(t_ms, "gnss", 0.0)
        self.cell.draw(t_ms, "modem", 0.0)
        for pin in self._pins:
            pin.again(t_ms)
        self._battery.again(t_ms)

    def _strap(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        for event in self._wearer.events(from_ms, until_ms):
            if event.device == self._device.name and event.kind in ("strap_cut", "strap_closed"):
                yield event.at_ms, int(event.kind == "strap_cut")

    def _charger(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        for event in self._wearer.events(from_ms, until_ms):
            if event.device == self._device.name and event.kind in ("charger_on", "charger_off"):
                on = event.kind == "charger_on"
                self.cell.plan(event.at_ms, "charger", -CHARGE_MA if on else 0.0)
                yield event.at_ms, int(on)

    def _motion(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        t_ms = from_ms
        while t_ms < until_ms:
            yield t_ms, int(self._wearer.truth(t_ms).speed_mps > _MOVES_ABOVE_MPS)
            t_ms = self._wearer.next_change(t_ms)

    def _microvolts(self, t_ms: int) -> int:
        return self.cell.millivolts(t_ms) * 1000 // _DIVIDER

    def _is_covered(self, t_ms: int) -> bool:
        return self._world.has_coverage(self._device.name, t_ms)

    def _registration_ms(self, t_ms: int) -> int:
        return self._world.cellular.registration_ms(self._device.device_id, t_ms)
