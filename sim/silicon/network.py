"""MicroPython's `network`: cellular by PPP, Ethernet by LAN, Wi-Fi by WLAN. Whether there is a link, the engine says."""

import _channels
import _hw

STA_IF = 0
AP_IF = 1
PHY_LAN8720 = 1
PHY_GENERIC = 7

_up = {}
_nics = {}
_networks = []  # what `scan` finds: [ssid, bssid, channel, RSSI, security, hidden]


def _link(sub, payload):
    if payload[0] == _channels.NIC_NETWORK:
        _networks.append((bytes(payload[3:]), b"\x02WLAN%c" % len(_networks), 6, payload[1] - 256, payload[2], False))
    else:
        _up[sub] = payload[0]


_hw.listen(_channels.LINK, _link)


def any_up():
    """For `socket`: whether some interface has a route."""
    for kind, nic in _nics.items():
        if nic._active and _up.get(kind):
            return True
    return False


class _Nic:
    _kind = 0

    def __init__(self, *args, **kwargs):
        self._active = False
        _nics[self._kind] = self

    def active(self, on=None):
        if on is not None and bool(on) != self._active:
            self._active = bool(on)
            if not on:
                self.disconnect()
            elif self._kind == _channels.NIC_LAN:
                _hw.emit(_channels.NIC, self._kind, b"\x01")
        return self._active

    def connect(self, *args, **kwargs):
        _hw.emit(_channels.NIC, self._kind, b"\x01")

    def disconnect(self):
        _up[self._kind] = 0
        _hw.emit(_channels.NIC, self._kind, b"\x00")

    def isconnected(self):
        return bool(self._active and _up.get(self._kind))

    def status(self, *args):
        return 1 if self.isconnected() else 0

    def ifconfig(self, *args):
        return ("10.0.0.2", "255.255.255.0", "10.0.0.1", "10.0.0.1")

    def ipconfig(self, *args, **kwargs):
        return ("10.0.0.2", "255.255.255.0")

    def config(self, *args, **kwargs):
        return None


class PPP(_Nic):
    """Takes the modem's UART over once the modem has answered CONNECT; what then flows on that UART is PPP's own."""

    _kind = _channels.NIC_PPP

    SEC_NONE = 0
    SEC_PAP = 1
    SEC_CHAP = 2

    def __init__(self, stream):
        super().__init__()
        self._stream = stream

    def poll(self):
        pass


class LAN(_Nic):
    _kind = _channels.NIC_LAN


class WLAN(_Nic):
    _kind = _channels.NIC_WLAN

    def __init__(self, interface=STA_IF):
        super().__init__()

    def connect(self, ssid, key=None, *, bssid=None):
        if not self._active:
            raise OSError(0x3002, "ESP_ERR_WIFI_NOT_STARTED")
        ssid = ssid if isinstance(ssid, bytes) else ssid.encode()
        _hw.emit(_channels.NIC, self._kind, b"\x01" + ssid + b"\0" + (key or "").encode())

    def scan(self):
        return list(_networks) if self._active else []


def hostname(name=None):
    return name


def country(code=None):
    return code
