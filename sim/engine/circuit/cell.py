"""A lithium cell and what draws on it: charge by the named states that the device's outputs put its parts into.

Currents and capacities stand in `sim.world.energy`. The firmware's curve from voltage to percent is inverted here, so that a
full cell at rest reads as one; the load's drop across the cell's resistance comes off, and what the charger adds on top.
"""

from bisect import insort

from firmware.core.battery import percent
from sim.world.energy import Battery

_MILLIVOLTS = [next(mv for mv in range(2990, 4201) if percent(mv) >= p) for p in range(101)]
_EMPTY_MV = 2_700  # nothing left: the protection circuit is about to open
_TAPER_BELOW = 0.12  # of the capacity to go: the charger's constant-voltage phase
SUPPLY = "supply"  # the part that is the charger or the mains: "outside" feeds the device and the cell, "cell" does not


class Cell:
    """`set(t, part, state)` says what a part does from then on; `millivolts(tick_ms)` what its pin saw at a tick of `EVERY_MS`.

    What it held at those ticks is noted in passing: by the time that somebody asks, the device may be well beyond them, and
    how far depends on the host. Times are whole ms, so that the sums do not depend on how they were cut.
    """

    EVERY_MS = 300_000

    def __init__(self, battery: Battery, charge: float) -> None:
        self.battery = battery
        self._drains = battery.drains
        self._mah = battery.usable_mah * charge
        self._outside = False
        self._parts: dict[str, tuple[str, int, int, int]] = {}  # part -> (state, since ms, on-time numerator, denominator)
        self._ms: dict[str, int] = {}  # since the last tick, on the cell
        self._charged_ms = 0
        self._outside_since_ms = 0
        self._planned: list[tuple[int, int, str, str, int, int]] = []
        self._count = 0
        self._noted = {0: _MILLIVOLTS[round(100 * charge)]}
        self._next_ms = self.EVERY_MS
        self.ms_on_cell: dict[str, int] = {}  # by state, up to the last tick
        self.ms_outside = 0

    @property
    def charge(self) -> float:
        """0-1, as of the last tick."""
        return self._mah / self.battery.usable_mah

    def set(self, t_ms: int, part: str, state: str, on: int = 1, of: int = 1) -> None:
        """From t_ms on; what was planned for the part later is off. It draws for `on` of each `of` ms."""
        if self._planned:
            self._planned = [p for p in self._planned if p[2] != part or p[0] <= t_ms]
        self.settle(t_ms)
        self._switch(t_ms, part, state, on, of)

    def plan(self, t_ms: int, part: str, state: str, on: int = 1, of: int = 1) -> None:
        """`set` at a time that may lie ahead."""
        self._count += 1
        insort(self._planned, (t_ms, self._count, part, state, on, of))

    def unplan(self, t_ms: int, part: str) -> None:
        """What was planned for a part from t_ms on is off."""
        self._planned = [p for p in self._planned if p[2] != part or p[0] < t_ms]

    def add(self, t_ms: int, state: str, ms: int) -> None:
        """Time in a state on top of what its part is in: bursts too short to tell."""
        self.settle(t_ms)
        if not self._outside:
            self._ms[state] = self._ms.get(state, 0) + ms

    def state(self, part: str) -> str:
        return self._parts[part][0].partition(".")[2] if part in self._parts else ""

    def millivolts(self, tick_ms: int) -> int:
        """At a tick; earlier ticks are forgotten."""
        self.settle(tick_ms)
        level = self._noted[tick_ms]
        self._noted = {t: mv for t, mv in self._noted.items() if t >= tick_ms}
        return level

    def settle(self, t_ms: int) -> None:
        """Account for all up to t_ms."""
        while self._planned and self._planned[0][0] <= t_ms:
            at_ms, _, part, state, on, of = self._planned.pop(0)
            self._tick(at_ms)
            self._switch(at_ms, part, state, on, of)
        self._tick(t_ms)

    def _switch(self, t_ms: int, part: str, state: str, on: int, of: int) -> None:
        if part == SUPPLY:
            self._count_all(t_ms)
            self._outside = state == "outside"
            self._outside_since_ms = t_ms
            return
        self._count_part(t_ms, part)
        self._parts[part] = (f"{part}.{state}", t_ms, on, of)

    def _count_part(self, t_ms: int, part: str) -> None:
        known = self._parts.get(part)
        if known is not None:
            state, since_ms, on, of = known
            if not self._outside and t_ms > since_ms:
                self._ms[state] = self._ms.get(state, 0) + (t_ms - since_ms) * on // of
            self._parts[part] = (state, t_ms, on, of)

    def _count_all(self, t_ms: int) -> None:
        for part in self._parts:
            self._count_part(t_ms, part)
        if self._outside:
            self._charged_ms += t_ms - self._outside_since_ms
            self._outside_since_ms = t_ms

    def _tick(self, t_ms: int) -> None:
        while self._next_ms <= t_ms:
            self._count_all(self._next_ms)
            self._take()
            self._next_ms += self.EVERY_MS

    def _take(self) -> None:
        # The charger's current goes by the charge at the last tick: whole ticks, whatever was asked in between.
        used = 0.0
        for state, ms in self._ms.items():
            used += self._drains[state].milliamps * ms / 3_600_000
            self.ms_on_cell[state] = self.ms_on_cell.get(state, 0) + ms
        gained = 0.0
        if self._charged_ms:
            taper = min(1.0, (1.0 - self.charge) / _TAPER_BELOW)
            gained = self.battery.charge_ma * taper * self._charged_ms / 3_600_000
            self.ms_outside += self._charged_ms
        self._ms.clear()
        self._charged_ms = 0
        self._mah = min(self.battery.usable_mah, max(0.0, self._mah - used + gained))
        mean_ma = (used - gained) * 3_600_000 / self.EVERY_MS
        rest_mv = _MILLIVOLTS[round(100 * self.charge)] if self._mah > 0.0 else _EMPTY_MV
        self._noted[self._next_ms] = round(rest_mv - mean_ma * self.battery.resistance_ohm)
