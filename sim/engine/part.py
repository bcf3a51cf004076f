"""A part of a run's households with all that they live in: devices, circuits, air, network and kernel. A worker has one.

Households touch each other only by way of the bridge, so a part lives through its time without the others, and a run's records
do not depend on how many parts there are.
"""

import selectors
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from firmware.core.ident import parse_device_name
from sim.control.acts import Act
from sim.control.doing import do, gives_the_network, is_about_homes, takes_the_network
from sim.engine.air import Air, nobody
from sim.engine.arrivals import Arrivals
from sim.engine.circuit.cell import Cell
from sim.engine.circuit.tag import TagCircuit
from sim.engine.circuit.unit import UnitCircuit
from sim.engine.device import Device
from sim.engine.figures import DeviceFigures
from sim.engine.household import Circuit, Household
from sim.engine.image import Image
from sim.engine.kernel import Kernel
from sim.engine.net import Network
from sim.engine.process import Zygote
from sim.engine.recording import Recordings
from sim.engine.surroundings import Surroundings
from sim.world import World
from sim.world.overlay import Overlay

MakeTag = Callable[[Device, World], TagCircuit]


@dataclass(frozen=True)
class Site:
    """Where a run takes place: its folder, in which each device was provisioned; the broker's port; what devices run."""

    folder: Path
    broker_port: int
    image: Image
    build: str
    scenario: str
    seed: int
    tls: bool
    record: frozenset[str]


def households_of(world: World) -> dict[str, list[str]]:
    """By home unit, or by tag where there is none, the names of its devices: the first tag, its home unit, the other tags."""
    out: dict[str, list[str]] = {}
    for wearer in world.wearers.values():
        unit = wearer.home_unit
        members = out.setdefault(unit or wearer.tag, [])
        members.append(wearer.tag)
        if unit and len(members) == 1:
            members.append(unit)
    return out


def devices_of(world: World, wearer_id: str | None) -> list[str]:
    """A wearer's devices by name; with None, all there are."""
    wearers = world.wearers.values() if wearer_id is None else [world.wearers[wearer_id]]
    tags = [wearer.tag for wearer in wearers]
    return tags + list(dict.fromkeys(wearer.home_unit for wearer in wearers if wearer.home_unit))


class Part:
    """`kernel` and `network` of the households whose names are in `mine`; `overlay` is what was done by hand to its world."""

    def __init__(self, world: World, site: Site, mine: Collection[str], number: int = 0, make_tag: MakeTag = TagCircuit) -> None:
        self._world = world
        self._site = site
        self.overlay = Overlay(world)
        surroundings = Surroundings(world)
        selector = selectors.DefaultSelector()
        self.network = Network(selector, ("127.0.0.1", site.broker_port), world.start_utc_ms, surroundings.latency_ms)
        self.arrivals = Arrivals(site.folder / f"arrivals{number or ''}.csv")
        self.network.on_sent = self.arrivals.note
        self.zygote = Zygote(site.image)
        self._recordings = Recordings(site.folder / "recordings", site.record, site.scenario, site.seed, site.build, site.tls)
        self.kernel = Kernel(selector, self.zygote, self.network)
        bystanders = world.bystanders if world.spec.radio.bystanders_per_min else nobody
        for name, members in households_of(world).items():
            if name not in mine:
                continue
            air = Air(world.seed, surroundings.apart_until_ms, surroundings.rssi_dbm, bystanders)
            devices: list[Device] = []
            circuits: dict[str, Circuit] = {}
            for member in members:
                is_unit = member in world.home_units
                device = self._boot(member, "firmware.hmu" if is_unit else "firmware.tag")
                devices.append(device)
                circuits[member] = UnitCircuit(device, world) if is_unit else make_tag(device, world)
            air.join(devices, lambda device: device.name in world.home_units)
            self.kernel.add(Household(devices, circuits, air, self.network))

    def _boot(self, name: str, application: str) -> Device:
        recorder = self._recordings.of(name, application)
        return Device(name, parse_device_name(name), self._site.folder / "devices" / name, application, self.zygote, recorder)

    def do(self, act: Act) -> None:
        """What somebody does to the world by hand: every device has lived up to the millisecond before it takes effect."""
        do(act, self._world, self.overlay)
        names = set(devices_of(self._world, act.wearer))
        for household in self.kernel.households:
            if any(device.name in names for device in household.devices):
                for circuit in household.circuits.values():
                    circuit.changed(act.at_ms)
                household.forget()
                self.kernel.changed(household.devices[0])
        with_network = [name for name in names if (name in self._world.home_units) == is_about_homes(act)]
        if takes_the_network(act):
            self.network.cut(with_network)
        elif gives_the_network(act):
            self.network.join(with_network, act.at_ms)

    def device_figures(self) -> list[DeviceFigures]:
        """Of every device, up to where it has got to."""
        out = []
        for device in self.kernel.devices:
            cell: Cell = self.kernel.circuit(device.name).cell  # pyright: ignore[reportAttributeAccessIssue]: every board has one
            cell.settle(self.kernel.time_ms)
            traffic = (device.bytes_up, device.bytes_down)
            out.append(DeviceFigures(device.name, dict(cell.ms_on_cell), cell.ms_outside, *traffic, device.lives, device.crashes))
        return out

    def pids(self) -> list[int]:
        """Of the processes that it has started."""
        return [*self.zygote.pids, *(device.process.pid for device in self.kernel.devices if not device.is_off)]

    def close(self) -> None:
        self.network.close()
        self.arrivals.close()
        for device in self.kernel.devices:
            device.process.close()
            if device.recorder is not None:
                device.recorder.close()
        self.zygote.close()
