"""What is wrong with a scenario that no model of `sim.scenario.models` sees by itself: one part against another, and the town."""

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bridge.cases.reading import Loc
from sim.scenario import models
from sim.world import spec

if TYPE_CHECKING:
    from sim.scenario import Scenario

UNIT_EVENTS = ("mains", "unit")  # how the names of what is done to a home unit begin


def trip_name(trip: models.Trip) -> str:
    """A trip without a name goes by where it leads."""
    return trip.name or trip.to


def problems(s: "Scenario") -> Iterator[tuple[Loc, object, str]]:
    """(where, value, expected) of what no model sees by itself."""
    people = s.file.people
    yield from _file_problems(s)
    if s.start_utc_ms < 0 or s.start_utc_ms + s.until_ms > datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000:
        yield ("start",), s.file.start.isoformat(), "a time between 1970 and 2100"
    back = datetime.fromtimestamp(s.start_utc_ms / 1000, s.zone).replace(tzinfo=None)
    if abs(back - s.file.start) > timedelta(seconds=1):
        yield ("start",), s.file.start.isoformat(), f"a local time that {s.timezone} has (the clocks go forward then)"
    for key in ("id", "tag"):
        seen: dict[str, int] = {}
        for i, p in enumerate(people):
            value = getattr(p, key)
            if value is not None and seen.setdefault(value, i) != i:
                yield ("people", i, key), value, f"a {key.replace('_', ' ')} that nobody else has (people[{seen[value]}] has it)"
    yield from _household_problems(s)
    ids = [p.id for p in people]
    for i, p in enumerate(people):
        yield from _person_problems(s, p, ("people", i))
    for i, hole in enumerate(s.file.coverage_holes):
        if hole.around is not None:
            yield from _place_problem(s, hole.around.place, ("coverage_holes", i, "around", "place"))
        yield from _period_problems(s, hole.start, hole.end, ("coverage_holes", i))
    for i, fault in enumerate(s.file.faults):
        if fault.wearer is not None and fault.wearer not in ids:
            yield ("faults", i, "wearer"), fault.wearer, _one_of("the id of a person", fault.wearer, ids)
        if fault.around is not None:
            yield from _place_problem(s, fault.around.place, ("faults", i, "around", "place"))
        yield from _period_problems(s, fault.start, fault.end, ("faults", i))
    devices = [name for p in people for name in (p.tag, p.home_unit) if name is not None]
    for i, order in enumerate(s.file.orders):
        if order.device not in devices:
            yield ("orders", i, "device"), order.device, _one_of("a device of somebody", order.device, devices)
        if (order.kind == "range_test") == order.device.startswith("tag") and order.kind not in ("config", "rotate_key"):
            yield (
                ("orders", i, "device"),
                order.device,
                f"a {'home unit' if order.kind == 'range_test' else 'tag'} for {order.kind}",
            )
        if order.zone is not None:
            if order.zone.around is not None:
                yield from _place_problem(s, order.zone.around.place, ("orders", i, "zone", "around", "place"))
            names = [c.name for p in people if p.tag == order.device for c in p.conditions]
            if order.zone.name in names:
                yield ("orders", i, "zone", "name"), order.zone.name, "a name that no other condition of this person has"
        if s.moment_ms(order.at) < 0:
            yield ("orders", i, "at"), order.at, _not_before(s)
    for i, e in enumerate(s.file.expect):
        if e.wearer not in ids:
            yield ("expect", i, "wearer"), e.wearer, _one_of("the id of a person", e.wearer, ids)
        if e.between is not None and s.moment_ms(e.between[0]) > s.moment_ms(e.between[1]):
            yield ("expect", i, "between"), e.between, "two moments, the earlier one first"
        if e.of is not None and s.moment_ms(e.of) < 0:
            yield ("expect", i, "of"), e.of, _not_before(s)


def _file_problems(s: "Scenario") -> Iterator[tuple[Loc, object, str]]:
    """Of the files that a scenario names; what is wrong in one is raised as it is read, in its own name."""
    try:
        s.town_map()
    except OSError as error:
        key = "geojson" if s.file.town.geojson is not None else "gpx"
        yield ("town", key), s.file.town.file, f"a file that can be read ({error.strerror or error}: {error.filename})"
    for i, p in enumerate(s.file.people):
        for j, t in enumerate(p.routine):
            if t.gpx is None:
                continue
            at: Loc = ("people", i, "routine", j, "gpx")
            try:
                track = s.track(t.gpx)
            except OSError as error:
                yield at, t.gpx, f"a file that can be read ({error.strerror or error}: {error.filename})"
                continue
            town = s.town()
            far = [xy for xy in (town.plane.to_xy(lat, lon) for _, lat, lon in track) if max(map(abs, xy)) > town.size_m]
            if far:
                yield at, t.gpx, f"a track in the town or near it ({len(far)} of its {len(track)} points are not)"


_TAGS_MAX = 16  # of one household: the slots of a beacon (firmware.core.frame)


def _household_problems(s: "Scenario") -> Iterator[tuple[Loc, object, str]]:
    first: dict[str, int] = {}
    count: dict[str, int] = {}
    for i, p in enumerate(s.file.people):
        if p.home_unit is None:
            continue
        here = first.setdefault(p.home_unit, i)
        count[p.home_unit] = count.get(p.home_unit, 0) + 1
        if p.home != s.file.people[here].home:
            yield ("people", i, "home"), p.home.place or p.home.lat, f"the home of people[{here}], who has the same home unit"
        if p.home_unit_battery != s.file.people[here].home_unit_battery:
            yield ("people", i, "home_unit_battery"), p.home_unit_battery, f"what people[{here}] says of the same home unit"
        if count[p.home_unit] > _TAGS_MAX:
            yield ("people", i, "home_unit"), p.home_unit, f"at most {_TAGS_MAX} people with one home unit"


