"""A fleet: a scenario of so many invented people, for load and for figures. None of them, and no address, is real.

`fleet(wearers, seed)` is a function of its arguments alone, and the first people of a larger fleet are those of a smaller one in
the same town. Each has an address of their own, a tag (`tag-000001` …) and a home unit, and one of five ways to spend a day. How
many have which, and when they leave, is our judgement: a town's mixture is wanted, so that not all tags do the same at once.
"""

from collections.abc import Sequence
from typing import Any

from bridge.errors import ConfigError
from sim.scenario import Scenario, models
from sim.world.hashing import bits, stream, uniform
from sim.world.town import DEFAULT_SIZE_M, Town, build_town

MOST = 5_000
START = "2026-06-01T07:30:00"  # a Monday, when most of those who work are on their way
TOWN_SEED = 1
_LARGE_M = 4_000  # a town of the default width has 2,648 addresses, one of this width 8,187
_LARGE_FROM = 2_000
_CENTRE = models.Town().centre

_FIRST_NAMES = """
Alder Arden Bryn Cary Corin Dale Darcy Eden Ellis Emlyn Farran Frey Gale Garnet Harper Indigo Jory Kendal Kit Lane Linden Lowen
Marlow Merrin Morgan Nevin Oakley Perran Quill Ramsey Reed Robin Rowan Sage Shae Tamsin Teagan Vale Wren Yarrow
"""
_LAST_NAMES = """
Aldbury Ashdown Birchall Brackley Chalden Copley Denholm Dunmore Eastcott Elmsley Farleigh Fenwick Garside Haverill Holloway
Ibbotson Kemble Langley Marsden Netherby Oakhurst Penhale Quarley Radcot Selwood Tarrant Underhill Verwood Westcott Yealand
"""

_WORK = ("work", "office", "shop", "school", "hospital")
_ERRANDS = ("shop", "office", "park", "pub")
_WEEK = ["mon", "tue", "wed", "thu", "fri"]
_KINDS = (("works", 0.45), ("works part-time", 0.15), ("works at night", 0.08), ("looks for work", 0.22), ("stays close", 0.10))


class _Draws:
    """One person's random choices, each by a name of its own: a new one leaves the others as they are."""

    def __init__(self, seed: int, number: int) -> None:
        self._of = (seed, "fleet", number)
        self._seed = seed

    def share(self, what: str) -> float:
        return uniform(stream(*self._of, what), 0)

    def one(self, what: str, choice: Sequence[str]) -> str:
        return choice[bits(stream(*self._of, what), 0) % len(choice)]

    def clock(self, what: str, between: tuple[float, float]) -> str:
        """A clock time between two hours."""
        minutes = round(60 * (between[0] + (between[1] - between[0]) * self.share(what)))
        return f"{minutes // 60:02d}:{minutes % 60:02d}"


def fleet(wearers: int, seed: int = 1, until: str = "24h") -> Scenario:
    """The scenario of a fleet: one to MOST wearers. ConfigError for other numbers."""
    if not 1 <= wearers <= MOST:
        raise ConfigError("fleet", "wearers", wearers, f"1 to {MOST:,} wearers")
    size_m = _LARGE_M if wearers > _LARGE_FROM else round(DEFAULT_SIZE_M)
    town = build_town(TOWN_SEED, (_CENTRE.lat, _CENTRE.lon), float(size_m))
    homes = _homes(town, seed)
    file: dict[str, Any] = {
        "name": f"fleet-{wearers}",
        "description": f"{wearers} invented wearers, a typical day each.",
        "seed": seed,
        "start": START,
        "timezone": "Europe/London",
        "until": until,
        "town": {"seed": TOWN_SEED, "centre": {"lat": _CENTRE.lat, "lon": _CENTRE.lon}, "size_m": size_m, "traffic": "light"},
        "people": [_person(seed, number, homes, town) for number in range(1, wearers + 1)],
    }
    return Scenario("fleet", models.ScenarioFile.model_validate(file))


