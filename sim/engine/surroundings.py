"""The world as the engine asks it: distances, signal levels and latencies between devices by their names."""

from collections.abc import Callable

from firmware.core.ident import parse_device_name
from sim.world import World, max_range_m

TX_DBM = 3.0  # the ESP32's default BLE transmit power
RANGE_M = max_range_m(TX_DBM, walls=1)  # home units stand indoors
_SPEED_MAX_MPS = 45.0  # nobody in the world is faster: bounds how soon two devices can meet
_LAN_LATENCY_MS = 15
_OUTAGE_STEP_MS = 10_000
_OUTAGE_MAX_MS = 6 * 3_600_000


class Surroundings:
    """Plain functions of virtual time, but for the latency, which goes by how often a device has asked for one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._latency_counts: dict[str, int] = {}

    def apart_until_ms(self, one: str, other: str, t_ms: int) -> int:
        """When a tag and a home unit may be in radio range at the soonest; t_ms when they are."""
        tag, unit = (
            (other, self._world.home_units[one]) if one in self._world.home_units else (one, self._world.home_units[other])
        )
        wearer = self._world.wearer_of_tag(tag)
        truth = wearer.truth(t_ms)
        plane = self._world.town.plane
        ax, ay = plane.to_xy(truth.lat, truth.lon)
        bx, by = plane.to_xy(unit.lat, unit.lon)
        spare_m = ((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5 - RANGE_M
        if spare_m <= 0:
            return t_ms
        starts_ms = wearer.next_change(t_ms) if truth.speed_mps == 0 else t_ms
        return starts_ms + 1 + int(spare_m / _SPEED_MAX_MPS * 1000)

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
