"""The satellites over the town: which ones, where in the sky, how strong. The same sky for every receiver of a world.

Not an ephemeris: each satellite of a GPS-like (32, period 11 h 58 min) and a BeiDou-like (24, 12 h 53 min) set rises
and sets on a smooth path, which gives 8 to 12 and 5 to 9 in view. C/N0 at 10-90° of elevation is 35-44 dB-Hz under an
open sky (typical of a patch antenna); what the ankle costs is in `sentences`.
"""

import math
from typing import NamedTuple

from .hashing import stream, uniform

BLOCK_MS = 60_000  # the sky moves in steps of this: a quarter of a degree
_SYSTEMS = (("GP", 32, 43_080_000.0), ("BD", 24, 46_380_000.0))


class Satellite(NamedTuple):
    talker: str
    number: int
    elevation: int
    azimuth: int
    strength: float  # dB-Hz under an open sky


class Sky:
    def __init__(self, seed: int) -> None:
        key = stream(seed, "sky")
        self._paths: list[tuple[str, int, float, float, float, float]] = []
        for talker, count, period in _SYSTEMS:
            for n in range(count):
                i = len(self._paths) * 4
                phase = (n * 7 % count / count + uniform(key, i, -0.02, 0.02)) * math.tau
                self._paths.append(
                    (talker, n + 1, period, phase, uniform(key, i + 1, 35.0, 100.0), uniform(key, i + 2, 0, math.tau))
                )
        self._kept: dict[int, tuple[Satellite, ...]] = {}  # of late: what is asked for by one receiver is asked for by others

    def at(self, utc_ms: int) -> tuple[Satellite, ...]:
        """The satellites above 5°, GPS first, for the block of time that utc_ms lies in."""
        block = utc_ms // BLOCK_MS
        above = self._kept.get(block)
        if above is None:
            if len(self._kept) >= 64:
                self._kept.clear()
            above = self._kept[block] = tuple(self._above(block * BLOCK_MS))
        return above

    def _above(self, utc_ms: int) -> list[Satellite]:
        out: list[Satellite] = []
        for talker, number, period, phase, height, turn in self._paths:
            angle = math.tau * (utc_ms % period) / period + phase
            elevation = (height + 25.0) * math.cos(angle) - 35.0
            if elevation >= 5:
                elevation = min(elevation, 180 - elevation)
                azimuth = math.degrees(turn + 1.2 * math.sin(angle)) % 360
                strength = 33.0 + 11.0 * math.sin(math.radians(elevation))
                out.append(Satellite(talker, number, round(elevation), round(azimuth) % 360, strength))
        return out
