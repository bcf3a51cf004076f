"""Ethernet by the chip's own MAC and a PHY."""

import asyncio

import network

_LINK_S = 15


class Ethernet:
    """The link to the broker. `pins` are the keywords of `network.LAN` for this board."""

    def __init__(self, **pins):
        self._lan = network.LAN(0, **pins)  # pyright: ignore[reportCallIssue]: the stub knows no ESP32 argument

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
