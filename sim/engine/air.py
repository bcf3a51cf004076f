"""The air between tags and home units: who hears which advertisement, when, and how loud.

Advertising is a state (payload and interval since a time), scanning another; what is heard follows from the two and from the
world's geometry, as a plain function of time. Two devices that are too far apart to hear each other before some time are not
coupled until then, and run independently.
"""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sim.engine.device import Device
from sim.silicon import _channels as ch
from sim.world.bystanders import Heard
from sim.world.hashing import stream, uniform

_STOP = 0xFFFFFFFF
_RECHECK_MS = 5_000
_FLIGHT_MS = 1  # end of an advertisement to the interrupt that reports it

Rssi = Callable[[str, str, int], float | None]  # (sender, hearer, t_ms) -> dBm, None when not heard
Bystanders = Callable[[str, int, int], Iterable[Heard]]  # (hearer, from ms, until ms)
ApartUntil = Callable[[str, str, int], int]  # (one, other, t_ms) -> when they may reach each other at the soonest, ms


@dataclass
class _Radio:
    device: Device
    jitter_key: int
    segments: list[tuple[int, int, bytes]] = field(default_factory=list)  # (since ms, interval ms or 0, advertisement)
    asleep: tuple[int, int, bytes] | None = None  # what it goes on advertising when it wakes
    scan_from_ms: int = 0
    scan_until_ms: int = -1
    interval_ms: int = 0
    window_ms: int = 0
    others_ms: int = 0  # up to when it has been told what it hears of bystanders


class _Pair:
    """A tag and a home unit."""

    def __init__(self) -> None:
        self.checked_until_ms = -1
        self.clear_until_ms = -1
        self.filled_ms: dict[str, int] = {}


def nobody(device: str, from_ms: int, until_ms: int) -> Iterable[Heard]:
    """No bystanders."""
    return ()


