"""A wearer among zones: packed by the bridge, read by the tag, fixes in metres from a place. For the tests of zones."""

from array import array
from collections.abc import Sequence

from bridge.orders.zonemap import Circle, Zone, pack
from firmware.core.zonemap import EXCLUSION, HOME, INCLUSION
from firmware.tag.zones import Zones
from tests.firmware.core.geo_cases import dm_per_unit

LAT, LON = 50.7154, -2.4367
START = 1_800_000_000
KINDS = {EXCLUSION: "exclusion", INCLUSION: "inclusion", HOME: "home"}
_PER_LAT, _PER_LON = (float(per) for per in dm_per_unit(LAT * 1e7))


def place(north_m: float, east_m: float = 0.0) -> tuple[float, float]:
    return LAT + north_m * 10 / _PER_LAT / 1e7, LON + east_m * 10 / _PER_LON / 1e7


def square(half_m: float) -> list[tuple[float, float]]:
    return [place(-half_m, -half_m), place(half_m, -half_m), place(half_m, half_m), place(-half_m, half_m)]


class Flash:
    """A map somewhere in flash, and whoever reads beside it fails the test."""

    def __init__(self, raw: bytes, start: int = 7) -> None:
        self.raw, self.start, self.reads = raw, start, 0

    def read(self, offset: int, buf) -> None:
        first = offset - self.start
        assert first >= 0 and first + len(buf) <= len(self.raw), f"reads {len(buf)} bytes at {first} of {len(self.raw)}"
        buf[:] = self.raw[first : first + len(buf)]
        self.reads += 1


class Field:
    """`told` has what `on_change` was given: (id, inside)."""

    def __init__(self, zones: Sequence[Zone], interval_s: int = 15, near_m: int = 200, dwell_s: int = 60) -> None:
        self.flash = Flash(pack(zones))
        self._settings = interval_s, near_m, dwell_s
        self.now = START
        self.start()

    def start(self) -> None:
        self.told: list[tuple[int, bool]] = []
        flash = self.flash
        self.zones = Zones(flash.read, flash.start, len(flash.raw), *self._settings, self._on_change)
        assert self.zones.refused is None

    def _on_change(self, ident: int, kind: int, inside: bool, radius_dm: int) -> None:
        assert kind in KINDS and radius_dm > 0
        self.told.append((ident, inside))

    def fix(self, north_m: float, radius_m: float = 10, after_s: int = 15, east_m: float = 0.0) -> list[tuple[int, bool]]:
        """A fix; what it has made the tag tell."""
        self.now += after_s
        self.told.clear()
        lat, lon = place(north_m, east_m)
        self.zones.check(array("i", (round(lat * 1e7), round(lon * 1e7))), round(radius_m * 10), self.now)
        return list(self.told)

    def tick(self, after_s: int = 0) -> list[tuple[int, bool]]:
        self.now += after_s
        self.told.clear()
        self.zones.tick(self.now)
        return list(self.told)

    def is_home(self, north_m: float, radius_m: float = 10) -> bool | None:
        lat, lon = place(north_m)
        return self.zones.is_home(array("i", (round(lat * 1e7), round(lon * 1e7))), round(radius_m * 10))


def circle(ident: int = 1, kind: str = "exclusion", radius_m: float = 100, north_m: float = 0, **more) -> Zone:
    return Zone(ident, kind, Circle(*place(north_m), radius_m), **more)
