"""The world as the engine asks it: distances, signal levels and latencies between devices by their names."""

from collections.abc import Callable

from firmware.core.ident import parse_device_name
from sim.world import World, max_range_m

TX_DBM = 3.0  # the ESP32's default BLE transmit power
RANGE_M = max_range_m(TX_DBM, walls=1)  # home units stand indoors
_LAN_LATENCY_MS = 15
_OUTAGE_STEP_MS = 10_000
_OUTAGE_MAX_MS = 6 * 3_600_000


class Surroundings:
    """Plain functions of virtual time, but for the latency, which goes by how often a device has asked for one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._latency_counts: dict[str, int] = {}

    def distance_m(self, one: str, other: str, t_ms: int) -> float:
        plane = self._world.town.plane
        ax, ay = plane.to_xy(*self._place(one, t_ms))
        bx, by = plane.to_xy(*self._place(other, t_ms))
        return ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5

    def rssi_dbm(self, sender: str, hearer: str, t_ms: int) -> float | None:
        """None when it is not heard."""
        tag, unit = (hearer, sender) if sender in self._world.home_units else (sender, hearer)
        return self._world.tag_to_home_unit_dbm(tag, unit, TX_DBM, t_ms)

    def latency_ms(self, name: str, t_ms: int) -> int | None:
        """One way. In an outage TCP waits: then until the outage is over; None when that is very long."""
        if name in self._world.home_units:
            return self._waited(t_ms, _LAN_LATENCY_MS, lambda at_ms: self._world.has_home_network(name, at_ms))
        count = self._latency_counts[name] = self._latency_counts.get(name, 0) + 1
        latency_ms = self._world.cellular.latency_ms(parse_device_name(name), count)
        return self._waited(t_ms, latency_ms, lambda at_ms: self._world.has_coverage(name, at_ms))

    def _waited(self, t_ms: int, latency_ms: int, has_network: Callable[[int], bool]) -> int | None:
        for waited_ms in range(0, _OUTAGE_MAX_MS, _OUTAGE_STEP_MS):
            if has_network(t_ms + waited_ms):
                return waited_ms + latency_ms
        return None

    def _place(self, name: str, t_ms: int) -> tuple[float, float]:
        unit = self._world.home_units.get(name)
        if unit is not None:
            return unit.lat, unit.lon
        truth = self._world.wearer_of_tag(name).truth(t_ms)
        return truth.lat, truth.lon
