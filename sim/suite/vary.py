"""Each seed's own edition of a scenario: more than other noise under the same story.

`varied(file, seed)` is a function of its arguments alone. What it changes, beyond the seed that the world draws its GNSS errors,
fading, latencies and paces from:

- **Moments**: everything that happens to a household (events, faults, orders, and what is expected of them) is shifted by the
  same 0-119 whole seconds, drawn for the household; so a fault falls into another part of the devices' rounds.
- **Homes**: somebody whose home is an address lives at another one within `HOME_M` of it, so that ways lead along other streets.

Trips keep their clock times, curfews theirs; a trip's own `vary_min` is drawn by the world. Faults of nobody in particular (a
broker that is down) are shifted by a draw of their own.
"""

import math
from typing import Any

from sim.scenario import Scenario
from sim.scenario.models.people import Home
from sim.scenario.moments import parse_moment
from sim.world.hashing import bits, stream
from sim.world.town import Town

SHIFT_S = 120
HOME_M = 150.0
_DAY_S = 86_400


def varied(scenario: Scenario, seed: int) -> Scenario:
    """The scenario as this seed has it. Times that a shift would push over midnight go on to the next day."""
    file = scenario.file
    town = scenario.town()
    household = {p.id: p.home_unit or p.id for p in file.people}
    of_device = {name: household[p.id] for p in file.people for name in (p.tag, p.home_unit) if name}
    shifts = {h: shift_s(seed, file.name, h) for h in household.values()}
    everyone_s = shift_s(seed, file.name, "")
    people = []
    for p in file.people:
        by = shifts[household[p.id]]
        events = [e.model_copy(update={"at": later(e.at, by)}) for e in p.events]
        home = _moved(p.home, town, seed, f"{file.name} {household[p.id]}")
        people.append(p.model_copy(update={"events": events, "home": home}))
    faults = []
    for f in file.faults:
        by = everyone_s if f.wearer is None else shifts[household[f.wearer]]
        moved = {key: later(at, by) for key in ("start", "end") if (at := getattr(f, key)) is not None}
        faults.append(f.model_copy(update=moved))
    orders = [o.model_copy(update={"at": later(o.at, shifts[of_device[o.device]])}) for o in file.orders]
    expect = []
    for e in file.expect:
        by = shifts[household[e.wearer]]
        between = None if e.between is None else [later(m, by) for m in e.between]
        expect.append(e.model_copy(update={"between": between, "of": None if e.of is None else later(e.of, by)}))
    update: dict[str, Any] = {"seed": seed, "people": people, "faults": faults, "orders": orders, "expect": expect}
    return Scenario(scenario.path, file.model_copy(update=update))


def shift_s(seed: int, name: str, household: str) -> int:
    """By how much this household's moments are later than written."""
    return bits(stream(seed, "suite", "shift", name, household), 0) % SHIFT_S


def later(moment: str, by_s: int) -> str:
    """A moment, so many seconds later, as a scenario has it."""
    day, second = parse_moment(moment)
    days, second = divmod(second + by_s, _DAY_S)
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return clock if day + days == 1 else f"day {day + days} {clock}"


def _moved(home: Home, town: Town, seed: int, key: str) -> Home:
    if home.place is None or not home.place[0].isdigit():
        return home
    here = town.place(home.place)
    use = next((b.use for b in town.buildings if b.name == home.place), "house")
    near = sorted(b.name for b in town.buildings if b.street and b.use == use and math.dist(b.middle, here.point) <= HOME_M)
    if not near:
        return home
    return home.model_copy(update={"place": near[bits(stream(seed, "suite", "home", key), 0) % len(near)]})
