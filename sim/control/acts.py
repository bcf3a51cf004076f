"""What can be done to a run while it goes on, as plain data, and as it is written down: `acts.yaml` in the run's folder.

    acts:
    - {at: "2026-06-01T14:20:03+01:00", what: strap_cut, wearer: jory}
    - {at: "2026-06-01T14:30:00+01:00", what: jam, wearer: jory, fall_db: 30}
    - {at: "2026-06-01T14:40:00+01:00", what: jam_over, wearer: jory}

The words are a scenario's: what is done by hand (`events`), and what fails (`faults`), which goes on until its `…_over`. Beside
them `moved` puts a wearer somewhere and `let_go` lets him go back; `broker_killed` and `bridge_killed` end the program, which
is started again at once. `speed` and `skipped` tell how fast time went, and change nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, ValidationError

from bridge.cases.conditions import Strict
from bridge.cases.reading import config_error, field_name, read_yaml, where
from bridge.errors import ConfigError
from sim.scenario import Scenario, models
from sim.scenario.checks import UNIT_EVENTS
from sim.scenario.models.base import Id
from sim.scenario.models.faults import KINDS as FAULTS
from sim.scenario.models.faults import OF_A_KIND
from sim.world.spec import PhysicalKind

EVENTS: tuple[str, ...] = get_args(PhysicalKind)
SERVICES = ("broker", "bridge")
OVER = "_over"
KILLED = tuple(f"{service}_killed" for service in SERVICES)
PACE = ("speed", "skipped")  # notes of how fast time went
WITH_PLACE = ("around", "circle")  # of a fault; who acts by hand names a wearer, or nobody
_BY = ("walk", "bus", "car")


@dataclass(frozen=True)
class Act:
    """`what` is done at virtual time `at_ms`; to whom (None: to all, or to nobody); `values` are plain numbers and texts."""

    at_ms: int
    what: str
    wearer: str | None = None
    values: Mapping[str, float | int | str] = field(default_factory=dict)


def keys_of(what: str) -> tuple[str, ...] | None:
    """What an act takes beside its time; None when there is no such act."""
    if what in EVENTS:
        return ("wearer",)
    if what == "moved":
        return ("wearer", "lat", "lon")
    if what == "let_go":
        return ("wearer", "by")
    if what in KILLED:
        return ()
    if what in PACE:
        return ("speed", "until")
    fault = what.removesuffix(OVER)
    if fault not in FAULTS:
        return None
    own = tuple(key for key in OF_A_KIND[fault] if key not in WITH_PLACE)
    return own if what == fault else tuple(key for key in own if key == "wearer")


class _Entry(Strict):
    """One line of the file."""

    at: AwareDatetime
    what: str
    wearer: Id | None = None
    values: dict[str, Any] = Field(default_factory=dict)


class _File(Strict):
    scenario: str = ""
    seed: int | None = None
    acts: list[dict[str, Any]] | None = None


class _Values(Strict):
    """Of the acts that are no fault."""

    lat: float | None = Field(None, ge=-90, le=90, allow_inf_nan=False)
    lon: float | None = Field(None, ge=-180, le=180, allow_inf_nan=False)
    by: Literal["walk", "bus", "car"] | None = None
    speed: float | Literal["max", "paused"] | None = None
    until: str | None = None


class Wrong(ValueError):
    """Something about an act is not as it must be: `key`, `value`, `expected`."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(f"{key}: got {value!r}, expected {expected}")
        self.key, self.value, self.expected = key, value, expected


def checked(scenario: Scenario, at_ms: int, what: str, wearer: str | None, values: Mapping[str, Any]) -> Act:
    """The act, when all of it makes sense in this scenario. Wrong for the first thing that does not."""
    keys = keys_of(what)
    if keys is None:
        known = (*EVENTS, "moved", "let_go", *KILLED, *FAULTS, *(f"{kind}{OVER}" for kind in FAULTS))
        raise Wrong("what", what, f"one of {', '.join(known)}")
    if at_ms < 1:
        raise Wrong("at", at_ms, "a time after the scenario's start")
    people = {person.id: person for person in scenario.file.people}
    if wearer is not None and ("wearer" not in keys or wearer not in people):
        raise Wrong(
            "wearer", wearer, f"one of {', '.join(people)}" if "wearer" in keys else f"no wearer: {what} is not about one"
        )
    needs_one = what in EVENTS or what in ("moved", "let_go")
    if needs_one and wearer is None:
        raise Wrong("wearer", None, f"one of {', '.join(people)}")
    if wearer is not None and what.startswith((*UNIT_EVENTS, "home_network")) and people[wearer].home_unit is None:
        raise Wrong("wearer", wearer, "somebody with a home unit")
    for key in values:
        if key not in keys:
            raise Wrong(key, values[key], f"no such key with {what}; it takes {', '.join(keys) or 'none'}")
    return Act(at_ms, what, wearer, _plain(what, values))