class Air:
    """`bystanders`: what arrives at a device in [from, until) of other people's radios, if it listens."""

    def __init__(self, seed: int, apart_until: ApartUntil, rssi: Rssi, bystanders: Bystanders = nobody) -> None:
        self._seed = seed
        self._bystanders = bystanders
        self.has_bystanders = bystanders is not nobody
        self._apart_until = apart_until
        self._rssi = rssi
        self._radios: dict[str, _Radio] = {}
        self._peers: dict[str, list[tuple[_Radio, _Pair]]] = {}
        self.heard = 0

    def join(self, devices: list[Device], is_home_unit: Callable[[Device], bool]) -> None:
        """Put devices on the air: every tag with every home unit."""
        for device in devices:
            self._radios[device.name] = _Radio(device, stream(self._seed, "advDelay", device.name))
            self._peers[device.name] = []
        for tag in devices:
            for unit in devices:
                if is_home_unit(unit) and not is_home_unit(tag):
                    pair = _Pair()
                    self._peers[tag.name].append((self._radios[unit.name], pair))
                    self._peers[unit.name].append((self._radios[tag.name], pair))

    def peers(self, device: Device) -> list[Device]:
        """The devices that could hear it at all."""
        return [radio.device for radio, _ in self._peers[device.name]]

    def coupled(self, device: Device, t_ms: int) -> tuple[list[Device], int]:
        """The devices that it can reach at t_ms, directly or through others, and the time before which nobody joins them."""
        clear_ms = ch.NEVER
        found = {device.name: device}
        queue = [device]
        while queue:
            one = queue.pop()
            for radio, pair in self._peers[one.name]:
                other = radio.device
                if other.name in found:
                    continue
                if self._is_coupled(one.name, other.name, pair, t_ms):
                    found[other.name] = other
                    queue.append(other)
                else:
                    clear_ms = min(clear_ms, pair.clear_until_ms)
        del found[device.name]
        return list(found.values()), clear_ms

    def is_apart(self, device: Device, t_ms: int) -> bool:
        """Whether it is known to be out of everybody's reach at t_ms."""
        return all(pair.clear_until_ms > t_ms for _, pair in self._peers[device.name])

    def listens(self, device: Device, t_ms: int) -> bool:
        """Whether its receiver is on at t_ms."""
        return self._radios[device.name].scan_until_ms > t_ms

    def hears(self, device: Device, t_ms: int) -> bool:
        """Whether it listens at t_ms while somebody in its reach is advertising."""
        return self.listens(device, t_ms) and self.could_hear(device, t_ms)

    def could_hear(self, device: Device, t_ms: int) -> bool:
        """Whether somebody in its reach is advertising at t_ms, as far as he has got: it would hear him if it listened."""
        for radio, pair in self._peers[device.name]:
            if pair.clear_until_ms <= t_ms and radio.segments and radio.segments[-1][1]:
                return True
        return False

    def forget(self) -> None:
        """Places changed otherwise than was foreseen: who reaches whom is asked anew."""
        for pairs in self._peers.values():
            for _, pair in pairs:
                pair.checked_until_ms = pair.clear_until_ms = -1

    def _is_coupled(self, one: str, other: str, pair: _Pair, t_ms: int) -> bool:
        if t_ms < pair.clear_until_ms:
            return False
        if t_ms < pair.checked_until_ms:
            return True
        apart_until_ms = self._apart_until(one, other, t_ms)
        if apart_until_ms > t_ms:
            pair.clear_until_ms = apart_until_ms
            return False
        pair.checked_until_ms = t_ms + _RECHECK_MS
        return True

    def advertise(self, device: Device, t_ms: int, payload: bytes) -> None:
        """The device said BLE_ADVERTISE."""
        self._recall(device, t_ms)
        radio = self._radios[device.name]
        (interval_us,) = struct.unpack_from("<I", payload)
        radio.segments.append((t_ms, interval_us // 1000, payload[4:]))
        if len(radio.segments) > 16:
            oldest = min((pair.filled_ms.get(peer.device.name, t_ms) for peer, pair in self._peers[device.name]), default=t_ms)
            while len(radio.segments) > 2 and (radio.segments[1][0] <= oldest or len(radio.segments) > 512):
                radio.segments.pop(0)

    def scan(self, device: Device, t_ms: int, payload: bytes) -> None:
        """The device said BLE_SCAN."""
        radio = self._radios[device.name]
        duration_ms, interval_us, window_us = struct.unpack("<III", payload)
        _drop_heard(device, t_ms)
        if duration_ms == _STOP:
            radio.scan_until_ms = min(radio.scan_until_ms, t_ms)
            return
        radio.scan_from_ms = t_ms
        radio.scan_until_ms = t_ms + duration_ms if duration_ms else ch.NEVER
        radio.interval_ms = max(1, interval_us // 1000)
        radio.window_ms = max(1, window_us // 1000)
        radio.others_ms = t_ms
        for _, pair in self._peers[device.name]:
            pair.filled_ms[device.name] = t_ms

    def _recall(self, sender: Device, t_ms: int) -> None:
        """Take back what its hearers were told that they will hear of it after t_ms: it now says something else."""
        for hearer, pair in self._peers[sender.name]:
            if pair.filled_ms.get(hearer.device.name, -1) > t_ms:
                pair.filled_ms[hearer.device.name] = t_ms
                _drop_heard(hearer.device, t_ms, _address(sender))

    def sleep(self, device: Device, t_ms: int, kind: int) -> None:
        """The device sleeps (1 light, 2 deep) or is awake again (0): meanwhile its radio is off, and then as it was."""
        radio = self._radios[device.name]
        if kind:
            if radio.segments and radio.segments[-1][1]:
                self._recall(device, t_ms)
                radio.asleep = radio.segments[-1]
                radio.segments.append((t_ms, 0, b""))
        elif radio.asleep is not None:
            self._recall(device, t_ms)
            _, interval_ms, advertisement = radio.asleep
            radio.asleep = None
            radio.segments.append((t_ms, interval_ms, advertisement))

    def silence(self, device: Device, t_ms: int) -> None:
        """The device's radio lost its processor."""
        self._recall(device, t_ms)
        _drop_heard(device, t_ms)
        radio = self._radios[device.name]
        radio.asleep = None
        radio.segments.append((t_ms, 0, b""))
        radio.scan_until_ms = min(radio.scan_until_ms, t_ms)

    def fill(self, device: Device, upto_ms: int) -> None:
        """Give a device everything that it hears up to a time that `bound` allowed."""
        radio = self._radios[device.name]
        if radio.scan_until_ms < 0:
            return
        for sender, pair in self._peers[device.name]:
            start = max(pair.filled_ms.get(device.name, 0), radio.scan_from_ms, pair.clear_until_ms)
            if upto_ms <= start:
                continue
            pair.filled_ms[device.name] = upto_ms
            if start >= radio.scan_until_ms:
                continue
            self._hear(radio, sender, start, min(upto_ms, radio.scan_until_ms))
        start, end = radio.others_ms, min(upto_ms, radio.scan_until_ms)
        if start < end:
            radio.others_ms = end
            for heard in self._bystanders(device.name, start + 1, end + 1):
                if (heard.t_ms - radio.scan_from_ms) % radio.interval_ms < radio.window_ms:
                    level = bytes([max(-127, min(20, heard.rssi_dbm)) & 0xFF])
                    device.push(heard.t_ms, ch.BLE_HEARD, 0, heard.address + level + heard.data)

    def _hear(self, hearer: _Radio, sender: _Radio, start_ms: int, end_ms: int) -> None:
        """Advertisements whose report falls into (start, end]."""
        segments = sender.segments
        for i, (since_ms, interval_ms, advertisement) in enumerate(segments):
            until_ms = segments[i + 1][0] if i + 1 < len(segments) else ch.NEVER
            if not interval_ms or until_ms <= start_ms - _FLIGHT_MS or since_ms > end_ms:
                continue
            k = max(0, (start_ms - _FLIGHT_MS - since_ms) // interval_ms - 1)
            while True:
                sent_ms = since_ms + k * interval_ms + _jitter_ms(sender.jitter_key, since_ms + k, interval_ms)
                k += 1
                report_ms = sent_ms + _FLIGHT_MS
                if sent_ms >= until_ms or report_ms > end_ms:
                    break
                if report_ms <= start_ms or (report_ms - hearer.scan_from_ms) % hearer.interval_ms >= hearer.window_ms:
                    continue
                rssi = self._rssi(sender.device.name, hearer.device.name, sent_ms)
                if rssi is not None:
                    self.heard += 1
                    level = max(-127, min(20, round(rssi))) & 0xFF
                    hearer.device.push(report_ms, ch.BLE_HEARD, 0, _address(sender.device) + bytes([level]) + advertisement)


def _address(device: Device) -> bytes:
    return b"\x02" + device.device_id.to_bytes(5, "big")


def _drop_heard(device: Device, t_ms: int, address: bytes = b"") -> None:
    device.drop(lambda item: item.channel == ch.BLE_HEARD and item.t_ms > t_ms and item.payload.startswith(address))


def _jitter_ms(key: int, index: int, interval_ms: int) -> int:
    # The advDelay of 0-10 ms that keeps advertisers apart (Bluetooth Core 5.4, Vol 6, Part B, 4.4.2.2.1).
    return int(uniform(key, index) * min(10, interval_ms / 2))
