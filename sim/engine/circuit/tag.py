"""The tag's circuit: LilyGO T-A7670 with L76K, strap loop, motion sensor, case contact, charger and one cell, on the pins of its
board file."""

from collections.abc import Iterator

from firmware.core.ident import parse_device_name
from sim.engine.circuit.cell import SUPPLY, Cell
from sim.engine.circuit.inputs import Level, Moments, Supply, Voltage
from sim.engine.circuit.modem import ModemChip
from sim.engine.circuit.processor import Processor
from sim.engine.circuit.receiver import GnssChip, ReceiverChip
from sim.engine.device import Device
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world import World, energy

# The wiring of firmware/boards/tag_t_a7670_l76k, as its schematic has it.
MODEM_UART, GNSS_UART = 1, 2
MODEM_POWER_KEY, MODEM_DTR, GNSS_WAKEUP, BATTERY_ADC = 4, 25, 19, 35
STRAP, MOTION, CASE, VIBRATION, CHARGER = 32, 34, 13, 18, 39
_DIVIDER = 2
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
        wrong = self._world.reception(self._wearer.tag, truth, t_ms)
        has_fix = self._receiver.has_fix(utc_ms, truth, on_utc_ms, last_fix_age_ms, wrong)
        return self._receiver.epoch(utc_ms, truth, on_utc_ms, last_fix_age_ms, wrong), has_fix


class TagCircuit:
    def __init__(self, device: Device, world: World, receiver: GnssChip | None = None) -> None:
        self._device = device
        self._world = world
        self._wearer = world.wearer_of_tag(device.name)
        self.cell = cell = Cell(energy.TAG, self._wearer.spec.battery)
        for part, state in (("board", "on"), ("gnss", "backup"), ("modem", "off"), ("motor", "off")):
            cell.set(0, part, state)
        self._processor = Processor(cell)
        self.receiver = receiver or ReceiverChip(device, GNSS_UART, WorldSky(world, device.name), self._first_fix)
        self.modem = ModemChip(device, MODEM_UART, self._is_covered, self._registration_ms, cell, self._is_modem_dead)
        self.strap = Level(device, STRAP, 0, self._happens("strap_cut", "strap_closed"))  # 1: cut
        self.case = Level(device, CASE, 0, self._happens("case_opened", "case_closed"))  # 1: open
        self._pins = [
            self.strap,
            self.case,
            Level(device, CHARGER, 0, self._charger),
            Level(device, MOTION, 0, self._motion),
        ]
        self._supply = Supply(device, self._happens("tag_on", "tag_off"))
        self._crashes = Moments(device, ch.CRASH, self._happens("tag_crash", "tag_hung"))
        self._battery = Voltage(device, BATTERY_ADC, Cell.EVERY_MS, self._microvolts, self._cell_read)
        self._hush(0)
        self._quiet_until_ms = 0  # none of the parts but the receiver changes before; it is asked often

    def fill(self, upto_ms: int) -> int:
        if upto_ms < self._quiet_until_ms:
            return self.receiver.fill(upto_ms)
        upto_ms = self.receiver.fill(self._battery.fill(upto_ms))
        self._supply.fill(upto_ms)
        for pin in self._pins:
            pin.fill(upto_ms)
        self._crashes.fill(upto_ms)
        self._quiet_until_ms = min(part.next_ms for part in (self._battery, self._supply, self._crashes, *self._pins))
        return upto_ms

    @property
    def next_ms(self) -> int:
        return min(self.receiver.next_ms, self._quiet_until_ms)

    def output(self, item: Item) -> None:
        t_ms, channel, sub, payload = item
        if channel == ch.PIN_OUT:
            on = bool(payload[0])
            if sub == GNSS_WAKEUP:
                self.receiver.power(t_ms, on)
                self.cell.set(t_ms, "gnss", "acquiring" if on else "backup")
            elif sub == MODEM_POWER_KEY:
                self.modem.power_key(t_ms, on)
            elif sub == MODEM_DTR:
                self.modem.dtr(t_ms, on)
            elif sub == VIBRATION:
                self.cell.set(t_ms, "motor", "on" if on else "off")
        elif channel == ch.UART_TX:
            if sub == MODEM_UART:
                self.modem.written(t_ms, payload)
        elif channel == ch.NIC:
            if sub == ch.NIC_PPP:
                self.modem.connect(t_ms, bool(payload[0]))
        elif channel == ch.SOCK_OUT:
            self.modem.sent(t_ms, len(payload))
        else:
            if channel == ch.SLEEP and sub == 2:
                self.stopped(t_ms)  # its pins let go, and with them the supply of the modem
            self._processor.output(item)

    def stopped(self, t_ms: int) -> None:
        self.receiver.power(t_ms, False)
        self.modem.off(t_ms)
        self.cell.set(t_ms, "gnss", "backup")
        self.cell.set(t_ms, "motor", "off")
        self._processor.stopped(t_ms)

    def restarted(self, t_ms: int) -> None:
        self.stopped(t_ms)
        self._processor.started(t_ms)
        for pin in self._pins:
            pin.again(t_ms)
        self._battery.again(t_ms)
        self._hush(t_ms)

    def changed(self, t_ms: int) -> None:
        """Somebody changed the world as it is from t_ms on, a time that the device has not reached."""
        self.cell.unplan(t_ms, SUPPLY)
        for part in (self._supply, self._crashes, *self._pins):
            part.ask_again(t_ms)
        self._quiet_until_ms = 0

    def _hush(self, t_ms: int) -> None:
        for pin in (MODEM_DTR, VIBRATION):
            self._device.push(max(t_ms, self._device.horizon_ms + 1), ch.PIN_QUIET, pin, b"")

    def _happens(self, *kinds: str):
        """The changes that events of these kinds make: 1 by the first, 0 by the second."""

        def changes(from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
            for event in self._wearer.events(from_ms, until_ms):
                if event.device == self._device.name and event.kind in kinds:
                    yield event.at_ms, int(event.kind == kinds[0])

        return changes

    def _charger(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        for at_ms, on in self._happens("charger_on", "charger_off")(from_ms, until_ms):
            self.cell.plan(at_ms, SUPPLY, "outside" if on else "cell")
            yield at_ms, on

    def _motion(self, from_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        t_ms = from_ms
        while t_ms < until_ms:
            yield t_ms, int(self._world.is_moving(self._device.name, t_ms, _MOVES_ABOVE_MPS))
            change_ms = self._wearer.next_change(t_ms)
            t_ms = min([change_ms, *(edge for edge in self._world.troubles.edges("motion_stuck") if edge > t_ms)])

    def _first_fix(self, epoch_ms: int) -> None:
        self.cell.plan(epoch_ms, "gnss", "tracking")

    def _microvolts(self, t_ms: int) -> int:
        return self.cell.millivolts(t_ms) * 1000 // _DIVIDER

    def _cell_read(self, t_ms: int, microvolts: int) -> None:
        self._supply.cell(t_ms, microvolts * _DIVIDER // 1000)

    def _is_covered(self, t_ms: int) -> bool:
        return self._world.has_coverage(self._device.name, t_ms)

    def _is_modem_dead(self, t_ms: int) -> bool:
        return self._world.troubles.now("modem_dead", self._wearer.id, t_ms) is not None

    def _registration_ms(self, t_ms: int) -> int:
        return self._world.cellular.registration_ms(self._device.device_id, t_ms)