def _plain(what: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if what in FAULTS:
        model: Any = models.Fault
        given = {**values, "kind": what, "from": "00:00", "until": "23:59"}
    else:
        model, given = _Values, dict(values)
    try:
        found = model.model_validate(given)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = str(problem["loc"][0]) if problem["loc"] else "what"
        raise Wrong(key, values.get(key, what), problem["msg"].removeprefix("Value error, ")) from None
    if what == "moved" and (found.lat is None or found.lon is None):
        raise Wrong("lat", values.get("lat"), "a position: lat and lon")
    return {key: getattr(found, key) for key in values if getattr(found, key) is not None}


# Files


def load_acts(path: Path | str, scenario: Scenario) -> list[Act]:
    """The acts of a file, in order of time. ConfigError, naming line and field, for the first thing wrong with it."""
    data, node = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(path, "(file)", data, "a mapping with the key acts")
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise config_error(path, error, node, _File) from None
    if file.scenario and file.scenario != scenario.name:
        raise ConfigError(where(path, node, ("scenario",)), "scenario", file.scenario, f"{scenario.name}: another's acts")
    if file.seed is not None and file.seed != scenario.seed:
        raise ConfigError(
            where(path, node, ("seed",)), "seed", file.seed, f"{scenario.seed}, the scenario's; or --seed {file.seed}"
        )
    acts = []
    for i, given in enumerate(file.acts or ()):
        try:
            entry = _Entry.model_validate(_gathered(given))
            at_ms = round(entry.at.timestamp() * 1000) - scenario.start_utc_ms
            acts.append(checked(scenario, at_ms, entry.what, entry.wearer, entry.values))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            key = str(problem["loc"][0])
            expected = 'a time with its offset, such as "2026-06-01T14:20:03+01:00"' if key == "at" else problem["msg"]
            raise _error(path, node, i, key, given.get(key), expected) from None
        except Wrong as wrong:
            value = given.get("at") if wrong.key == "at" else wrong.value
            raise _error(path, node, i, wrong.key, value, wrong.expected) from None
    return sorted(acts, key=lambda act: act.at_ms)


def _gathered(given: dict[str, Any]) -> dict[str, Any]:
    own = ("at", "what", "wearer")
    return {key: given[key] for key in own if key in given} | {"values": {k: v for k, v in given.items() if k not in own}}


def _error(path: Path | str, node: Any, i: int, key: str, value: object, expected: str) -> ConfigError:
    loc = ("acts", i, key)
    return ConfigError(where(path, node, loc), field_name(loc), value, expected)


def head(scenario: Scenario) -> str:
    """How a file of acts begins; its lines follow."""
    return (
        f"# What was done by hand to this run. To do it again: homeward sim run {scenario.path} --acts THIS_FILE\n"
        f"scenario: {json.dumps(scenario.name, ensure_ascii=False)}\nseed: {scenario.seed}\nacts:\n"
    )


def line(act: Act, start_utc_ms: int, zone: ZoneInfo) -> str:
    """An act as a line of the file."""
    return f"- {json.dumps(written(act, start_utc_ms, zone), ensure_ascii=False)}\n"


def written(act: Act, start_utc_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    """An act as it is written down, ready for JSON."""
    seconds, ms = divmod(start_utc_ms + act.at_ms, 1000)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=ms * 1000).astimezone(zone)
    out: dict[str, Any] = {"at": at.isoformat(timespec="milliseconds" if ms else "seconds"), "what": act.what}
    return out | ({} if act.wearer is None else {"wearer": act.wearer}) | dict(act.values)


def text(acts: Iterable[Act], scenario: Scenario) -> str:
    """A whole file."""
    return head(scenario) + "".join(line(act, scenario.start_utc_ms, scenario.zone) for act in acts)
