"""An act, done to a world. One function, so that every process that has a copy of the world does the same to it."""

from typing import Any, cast

from sim.control.acts import EVENTS, OVER, Act
from sim.scenario.checks import UNIT_EVENTS
from sim.scenario.faults import trouble_of
from sim.scenario.models import Fault
from sim.world.overlay import FOR_EVER_MS, Overlay
from sim.world.spec import PhysicalEvent, TroubleKind
from sim.world.world import World

_TROUBLES = TroubleKind.__args__  # type: ignore[attr-defined]

_NETWORK = ("coverage_lost", "home_network_lost", "shield", "modem_dead")


def is_worldly(act: Act) -> bool:
    """Whether it changes the world; what is left is done to programs and networks (`sim.engine.faults`)."""
    kind = act.what.removesuffix(OVER)
    return act.what in EVENTS or act.what in ("moved", "let_go") or kind in _TROUBLES or kind == "coverage_lost"


def takes_the_network(act: Act) -> bool:
    """Whether it leaves devices without a network, until another act gives it back."""
    return act.what in _NETWORK


def gives_the_network(act: Act) -> bool:
    return act.what.removesuffix(OVER) in _NETWORK


def is_about_homes(act: Act) -> bool:
    """Whether its network is that of a home, and not of a tag."""
    return act.what.removesuffix(OVER) == "home_network_lost"


def do(act: Act, world: World, overlay: Overlay) -> None:
    """Change the world as it is from `act.at_ms` on. Nobody may have asked it about that time yet, or must ask again."""
    t_ms, what, wearer, values = act.at_ms, act.what, act.wearer, cast(dict[str, Any], act.values)
    kind = what.removesuffix(OVER)
    if what in EVENTS and wearer is not None:
        person = world.wearers[wearer]
        device = person.home_unit if what.startswith(UNIT_EVENTS) else person.tag
        overlay.happen(wearer, PhysicalEvent(t_ms, device or "", cast(Any, what)))
    elif what == "moved" and wearer is not None:
        overlay.put(wearer, t_ms, values["lat"], values["lon"])
    elif what == "let_go" and wearer is not None:
        overlay.let_go(wearer, t_ms, values.get("by", "walk"))
    elif what == "coverage_lost":
        overlay.lose_coverage(wearer, t_ms)
    elif kind == "coverage_lost":
        overlay.restore_coverage(wearer, t_ms)
    elif what in _TROUBLES:
        fault = Fault.model_validate({**values, "kind": what, "wearer": wearer, "from": "00:00", "until": "23:59"})
        overlay.begin(trouble_of(fault, t_ms, FOR_EVER_MS))
    elif kind in _TROUBLES:
        overlay.end(kind, wearer, t_ms)
