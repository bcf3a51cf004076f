"""The simulated world: a town, its people, their days, the sky above and the air between; plain functions of time and seed.

May import the standard library and shapely, nothing of ours. Start at `world.World`; a scenario file becomes a
`spec.WorldSpec` in `sim.scenario`. `town` (with `layout`, `buildings`, `streets`) is the map, `wearer` (with `motion`) the
people, `gnss` (with `sky`, `sentences`) the receiver, `trouble` what is done to it, `radio` and `cellular` the links, `energy`
what parts draw, `hashing` the randomness, `plane` metres and degrees.
"""

from .cellular import Cellular
from .gnss import Receiver
from .radio import max_range_m, rssi_dbm
from .spec import Charging, CoverageHole, Deviation, Person, PhysicalEvent, Stop, Trip, Trouble, WorldSpec
from .town import Place, Town, build_town
from .trouble import Reception
from .wearer import Truth, Wearer
from .world import HomeUnit, World

__all__ = [
    "Cellular",
    "Charging",
    "CoverageHole",
    "Deviation",
    "HomeUnit",
    "Person",
    "PhysicalEvent",
    "Place",
    "Receiver",
    "Reception",
    "Stop",
    "Town",
    "Trip",
    "Trouble",
    "Truth",
    "Wearer",
    "World",
    "WorldSpec",
    "build_town",
    "max_range_m",
    "rssi_dbm",
]
