"""What all boards of home units have alike: a battery, contacts for mains, tilt and case, and their partitions of the flash."""

import machine
from esp32 import Partition
from machine import WDT, Pin

from .battery import Battery
from .ble import Ble

_RING = 64  # frames heard: of several tags at once, while a frame of its own is on the air


class Unit:
    """A board adds `link(name, values)`: a way to the broker by its name, with what the key slot says of it, or None.

    `mains`: 1 while there are mains; `tilt` changes while the unit is being moved; `case`: 1 is an open case.
    """

    def __init__(self, name, store, battery, mains, tilt, case):
        self.name = name
        self.store = store
        self.reset_cause = machine.reset_cause()
        self.ble = Ble(_RING, False)
        self.battery = Battery(*battery)
        self.tilts = 0  # changes of the tilt switch, modulo 65536
        self._mains = mains
        self._tilt = tilt
        self._case = case

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

    def cable_speed(self, baud):
        """Of the console's port, which is the cable's; 0: its own again."""
        machine.UART(0, baudrate=baud or 115200)

    def reset(self):
        machine.reset()


def _partition(label):
    return Partition.find(Partition.TYPE_DATA, label=label)[0]