def _person_problems(s: "Scenario", p: models.Person, at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if p.home.place is not None:
        yield from _place_problem(s, p.home.place, (*at, "home"), home=False)
    else:
        lat, lon = s.home_of(p)
        x, y = s.town().plane.to_xy(lat, lon)
        if max(abs(x), abs(y)) > s.town().size_m * 0.6:
            yield (*at, "home"), f"{lat}, {lon}", "a position in the town"
    yield from _period_problems(s, p.worn_from, p.worn_until, at, ("worn_from", "worn_until"))
    names: dict[str, int] = {}
    for j, c in enumerate(p.conditions):
        if names.setdefault(c.name, j) != j:
            yield (*at, "conditions", j, "name"), c.name, "a name that no other condition of this person has"
        if isinstance(c, models.Zone) and c.around is not None:
            yield from _place_problem(s, c.around.place, (*at, "conditions", j, "around", "place"))
    trips: dict[str, int] = {}
    for j, t in enumerate(p.routine):
        if trips.setdefault(trip_name(t), j) != j:
            yield (*at, "routine", j), trip_name(t), 'a "name" of its own (another trip of this person leads there too)'
        yield from _trip_places(s, t.to, t.via, (*at, "routine", j))
        yield from _bus_problem(s, t.by == "bus", (*at, "routine", j, "by"))
    for j, d in enumerate(p.deviations):
        here: Loc = (*at, "deviations", j)
        if d.trip is not None and d.trip not in trips:
            yield (*here, "trip"), d.trip, _one_of("the name of a trip of the routine", d.trip, list(trips))
        yield from _trip_places(s, d.to, d.via or [], here)
        by_bus = d.by == "bus"
        yield from _bus_problem(s, by_bus, (*here, "by"))
    for j, a in enumerate(p.appointments):
        here = (*at, "appointments", j)
        yield from _place_problem(s, a.place, (*here, "place"))
        if a.then != spec.BACK:
            yield from _place_problem(s, a.then, (*here, "then"))
        yield from _bus_problem(s, a.by == "bus", (*here, "by"))
    for j, w in enumerate(p.wander):
        for k, name in enumerate(w.to):
            yield from _place_problem(s, name, (*at, "wander", j, "to", k))
        yield from _bus_problem(s, w.by == "bus", (*at, "wander", j, "by"))
    zones = [c.name for c in p.conditions if isinstance(c, models.Zone)]
    for j, r in enumerate(p.rates):
        if r.zone is not None and r.zone not in zones:
            yield (*at, "rates", j, "zone"), r.zone, _one_of("the name of a zone of this person", r.zone, zones)
        if r.what.startswith(UNIT_EVENTS) and p.home_unit is None:
            yield (*at, "rates", j, "what"), r.what, "something that is done to the tag: this person has no home unit"
    for j, e in enumerate(p.events):
        if s.moment_ms(e.at) < 0:
            yield (*at, "events", j, "at"), e.at, _not_before(s)
        if e.what.startswith(UNIT_EVENTS) and p.home_unit is None:
            yield (*at, "events", j, "what"), e.what, "something that is done to the tag: this person has no home unit"


def _bus_problem(s: "Scenario", by_bus: bool, at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if by_bus and len(s.town().bus_stops) < 2:
        yield at, "bus", 'another way of travel: the town\'s file has not two bus stops ("highway": "bus_stop")'


def _trip_places(s: "Scenario", to: str | None, via: list[models.Stop], at: Loc) -> Iterator[tuple[Loc, object, str]]:
    if to is not None:
        yield from _place_problem(s, to, (*at, "to"))
    for k, stop in enumerate(via):
        yield from _place_problem(s, stop.place, (*at, "via", k))


def _place_problem(s: "Scenario", name: str, at: Loc, home: bool = True) -> Iterator[tuple[Loc, object, str]]:
    if home and name == "home" and at[-2:] != ("around", "place"):
        return
    try:
        s.town().place(name)
    except KeyError:
        near = s.town().nearest_names(name)
        hint = f" (did you mean {', '.join(map(repr, near))}?)" if near else ""
        yield at, name, f"a place or an address of the town{hint}"


def _period_problems(
    s: "Scenario", start: str | None, end: str | None, at: Loc, keys: tuple[str, str] = ("from", "until")
) -> Iterator[tuple[Loc, object, str]]:
    if start is not None and s.moment_ms(start) < 0:
        yield (*at, keys[0]), start, _not_before(s)
    if end is not None and s.moment_ms(end) <= (0 if start is None else s.moment_ms(start)):
        after = "the scenario's start" if start is None else f'its "{keys[0]}", {start!r}'
        yield (*at, keys[1]), end, f"a moment after {after}"


def _not_before(s: "Scenario") -> str:
    return f"a moment not before the scenario's start, {s.file.start:%H:%M}"


def _one_of(what: str, value: str, known: list[str]) -> str:
    near = difflib.get_close_matches(value, known, 1)
    return f"{what}: {', '.join(known) or '(none)'}" + (f" (did you mean {near[0]!r}?)" if near else "")
