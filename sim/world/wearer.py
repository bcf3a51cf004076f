"""A wearer: `Wearer.truth(t_ms)` says where the tag is, `person(t_ms)` where its wearer is, `events` what is done to the devices.

Where the wearer goes is in `days`. The answer for a time never depends on what was asked before; what is kept between
questions (the stretch that was asked about last) changes the speed alone. Times are virtual milliseconds since the
scenario's start.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import NamedTuple

from . import motion
from .days import DAY_MS, Days, Now
from .hashing import stream, uniform
from .spec import Charging, Person, PhysicalEvent, WorldSpec
from .town import Town

_STATES = {
    "strap_cut": ("strap", False),
    "strap_closed": ("strap", True),
    "charger_on": ("charger", True),
    "charger_off": ("charger", False),
    "mains_off": ("mains", False),
    "mains_on": ("mains", True),
    "tag_dropped": ("dropped", True),
    "tag_picked_up": ("dropped", False),
}
_LOOK_DAYS = 8


class Truth(NamedTuple):
    """Where something really is. `course_deg` is true, 0-360, and keeps its last value while standing.

    `canyon` 0 (open sky) … 1 (tall frontages); `sky_for_ms` is how long this kind of sky (indoors or not) has lasted;
    `place` is set while staying somewhere; `moving` is what an accelerometer would feel.
    """

    lat: float
    lon: float
    speed_mps: float
    course_deg: float
    indoors: bool
    canyon: float
    place: str | None
    sky_for_ms: int
    mode: str  # still | walk | cycle | bus | car

    @property
    def moving(self) -> bool:
        return self.speed_mps > 0


class Wearer:
    """One person of the scenario, and the tag."""

    def __init__(self, spec: WorldSpec, person: Person, town: Town) -> None:
        self.id, self.name, self.tag, self.home_unit = person.id, person.name, person.tag, person.home_unit
        self.spec = person
        self._plane = town.plane
        self._forgets = stream(spec.seed, "forgets", person.id)
        self._days = Days(spec, person, town)
        self.home = self._days.home
        self._hold(person.events)
        self._now: Now | None = None
        self._standing: tuple[float, float] | None = None  # the position of the stretch asked about last, if it is a stay
        self._charged: dict[int, tuple[int, list[PhysicalEvent] | None]] = {}

    def _hold(self, events: Iterable[PhysicalEvent]) -> None:
        self._events = sorted(events, key=lambda e: e.at_ms)
        self._event_times = [e.at_ms for e in self._events]
        self._states = {kind: _changes(self._events, kind) for kind in ("strap", "charger", "mains", "dropped")}

    # Where

    def person(self, t_ms: int) -> Truth:
        """Where the wearer is."""
        now = self._now
        if now is None or not now.stretch.start_ms <= t_ms < now.until_ms:
            now = self._now = self._days.at(t_ms)
            s = now.stretch
            still = s.x0 == s.x1 and s.y0 == s.y1
            plane = self._plane
            self._standing = (plane.lat0 + s.y0 * plane.lat_per_m, plane.lon0 + s.x0 * plane.lon_per_m) if still else None
        s, course, sky_since_ms, _ = now
        if self._standing is not None:
            lat, lon = self._standing
            return Truth(lat, lon, 0.0, course, s.indoors, s.canyon, s.place, t_ms - sky_since_ms, s.mode)
        span = s.end_ms - s.start_ms
        f = min(1.0, max(0.0, (t_ms - s.start_ms) / span))
        dx, dy = s.x1 - s.x0, s.y1 - s.y0
        plane = self._plane
        return Truth(
            plane.lat0 + (s.y0 + dy * f) * plane.lat_per_m,
            plane.lon0 + (s.x0 + dx * f) * plane.lon_per_m,
            math.sqrt(dx * dx + dy * dy) / span * 1000,
            course,
            s.indoors,
            s.canyon,
            s.place,
            t_ms - sky_since_ms,
            s.mode,
        )

    def truth(self, t_ms: int) -> Truth:
        """Where the tag is: with the wearer, or where it was dropped."""
        if not self._states["dropped"][0]:
            return self.person(t_ms)
        dropped_ms = self._dropped_since(t_ms)
        if dropped_ms is None:
            return self.person(t_ms)
        left = self.person(dropped_ms)
        return left._replace(speed_mps=0.0, mode="still", sky_for_ms=left.sky_for_ms + t_ms - dropped_ms)

    def next_change(self, t_ms: int) -> int:
        """The first time after t_ms at which the way of moving changes: a stay ends, a straight stretch begins, the tag is
        dropped or picked up.

        At most eight days ahead: who stays in for longer gets a time within the stay.
        """
        latest_ms = t_ms + _LOOK_DAYS * DAY_MS
        found = self._days.next_start(t_ms, latest_ms)
        times, _ = self._states["dropped"]
        i = bisect_right(times, t_ms)
        return min([latest_ms if found is None else found, *times[i : i + 1]])

    def stretches(self, from_ms: int, until_ms: int) -> list[motion.Stretch]:
        """The stretches that touch the period, in order."""
        return list(self._days.between(from_ms, until_ms))

    def divert(self, change: Callable[[Days], Days]) -> None:
        """From a time on that nobody has asked about yet, the days go another way: `change` makes them of those that were."""
        self._days = change(self._days)
        self._now = None
        self._charged.clear()

    # What is done to the devices

    def happen(self, event: PhysicalEvent) -> None:
        """One more thing that is done, at a time that nobody has asked about yet."""
        self._hold([*self._events, event])

    def _dropped_since(self, t_ms: int) -> int | None:
        """Since when it lies there; one dropped again lies where it was dropped last."""
        times, values = self._states["dropped"]
        i = bisect_right(times, t_ms)
        return times[i - 1] if i and values[i - 1] else None

    def events(self, from_ms: int, until_ms: int) -> list[PhysicalEvent]:
        """Physical events of this wearer's devices in [from_ms, until_ms), charging included, in order of time.

        What is done to one device at one moment stays in the order in which it was done.
        """
        low, high = (bisect_right(self._event_times, t - 1) for t in (from_ms, until_ms))
        out = self._events[low:high]
        out += [e for e in self._charging(from_ms, until_ms) if from_ms <= e.at_ms < until_ms]
        return sorted(out, key=lambda e: (e.at_ms, e.device))

    def strap_closed(self, t_ms: int) -> bool:
        return self._state("strap", t_ms, True)

    def charger_on(self, t_ms: int) -> bool:
        """By an event, or by the daily charging."""
        if self._state("charger", t_ms, False):
            return True
        on = False
        for event in self._charging(t_ms - DAY_MS, t_ms + 1):
            if event.at_ms <= t_ms:
                on = event.kind == "charger_on"
        return on

    def mains_on(self, t_ms: int) -> bool:
        """Whether the home unit has mains power."""
        return self._state("mains", t_ms, True)

    def _state(self, what: str, t_ms: int, value: bool) -> bool:
        times, values = self._states[what]
        i = bisect_right(times, t_ms)
        return values[i - 1] if i else value

    def _charging(self, from_ms: int, until_ms: int) -> list[PhysicalEvent]:
        plan = self.spec.charging
        if plan is None:
            return []
        out: list[PhysicalEvent] = []
        day = max(1, self._days.number(from_ms) - 2)
        while True:
            begin_ms, events = self._charging_of(plan, day)
            if begin_ms >= until_ms:
                return out
            out += events if events is not None else self._charge(plan, day, begin_ms)
            day += 1

    def _charging_of(self, plan: Charging, day: int) -> tuple[int, list[PhysicalEvent] | None]:
        """When charging would begin on a day, and what comes of it if that is known already."""
        found = self._charged.get(day)
        if found is None:
            if len(self._charged) >= 16:
                self._charged.clear()
            found = self._charged[day] = (self._days.clock(day, plan.at_s), None)
        return found

    def _charge(self, plan: Charging, day: int, begin: int) -> list[PhysicalEvent]:
        out = self._charged_at_home(plan, begin)
        self._charged[day] = (begin, out)
        return out

    def _charged_at_home(self, plan: Charging, begin: int) -> list[PhysicalEvent]:
        if self.truth(begin).place != self.home.name:
            return []
        forgets = self.spec.mistakes.forgets_charging
        if forgets and uniform(self._forgets, begin // 60_000) < forgets:
            return []
        end = min(begin + plan.minutes * 60_000, self.next_change(begin))
        return [PhysicalEvent(begin, self.tag, "charger_on"), PhysicalEvent(end, self.tag, "charger_off")]


def _changes(events: list[PhysicalEvent], kind: str) -> tuple[list[int], list[bool]]:
    """When events in order of time say something of a state, and what."""
    said = [(e.at_ms, _STATES[e.kind][1]) for e in events if e.kind in _STATES and _STATES[e.kind][0] == kind]
    return [t for t, _ in said], [value for _, value in said]
