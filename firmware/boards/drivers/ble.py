"""The ESP32's BLE radio as a link of short frames: advertise one for a while, or listen and get them in a ring.

What is heard is copied in the interrupt into a ring that was allocated beforehand; when it is full the newest is dropped
and counted. `aioble` would queue without bound and hand out the newest first.
"""

import bluetooth

from ...core.frame import SIZE, find_frame
from ...core.port import const
from ...core.seal import copy_bytes
from ...core.wake import Alarm

_IRQ_SCAN_RESULT = 5
_IRQ_SCAN_DONE = 6
_RING = 16
# Listening for a part of the time: the gap of 20 ms is shorter than the 30 ms between two advertisements of a frame (core/radio),
# so that of the three or four no two in a row are lost to it.
_SPARE_INTERVAL_US = const(80_000)
_SPARE_WINDOW_US = const(60_000)
_SLOT = SIZE + 1  # RSSI as a biased byte, then the frame


class Ble:
    """`pop(buf)` gives the RSSI in dBm of the next frame heard, or None; `heard` is set when there is one. Without `repeats`
    a frame that is the same as the one before it is heard once: each is advertised three times and more."""

    def __init__(self, places=_RING, repeats=True):
        self._ble = bluetooth.BLE()
        self._ble.active(True)
        self._ble.irq(self._irq)
        self._places = places
        self._ring = bytearray(places * _SLOT)
        self._newest = None if repeats else memoryview(bytearray(SIZE))
        self._put = 0
        self._get = 0
        self.dropped = 0
        self.listening = False
        self._showing = False
        self.heard = Alarm()

    @property
    def is_on(self):
        """Whether it listens or shows something."""
        return self.listening or self._showing

    def advertise(self, advertisement, interval_ms):
        """Repeat an advertisement until told otherwise."""
        self._showing = True
        self._ble.gap_advertise(interval_ms * 1000, advertisement, connectable=False)

    def quiet(self):
        self._showing = False
        self._ble.gap_advertise(None)  # pyright: ignore[reportArgumentType]: None stops it

    def listen(self, duration_ms, spare=False):
        """Listen all of the time for `duration_ms`; 0: for ever. `spare`: for three quarters of the time."""
        if spare:
            self._ble.gap_scan(duration_ms, _SPARE_INTERVAL_US, _SPARE_WINDOW_US, False)
        else:
            self._ble.gap_scan(duration_ms, 30_000, 30_000, False)
        self.listening = True  # after it: what it ends of an earlier scan is told by interrupt

    def deaf(self):
        self.listening = False
        self._ble.gap_scan(None)  # pyright: ignore[reportArgumentType]: None stops it

    def pop(self, buf):
        if self._get == self._put:
            return None
        at = self._get % self._places * _SLOT
        copy_bytes(buf, 0, self._ring, at + 1, SIZE)
        self._get += 1
        return self._ring[at] - 128

    def _irq(self, event, data):
        if event == _IRQ_SCAN_RESULT:
            frame = find_frame(data[4])
            if frame is None:
                return
            if self._put - self._get >= self._places:
                self.dropped += 1
                return
            if self._newest is not None:
                if frame == self._newest:
                    return
                self._newest[:] = frame
            at = self._put % self._places * _SLOT
            self._ring[at] = max(0, min(255, data[3] + 128))
            copy_bytes(self._ring, at + 1, frame, 0, SIZE)
            self._put += 1
            self.heard.set()
        elif event == _IRQ_SCAN_DONE:
            self.listening = False
            self.heard.set()
