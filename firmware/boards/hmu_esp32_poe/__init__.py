"""Home unit on an Olimex ESP32-POE-ISO: ESP32, Ethernet by a LAN8720, Wi-Fi, BLE, a lithium cell that takes over when the
mains go.

Pins 12, 17, 18, 23, 34, 35 and 39 are wired on the board (Olimex ESP32-POE-ISO schematic, revision L). The tilt switch hangs
on the UEXT connector, the case switch in parallel to the board's button:

    tilt       36  rolling-ball switch to 3.3 V with a pull-down: changes while the unit is being moved
    case       34  contact to ground that the closed case holds down, with a pull-up: 1 is an open case
"""

import network
from machine import Pin

from ..drivers.unit import Unit

PHY_POWER, PHY_CLOCK, PHY_MDIO, PHY_MDC, PHY_ADDRESS = 12, 17, 18, 23, 0
BATTERY = 35, 2  # ADC pin, divider
MAINS, TILT, CASE = 39, 36, 34

NAME = "hmu_esp32_poe"


class Board(Unit):
    """The parts that a home unit is made of."""

    def __init__(self, store):
        super().__init__(NAME, store, BATTERY, Pin(MAINS, Pin.IN), Pin(TILT, Pin.IN), Pin(CASE, Pin.IN))

    def link(self, name, values):
        """ "ethernet", or "wifi" with [ssid, passphrase]."""
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
