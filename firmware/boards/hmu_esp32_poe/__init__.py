"""Home unit on an Olimex ESP32-POE-ISO: ESP32, Ethernet by a LAN8720, BLE, a lithium cell that takes over when the mains go.

Pins 12, 17, 18, 23, 35 and 39 are wired on the board (Olimex ESP32-POE-ISO schematic, revision L). The tilt switch hangs
on the UEXT connector:

    tilt       36  rolling-ball switch to 3.3 V with a pull-down: changes while the unit is being moved
"""

import asyncio

import machine
import network
from esp32 import Partition
from machine import WDT, Pin

from ..drivers.battery import Battery
from ..drivers.ble import Ble

PHY_POWER, PHY_CLOCK, PHY_MDIO, PHY_MDC, PHY_ADDRESS = 12, 17, 18, 23, 0
BATTERY_ADC, BATTERY_DIVIDER = 35, 2
MAINS, TILT = 39, 36

_LINK_S = 15

NAME = "hmu_esp32_poe"


class Ethernet:
    """The link to the broker."""

    def __init__(self):
        self._lan = network.LAN(
            0,  # pyright: ignore[reportCallIssue]: the stub knows no ESP32 argument
            mdc=Pin(PHY_MDC),
            mdio=Pin(PHY_MDIO),
            power=Pin(PHY_POWER),
            ref_clk=Pin(PHY_CLOCK),
            ref_clk_mode=Pin.OUT,
            phy_type=network.PHY_LAN8720,
            phy_addr=PHY_ADDRESS,
        )

    async def up(self):
        """Wait for the cable and an address. False when there is none."""
        self._lan.active(True)
        for _ in range(_LINK_S * 2):
            if self.is_up():
                return True
            await asyncio.sleep_ms(500)
        return False

    async def down(self):
        self._lan.active(False)

    def is_up(self):
        return self._lan.isconnected()  # pyright: ignore[reportAttributeAccessIssue]


class Board:
    """The parts that a home unit is made of."""

    def __init__(self, store):
        self.name = NAME
        self.store = store
        self.reset_cause = machine.reset_cause()
        self.modem = Ethernet()
        self.ble = Ble()
        self.battery = Battery(BATTERY_ADC, BATTERY_DIVIDER)
        self._mains = Pin(MAINS, Pin.IN)
        self._tilt = Pin(TILT, Pin.IN)

    def journal_device(self):
        """The flash partition that holds the journal."""
        return Partition.find(Partition.TYPE_DATA, label="journal")[0]

    def has_mains(self):
        return bool(self._mains.value())

    def tilt(self):
        return self._tilt.value()

    def on_change(self, handler):
        """`handler(pin)` in the interrupt of the mains sense line and the tilt switch."""
        for pin in (self._mains, self._tilt):
            pin.irq(handler, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    def watchdog(self, timeout_s):
        return WDT(timeout=timeout_s * 1000)

    def reset(self):
        machine.reset()
