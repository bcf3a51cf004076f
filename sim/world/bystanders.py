"""Other people's radios: the Bluetooth advertisements that a listening device hears of telephones, watches, shops, and of
households of this kind that are not its own.

A scenario says how many a minute a busy place has (`spec.Radio`); elsewhere there are fewer, by `_SHARE` (our judgement). They
come at random times (Poisson), between -95 and -60 dBm, nearer the weak end. A plain function of seed, device and time: each
minute is drawn by itself, so it does not matter in which order, or how often, it is asked for.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .hashing import bits, stream, uniform
from .spec import Radio
from .wearer import Truth

_MINUTE_MS = 60_000
_STRONGEST_DBM, _WEAKEST_DBM = -60.0, -95.0
_SHARE = {"bus": 1.0, "street": 0.8, "inside": 0.4, "car": 0.2, "open": 0.3}
# Advertising data (Bluetooth Core Specification Supplement, part A): flags; manufacturer data of company 0x004C as telephones
# send it; of a company of no one (0xFFFE); a name; a beacon of a shop (iBeacon layout).
_HEADS = (
    bytes.fromhex("02011a0aff4c001005"),
    bytes.fromhex("02010603039ffe"),
    bytes.fromhex("02010609ffffff"),
    bytes.fromhex("0201060809") + b"Earbuds",
    bytes.fromhex("02011a1aff4c000215"),
)
_LENGTHS = (14, 14, 14, 12, 30)
# What a home unit of this kind sends: manufacturer data of the company for tests, version 1, kind beacon (firmware.core.frame).
_OURS = bytes.fromhex("1bffffff11")
_OURS_SIZE = 28


class Heard(NamedTuple):
    """An advertisement as it arrives: `address` 6 bytes, a random one; `data` the advertising data."""

    t_ms: int
    address: bytes
    rssi_dbm: int
    data: bytes


class Bystanders:
    def __init__(self, seed: int, radio: Radio) -> None:
        self._seed = seed
        self._radio = radio
        self._keys: dict[str, int] = {}

    def heard(self, device: str, share: Callable[[int], float], from_ms: int, until_ms: int) -> Iterator[Heard]:
        """What arrives at a device in [from_ms, until_ms), in order of time. `share(t_ms)`: how busy its place is, 0 to 1."""
        rate = self._radio.bystanders_per_min
        if not rate:
            return
        key = self._keys.get(device)
        if key is None:
            key = self._keys[device] = stream(self._seed, "bystanders", device)
        for minute in range(from_ms // _MINUTE_MS, (until_ms - 1) // _MINUTE_MS + 1):
            times = sorted(
                (minute * _MINUTE_MS + int(uniform(key, minute << 16 | 4 * n + 1) * _MINUTE_MS), n)
                for n in range(_count(key, minute, rate))
            )
            for t_ms, n in times:
                at = minute << 16 | 4 * n
                if from_ms <= t_ms < until_ms and uniform(key, at + 2) < share(t_ms):
                    yield self._one(key, at + 3, t_ms)

    def _one(self, key: int, at: int, t_ms: int) -> Heard:
        z, more = bits(key, at), bits(key, ~at)
        weak = math.sqrt((z & 0xFFFF) / 65536)
        rssi_dbm = round(_STRONGEST_DBM + (_WEAKEST_DBM - _STRONGEST_DBM) * weak)
        address = bytes([0xC0 | z >> 16 & 0x3F]) + (z >> 24).to_bytes(5, "little")
        noise = b"".join(bits(more, i).to_bytes(8, "little") for i in range(4))
        if (more >> 40) / (1 << 24) < self._radio.lookalikes:
            return Heard(t_ms, address, rssi_dbm, (_OURS + noise)[:_OURS_SIZE])
        kind = more % len(_HEADS)
        return Heard(t_ms, address, rssi_dbm, (_HEADS[kind] + noise)[: _LENGTHS[kind]])


def _count(key: int, minute: int, rate: float) -> int:
    """Poisson's, as a sum of parts small enough for Knuth's product."""
    count, draw = 0, 0
    while rate > 0:
        part = min(rate, 30.0)
        rate -= part
        left, share = math.exp(-part), 1.0
        while True:
            share *= uniform(key, ~(minute << 16 | draw & 0xFFFF))
            draw += 1
            if share <= left:
                break
            count += 1
    return min(count, 10_000)


def busy(truth: Truth) -> float:
    """How busy the place of somebody is, 0 to 1."""
    if truth.mode in ("bus", "car"):
        return _SHARE[truth.mode]
    if truth.indoors:
        return _SHARE["inside"]
    return _SHARE["street"] if truth.canyon > 0.3 else _SHARE["open"]
