"""Randomness that is a plain function: the same (seed, names, index) gives the same number, in whatever order it is asked.

`stream(seed, *names)` makes a 64-bit key once (BLAKE2b); `bits`, `uniform` and `gauss_pair` then hash key and index with the
splitmix64 finaliser (Steele, Lea, Flood 2014), below a microsecond a call. `Noise` is correlated noise in time.
"""

import math
from hashlib import blake2b

_MASK = 0xFFFFFFFFFFFFFFFF
_GOLDEN = 0x9E3779B97F4A7C15


def stream(seed: int, *names: object) -> int:
    """A 64-bit key for an independent stream of numbers."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(key: int, index: int) -> int:
    """64 random bits; `index` is any integer."""
    z = (key + (index + 1) * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def uniform(key: int, index: int, low: float = 0.0, high: float = 1.0) -> float:
    """A float in [low, high)."""
    return low + (high - low) * (bits(key, index) >> 11) * (1.0 / (1 << 53))


def gauss_pair(key: int, index: int) -> tuple[float, float]:
    """Two independent standard normal numbers (Box-Muller on the halves of one hash)."""
    z = bits(key, index)
    radius = math.sqrt(-2.0 * math.log(((z >> 32) + 1) * (1.0 / 4294967296.0)))
    angle = (z & 0xFFFFFFFF) * (math.tau / 4294967296.0)
    return radius * math.cos(angle), radius * math.sin(angle)


class Noise:
    """Two independent processes of mean 0 and variance 1 at every time, correlated over about `tau_ms`.

    White normal numbers stand on a grid of step h and are interpolated linearly, divided by the root of the sum of the
    squared weights so that the variance does not sag between grid points. Averaged over the phase, the autocorrelation at
    lag h is pi/4 - 1/2 = 0.285, it is 1/e at 0.873 h and exactly 0 from 2 h on; so h = tau / 0.873.
    """

    __slots__ = ("_key", "_last", "step_ms")

    def __init__(self, key: int, tau_ms: float) -> None:
        self._key = key
        self.step_ms = max(1, round(tau_ms / 0.873))
        self._last: tuple[int, tuple[float, float, float, float]] | None = None

    def at(self, t_ms: int) -> tuple[float, float]:
        """Both processes at t_ms."""
        cell, rest = divmod(t_ms, self.step_ms)
        last = self._last
        if last is None or last[0] != cell:  # a memory of the last cell only: it changes the speed, never the answer
            self._last = last = (cell, gauss_pair(self._key, cell) + gauss_pair(self._key, cell + 1))
        f = rest / self.step_ms
        g = 1.0 - f
        scale = 1.0 / math.sqrt(f * f + g * g)
        x0, y0, x1, y1 = last[1]
        return (g * x0 + f * x1) * scale, (g * y0 + f * y1) * scale
