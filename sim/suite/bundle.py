"""Scenarios that can share a world, in one run: broker, bridge and start-up are paid once for all of them.

Sharing changes nothing for the single wearer: every draw of the world is keyed by seed and tag, a home unit is heard in its own
household alone, and faults and coverage holes that reach beyond a household keep their scenario apart. What is dated by the
newest record of anybody, the receive times of a simulated bridge, does depend on the company; no figure stands on it.
"""

from collections.abc import Iterable, Sequence

from sim.scenario import Scenario

Bundle = tuple[str, ...]  # the names of scenarios that are run together


def bundles(scenarios: Iterable[tuple[str, Scenario]]) -> list[Bundle]:
    """Which are run together, in the order in which they came."""
    together: dict[object, list[str]] = {}
    for name, scenario in scenarios:
        file = scenario.file
        key: object = (file.start, file.timezone, scenario.until_ms, file.town.model_dump_json(), file.policy.model_dump_json())
        if is_apart(scenario):
            key = name
        together.setdefault(key, []).append(name)
    return [tuple(names) for names in together.values()]


def is_apart(scenario: Scenario) -> bool:
    """Whether it does something to people that it does not know."""
    return bool(scenario.file.coverage_holes) or any(fault.wearer is None for fault in scenario.file.faults)


def merged(name: str, parts: Sequence[Scenario]) -> Scenario:
    """One scenario of all people, faults, orders and expectations. They must have been put together by `bundles`."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0].file
    update = {
        "name": name,
        "people": [p for part in parts for p in part.file.people],
        "faults": [f for part in parts for f in part.file.faults],
        "orders": [o for part in parts for o in part.file.orders],
        "expect": [e for part in parts for e in part.file.expect],
    }
    return Scenario(name, first.model_copy(update=update))
