"""A wearer's days as one line through the town: `Wearer.truth(t_ms)` says where the tag is, `person(t_ms)` where its wearer is.

Days are built in order, each from where the last one ended, when they are first asked for; the answer for a time never depends
on what was asked before. All times are virtual milliseconds since the scenario's start.
"""

import math
from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from . import motion
from .hashing import stream, uniform
from .spec import Person, PhysicalEvent, Stop, Trip, WorldSpec
from .town import Place, Town

DAY_MS = 86_400_000
_STATES = {
    "strap_cut": ("strap", False),
    "strap_closed": ("strap", True),
    "charger_on": ("charger", True),
    "charger_off": ("charger", False),
    "mains_off": ("mains", False),
    "mains_on": ("mains", True),
}


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
    mode: str  # still | walk | bus | car

    @property
    def moving(self) -> bool:
        return self.speed_mps > 0


class Wearer:
    """One person of the scenario, and the tag."""

    def __init__(self, spec: WorldSpec, person: Person, town: Town) -> None:
        self.id, self.name, self.tag, self.home_unit = person.id, person.name, person.tag, person.home_unit
        self.spec = person
        self._town = town
        self._seed = spec.seed
        self._zone = ZoneInfo(spec.timezone)
        self._start_utc_ms = spec.start_utc_ms
        self._first_day = datetime.fromtimestamp(spec.start_utc_ms / 1000, self._zone).date()
        self.home = town.place(person.home) if isinstance(person.home, str) else town.spot(*person.home)
        self._pace = uniform(stream(spec.seed, "pace", person.id), 0, 0.92, 1.08)
        self._stretches: list[motion.Stretch] = []
        self._starts: list[int] = []
        self._sky_since: list[int] = []
        self._courses: list[float] = []
        self._where: Place = self.home
        self._day = 0
        self._built_to = self._midnight(1) - DAY_MS
        self._events = sorted(person.events, key=lambda e: e.at_ms)

    # Where

    def person(self, t_ms: int) -> Truth:
        """Where the wearer is."""
        if t_ms >= self._built_to:
            self._build_to(t_ms)
        i = max(0, bisect_right(self._starts, t_ms) - 1)
        s = self._stretches[i]
        plane = self._town.plane
        span = s.end_ms - s.start_ms
        if s.x0 == s.x1 and s.y0 == s.y1:
            x, y, speed = s.x0, s.y0, 0.0
        else:
            f = min(1.0, max(0.0, (t_ms - s.start_ms) / span))
            dx, dy = s.x1 - s.x0, s.y1 - s.y0
            x, y, speed = s.x0 + dx * f, s.y0 + dy * f, math.sqrt(dx * dx + dy * dy) / span * 1000
        return Truth(
            plane.lat0 + y * plane.lat_per_m,
            plane.lon0 + x * plane.lon_per_m,
            speed,
            self._courses[i],
            s.indoors,
            s.canyon,
            s.place,
            t_ms - self._sky_since[i],
            s.mode,
        )

    def truth(self, t_ms: int) -> Truth:
        """Where the tag is: with the wearer, or where it was dropped."""
        dropped_ms = self._dropped_since(t_ms)
        if dropped_ms is None:
            return self.person(t_ms)
        left = self.person(dropped_ms)
        return left._replace(speed_mps=0.0, mode="still", sky_for_ms=left.sky_for_ms + t_ms - dropped_ms)

    def next_change(self, t_ms: int) -> int:
        """The first time after t_ms at which the way of moving changes: a stay ends, a straight stretch begins.

        At most eight days ahead: who stays in for longer gets a time within the stay.
        """
        for days in range(1, 9):
            self._build_to(t_ms + days * DAY_MS)
            i = bisect_right(self._starts, t_ms)
            if i < len(self._starts):
                return self._starts[i]
        return t_ms + 8 * DAY_MS

    def stretches(self, from_ms: int, until_ms: int) -> list[motion.Stretch]:
        """The stretches that touch the period, in order."""
        self._build_to(until_ms)
        first = max(0, bisect_right(self._starts, from_ms) - 1)
        return self._stretches[first : bisect_right(self._starts, until_ms)]

    # What is done to the tag

    def _dropped_since(self, t_ms: int) -> int | None:
        since = None
        for event in self._events:
            if event.at_ms > t_ms:
                break
            if event.kind == "tag_dropped":
                since = event.at_ms
            elif event.kind == "tag_picked_up":
                since = None
        return since

    def events(self, from_ms: int, until_ms: int) -> list[PhysicalEvent]:
        """Physical events of this wearer's devices in [from_ms, until_ms), charging included, in order of time."""
        out = [e for e in self._events if from_ms <= e.at_ms < until_ms]
        out += [e for e in self._charging(from_ms, until_ms) if from_ms <= e.at_ms < until_ms]
        return sorted(out, key=lambda e: (e.at_ms, e.device, e.kind))

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
        for event in self._events:
            if event.at_ms > t_ms:
                break
            kind, to = _STATES.get(event.kind, ("", False))
            if kind == what:
                value = to
        return value

    def _charging(self, from_ms: int, until_ms: int) -> list[PhysicalEvent]:
        plan = self.spec.charging
        if plan is None:
            return []
        out: list[PhysicalEvent] = []
        day = max(1, (from_ms - self._midnight(1)) // DAY_MS - 1)
        while (begin := self._clock(day, plan.at_s)) < until_ms:
            end = begin + plan.minutes * 60_000
            if self.truth(begin).place == self.home.name:
                change = self.next_change(begin)
                out.append(PhysicalEvent(begin, self.tag, "charger_on"))
                out.append(PhysicalEvent(min(end, change), self.tag, "charger_off"))
            day += 1
        return out

    # Building the days

    def _date(self, day: int) -> date:
        return self._first_day + timedelta(days=day - 1)

    def _clock(self, day: int, second: int) -> int:
        """Virtual ms of a local clock time; a time that a DST change skips is taken as the hour after."""
        naive = datetime.combine(self._date(day), time()) + timedelta(seconds=second)
        utc = naive.replace(tzinfo=self._zone).timestamp()
        return round(utc * 1000) - self._start_utc_ms

    def _midnight(self, day: int) -> int:
        return self._clock(day, 0)

    def _build_to(self, t_ms: int) -> None:
        while self._built_to <= t_ms:
            self._day += 1
            self._build_day(self._day)

    def _build_day(self, day: int) -> None:
        trips = self._trips(day)
        at = self._built_to
        end = self._midnight(day + 1)
        for leave_ms, trip in trips:
            legs = self._legs(trip, 0)
            duration = legs[-1].end_ms if legs else 0
            if trip.arrive_s is not None:
                first = next((s.start_ms for s in legs if s.mode == "still" and s.place is not None), duration)
                leave_ms -= first
            leave_ms = max(leave_ms, at)
            self._add(motion.stay(self._where.point, at, leave_ms, self._where.indoors, self._where.name))
            for s in legs:
                self._add(_shifted(s, leave_ms))
            at = leave_ms + duration
            self._where = self._place(trip.to)
        if at < end:
            self._add(motion.stay(self._where.point, at, end, self._where.indoors, self._where.name))
            at = end
        self._built_to = at

    def _trips(self, day: int) -> list[tuple[int, Trip]]:
        weekday = self._date(day).isoweekday()
        key = stream(self._seed, "vary", self.id)
        changed = {d.name: d.trip for d in self.spec.deviations if d.day == day and d.name is not None}
        trips: list[tuple[int, Trip]] = []
        for number, trip in enumerate(self.spec.trips):
            if trip.name in changed:
                if (instead := changed[trip.name]) is not None:
                    trips.append((self._time(day, instead, 0), instead))
            elif trip.days is None or weekday in trip.days:
                shift = uniform(key, day * 64 + number, -trip.vary_s, trip.vary_s) if trip.vary_s else 0.0
                trips.append((self._time(day, trip, round(shift * 1000)), trip))
        trips += [
            (self._time(day, d.trip, 0), d.trip) for d in self.spec.deviations if d.day == day and d.name is None and d.trip
        ]
        return sorted(trips, key=lambda item: item[0])

    def _time(self, day: int, trip: Trip, shift_ms: int) -> int:
        second = trip.leave_s if trip.leave_s is not None else trip.arrive_s
        return self._clock(day, second or 0) + shift_ms

    def _place(self, name: str) -> Place:
        return self.home if name == "home" else self._town.place(name)

    def _legs(self, trip: Trip, start_ms: int) -> list[motion.Stretch]:
        out: list[motion.Stretch] = []
        here, at = self._where, start_ms
        for stop in (*trip.via, Stop(trip.to)):
            there = self._place(stop.place)
            if there.point != here.point:
                out += self._travel(here, there, trip.by, at)
                at = out[-1].end_ms if out else at
            if stop.pause_s:
                out.append(motion.stay(there.point, at, at + stop.pause_s * 1000, there.indoors, there.name))
                at += stop.pause_s * 1000
            here = there
        return out

    def _travel(self, here: Place, there: Place, by: str, at: int) -> list[motion.Stretch]:
        town = self._town
        if by == "car":
            return motion.drive(town.route(here, there, drive=True), at)
        if by == "bus":
            board, leave = _near_stop(town, here), _near_stop(town, there)
            if board.name != leave.name:
                out = motion.walk(town.route(here, board), at, self._pace)
                ready = out[-1].end_ms if out else at
                wait = round(uniform(stream(self._seed, "bus", self.id, here.name, there.name), 0, 60_000, 300_000))
                out.append(motion.stay(board.point, ready, ready + wait, False, None))
                ride = town.route(board, leave, drive=True)
                halts = tuple(s.point for s in town.bus_stops if any(math.dist(s.point, p) < 15 for p in ride.points))
                out += motion.drive(ride, ready + wait, "bus", halts)
                return out + motion.walk(town.route(leave, there), out[-1].end_ms, self._pace)
        return motion.walk(town.route(here, there), at, self._pace)

    def _add(self, s: motion.Stretch) -> None:
        if s.end_ms <= s.start_ms:
            return
        last = self._stretches[-1] if self._stretches else None
        if last is not None and s.mode == last.mode == "still" and (s.x0, s.y0, s.place) == (last.x1, last.y1, last.place):
            return  # the stay goes on past midnight: its start stands
        if s.x0 != s.x1 or s.y0 != s.y1:
            course = math.degrees(math.atan2(s.x1 - s.x0, s.y1 - s.y0)) % 360
        else:
            course = self._courses[-1] if last is not None else 0.0
        same_sky = last is not None and last.indoors == s.indoors
        self._sky_since.append(self._sky_since[-1] if same_sky else s.start_ms)
        self._courses.append(course)
        self._stretches.append(s)
        self._starts.append(s.start_ms)


def _shifted(s: motion.Stretch, by_ms: int) -> motion.Stretch:
    return motion.Stretch(
        s.start_ms + by_ms, s.end_ms + by_ms, s.x0, s.y0, s.x1, s.y1, s.mode, s.indoors, s.canyon, s.place, s.street
    )


def _near_stop(town: Town, place: Place) -> Place:
    return min(town.bus_stops, key=lambda s: math.dist(s.point, place.point))
