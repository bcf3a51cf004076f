"""Quectel L76K GNSS receiver: NMEA at 9600 baud on a UART, and a pin that puts it to sleep with its almanac kept.

WAKEUP low: backup mode, some 10 µA, from which a start is hot for up to four hours (L76K Hardware Design V1.2 section 3.3.2).
"""

import asyncio

BAUD = 9600
_LAG_MS = 100  # from the second to the first character of its epoch (unmeasured)
RX_BUFFER = 2048  # two seconds of sentences at 9600 baud


class Gnss:
    """`on()`, `off()`; `await readinto(buf)` gives the number of bytes that came."""

    def __init__(self, uart, wakeup):
        self._uart = uart
        self._wakeup = wakeup
        self._reader = asyncio.StreamReader(uart)
        self.is_on = False

    def on(self):
        while self._uart.any():
            self._uart.read()
        self._wakeup.on()
        self.is_on = True

    def off(self):
        self._wakeup.off()
        self.is_on = False

    def any(self):
        """How many bytes wait to be read."""
        return self._uart.any()

    def age_ms(self, n):
        """How long ago the second was that an epoch is about, when its first `n` bytes have just come."""
        return _LAG_MS + n * 10_000 // BAUD

    async def readinto(self, buf):
        return await self._reader.readinto(buf)
