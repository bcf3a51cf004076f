"""The mobile network over the town: where there is coverage, how good it is, how long a packet takes and a registration.

One-way latency 40-120 ms and registration 2-8 s are usual figures of LTE Cat 1 modems; signal falls by about 12 dB indoors
(ITU-R P.2109, traditional buildings); the level of a cell of about 100 m, -94 to -82 dBm, and what a modem needs, -112 dBm, are
our judgement. A scenario's areas (`spec.CoverageHole`) have no network, a slow one, or one that swallows what is sent.
"""

import math
from typing import NamedTuple

from .hashing import bits, stream, uniform
from .plane import distance_m
from .spec import CoverageHole

LATENCY_MS, REGISTRATION_MS = (40, 120), (2_000, 8_000)
_NEEDED_DBM = -112.0


class Quality(NamedTuple):
    """`kbit_s`: at most so much (0: any); `latency_ms`: so much more, one way; `swallows`: what is sent arrives nowhere, and
    nobody is told."""

    kbit_s: float = 0.0
    latency_ms: int = 0
    swallows: bool = False


class Cellular:
    def __init__(self, seed: int, holes: tuple[CoverageHole, ...] = ()) -> None:
        self._seed = seed
        self._holes = holes
        self._shade = stream(seed, "cell", "shade")
        self._keys: dict[int, tuple[int, int]] = {}

    def signal_dbm(self, lat: float, lon: float, indoors: bool, t_ms: int) -> float | None:
        """Reference signal power, or None without coverage (in a hole at that time)."""
        for hole in self._here(lat, lon, t_ms):
            if hole.quality == "none":
                return None
        cell = math.floor(lat * 1000) << 20 ^ math.floor(lon * 1000)
        level = uniform(self._shade, cell, -94.0, -82.0) - (12.0 if indoors else 0.0)
        return level if level >= _NEEDED_DBM else None

    def _here(self, lat: float, lon: float, t_ms: int) -> list[CoverageHole]:
        return [
            hole
            for hole in self._holes
            if hole.from_ms <= t_ms
            and (hole.until_ms is None or t_ms < hole.until_ms)
            and distance_m(lat, lon, hole.lat, hole.lon) <= hole.radius_m
        ]

    def quality(self, lat: float, lon: float, t_ms: int) -> Quality:
        """Of the bad areas that lie over one another the worst of each."""
        kbit_s, latency_ms, swallows = 0.0, 0, False
        for hole in self._here(lat, lon, t_ms) if self._holes else ():
            if hole.kbit_s:
                kbit_s = min(kbit_s, hole.kbit_s) if kbit_s else hole.kbit_s
            latency_ms = max(latency_ms, hole.latency_ms)
            swallows = swallows or hole.quality == "half_open"
        return Quality(kbit_s, latency_ms, swallows)

    def in_coverage(self, lat: float, lon: float, indoors: bool, t_ms: int) -> bool:
        return self.signal_dbm(lat, lon, indoors, t_ms) is not None

    def latency_ms(self, device_id: int, index: int) -> int:
        """One way, for the device's packet number `index`."""
        return LATENCY_MS[0] + bits(self._of(device_id)[0], index) % (LATENCY_MS[1] - LATENCY_MS[0] + 1)

    def registration_ms(self, device_id: int, t_ms: int) -> int:
        """From switching the modem on at t_ms until it has a connection."""
        return REGISTRATION_MS[0] + bits(self._of(device_id)[1], t_ms) % (REGISTRATION_MS[1] - REGISTRATION_MS[0] + 1)

    def _of(self, device_id: int) -> tuple[int, int]:
        keys = self._keys.get(device_id)
        if keys is None:
            names = ("cell", device_id)
            keys = self._keys[device_id] = (stream(self._seed, *names, "latency"), stream(self._seed, *names, "attach"))
        return keys
