"""Ankle tag on a LilyGO T-A7670 with L76K: ESP32 (WROVER-E), A7670E modem, L76K receiver, one 18650 cell.

Pins 4, 12, 19, 21, 22, 25, 26, 27 and 35 are wired on the board (LilyGO T-A7670 schematic V1.1). The strap loop, the motion
sensor's interrupt, the vibration motor, the case switch and the charger's sense line hang on free pins:

    strap      32  conductive loop in the strap to ground; the internal pull-up makes a cut loop read 1
    motion     34  INT1 of a LIS3DH, high while moving
    case       13  switch in the case to ground; the internal pull-up makes an open case read 1
    vibration  18  n-channel MOSFET
    charger    39  5 V of the charging contacts through 100k/100k
"""

import esp32
import machine
from esp32 import Partition
from machine import UART, WDT, Pin

from ..drivers.a7670 import Modem
from ..drivers.battery import Battery
from ..drivers.ble import Ble
from ..drivers.l76k import BAUD, RX_BUFFER, Gnss

BOARD_POWER = 12  # high keeps the modem's supply on when running from the cell
MODEM_TX, MODEM_RX, MODEM_POWER_KEY, MODEM_DTR = 26, 27, 4, 25
GNSS_TX, GNSS_RX, GNSS_WAKEUP = 21, 22, 19
BATTERY_ADC, BATTERY_DIVIDER = 35, 2
STRAP, MOTION, VIBRATION, CHARGER, CASE = 32, 34, 18, 39, 13

NAME = "tag_t_a7670_l76k"


class Board:
    """The parts that a tag is made of."""

    def __init__(self, store):
        self.name = NAME
        self.store = store
        self.reset_cause = machine.reset_cause()
        Pin(BOARD_POWER, Pin.OUT, value=1)
        self.gnss = Gnss(UART(2, BAUD, tx=GNSS_TX, rx=GNSS_RX, rxbuf=RX_BUFFER), Pin(GNSS_WAKEUP, Pin.OUT, value=0))
        modem_uart = UART(1, 115200, tx=MODEM_TX, rx=MODEM_RX, rxbuf=1024)
        power_key, dtr = Pin(MODEM_POWER_KEY, Pin.OUT, value=0), Pin(MODEM_DTR, Pin.OUT, value=0)
        self.modem = Modem(modem_uart, power_key, dtr, b"internet")
        self.ble = Ble()
        self.battery = Battery(BATTERY_ADC, BATTERY_DIVIDER)
        self._strap = Pin(STRAP, Pin.IN, Pin.PULL_UP)
        self._motion = Pin(MOTION, Pin.IN)
        self._charger = Pin(CHARGER, Pin.IN)
        self._case = Pin(CASE, Pin.IN, Pin.PULL_UP)
        self._motor = Pin(VIBRATION, Pin.OUT, value=0)
        self._may_wake = (self._motion,)

    def journal_device(self):
        """The flash partition that holds the journal."""
        return Partition.find(Partition.TYPE_DATA, label="journal")[0]

    def config_device(self):
        """The flash partition that holds the configuration, twice."""
        return Partition.find(Partition.TYPE_DATA, label="config")[0]

    def case_is_closed(self):
        return not self._case.value()

    def strap_is_closed(self):
        return not self._strap.value()

    def is_moving(self):
        return bool(self._motion.value())

    def is_charging(self):
        return bool(self._charger.value())

    def on_change(self, handler):
        """`handler(pin)` in the interrupt of the strap, the case, the charger and the motion sensor."""
        for pin in (self._strap, self._case, self._charger, self._motion):
            pin.irq(handler, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    def sleep(self, ms):
        """Light sleep, until the time is over, the strap changes or the wearer begins to move. The modem rests as long: what it
        holds for us is fetched each time that the processor wakes, which the radio's rounds see to."""
        self._arm()
        self.modem.rest(True)
        machine.lightsleep(ms)
        self.modem.rest(False)

    def deep_sleep(self, ms):
        """Never returns: the device starts again after that time, or when the strap changes."""
        self._arm()
        machine.deepsleep(ms)

    def _arm(self):
        # ext0 takes one pin and the level to wait for, ext1 several and any that is high (ESP-IDF, Sleep Modes).
        esp32.wake_on_ext0(self._strap, not self._strap.value())
        esp32.wake_on_ext1(None if self._motion.value() else self._may_wake, esp32.WAKEUP_ANY_HIGH)

    def vibrate(self, on):
        self._motor.value(1 if on else 0)

    def watchdog(self, timeout_s):
        return WDT(timeout=timeout_s * 1000)

    def cable_speed(self, baud):
        """Of the console's port, which is the cable's; 0: its own again."""
        UART(0, baudrate=baud or 115200)

    def reset(self):
        machine.reset()