def _homes(town: Town, seed: int) -> list[str]:
    """Every address where people live, in an order that the seed draws."""
    key = stream(seed, "fleet", "homes")
    named = {place.name for place in town.places.values() if place.kind != "home"}
    houses = [b.name for b in town.buildings if b.street and b.use in ("house", "frontage") and b.name not in named]
    order = sorted(range(len(houses)), key=lambda i: bits(key, i))
    return [houses[i] for i in order]


def _person(seed: int, number: int, homes: list[str], town: Town) -> dict[str, Any]:
    draws = _Draws(seed, number)
    kind = _kind(draws.share("kind"))
    person: dict[str, Any] = {
        "id": f"w{number:06d}",
        "name": f"{draws.one('first', _FIRST_NAMES.split())} {draws.one('last', _LAST_NAMES.split())}",
        "tag": f"tag-{number:06d}",
        "home_unit": f"hmu-{number:06d}",
        "home": homes[number - 1],
        "routine": _routine(kind, draws, town),
        "wander": [_errands(kind, draws, town)],
        "mistakes": {"late_home": 0.03, "forgets_charging": 0.02},
        "conditions": _conditions(kind, draws, homes),
        "charging": {"at": draws.clock("charging", (10.0, 11.5) if kind == "works at night" else (21.5, 23.5)), "minutes": 90},
        "battery": round(60 + 40 * draws.share("battery"), 1),
    }
    if draws.share("appointment") < 0.3:
        day, at = draws.one("appointment day", _WEEK), draws.clock("appointment at", (9.5, 15.5))
        person["appointments"] = [{"at": at, "place": "Probation Office", "minutes": 30, "days": [day], "by": "walk"}]
    return person


def _kind(share: float) -> str:
    for kind, part in _KINDS:
        share -= part
        if share < 0:
            return kind
    return _KINDS[-1][0]


def _routine(kind: str, draws: _Draws, town: Town) -> list[dict[str, Any]]:
    by = draws.one("by", ["walk", "walk", "cycle", "bus", "bus", "car", "car", "car"])
    work = draws.one("work", _places(town, _WORK))
    hours = {
        "works": ((7.0, 8.75), (16.0, 18.0)),
        "works part-time": ((8.5, 12.5), (13.5, 17.0)),
        "works at night": ((20.5, 22.0), (5.5, 7.0)),
    }.get(kind)
    if hours is None:
        return []
    leave, home = hours
    return [
        {"name": "to work", "leave": draws.clock("leave", leave), "to": work, "by": by, "days": _WEEK, "vary_min": 5},
        {"name": "home", "leave": draws.clock("return", home), "to": "home", "by": by, "vary_min": 10},
    ]


def _errands(kind: str, draws: _Draws, town: Town) -> dict[str, Any]:
    """Shops and visits, when there is time for them."""
    free = {"works": ("17:30", "18:45"), "works part-time": ("17:00", "18:45"), "works at night": ("14:00", "18:00")}
    often = {"looks for work": 2.5, "stays close": 1.0}
    places = _places(town, _ERRANDS)
    return {
        "to": sorted({draws.one(f"errand {n}", places) for n in range(4)}),
        "per_day": often.get(kind, 0.5),
        "stay_min": [5, 40],
        "between": list(free.get(kind, ("09:00", "18:30"))),
        "by": draws.one("errands by", ["walk", "walk", "walk", "cycle", "bus"]),
    }


def _conditions(kind: str, draws: _Draws, homes: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if kind != "works at night" and draws.share("curfew") < 0.6:
        begins = draws.one("curfew from", ["19:00", "20:00", "21:00"])
        ends = draws.one("curfew until", ["06:00", "06:30", "07:00"])
        found.append({"kind": "curfew", "name": "Evenings and nights", "from": begins, "until": ends, "grace_min": 5})
    if draws.share("zone") < 0.15:
        # Nobody of the fleet lives at the last addresses of the list.
        around = {"place": draws.one("zone at", homes[-100:]), "radius_m": 150}
        found.append({"kind": "exclusion", "name": "Protected address", "around": around})
    return found


def _places(town: Town, kinds: tuple[str, ...]) -> list[str]:
    return sorted(place.name for place in town.places.values() if place.kind in kinds)
