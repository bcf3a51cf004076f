"""SIMCom A7670 (LTE Cat-1) as an IP link by PPP: power key, a short AT dialogue, then `network.PPP` on the same UART.

AT commands and timings: SIMCom A7600 Series AT Command Manual V1.09; power key: A7670 Hardware Design V1.04 section 3.2.
Sleep: with AT+CSCLK=1 the modem sleeps while DTR is high and nothing is under way; it stays registered and connected, but its
UART is deaf until DTR is low again. Unmeasured: that what comes in meanwhile is kept for us (if not, TCP sends it again), how
soon it sleeps, and that it does so with nothing on its USB port, which keeps it awake.
"""

import asyncio
import time

import network

_POWER_KEY_ON_MS = 100
_POWER_KEY_OFF_MS = 2600
_REGISTER_S = 90
_LINK_S = 30
_UART_MS = 50  # from DTR low to a UART that hears (40 ms for a SIM802, SIM802 Hardware Design; unmeasured here)


class Modem:
    """`await up()` until there is a link, `await down()` to power it off. One caller at a time."""

    def __init__(self, uart, power_key, dtr, apn):
        self._uart = uart
        self._reader = asyncio.StreamReader(uart)
        self._power_key = power_key
        self._dtr = dtr
        self._apn = apn
        self._ppp = network.PPP(uart)
        self._powered = False
        self.attempts = 0  # power-ups
        self.answered = True  # whether the last one was answered to at all

    def is_up(self):
        return self._powered and self._ppp.isconnected()

    def rest(self, on):
        """Let it sleep while nothing is sent, with its connection; or wake it, which must be done before anything is sent."""
        if self._powered:
            self._dtr.value(on)
            if not on:
                time.sleep_ms(_UART_MS)

    async def up(self):
        """Power up, register, dial. True when the link is there; False leaves the modem off."""
        if self.is_up():
            return True
        await self._press(_POWER_KEY_ON_MS)
        self._powered = True
        self.attempts += 1
        self.answered = False
        if await self._dial():
            return True
        await self.down()
        return False

    async def down(self):
        """Hang up and power off."""
        if self._powered:
            self._powered = False
            self._ppp.active(False)
            await self._press(_POWER_KEY_OFF_MS)

    async def _press(self, ms):
        self._power_key.on()
        await asyncio.sleep_ms(ms)
        self._power_key.off()

    async def _dial(self):
        for _ in range(20):
            if await self._command(b"ATE0\r", 1000):
                self.answered = True
                break
        else:
            return False
        if not await self._command(b"AT+CPIN?\r", 5000):
            return False
        await self._command(b"AT+CSCLK=1\r", 1000)  # it may sleep; one that cannot goes on awake
        if not await self._command(b'AT+CGDCONT=1,"IP","%s"\r' % self._apn, 5000):
            return False
        for _ in range(_REGISTER_S // 2):
            # 1: registered at home, 5: roaming (3GPP TS 27.007 section 10.1.22)
            if await self._command(b"AT+CEREG?\r", 5000, b"+CEREG: 0,1", b"+CEREG: 0,5"):
                break
            await asyncio.sleep_ms(2000)
        else:
            return False
        if not await self._command(b"ATD*99***1#\r", 10000, b"CONNECT"):
            return False
        self._ppp.active(True)
        self._ppp.connect()
        for _ in range(_LINK_S * 2):
            if self._ppp.isconnected():
                return True
            await asyncio.sleep_ms(500)
        return False

    async def _command(self, command, timeout_ms, *wanted):
        """Send a command and read lines up to its final result. True on OK, or when a line begins with a wanted text."""
        while self._uart.any():
            self._uart.read()
        self._uart.write(command)
        try:
            return await asyncio.wait_for_ms(self._result(wanted), timeout_ms)
        except asyncio.TimeoutError:
            return False

    async def _result(self, wanted):
        seen = False
        while True:
            line = await self._reader.readline()
            if not line:
                return False
            for text in wanted:
                seen = seen or line.startswith(text)
            if line.startswith(b"CONNECT"):
                return seen
            if line.startswith(b"OK"):
                return seen or not wanted
            if line.startswith((b"ERROR", b"+CME ERROR", b"NO CARRIER")):
                return False
