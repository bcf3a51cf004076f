"""A wearer's days, built when they are first asked for: one line of stretches through the town, day after day.

Each day begins where the one before ended. What a day begins with is kept for every day; its stretches only for the last
few asked for, and they are built again when somebody asks again, so a year takes no more memory than a week. Within a day a
trip is built when its time has come: ways through a town are most of what a fleet's start would take. The answer for a time
never depends on what was asked before. All times are virtual milliseconds since the scenario's start.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from . import motion
from .hashing import stream, uniform
from .spec import BACK, Person, Position, Stop, Trip, Wander, WorldSpec
from .streets import Point, Route
from .town import Place, Town

DAY_MS = 86_400_000
_DAYS_KEPT = 4
_WAYS_KEPT = 256


class _Begin(NamedTuple):
    """What a day begins with: from when, where, and what goes on from the day before (stretch, course, sky since)."""

    at_ms: int
    where: Place
    carried: tuple[motion.Stretch, float, int] | None


class Now(NamedTuple):
    """What goes on from `stretch.start_ms` until `until_ms` (exclusive)."""

    stretch: motion.Stretch
    course_deg: float
    sky_since_ms: int
    until_ms: int


class _Day:
    """The stretches of one day; the first is the one that was going on when the day began.

    They are all known up to `known_ms`. While there is a `rest` of the day, which adds to it, a stretch begins then; else it is
    where the day ends.
    """

    __slots__ = ("courses", "known_ms", "rest", "sky_since", "starts", "stretches")

    def __init__(self, carried: tuple[motion.Stretch, float, int] | None, known_ms: int) -> None:
        self.known_ms = known_ms
        self.rest: Iterator[None] | None = None
        self.stretches: list[motion.Stretch] = []
        self.starts: list[int] = []
        self.courses: list[float] = []
        self.sky_since: list[int] = []
        if carried is not None:
            self._put(*carried)

    def _put(self, s: motion.Stretch, course: float, sky_since_ms: int) -> None:
        self.stretches.append(s)
        self.starts.append(s.start_ms)
        self.courses.append(course)
        self.sky_since.append(sky_since_ms)

    def add(self, s: motion.Stretch) -> None:
        if s.end_ms <= s.start_ms:
            return
        last = self.stretches[-1] if self.stretches else None
        if last is not None and s.mode == last.mode == "still" and (s.x0, s.y0, s.place) == (last.x1, last.y1, last.place):
            return  # the stay goes on past midnight: its start stands
        if s.x0 != s.x1 or s.y0 != s.y1:
            course = math.degrees(math.atan2(s.x1 - s.x0, s.y1 - s.y0)) % 360
        else:
            course = self.courses[-1] if last is not None else 0.0
        same_sky = last is not None and last.indoors == s.indoors
        self._put(s, course, self.sky_since[-1] if same_sky else s.start_ms)

    def grow(self, t_ms: int) -> None:
        """Until it is known beyond t_ms, or whole."""
        while self.rest is not None and self.known_ms <= t_ms:
            next(self.rest, None)

    @property
    def last(self) -> tuple[motion.Stretch, float, int] | None:
        return (self.stretches[-1], self.courses[-1], self.sky_since[-1]) if self.stretches else None


class Days:
    def __init__(self, spec: WorldSpec, person: Person, town: Town) -> None:
        self._id = person.id
        self._plan = person
        self._town = town
        self._seed = spec.seed
        self._zone = ZoneInfo(spec.timezone)
        self._start_utc_ms = spec.start_utc_ms
        self._first_day = datetime.fromtimestamp(spec.start_utc_ms / 1000, self._zone).date()
        self._first_midnight = self.midnight(1)
        self.home = town.place(person.home) if isinstance(person.home, str) else town.spot(*person.home)
        self._pace = uniform(stream(spec.seed, "pace", person.id), 0, 0.92, 1.08)
        self._traffic = spec.traffic
        self._vary = stream(spec.seed, "vary", person.id)
        self._late = stream(spec.seed, "late", person.id)
        self._begins = [_Begin(self._first_midnight - DAY_MS, self.home, None)]
        self._ends: list[int] = []  # of each day that was built, by its number less one
        self._kept: dict[int, _Day] = {}
        self._ways: dict[tuple, tuple[motion.Stretch, ...]] = {}

    # Asking

    def at(self, t_ms: int) -> Now:
        """What goes on at t_ms; before the first day it is what the first day begins with."""
        _, day = self._reach(t_ms)
        i = max(0, bisect_right(day.starts, t_ms) - 1)
        until_ms = day.starts[i + 1] if i + 1 < len(day.starts) else day.known_ms
        return Now(day.stretches[i], day.courses[i], day.sky_since[i], until_ms)

    def next_start(self, t_ms: int, until_ms: int) -> int | None:
        """The first start of a stretch after t_ms on the days that begin by until_ms."""
        number, day = self._reach(t_ms)
        while True:
            i = bisect_right(day.starts, t_ms)
            if i < len(day.starts):
                return day.starts[i]
            if day.rest is not None:
                return day.known_ms
            if day.known_ms > until_ms:
                return None
            number, day = number + 1, self._day(number + 1)
            day.grow(day.known_ms)

    def between(self, from_ms: int, until_ms: int) -> Iterator[motion.Stretch]:
        """The stretches that touch the period, in order."""
        number, day = self._reach(from_ms)
        i = max(0, bisect_right(day.starts, from_ms) - 1)
        while True:
            while i < len(day.stretches):
                if day.stretches[i].start_ms > until_ms:
                    return
                yield day.stretches[i]
                i += 1
            if day.known_ms > until_ms:
                return
            if day.rest is None:
                number, day, i = number + 1, self._day(number + 1), 1
            day.grow(day.known_ms)

    def _reach(self, t_ms: int) -> tuple[int, _Day]:
        """The day that t_ms is in, with its number, known beyond that."""
        while True:
            number = bisect_right(self._ends, t_ms) + 1
            day = self._day(number)
            day.grow(t_ms)
            if t_ms < day.known_ms:
                return number, day

    # Clock times

    def number(self, t_ms: int) -> int:
        """The day that t_ms lies in by the local clock, within one: where clocks change it may be the next."""
        return max(1, (t_ms - self._first_midnight) // DAY_MS + 1)

    def clock(self, day: int, second: int) -> int:
        """Virtual ms of a local clock time; a time that a DST change skips is taken as the hour after."""
        naive = datetime.combine(self._date(day), time()) + timedelta(seconds=second)
        utc = naive.replace(tzinfo=self._zone).timestamp()
        return round(utc * 1000) - self._start_utc_ms

    def midnight(self, day: int) -> int:
        return self.clock(day, 0)

    def _date(self, day: int) -> date:
        return self._first_day + timedelta(days=day - 1)

    # Building

    def _day(self, number: int) -> _Day:
        found = self._kept.get(number)
        if found is None:
            if len(self._kept) >= _DAYS_KEPT:
                del self._kept[next(iter(self._kept))]
            begin = self._begins[number - 1]
            found = self._kept[number] = _Day(begin.carried, begin.at_ms)
            found.rest = self._build(number, found)
        return found

    def _build(self, number: int, day: _Day) -> Iterator[None]:
        """Adds to a day; it pauses before each way that need not be known yet."""
        at, where = day.known_ms, self._begins[number - 1].where
        end = self.midnight(number + 1)
        for leave_ms, trip in self._trips(number):
            leaves = trip.arrive_s is None and not trip.track and self._first(trip, where).point != where.point
            legs = () if leaves else self._legs(trip, where)
            if trip.arrive_s is not None:
                duration = legs[-1].end_ms if legs else 0
                leave_ms -= next((s.start_ms for s in legs if s.mode == "still" and s.place is not None), duration)
            leave_ms = max(leave_ms, at)
            if trip.latest_s is not None and leave_ms > self.clock(number, trip.latest_s):
                continue
            day.add(motion.stay(where.point, at, leave_ms, where.indoors, where.name))
            if leaves:
                day.known_ms = leave_ms
                yield
                legs = self._legs(trip, where)
            for s in legs:
                day.add(_shifted(s, leave_ms))
            at = leave_ms + (legs[-1].end_ms if legs else 0)
            where = where if trip.to == BACK else self._place(trip.to)
        if at < end:
            day.add(motion.stay(where.point, at, end, where.indoors, where.name))
            at = end
        day.known_ms, day.rest = at, None
        if number == len(self._begins):
            self._begins.append(_Begin(at, where, day.last))
            self._ends.append(at)

    def _first(self, trip: Trip, start: Place) -> Place:
        """Where a trip goes at first."""
        to = trip.via[0].place if trip.via else trip.to
        return start if to == BACK else self._place(to)

    def _trips(self, day: int) -> list[tuple[int, Trip]]:
        plan = self._plan
        weekday = self._date(day).isoweekday()
        changed = {d.name: d.trip for d in plan.deviations if d.day == day and d.name is not None}
        trips: list[tuple[int, Trip]] = []
        for number, trip in enumerate(plan.trips):
            if trip.name in changed:
                if (instead := changed[trip.name]) is not None:
                    trips.append((self._time(day, instead, 0), instead))
            elif trip.days is None or weekday in trip.days:
                shift = uniform(self._vary, day * 64 + number, -trip.vary_s, trip.vary_s) if trip.vary_s else 0.0
                if trip.to == "home":
                    shift += self._late_s(day * 64 + number)
                trips.append((self._time(day, trip, round(shift * 1000)), trip))
        trips += [(self._time(day, d.trip, 0), d.trip) for d in plan.deviations if d.day == day and d.name is None and d.trip]
        for number, wander in enumerate(plan.wanders):
            trips += self._outings(day, wander, stream(self._seed, "wander", self._id, number))
        return sorted(trips, key=lambda item: item[0])

    def _late_s(self, draw: int) -> float:
        mistakes = self._plan.mistakes
        if not mistakes.late_home or uniform(self._late, 2 * draw) >= mistakes.late_home:
            return 0.0
        return uniform(self._late, 2 * draw + 1, *mistakes.late_by_s)

    def _outings(self, day: int, wander: Wander, key: int) -> list[tuple[int, Trip]]:
        """A day's goings out: their number is Poisson's, their times are spread evenly."""
        draw = day * 1024
        out: list[tuple[int, Trip]] = []
        left = math.exp(-wander.per_day)
        share = uniform(key, draw)
        while share > left and len(out) < 100:  # a product of uniform numbers (Knuth)
            at = draw + 8 * (len(out) + 1)
            place = wander.to[int(uniform(key, at + 1) * len(wander.to))]
            stay = Stop(place, round(uniform(key, at + 2, *wander.stay_s)))
            leave_s = round(uniform(key, at + 3, *wander.between_s))
            trip = Trip("out", BACK, wander.by, leave_s=leave_s, via=(stay,), latest_s=wander.between_s[1])
            out.append((self.clock(day, leave_s), trip))
            share *= uniform(key, at)
        return out

    def _time(self, day: int, trip: Trip, shift_ms: int) -> int:
        second = trip.leave_s if trip.leave_s is not None else trip.arrive_s
        return self.clock(day, second or 0) + shift_ms

    def _place(self, name: str | Position) -> Place:
        if not isinstance(name, str):
            return self._town.spot(*name)
        return self.home if name == "home" else self._town.place(name)

    def _legs(self, trip: Trip, start: Place) -> tuple[motion.Stretch, ...]:
        """The trip from a place, as if it began at 0."""
        key = (trip, start)
        found = self._ways.get(key)
        if found is None:
            if len(self._ways) >= _WAYS_KEPT:
                self._ways.clear()
            found = self._ways[key] = tuple(self._go(trip, start))
        return found

    def _go(self, trip: Trip, start: Place) -> list[motion.Stretch]:
        out: list[motion.Stretch] = []
        here, at = start, 0
        if trip.track:
            first, last = (self._town.open_air(lat, lon) for _, lat, lon in (trip.track[0], trip.track[-1]))
            out += self._way(here, first, trip.by, at)
            at = out[-1].end_ms if out else at
            out += motion.follow(trip.track, self._town, at, trip.by)
            here, at = last, out[-1].end_ms
        for stop in (*trip.via, Stop(trip.to)):
            there = start if stop.place == BACK else self._place(stop.place)
            out += self._way(here, there, trip.by, at)
            at = out[-1].end_ms if out else at
            if stop.pause_s:
                out.append(motion.stay(there.point, at, at + stop.pause_s * 1000, there.indoors, there.name))
                at += stop.pause_s * 1000
            here = there
        return out

    def _way(self, here: Place, there: Place, by: str, at: int) -> list[motion.Stretch]:
        return self.travel(here, there, by, at) if there.point != here.point else []

    def travel(self, here: Place, there: Place, by: str, at: int) -> list[motion.Stretch]:
        """From place to place, leaving at `at`."""
        town = self._town
        if by == "car":
            return self._drive(town.route(here, there, "drive"), at, "car")
        if by == "cycle":
            return motion.cycle(town.route(here, there, "cycle"), at)
        if by == "bus" and len(town.bus_stops) > 1:
            board, leave = _near_stop(town, here), _near_stop(town, there)
            if board.name != leave.name:
                out = motion.walk(town.route(here, board), at, self._pace)
                ready = out[-1].end_ms if out else at
                wait = round(uniform(stream(self._seed, "bus", self._id, here.name, there.name), 0, 60_000, 300_000))
                out.append(motion.stay(board.point, ready, ready + wait, False, None))
                ride = town.route(board, leave, "drive")
                halts = tuple(s.point for s in town.bus_stops if any(math.dist(s.point, p) < 15 for p in ride.points))
                out += self._drive(ride, ready + wait, "bus", halts)
                return out + motion.walk(town.route(leave, there), out[-1].end_ms, self._pace)
        return motion.walk(town.route(here, there), at, self._pace)

    def _drive(self, route: Route, at: int, mode: str, halts: tuple[Point, ...] = ()) -> list[motion.Stretch]:
        key = stream(self._seed, "junctions", self._id)
        return motion.drive(route, at, mode, halts, motion.waits(route, self._traffic, key))


def _shifted(s: motion.Stretch, by_ms: int) -> motion.Stretch:
    return motion.Stretch(
        s.start_ms + by_ms, s.end_ms + by_ms, s.x0, s.y0, s.x1, s.y1, s.mode, s.indoors, s.canyon, s.place, s.street
    )


def _near_stop(town: Town, place: Place) -> Place:
    return min(town.bus_stops, key=lambda s: math.dist(s.point, place.point))
