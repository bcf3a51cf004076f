"""An ESP32 as its cell feels it: awake or asleep, its Bluetooth radio listening or advertising."""

import struct

from sim.engine.circuit.cell import Cell
from sim.engine.wire import Item
from sim.silicon import _channels as ch
from sim.world.energy import ADVERTISING_EVENT_MS, WAKE_MS

_STOP = 0xFFFFFFFF
_CPU = ("awake", "light", "deep")


class Processor:
    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.started(0)

    def started(self, t_ms: int) -> None:
        """It has power and begins a life."""
        self._cell.set(t_ms, "cpu", "awake")
        self._silent(t_ms)

    def stopped(self, t_ms: int) -> None:
        """It has no power."""
        self._cell.set(t_ms, "cpu", "off")
        self._silent(t_ms)

    def _silent(self, t_ms: int) -> None:
        self._cell.set(t_ms, "ble", "off")
        self._cell.set(t_ms, "adv", "off")

    def output(self, item: Item) -> None:
        t_ms, channel, sub, payload = item
        cell = self._cell
        if channel == ch.SLEEP:
            cell.set(t_ms, "cpu", _CPU[sub])
            if not sub:
                cell.add(t_ms, "cpu.awake", WAKE_MS)
            elif sub == 2:
                self._silent(t_ms)
        elif channel == ch.BLE_SCAN:
            duration_ms, interval_us, window_us = struct.unpack("<III", payload)
            if duration_ms == _STOP:
                cell.set(t_ms, "ble", "off")
                return
            cell.set(t_ms, "ble", "listening", min(window_us, interval_us), interval_us)
            if duration_ms:
                cell.plan(t_ms + duration_ms, "ble", "off")
        elif channel == ch.BLE_ADVERTISE:
            interval_ms = struct.unpack_from("<I", payload)[0] // 1000
            if interval_ms:
                cell.set(t_ms, "adv", "event", ADVERTISING_EVENT_MS, max(interval_ms, ADVERTISING_EVENT_MS))
            else:
                cell.set(t_ms, "adv", "off")
