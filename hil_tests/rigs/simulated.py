"""The `sim` rig: one tag in the simulator, with broker, bridge and home unit around it, in virtual time.

The world is a bench: nobody moves. The test's hands are on the strap, on the receiver, in the air and on the power.
"""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from bridge.store import schema
from firmware.core.blockdev import FileDevice
from firmware.core.journal import read_all
from firmware.core.record import Record, seq_of
from sim.engine.circuit.receiver import ReceiverChip
from sim.engine.circuit.tag import GNSS_UART, TagCircuit
from sim.engine.device import Device
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.scenario import load
from sim.world import World

_FLASH_BLOCK = 4096
_E7 = 10_000_000


class BenchSky:
    """A receiver that prints what the test says: position in 1e-7 degrees, or None for no fix."""

    def __init__(self, start_utc_ms: int) -> None:
        self._start_utc_ms = start_utc_ms
        self.position: tuple[int, int] | None = None

    def epoch(self, t_ms: int, on_since_ms: int, last_fix_age_ms: int | None) -> tuple[bytes, bool]:
        at = datetime.fromtimestamp((self._start_utc_ms + t_ms) / 1000, UTC)
        clock, date = f"{at:%H%M%S}.{t_ms % 1000:03}", f"{at:%d%m%y}"
        if self.position is None:
            return _sentence(f"GNRMC,{clock},V,,,,,,,{date},,,N,V") + _sentence(f"GNGGA,{clock},,,,,0,00,25.5,,,,,,"), False
        lat, lon = self.position
        where = f"{_minutes(lat, 2)},{'S' if lat < 0 else 'N'},{_minutes(lon, 3)},{'W' if lon < 0 else 'E'}"
        rmc = _sentence(f"GNRMC,{clock},A,{where},0.00,0.00,{date},,,A,V")
        return rmc + _sentence(f"GNGGA,{clock},{where},1,12,0.8,50.0,M,0.0,M,,"), True


def _minutes(value_e7: int, width: int) -> str:
    degrees, rest = divmod(abs(value_e7), _E7)
    return f"{degrees:0{width}}{rest * 60 / _E7:010.7f}"


def _sentence(body: str) -> bytes:
    checksum = 0
    for byte in body.encode():
        checksum ^= byte
    return f"${body}*{checksum:02X}\r\n".encode()


class _World(World):
    """A world with an attenuator between tags and home units."""

    attenuation_db = 0.0

    def tag_to_home_unit_dbm(self, tag: str, home_unit: str, tx_power_dbm: float, t_ms: int) -> float | None:
        return super().tag_to_home_unit_dbm(tag, home_unit, tx_power_dbm - self.attenuation_db, t_ms)


class SimRig:
    """A context manager. The device under test is tag-000001."""

    _circuit: TagCircuit
    _receiver: ReceiverChip
    _sky: BenchSky

    def __init__(self, folder: Path, policy: dict[str, int] | None = None) -> None:
        def circuit(device: Device, world: World) -> TagCircuit:
            self._sky = BenchSky(world.start_utc_ms)
            self._receiver = ReceiverChip(device, GNSS_UART, self._sky)
            self._circuit = TagCircuit(device, world, self._receiver)
            return self._circuit

        scenario = load(Path(__file__).with_name("bench.yaml"))
        options = Options(until_ms=scenario.until_ms, shows_town=False)
        self._run = Run(scenario, RunFolder(folder / "rig"), options, policy, make_tag=circuit)
        self._run.world = self._world = _World(scenario)
        self._now_ms = 0

    def __enter__(self) -> "SimRig":
        self._run.__enter__()
        self._tag = next(device for device in self._run.kernel.devices if device.name == "tag-000001")
        return self

    def __exit__(self, *_: object) -> None:
        self._run.close()

    # Clock

    @property
    def now_ms(self) -> int:
        return self._now_ms

    def advance(self, ms: int) -> None:
        services = self._run.services
        assert services is not None
        self._now_ms += ms
        self._run.kernel.run_to(self._now_ms, services.watch)

    # Store

    def stored(self) -> list[Record]:
        assert self._run.engine is not None
        statement = select(schema.record.c.raw).where(schema.record.c.device_id == self._tag.device_id)
        with self._run.engine.connect() as connection:
            return [Record(raw) for raw in connection.execute(statement.order_by(schema.record.c.seq)).scalars()]

    def utc_ms(self, now_ms: int) -> int:
        return self._run.world.start_utc_ms + now_ms

    # GNSS

    def inject(self, lat_e7: int, lon_e7: int) -> None:
        self._sky.position = lat_e7, lon_e7

    def no_fix(self) -> None:
        self._sky.position = None

    @property
    def receiver_is_on(self) -> bool:
        return self._receiver.is_on

    # Radio

    def attenuate(self, db: float) -> None:
        self._world.attenuation_db = db

    # Strap

    def cut_strap(self) -> int:
        return self._set_strap(1)

    def close_strap(self) -> int:
        return self._set_strap(0)

    def _set_strap(self, level: int) -> int:
        at_ms = self._now_ms + 1
        self._circuit.strap.set(at_ms, level)
        return at_ms

    # Power

    def cut_power(self) -> None:
        self._tag.process.kill()

    def flash(self) -> dict[int, bytes]:
        path = self._tag.folder / "journal.flash"
        flash = FileDevice(str(path), path.stat().st_size // _FLASH_BLOCK)
        try:
            return {seq_of(raw): raw for raw in read_all(flash)}
        finally:
            flash.close()
