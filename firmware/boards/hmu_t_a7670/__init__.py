"""Home unit without a cable: LilyGO T-A7670, ESP32 (WROVER-E) with an A7670E modem, Wi-Fi, BLE and one 18650 cell, on a USB
supply.

Pins 4, 12, 25, 26, 27 and 35 are wired on the board (LilyGO T-A7670 schematic V1.1). Mains sense, tilt switch and case switch
hang on free pins:

    mains      39  5 V of the supply through 100k/100k
    tilt       34  rolling-ball switch to 3.3 V with a pull-down
    case       13  switch in the case to ground, with the internal pull-up
"""

from machine import UART, Pin

from ..drivers.unit import Unit

BOARD_POWER = 12  # high keeps the modem's supply on when running from the cell
MODEM_TX, MODEM_RX, MODEM_POWER_KEY, MODEM_DTR = 26, 27, 4, 25
BATTERY = 35, 2  # ADC pin, divider
MAINS, TILT, CASE = 39, 34, 13

NAME = "hmu_t_a7670"


class Board(Unit):
    """The parts that a home unit is made of."""

    def __init__(self, store):
        super().__init__(NAME, store, BATTERY, Pin(MAINS, Pin.IN), Pin(TILT, Pin.IN), Pin(CASE, Pin.IN, Pin.PULL_UP))

    def link(self, name, values):
        """ "cellular", with the access point's name if it is not "internet"; "wifi" with [ssid, passphrase]."""
        if name == "cellular":
            from ..drivers.a7670 import Modem

            Pin(BOARD_POWER, Pin.OUT, value=1)
            uart = UART(1, 115200, tx=MODEM_TX, rx=MODEM_RX, rxbuf=1024)
            apn = values[0].encode() if values else b"internet"
            return Modem(uart, Pin(MODEM_POWER_KEY, Pin.OUT, value=0), Pin(MODEM_DTR, Pin.OUT, value=0), apn)
        if name == "wifi" and len(values) == 2:
            from ..drivers.wifi import WiFi

            return WiFi(values[0], values[1])
        return None
