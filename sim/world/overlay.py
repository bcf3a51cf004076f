"""What somebody does to the world while it goes on, on top of what its scenario says: by hand, or as once done by hand.

Everything takes effect at a time that nobody has asked the world about yet; what was, stays. So the world remains a plain
function of time, seed and the list of what was done.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace

from . import motion
from .days import DAY_MS, Days, Now
from .spec import CoverageLoss, PhysicalEvent, Trouble
from .town import Place
from .world import World

FOR_EVER_MS = 1 << 60
_ROUTINE_DAYS = 8  # so far is looked for a stay at which somebody can join in the routine again


class Overlay:
    """`held`: where wearers have been put, by their id."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.held: dict[str, Place] = {}
        self._routines: dict[str, Days] = {}

    def happen(self, wearer_id: str, event: PhysicalEvent) -> None:
        """Something is done to one of the wearer's devices."""
        self._world.wearers[wearer_id].happen(event)

    def put(self, wearer_id: str, t_ms: int, lat: float, lon: float) -> None:
        """The wearer is at a place (degrees) from t_ms on, until `let_go`: in the building that stands there, or in the open."""
        place = self._world.town.spot(lat, lon)
        self.held[wearer_id] = place
        there = motion.stay(place.point, t_ms, FOR_EVER_MS, place.indoors, place.name)
        self._world.wearers[wearer_id].divert(lambda days: Diversion(days, t_ms, [there]))

    def let_go(self, wearer_id: str, t_ms: int, by: str = "walk") -> None:
        """The wearer sets out at t_ms to where the routine can be joined: the first stay that is reached before it ends."""
        place = self.held.pop(wearer_id, None)
        if place is None:
            return
        legs, joins_ms = self._back(wearer_id, place, t_ms, by)
        routine = self._routine(wearer_id)
        self._world.wearers[wearer_id].divert(lambda days: Diversion(days, t_ms, legs, routine, joins_ms))

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
        """There is one again; also when it was lost at this very moment: what is done by hand within a second has one time."""
        spec = self._world.spec
        losses = tuple(
            replace(each, until_ms=t_ms) if each.wearer_id == wearer_id and each.from_ms <= t_ms < each.until_ms else each
            for each in spec.coverage_losses
        )
        self._world.spec = replace(spec, coverage_losses=losses)

    # Inside.

    def _routine(self, wearer_id: str) -> Days:
        """The days of the same person, to whom nothing was done."""
        found = self._routines.get(wearer_id)
        if found is None:
            world = self._world
            found = self._routines[wearer_id] = Days(world.spec, world.wearers[wearer_id].spec, world.town)
        return found

    def _back(self, wearer_id: str, here: Place, t_ms: int, by: str) -> tuple[list[motion.Stretch], int]:
        """(the way there and the stay there, when the routine goes on from there)."""
        routine = self._routine(wearer_id)
        stretches = list(routine.between(t_ms, t_ms + _ROUTINE_DAYS * DAY_MS))
        ends = [s.start_ms for s in stretches[1:]] + [FOR_EVER_MS]
        for s, end_ms in zip(stretches, ends, strict=True):
            if s.place is None or end_ms <= t_ms:
                continue
            there = self._place(routine, s)
            legs = [] if math.dist(here.point, there.point) < 1.0 else routine.travel(here, there, by, t_ms)
            arrives_ms = legs[-1].end_ms if legs else t_ms
            if arrives_ms < end_ms:
                return [*legs, motion.stay(there.point, arrives_ms, end_ms, s.indoors, s.place)], end_ms
        raise ValueError(f"{wearer_id} never stays anywhere within {_ROUTINE_DAYS} days")

    def _place(self, routine: Days, s: motion.Stretch) -> Place:
        if s.place == routine.home.name:
            return routine.home
        try:
            return self._world.town.place(s.place or "")
        except KeyError:
            return self._world.town.spot(*self._world.town.plane.to_latlon(s.x0, s.y0))


class Diversion(Days):
    """Days that are another's until `from_ms`, then go along stretches of their own, and from `until_ms` on are `then`'s."""

    def __init__(
        self, before: Days, from_ms: int, own: list[motion.Stretch], then: Days | None = None, until_ms: int = FOR_EVER_MS
    ) -> None:
        self.home = before.home
        self._before, self._then = before, then
        self._from_ms, self._until_ms = from_ms, until_ms
        self._own: list[Now] = []
        last = before.at(from_ms - 1)
        course, sky_since_ms, indoors = last.course_deg, last.sky_since_ms, last.stretch.indoors
        ends = [s.start_ms for s in own[1:]] + [until_ms]
        for s, end_ms in zip(own, ends, strict=True):
            if s.x0 != s.x1 or s.y0 != s.y1:
                course = math.degrees(math.atan2(s.x1 - s.x0, s.y1 - s.y0)) % 360
            sky_since_ms = sky_since_ms if s.indoors == indoors else s.start_ms
            indoors = s.indoors
            self._own.append(Now(s, course, sky_since_ms, end_ms))
        self._starts = [now.stretch.start_ms for now in self._own]

    def at(self, t_ms: int) -> Now:
        if t_ms < self._from_ms:
            now = self._before.at(t_ms)
            return now._replace(until_ms=min(now.until_ms, self._from_ms))
        if t_ms < self._until_ms or self._then is None:
            return self._own[bisect_right(self._starts, t_ms) - 1]
        now = self._then.at(t_ms)
        return now._replace(sky_since_ms=max(now.sky_since_ms, self._from_ms))

    def next_start(self, t_ms: int, until_ms: int) -> int | None:
        if t_ms < self._from_ms:
            found = self._before.next_start(t_ms, until_ms)
            return self._from_ms if found is None or found > self._from_ms else found
        i = bisect_right(self._starts, t_ms)
        if i < len(self._starts):
            return self._starts[i]
        if self._then is None:
            return None
        return self._until_ms if t_ms < self._until_ms else self._then.next_start(t_ms, until_ms)

    def between(self, from_ms: int, until_ms: int) -> Iterator[motion.Stretch]:
        if from_ms < self._from_ms:
            yield from (s for s in self._before.between(from_ms, until_ms) if s.start_ms < self._from_ms)
        yield from (now.stretch for now in self._own if now.until_ms > from_ms and now.stretch.start_ms <= until_ms)
        if self._then is not None and until_ms >= self._until_ms:
            later_ms = max(from_ms, self._until_ms)
            yield from (s for s in self._then.between(later_ms, until_ms) if s.start_ms >= self._until_ms)

    def number(self, t_ms: int) -> int:
        return self._before.number(t_ms)

    def clock(self, day: int, second: int) -> int:
        return self._before.clock(day, second)
