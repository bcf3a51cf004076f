"""The bending of a square grid of streets into a town: square to disc, then a smooth wobble."""

import math

from .hashing import stream, uniform
from .streets import Point


class Bend:
    """The map from the square to the town: square to disc, then a smooth wobble (its gradient stays below 0.5: one to one)."""

    def __init__(self, seed: int, half_m: float) -> None:
        key = stream(seed, "bend")
        self.half_m = half_m
        self._waves = []
        for i, wavelength in enumerate((1450.0, 820.0, 560.0)):
            angle = uniform(key, 3 * i, 0, math.tau)
            k = math.tau / wavelength
            self._waves.append(
                (
                    k * math.cos(angle),
                    k * math.sin(angle),
                    uniform(key, 3 * i + 1, 0, math.tau),
                    uniform(key, 3 * i + 2, 0, math.tau),
                    0.022 * wavelength,
                )
            )

    def __call__(self, x: float, y: float) -> Point:
        s2 = 2 * self.half_m * self.half_m
        u, v = x * math.sqrt(1 - y * y / s2), y * math.sqrt(1 - x * x / s2)
        dx = dy = 0.0
        for kx, ky, p, q, size in self._waves:
            phase = kx * u + ky * v
            dx += size * math.sin(phase + p)
            dy += size * math.sin(phase + q)
        return u + dx, v + dy
