"""The `sim` rig: one tag in the simulator, with broker, bridge and home unit around it, in virtual time.

The world is a bench: nobody moves. The test's hands are on the strap, on the receiver, in the air and on the power.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from firmware.core.blockdev import FileDevice
from firmware.core.ident import parse_device_name
from firmware.core.journal import read_all
from firmware.core.record import Record, seq_of
from hil_tests.rigs.cores import HostCore
from hil_tests.rigs.flashed import FlashedTag
from hil_tests.rigs.ptyboard import PtyBoard
from hil_tests.rigs.reading import records
from hil_tests.rigs.rig import Rig
from hil_tests.rigs.sky import BenchSky
from hil_tests.steps import Steps
from sim.control.acts import Act
from sim.engine.circuit.inputs import Level
from sim.engine.circuit.receiver import ReceiverChip
from sim.engine.circuit.tag import GNSS_UART, TagCircuit
from sim.engine.device import Device
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.scenario import load
from sim.world import World

TAG, UNIT, WEARER = "tag-000001", "hmu-000001", "bench"
_FLASH_BLOCK = 4096
_OFF_MS = 1_000  # how long a power cut lasts


class _World(World):
    """A world with an attenuator between tags and home units."""

    attenuation_db = 0.0

    def tag_to_home_unit_dbm(self, tag: str, home_unit: str, tx_power_dbm: float, t_ms: int) -> float | None:
        return super().tag_to_home_unit_dbm(tag, home_unit, tx_power_dbm - self.attenuation_db, t_ms)


class _Circuit(TagCircuit):
    """A tag with a supply on the bench in place of its cell, once the test has set one."""

    supply_mv: int | None = None

    def _microvolts(self, t_ms: int) -> int:
        lasts = super()._microvolts(t_ms)
        return lasts if self.supply_mv is None else self.supply_mv * 1000 // 2  # the board's divider


class _Chip(ReceiverChip):
    """The receiver on the tag's port, under the bench's sky."""

    def __init__(self, device: Device, start_utc_ms: int) -> None:
        self.bench_sky = BenchSky(device.device_id)
        self._start_utc_ms = start_utc_ms
        super().__init__(device, GNSS_UART, self)

    def epoch(self, t_ms: int, on_since_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        start = self._start_utc_ms
        return self.bench_sky.epoch(start + t_ms, start + on_since_ms, last_fix_age_ms)


class SimRig:
    """A context manager that gives a `Rig`. The device under test is tag-000001, fresh from its bench; when a `board` alone is
    wanted, one on a pseudo-terminal with nothing on it."""

    def __init__(self, folder: Path, steps: Steps, wanted: frozenset[str]) -> None:
        self._folder, self._steps, self._wanted = folder / "rig", steps, wanted

    def __enter__(self) -> Rig:
        if self._wanted == {"core"}:
            self._stack = ExitStack()
            return Rig("sim", core=HostCore())
        if self._wanted == {"board"}:
            self._stack = ExitStack()
            return Rig("sim", board=self._stack.enter_context(PtyBoard(self._folder, self._steps)))
        with ExitStack() as stack:
            releases = FlashedTag(self._folder) if "releases" in self._wanted else None
            self._hands = hands = _Hands(self._folder, self._steps, releases)
            stack.enter_context(hands.run)
            hands.started()
            self._stack = stack.pop_all()
        self._steps.now_ms = lambda: hands.now_ms
        if releases is not None:
            releases.run = hands.run
        parts = {name: _PARTS[name](hands) for name in _PARTS}
        return Rig("sim", zone=hands.zone, releases=releases, **parts)  # type: ignore[arg-type]

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class _Zone:
    def __init__(self, lat: float, lon: float, radius_m: float) -> None:
        self.lat_e7, self.lon_e7, self.radius_m = round(lat * 1e7), round(lon * 1e7), round(radius_m)


class _Hands:
    """The run, and what all parts of the rig share."""

    circuit: _Circuit
    chip: _Chip

    def __init__(self, folder: Path, steps: Steps, releases: FlashedTag | None) -> None:
        def circuit(device: Device, world: World) -> TagCircuit:
            self.chip = _Chip(device, world.start_utc_ms)
            self.circuit = _Circuit(device, world, self.chip)
            return self.circuit

        scenario = load(Path(__file__).with_name("bench.yaml"))
        options = Options(until_ms=scenario.until_ms, shows_town=False)
        run_folder = RunFolder(folder) if releases is None else releases.run_folder(folder)
        self.run = Run(scenario, run_folder, options, make_tag=circuit)
        self.run.world = self.world = _World(scenario)
        self.steps = steps
        self.now_ms = 0
        (circle,) = [condition.circle for condition in scenario.file.people[0].conditions if condition.kind == "exclusion"]
        assert circle is not None
        self.zone = _Zone(circle.lat, circle.lon, circle.radius_m)

    def started(self) -> None:
        self.tag = next(device for device in self.run.kernel.devices if device.name == TAG)

    def advance(self, ms: int) -> None:
        assert self.run.services is not None
        self.now_ms += ms
        self.run.kernel.run_to(self.now_ms, self.run.services.watch)

    def set(self, what: str, pin: Level, level: int) -> int:
        at_ms = self.now_ms + 1
        self.steps.note(what)
        pin.set(at_ms, level)
        self.run.kernel.changed(self.tag)
        return at_ms

    def act(self, what: str) -> int:
        """An act of the simulator's control, done to the bench's wearer."""
        at_ms = self.now_ms + 1
        self.steps.note(what)
        assert self.run.part is not None
        self.run.part.do(Act(at_ms, what, WEARER))
        return at_ms


class _Part:
    def __init__(self, hands: _Hands) -> None:
        self._hands = hands


class _Clock(_Part):
    is_virtual = True

    @property
    def now_ms(self) -> int:
        return self._hands.now_ms

    def advance(self, ms: int) -> None:
        self._hands.advance(ms)

    def utc_ms(self, now_ms: int) -> int:
        return self._hands.world.start_utc_ms + now_ms


class _Store(_Part):
    def stored(self) -> list[Record]:
        assert self._hands.run.engine is not None
        return records(self._hands.run.engine, parse_device_name(TAG))

    def of_unit(self) -> list[Record]:
        assert self._hands.run.engine is not None
        return records(self._hands.run.engine, parse_device_name(UNIT))


class _Gnss(_Part):
    def inject(self, lat_e7: int, lon_e7: int) -> None:
        self._hands.steps.note("inject", lat_e7=lat_e7, lon_e7=lon_e7)
        self._hands.chip.bench_sky.position = lat_e7, lon_e7

    def no_fix(self) -> None:
        self._hands.steps.note("no fix")
        self._hands.chip.bench_sky.position = None


class _Wake(_Part):
    @property
    def receiver_is_on(self) -> bool:
        return self._hands.chip.is_on


class _Radio(_Part):
    def attenuate(self, db: float) -> None:
        self._hands.steps.note("attenuate", db=db)
        self._hands.world.attenuation_db = db


class _Strap(_Part):
    def cut(self) -> int:
        return self._hands.set("strap cut", self._hands.circuit.strap, 1)

    def close(self) -> int:
        return self._hands.set("strap closed", self._hands.circuit.strap, 0)


class _Case(_Part):
    def open(self) -> int:
        return self._hands.set("case opened", self._hands.circuit.case, 1)

    def close(self) -> int:
        return self._hands.set("case closed", self._hands.circuit.case, 0)


class _Mains(_Part):
    def lose(self) -> int:
        return self._hands.act("mains_off")

    def restore(self) -> int:
        return self._hands.act("mains_on")


class _Charger(_Part):
    def plug(self) -> int:
        return self._hands.act("charger_on")

    def unplug(self) -> int:
        return self._hands.act("charger_off")


class _Network(_Part):
    def lose(self) -> int:
        return self._hands.act("coverage_lost")

    def restore(self) -> int:
        return self._hands.act("coverage_lost_over")


class _Battery(_Part):
    def set_millivolts(self, millivolts: int) -> None:
        self._hands.steps.note("battery", mv=millivolts)
        self._hands.circuit.supply_mv = millivolts


class _Power(_Part):
    def cut(self) -> int:
        at_ms = self._hands.act("tag_off")
        self._hands.advance(_OFF_MS)
        self._hands.act("tag_on")
        return at_ms


class _Flash(_Part):
    def held(self) -> dict[int, bytes]:
        path = self._hands.tag.folder / "journal.flash"
        flash = FileDevice(str(path), path.stat().st_size // _FLASH_BLOCK)
        try:
            return {seq_of(raw): raw for raw in read_all(flash)}
        finally:
            flash.close()


_PARTS: dict[str, Any] = {
    "clock": _Clock, "store": _Store, "gnss": _Gnss, "wake": _Wake, "radio": _Radio, "strap": _Strap, "case": _Case,
    "mains": _Mains, "charger": _Charger, "network": _Network, "battery": _Battery, "power": _Power, "flash": _Flash,
}  # fmt: skip
HAS = frozenset(_PARTS) | {"zone", "virtual", "board", "releases", "core"}
