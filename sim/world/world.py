"""The world of a scenario: everything physical that a device can feel, as plain functions of virtual time.

Times `t_ms` are integer milliseconds since the scenario's start unless a name says utc. Nothing here changes by being asked.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from . import radio
from .bystanders import Bystanders, Heard, busy
from .cellular import Cellular, Quality
from .gnss import Receiver
from .hashing import Noise, stream
from .mapped import build_mapped
from .sky import Sky
from .spec import PhysicalEvent, WorldSpec
from .town import Place, Town, build_town
from .trouble import Reception, Troubles
from .wearer import Truth, Wearer

_NETWORK_STEP_MS = 1000
_ROOM_LAT, _ROOM_LON = 2.5 / 111_195.0, 2.5 / 70_000.0


class HasWorldSpec(Protocol):
    """A scenario, or a WorldSpec itself."""

    def world_spec(self) -> WorldSpec: ...


@dataclass(frozen=True, slots=True)
class HomeUnit:
    """A home unit stands in its wearers' home; `wearer_id` is the first of them. Degrees; `place` is the home's name."""

    name: str
    wearer_id: str
    lat: float
    lon: float
    indoors: bool
    place: str


class World:
    """`wearers` and `home_units` by id and name; `town`; `cellular`; and the questions below."""

    def __init__(self, scenario: HasWorldSpec) -> None:
        spec = scenario.world_spec()
        self.spec = spec
        self.seed = spec.seed
        self.start_utc_ms = spec.start_utc_ms
        self.town: Town = (
            build_town(spec.town_seed, spec.centre, spec.size_m) if spec.town_map is None else build_mapped(spec.town_map)
        )
        self.wearers: dict[str, Wearer] = {p.id: Wearer(spec, p, self.town) for p in spec.people}
        self.cellular = Cellular(spec.seed, spec.coverage_holes)
        self.troubles = Troubles(spec.troubles)
        self._sky = Sky(spec.seed)
        self._bystanders = Bystanders(spec.seed, spec.radio)
        self._turns = {w.tag: Noise(stream(spec.seed, "turns", w.tag), 20_000) for w in self.wearers.values()}
        self._rooms = {w.tag: Noise(stream(spec.seed, "rooms", w.tag), 900_000) for w in self.wearers.values()}
        self._by_tag = {w.tag: w for w in self.wearers.values()}
        self.home_units: dict[str, HomeUnit] = {}
        for w in self.wearers.values():
            if w.home_unit is not None and w.home_unit not in self.home_units:
                self.home_units[w.home_unit] = self._stand(w.home_unit, w)

    def _stand(self, name: str, wearer: Wearer) -> HomeUnit:
        lat, lon = self.town.latlon(wearer.home)
        # on a shelf a few metres from where its wearer usually is
        return HomeUnit(name, wearer.id, lat + 2.5 / 111_195.0, lon - 2.5 / 70_000.0, wearer.home.indoors, wearer.home.name)

    def wearer_of_tag(self, tag: str) -> Wearer:
        """By the tag's name. KeyError for a tag that nobody wears."""
        return self._by_tag[tag]

    def home_unit(self, name: str) -> HomeUnit:
        return self.home_units[name]

    def truth(self, wearer_id: str, t_ms: int) -> Truth:
        """Where the wearer's tag is (dropped or worn)."""
        return self.wearers[wearer_id].truth(t_ms)

    def person(self, wearer_id: str, t_ms: int) -> Truth:
        """Where the wearer is, with the tag or without."""
        return self.wearers[wearer_id].person(t_ms)

    def next_change(self, wearer_id: str, t_ms: int) -> int:
        """The next time the wearer's way of moving changes; until then a stay is a stay."""
        return self.wearers[wearer_id].next_change(t_ms)

    def household(self, home_unit: str) -> list[Wearer]:
        """Whose home unit it is, in the order of the scenario."""
        return [w for w in self.wearers.values() if w.home_unit == home_unit]

    def place(self, name: str) -> Place:
        return self.town.place(name)

    def receiver(self, device_id: int) -> Receiver:
        """A GNSS receiver under this world's sky. `Receiver.epoch` takes UTC: add `start_utc_ms`."""
        return Receiver(self.seed, device_id, self._sky)

    def has_coverage(self, tag: str, t_ms: int) -> bool:
        """Whether the tag has a mobile network where it is, and nobody took it away."""
        wearer = self._by_tag[tag]
        for loss in self.spec.coverage_losses:
            if loss.from_ms <= t_ms < loss.until_ms and loss.wearer_id in (None, wearer.id):
                return False
        for kind in ("shield", "modem_dead"):
            if self.troubles.now(kind, wearer.id, t_ms):
                return False
        truth = wearer.truth(t_ms)
        return self.cellular.in_coverage(truth.lat, truth.lon, truth.indoors, t_ms)

    def has_home_network(self, home_unit: str, t_ms: int) -> bool:
        """Whether the home's router has a way to the internet."""
        return not any(self.troubles.now("home_network_lost", w.id, t_ms) for w in self.household(home_unit))

    def reception(self, tag: str, truth: Truth, t_ms: int) -> Reception | None:
        """What is wrong with what the tag's receiver hears; None when nothing is."""
        return self.troubles.reception(self._by_tag[tag].id, truth.lat, truth.lon, t_ms)

    def is_moving(self, tag: str, t_ms: int, above_mps: float) -> bool:
        """What the tag's motion sensor says."""
        wearer = self._by_tag[tag]
        if stuck := self.troubles.now("motion_stuck", wearer.id, t_ms):
            return stuck.how == "moving"
        return wearer.truth(t_ms).speed_mps > above_mps

    def physical_events(self, from_ms: int, until_ms: int) -> list[PhysicalEvent]:
        """All that is done to devices in [from_ms, until_ms), in order of time: strap, drop, charger, mains."""
        out = [e for w in self.wearers.values() for e in w.events(from_ms, until_ms)]
        return sorted(out, key=lambda e: (e.at_ms, e.device))

    def tag_to_home_unit_dbm(self, tag: str, home_unit: str, tx_power_dbm: float, t_ms: int) -> float | None:
        """Strength of a packet sent at t_ms between the two, either way; None when not heard.

        At home the wearer goes about the rooms (2.5 m each way, over a quarter of an hour): too little for a map, not for radio.
        """
        wearer = self._by_tag[tag]
        if self.troubles.now("shield", wearer.id, t_ms):
            return None
        truth = wearer.truth(t_ms)
        unit = self.home_units[home_unit]
        lat, lon = truth.lat, truth.lon
        if truth.indoors and truth.place is not None:
            north, east = self._rooms[tag].at(t_ms)
            lat, lon = lat + north * _ROOM_LAT, lon + east * _ROOM_LON
        if self.spec.radio.turning_db:
            tx_power_dbm += self._turned_db(truth, unit, self._turns[tag].at(t_ms)[0])
        return radio.rssi_dbm(
            tx_power_dbm,
            lat,
            lon,
            unit.lat,
            unit.lon,
            truth.indoors,
            unit.indoors,
            truth.indoors and truth.place == unit.place,
            t_ms,
            self.seed,
            f"{tag}~{home_unit}",
        )

    def _turned_db(self, truth: Truth, unit: HomeUnit, turn: float) -> float:
        """What the wearer's body gives or takes beyond its mean: most when the legs are between tag and home unit. Who walks
        faces where they go; who stays turns about (`turn`: normal)."""
        ways = math.atan2((unit.lon - truth.lon) * 70_000.0, (unit.lat - truth.lat) * 111_195.0)
        facing = math.radians(truth.course_deg) if truth.speed_mps else 2.0 * turn
        return self.spec.radio.turning_db * math.cos(ways - facing)

    def bystanders(self, device: str, from_ms: int, until_ms: int) -> Iterator[Heard]:
        """Advertisements of other people's devices that arrive at a tag or a home unit in [from_ms, until_ms), if it listens."""
        unit = self.home_units.get(device)
        if unit is not None:
            home = self.truth(unit.wearer_id, 0)._replace(indoors=unit.indoors, mode="still", canyon=0.0)
            return self._bystanders.heard(device, lambda t_ms: busy(home), from_ms, until_ms)
        wearer = self._by_tag[device]
        return self._bystanders.heard(device, lambda t_ms: busy(wearer.truth(t_ms)), from_ms, until_ms)

    def network(self, tag: str, t_ms: int) -> Quality:
        """How good the mobile network is where the tag is; `has_coverage` says whether there is one at all."""
        truth = self._by_tag[tag].truth(t_ms)
        return self.cellular.quality(truth.lat, truth.lon, t_ms)

    def bad_network(self, until_ms: int) -> Iterator[tuple[Wearer, int, int, Quality]]:
        """When whose tag is where the mobile network is slow or swallows what is sent: (wearer, from ms, until ms, how)."""
        if all(hole.quality == "none" for hole in self.spec.coverage_holes):
            return
        edges = {t for hole in self.spec.coverage_holes for t in (hole.from_ms, hole.until_ms) if t is not None}
        for wearer in self.wearers.values():
            since, how, t_ms = 0, Quality(), 0
            while t_ms < until_ms:
                now = self.network(wearer.tag, t_ms)
                if now != how:
                    if how != Quality():
                        yield wearer, since, t_ms, how
                    since, how = t_ms, now
                if wearer.truth(t_ms).speed_mps:
                    t_ms += _NETWORK_STEP_MS
                else:
                    t_ms = min([wearer.next_change(t_ms), *(edge for edge in edges if edge > t_ms)])
            if how != Quality():
                yield wearer, since, until_ms, how
