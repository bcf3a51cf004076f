"""The receiver of a bench: what the simulator's receiver model prints at a place that the test chooses, of any rig alike."""

from typing import Protocol

from hil_tests.steps import Steps
from sim.world.gnss import JAM_LOST_DB, Receiver
from sim.world.trouble import Reception
from sim.world.wearer import Truth

_E7 = 10_000_000
_WEAK = Reception(loss_db=JAM_LOST_DB)
_SETTLED_MS = 3_600_000  # under this sky for so long already


class BenchSky:
    """`position` in 1e-7 degrees, or None where no fix is to be had: all satellites as weak as under a roof of concrete.

    An open sky otherwise, times to first fix and errors included; UTC in milliseconds since 1970.
    """

    def __init__(self, device_id: int, seed: int = 1) -> None:
        self._receiver = Receiver(seed, device_id)
        self.position: tuple[int, int] | None = None
        self._where = (0.0, 0.0)

    def epoch(self, utc_ms: int, on_since_utc_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        """The bytes of the epoch at a whole second, and whether it holds a fix."""
        if self.position is not None:
            self._where = self.position[0] / _E7, self.position[1] / _E7
        truth = Truth(*self._where, 0.0, 0.0, False, 0.0, None, _SETTLED_MS, "still")
        wrong = _WEAK if self.position is None else None
        given = (utc_ms, truth, on_since_utc_ms, last_fix_age_ms, wrong)
        return self._receiver.epoch(*given), self._receiver.has_fix(*given)


class _Clock(Protocol):
    @property
    def now_ms(self) -> int: ...

    def utc_ms(self, now_ms: int) -> int: ...


class LiveGnss:
    """A bench's receiver in real time: what a test does with it, and what it has to print for each second."""

    def __init__(self, device_id: int, clock: _Clock, steps: Steps) -> None:
        self._clock, self._steps = clock, steps
        self._sky = BenchSky(device_id)
        self._fixed_at: int | None = None

    def inject(self, lat_e7: int, lon_e7: int) -> None:
        self._steps.note("inject", lat_e7=lat_e7, lon_e7=lon_e7)
        self._sky.position = lat_e7, lon_e7

    def no_fix(self) -> None:
        self._steps.note("no fix")
        self._sky.position = None

    def _second(self) -> int:
        """The one that has just begun, UTC in ms."""
        return self._clock.utc_ms(self._clock.now_ms) // 1000 * 1000

    def _epoch(self, utc_ms: int, on_since_utc_ms: int) -> bytes:
        age_ms = None if self._fixed_at is None else utc_ms - self._fixed_at
        data, has_fix = self._sky.epoch(utc_ms, on_since_utc_ms, age_ms)
        if has_fix:
            self._fixed_at = utc_ms
        return data
