"""Inputs and outputs of a device in words, for people who look for where two runs part.

Nothing secret is told: of what goes over a socket its length and, of MQTT in clear, the packets' kind; of a network's passphrase
and of a modem's settings nothing.
"""

import struct
from collections.abc import Callable

from sim.engine.wire import Item
from sim.silicon import _channels as ch

_MQTT = (
    "", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE",
    "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
)  # fmt: skip
_NICS = {ch.NIC_PPP: "PPP", ch.NIC_LAN: "LAN", ch.NIC_WLAN: "WLAN"}
_CAUSES = {1: "power on", 2: "hard reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset", ch.POWER_LOST: "power lost"}
_SLEEPS = ("awake", "light sleep", "deep sleep")
_RADIO_STOP = 0xFFFFFFFF


def moment(t_ms: int) -> str:
    """Virtual time as days, if any, and h:mm:ss.mmm since the scenario's start."""
    s, ms = divmod(t_ms, 1000)
    days, s = divmod(s, 86_400)
    return f"{f'{days}d ' if days else ''}{s // 3600}:{s // 60 % 60:02}:{s % 60:02}.{ms:03}"


def tell(item: Item) -> str:
    """An input or output in words, without its time. Whatever the payload is, it is told."""
    name, words = _WORDS.get(item.channel, (f"channel {item.channel}", _length))
    try:
        return f"{name} {words(item.sub, item.payload)}".rstrip()
    except (struct.error, IndexError, KeyError):
        return f"{name} {item.sub}: {len(item.payload)} bytes that make no sense"


def _length(sub: int, payload: bytes) -> str:
    return f"{sub}: {len(payload)} bytes"


def _uart(sub: int, payload: bytes) -> str:
    text = payload.decode("ascii", "replace").strip()
    if text.startswith("AT"):
        text = text.partition("=")[0] + ("=…" if "=" in text else "")
    elif not text.startswith(("$", "+", "OK", "ERROR", "CONNECT", "NO ")):
        return _length(sub, payload)
    return f"{sub}: {text!r}"


def _pin(sub: int, payload: bytes) -> str:
    return f"{sub} {'high' if payload[0] else 'low'}"


def _voltage(sub: int, payload: bytes) -> str:
    return f"{sub} {struct.unpack('<I', payload)[0] / 1000:.1f} mV"


def _heard(sub: int, payload: bytes) -> str:
    return f"{payload[:6].hex(':')} at {payload[6] - 256} dBm: {payload[7:].hex()}"


def _link(sub: int, payload: bytes) -> str:
    if sub not in _NICS or len(payload) > 1:
        return f"a network {payload[3:].decode('utf-8', 'replace')!r} at {payload[1] - 256} dBm"
    return f"{_NICS[sub]} {'up' if payload[0] else 'down'}"


def _nic(sub: int, payload: bytes) -> str:
    if not payload[0]:
        return f"{_NICS[sub]} disconnect"
    network = payload[1:].partition(b"\0")[0].decode("utf-8", "replace")
    return f"{_NICS[sub]} connect {network}"


def _advertise(sub: int, payload: bytes) -> str:
    (interval_us,) = struct.unpack_from("<I", payload)
    return f"every {interval_us / 1000:.1f} ms: {payload[4:].hex()}" if interval_us else "stop"


def _scan(sub: int, payload: bytes) -> str:
    duration_ms, interval_us, window_us = struct.unpack("<III", payload)
    if duration_ms == _RADIO_STOP:
        return "stop"
    length = f"for {duration_ms} ms" if duration_ms else "for ever"
    return f"{length}, {window_us / 1000:g} of each {interval_us / 1000:g} ms"


def _socket(sub: int, payload: bytes) -> str:
    what, data = payload[0], payload[1:]
    if what == ch.SOCK_OPENED:
        return f"{sub}: opened {data.decode('ascii', 'replace')}".rstrip()
    if what == ch.SOCK_CLOSED:
        return f"{sub}: closed"
    if what == ch.SOCK_ERROR:
        return f"{sub}: error {data[0]}"
    if what == ch.SOCK_DATAGRAM:
        address, _, datagram = data.partition(b"\0")
        return f"{sub}: datagram of {len(datagram)} bytes for {address.decode('ascii', 'replace')}"
    clear = {ch.SOCK_SENT: " (in clear)", ch.SOCK_HEARD: " (in clear)", ch.SOCK_SEALED: " (sealed)"}.get(what, "")
    return f"{sub}: {len(data)} bytes{clear}{_mqtt(data) if what != ch.SOCK_SEALED else ''}"


def _mqtt(data: bytes) -> str:
    """The kind of a packet that is whole: any other bytes are told by their length alone."""
    if len(data) < 2 or data[1] & 0x80 or len(data) != data[1] + 2 or not 1 <= data[0] >> 4 < len(_MQTT):
        return ""
    return f", {_MQTT[data[0] >> 4]}"


_WORDS: dict[int, tuple[str, Callable[[int, bytes], str]]] = {
    ch.UART_RX: ("hears on UART", _uart),
    ch.PIN_IN: ("pin", _pin),
    ch.ADC_IN: ("voltage at pin", _voltage),
    ch.BLE_HEARD: ("hears", _heard),
    ch.SOCK_IN: ("hears on socket", _socket),
    ch.LINK: ("link", _link),
    ch.POWER: ("power", lambda sub, payload: "is back" if payload[0] else "fails"),
    ch.CRASH: ("crash by the scenario's will", lambda sub, payload: "(it hangs)" if sub == ch.CRASH_HUNG else ""),
    ch.UART_TX: ("says on UART", _uart),
    ch.UART_OPEN: ("opens UART", lambda sub, payload: f"{sub} at {struct.unpack('<I', payload)[0]} baud"),
    ch.PIN_OUT: ("sets pin", _pin),
    ch.BLE_ADVERTISE: ("advertises", _advertise),
    ch.BLE_SCAN: ("scans", _scan),
    ch.SOCK_OUT: ("says on socket", _socket),
    ch.NIC: ("network", _nic),
    ch.RESET: ("resets:", lambda sub, payload: _CAUSES.get(payload[0], str(payload[0]))),
    ch.SLEEP: ("is in", lambda sub, payload: _SLEEPS[sub]),
    ch.CRASHED: ("crashes:", lambda sub, payload: payload.decode("utf-8", "replace")),
}
