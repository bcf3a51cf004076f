"""What somebody does to the world while it goes on, on top of what its scenario says: by hand, or as once done by hand.

Everything takes effect at a time that nobody has asked the world about yet; what was, stays. So the world remains a plain function
of time, seed and the list of what was done.
"""

import math
from dataclasses import replace

from . import motion
from .spec import CoverageLoss, PhysicalEvent, Trouble
from .town import Place
from .wearer import DAY_MS, Wearer
from .world import World

FOR_EVER_MS = 1 << 60
_ROUTINE_DAYS = 8  # so far is looked for a stay at which somebody can join in the routine again


class Overlay:
    """`held`: where wearers have been put, by their id."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.held: dict[str, Place] = {}
        self._routines: dict[str, Wearer] = {}

    def happen(self, wearer_id: str, event: PhysicalEvent) -> None:
        """Something is done to one of the wearer's devices."""
        self._world.wearers[wearer_id].happen(event)

    def put(self, wearer_id: str, t_ms: int, lat: float, lon: float) -> None:
        """The wearer is at a place (degrees) from t_ms on, until `let_go`: in the building that stands there, or in the open."""
        place = self._world.town.spot(lat, lon)
        self.held[wearer_id] = place
        self._world.wearers[wearer_id].divert(
            t_ms, lambda from_ms, until_ms: [motion.stay(place.point, from_ms, until_ms, place.indoors, place.name)]
        )

    def let_go(self, wearer_id: str, t_ms: int, by: str = "walk") -> None:
        """The wearer sets out at t_ms to where the routine can be joined: the first stay that is reached before it ends."""
        place = self.held.pop(wearer_id, None)
        if place is None:
            return
        legs, joined_ms = self._back(wearer_id, place, t_ms, by)
        routine = self._routine(wearer_id)

        def way(from_ms: int, until_ms: int) -> list[motion.Stretch]:
            own = [leg for leg in legs if from_ms <= leg.start_ms < until_ms]
            later = max(from_ms, joined_ms)
            return own + [s for s in routine.stretches(later, until_ms) if later <= s.start_ms < until_ms]

        self._world.wearers[wearer_id].divert(t_ms, way)

    def begin(self, trouble: Trouble) -> None:
        """Something is wrong from `trouble.from_ms` on, until `end`."""
        self._world.troubles.begin(trouble)

    def end(self, kind: str, wearer_id: str | None, t_ms: int) -> None:
        self._world.troubles.end(kind, wearer_id, t_ms)

    def lose_coverage(self, wearer_id: str | None, t_ms: int) -> None:
        """No mobile network for the wearer's tag (None: for nobody's) from t_ms on, until `restore_coverage`."""
        spec = self._world.spec
        loss = CoverageLoss(wearer_id, t_ms, FOR_EVER_MS)
        self._world.spec = replace(spec, coverage_losses=(*spec.coverage_losses, loss))

    def restore_coverage(self, wearer_id: str | None, t_ms: int) -> None:
        spec = self._world.spec
        losses = tuple(
            replace(each, until_ms=t_ms) if each.wearer_id == wearer_id and each.from_ms < t_ms < each.until_ms else each
            for each in spec.coverage_losses
        )
        self._world.spec = replace(spec, coverage_losses=losses)

    # Inside.

    def _routine(self, wearer_id: str) -> Wearer:
        """The same person, to whom nothing was done."""
        found = self._routines.get(wearer_id)
        if found is None:
            spec = self._world.spec
            person = self._world.wearers[wearer_id].spec
            found = self._routines[wearer_id] = Wearer(spec, person, self._world.town)
        return found

    def _back(self, wearer_id: str, here: Place, t_ms: int, by: str) -> tuple[list[motion.Stretch], int]:
        """(the way there and the stay there, when the routine goes on from there)."""
        wearer = self._world.wearers[wearer_id]
        stretches = self._routine(wearer_id).stretches(t_ms, t_ms + _ROUTINE_DAYS * DAY_MS)
        ends = [s.start_ms for s in stretches[1:]] + [FOR_EVER_MS]
        for s, end_ms in zip(stretches, ends, strict=True):
            if s.place is None or end_ms <= t_ms:
                continue
            there = self._place(wearer, s)
            legs = [] if math.dist(here.point, there.point) < 1.0 else wearer.travel(here, there, by, t_ms)
            arrives_ms = legs[-1].end_ms if legs else t_ms
            if arrives_ms < end_ms:
                return [*legs, motion.stay(there.point, arrives_ms, end_ms, s.indoors, s.place)], end_ms
        raise ValueError(f"{wearer_id} never stays anywhere within {_ROUTINE_DAYS} days")

    def _place(self, wearer: Wearer, s: motion.Stretch) -> Place:
        if s.place == wearer.home.name:
            return wearer.home
        try:
            return self._world.town.place(s.place or "")
        except KeyError:
            return self._world.town.spot(*self._world.town.plane.to_latlon(s.x0, s.y0))
