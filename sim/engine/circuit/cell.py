"""A lithium cell and what draws on it: charge by the states that the device's outputs put its parts into.

Currents are typical figures of the parts' data sheets as gathered in the project's design notes; those marked are our
judgement. The firmware's curve from voltage to percent is inverted here, so that a full cell reads as one.
"""

from firmware.core.battery import percent

MCU_MA = 12.0  # ESP32, light sleep between short bursts (unmeasured)
SCAN_MA = 4.0  # BLE listening 600 ms in 10-20 s at 95 mA (unmeasured)
GNSS_MA = 29.0
MODEM_MA = 14.0  # LTE registered, mostly idle (unmeasured)
CHARGE_MA = 700.0
UNIT_MA = 90.0  # a home unit with Ethernet and a listening radio (unmeasured)

_MILLIVOLTS = [next(mv for mv in range(2990, 4201) if percent(mv) >= p) for p in range(101)]


class Cell:
    """`draw(name, mA)` sets what a part takes from now on; `millivolts(tick_ms)` is what the pin saw at a multiple of `EVERY_MS`.

    What it held at those ticks is noted in passing: by the time that somebody asks, the device may be well beyond them, and
    how far depends on the host.
    """

    EVERY_MS = 300_000

    def __init__(self, capacity_mah: float, charge: float) -> None:
        self.capacity_mah = capacity_mah
        self._mah = capacity_mah * charge
        self._at_ms = 0
        self._draws: dict[str, float] = {}
        self._planned: list[tuple[int, str, float]] = []
        self._noted = {0: charge}
        self._next_ms = self.EVERY_MS
        self.used_mah: dict[str, float] = {}

    def draw(self, t_ms: int, part: str, milliamps: float) -> None:
        self._settle(t_ms)
        self._draws[part] = milliamps

    def plan(self, t_ms: int, part: str, milliamps: float) -> None:
        """`draw` at a time that may lie ahead."""
        self._planned.append((t_ms, part, milliamps))

    def millivolts(self, tick_ms: int) -> int:
        """At a tick; earlier ticks are forgotten."""
        self._settle(tick_ms)
        charge = self._noted[tick_ms]
        self._noted = {t: c for t, c in self._noted.items() if t >= tick_ms}
        return _MILLIVOLTS[round(100 * charge)]

    def _settle(self, t_ms: int) -> None:
        while self._planned and self._planned[0][0] <= t_ms:
            at_ms, part, milliamps = self._planned.pop(0)
            self._drain(at_ms)
            self._draws[part] = milliamps
        self._drain(t_ms)

    def _drain(self, t_ms: int) -> None:
        while self._next_ms <= t_ms:
            self._drain_to(self._next_ms)
            self._noted[self._next_ms] = self._mah / self.capacity_mah
            self._next_ms += self.EVERY_MS
        self._drain_to(t_ms)

    def _drain_to(self, t_ms: int) -> None:
        if t_ms <= self._at_ms:
            return
        hours = (t_ms - self._at_ms) / 3_600_000
        self._at_ms = t_ms
        for part, milliamps in self._draws.items():
            used = milliamps * hours
            self.used_mah[part] = self.used_mah.get(part, 0.0) + used
            self._mah -= used
        self._mah = min(self.capacity_mah, max(0.0, self._mah))
