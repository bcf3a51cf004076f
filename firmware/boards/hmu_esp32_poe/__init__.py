"""Home unit on an Olimex ESP32-POE-ISO: ESP32, Ethernet by a LAN8720, Wi-Fi, BLE, a lithium cell that takes over when the
mains go.

Pins 12, 17, 18, 23, 34, 35 and 39 are wired on the board (Olimex ESP32-POE-ISO schematic, revision L). The tilt switch hangs
on the UEXT connector, the case switch in parallel to the board's button:

    tilt       36  rolling-ball switch to 3.3 V with a pull-down: changes while the unit is being moved
    case       34  contact to ground that the closed case holds down, with a pull-up: 1 is an open case
"""

import machine
import network
from esp32 import Partition
from machine import WDT, Pin

from ..drivers.battery import Battery
from ..drivers.ble import Ble

PHY_POWER, PHY_CLOCK, PHY_MDIO, PHY_MDC, PHY_ADDRESS = 12, 17, 18, 23, 0
BATTERY_ADC, BATTERY_DIVIDER = 35, 2
MAINS, TILT, CASE = 39, 36, 34

_RING = 64  # frames heard: of several tags at once, while a frame of its own is on the air

NAME = "hmu_esp32_poe"


class Board:
    """The parts that a home unit is made of."""

    def __init__(self, store):
        self.name = NAME
        self.store = store
        self.reset_cause = machine.reset_cause()
        self.ble = Ble(_RING)
        self.battery = Battery(BATTERY_ADC, BATTERY_DIVIDER)
        self.tilts = 0  # changes of the tilt switch, modulo 65536
        self._mains = Pin(MAINS, Pin.IN)
        self._tilt = Pin(TILT, Pin.IN)
        self._case = Pin(CASE, Pin.IN)

    def link(self, name, values):
        """A way to the broker by its name, with what the key slot says of it; None when this board has none such."""
        if name == "ethernet":
            from ..drivers.ethernet import Ethernet

            return Ethernet(
                mdc=Pin(PHY_MDC),
                mdio=Pin(PHY_MDIO),
                power=Pin(PHY_POWER),
                ref_clk=Pin(PHY_CLOCK),
                ref_clk_mode=Pin.OUT,
                phy_type=network.PHY_LAN8720,
                phy_addr=PHY_ADDRESS,
            )
        if name == "wifi" and len(values) == 2:
            from ..drivers.wifi import WiFi

            return WiFi(values[0], values[1])
        return None

    def journal_device(self):
        """The flash partition that holds the journal."""
        return _partition("journal")

    def relay_device(self):
        """That of the relay store."""
        return _partition("relay")

    def config_device(self):
        """That of the two places for a configuration."""
        return _partition("config")

    def has_mains(self):
        return bool(self._mains.value())

    def tilt(self):
        return self._tilt.value()

    def case_is_closed(self):
        return not self._case.value()

    def on_change(self, handler):
        """`handler(pin)` in the interrupt of the mains sense line, the tilt switch and the case switch."""

        def tilted(pin):
            self.tilts = self.tilts + 1 & 0xFFFF
            handler(pin)

        self._tilt.irq(tilted, Pin.IRQ_RISING | Pin.IRQ_FALLING)
        for pin in (self._mains, self._case):
            pin.irq(handler, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    def watchdog(self, timeout_s):
        return WDT(timeout=timeout_s * 1000)

    def reset(self):
        machine.reset()


def _partition(label):
    return Partition.find(Partition.TYPE_DATA, label=label)[0]
