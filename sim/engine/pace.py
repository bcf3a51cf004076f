"""How fast virtual time goes: at a multiple of the wall clock, as fast as possible, or not at all; and from one to another."""

import time
from collections.abc import Callable

STEP_MS = 10_000  # as fast as possible, how much time passes between two looks at what is wished


class Pace:
    """`speed`: virtual seconds in one second; 0 is as fast as possible. `wall` tells seconds."""

    def __init__(self, speed: float, wall: Callable[[], float] = time.monotonic) -> None:
        self.speed = speed
        self.paused = False
        self.skips_to_ms: int | None = None
        self._wall = wall
        self._since = wall()
        self._since_ms = 0

    @property
    def is_paced(self) -> bool:
        """Whether time waits for the wall clock now."""
        return self.paused or bool(self.speed and self.skips_to_ms is None)

    def set(self, speed: float, lived_ms: int) -> None:
        """From lived_ms on at this speed."""
        self.speed = speed
        self.paused = False
        self.skips_to_ms = None
        self.anchor(lived_ms)

    def pause(self) -> None:
        self.paused = True
        self.skips_to_ms = None

    def skip_to(self, t_ms: int) -> None:
        """As fast as possible up to a time, and from there at the speed as before."""
        self.paused = False
        self.skips_to_ms = t_ms

    def due_ms(self, lived_ms: int) -> int:
        """Up to when to live now; `lived_ms` is how far everybody is."""
        if self.skips_to_ms is not None:
            if lived_ms < self.skips_to_ms:
                return min(self.skips_to_ms, lived_ms + STEP_MS)
            self.skips_to_ms = None
            self.anchor(lived_ms)
        if self.paused:
            self.anchor(lived_ms)
            return lived_ms
        if not self.speed:
            return lived_ms + STEP_MS
        return max(lived_ms, self._since_ms + int((self._wall() - self._since) * 1000 * self.speed))

    def anchor(self, lived_ms: int) -> None:
        """Go on from here: the wall's time since the last look is not made up for."""
        self._since, self._since_ms = self._wall(), lived_ms
