"""A rig that is open: one attribute a capability, None where it has none."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from hil_tests.rigs.capabilities import (
    Battery,
    Board,
    Case,
    Charger,
    Clock,
    Console,
    Core,
    Flash,
    Gnss,
    Mains,
    Network,
    Power,
    Radio,
    Releases,
    Store,
    Strap,
    Wake,
    Zone,
)


@dataclass
class Rig:
    """Tests take attributes for given that they have named with `needs`; so none of them is Optional here."""

    name: str = ""
    clock: Clock = None  # type: ignore[assignment]
    store: Store = None  # type: ignore[assignment]
    gnss: Gnss = None  # type: ignore[assignment]
    wake: Wake = None  # type: ignore[assignment]
    radio: Radio = None  # type: ignore[assignment]
    strap: Strap = None  # type: ignore[assignment]
    case: Case = None  # type: ignore[assignment]
    mains: Mains = None  # type: ignore[assignment]
    charger: Charger = None  # type: ignore[assignment]
    battery: Battery = None  # type: ignore[assignment]
    network: Network = None  # type: ignore[assignment]
    power: Power = None  # type: ignore[assignment]
    flash: Flash = None  # type: ignore[assignment]
    zone: Zone = None  # type: ignore[assignment]
    console: Console = None  # type: ignore[assignment]
    board: Board = None  # type: ignore[assignment]
    releases: Releases = None  # type: ignore[assignment]
    core: Core = None  # type: ignore[assignment]
    note: Callable[..., None] = lambda what, **about: None
    """A line in the test's log of steps."""

    def has(self) -> set[str]:
        found = {
            field.name for field in fields(self) if field.name not in ("name", "note") and getattr(self, field.name) is not None
        }
        return found | ({"virtual"} if self.clock is not None and self.clock.is_virtual else set())
