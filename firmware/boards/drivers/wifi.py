"""Wi-Fi as a station, WPA2 or better: an access point that offers less is not joined, whatever its name is."""

import asyncio

import network

_LINK_S = 20
_TIMES = 2  # that is looked for the network: access points are missed now and then
# WPA2-PSK, WPA/WPA2-PSK, WPA3-PSK, WPA2/WPA3-PSK (wifi_auth_mode_t of ESP-IDF; `scan` of network.WLAN gives these numbers).
_GOOD_ENOUGH = (3, 4, 6, 7)
_PASSPHRASE_MIN = 8  # IEEE 802.11i


class WiFi:
    """The link to the broker. ValueError when name and passphrase are none. A link that drops is joined again by `up`."""

    def __init__(self, ssid, passphrase):
        self._ssid = ssid.encode()
        self._passphrase = passphrase
        if not 0 < len(self._ssid) <= 32 or len(passphrase) < _PASSPHRASE_MIN:
            raise ValueError("wifi: expected [name, passphrase of at least 8 characters]")
        self._wlan = network.WLAN(network.STA_IF)

    async def up(self):
        """Join the strongest of its access points and wait for an address. False when there is none."""
        wlan = self._wlan
        wlan.active(True)
        for _ in range(_TIMES):
            bssid = self._strongest()
            if bssid is not None:
                wlan.connect(self._ssid, self._passphrase, bssid=bssid)
                for _ in range(_LINK_S * 2):
                    if self.is_up():
                        return True
                    await asyncio.sleep_ms(500)
                wlan.disconnect()
            await asyncio.sleep_ms(1000)
        return False

    def _strongest(self):
        best = found = None
        for ssid, bssid, _, rssi, security, _ in self._wlan.scan():
            if ssid == self._ssid and security in _GOOD_ENOUGH and (best is None or rssi > best):
                best, found = rssi, bssid
        return found

    async def down(self):
        if self._wlan.active():
            self._wlan.disconnect()
            self._wlan.active(False)

    def is_up(self):
        return self._wlan.isconnected()
