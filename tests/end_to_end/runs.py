"""Whole runs for tests: a scenario beside this file, run in a folder of its own, and what its store and its flash hold then."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bridge.ingest import Inbound
from bridge.keys import Keyring
from bridge.provisioning import KEY_ID
from firmware.core import ident, message, record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import read_all
from sim.engine.folder import SHARD, RunFolder
from sim.engine.run import Options, Run
from sim.engine.summary import Summary
from sim.scenario import Scenario, load
from tests.brokers import BROKERS

HERE = Path(__file__).parent
ERRAND = HERE / "errand.yaml"
_FLASH_BLOCK = 4096


class Event(NamedTuple):
    wearer: str
    kind: str
    t_ms: int  # virtual
    device_id: int | None
    seq: int | None


@dataclass
class Outcome:
    """A run that is over. `made_by`: how many records each device's flash said it had made as the scenario ended."""

    run: Run
    summary: Summary
    made_by: dict[int, int]

    @property
    def folder(self) -> Path:
        return self.run.folder.path

    def rows(self, statement: str, *values: Any) -> list[tuple]:
        with closing(sqlite3.connect(self.run.folder.store)) as store:
            return store.execute(statement, values).fetchall()

    def stored(self) -> dict[int, dict[int, bytes]]:
        """device → sequence → the 32 bytes."""
        out: dict[int, dict[int, bytes]] = defaultdict(dict)
        for device, seq, raw in self.rows("select device_id, seq, raw from record order by id"):
            assert seq not in out[device], "stored twice"
            out[device][seq] = raw
        return out

    def flash(self) -> dict[int, dict[int, bytes]]:
        """device → sequence → the 32 bytes, as the devices' own flash images hold them."""
        return {device.device_id: flash_records(device.folder) for device in self.run.kernel.devices}

    def events(self, *, superseded: bool = False) -> list[Event]:
        """In order of wearer and time; those that a later record took back only when asked for."""
        start = self.run.world.start_utc_ms
        rows = self.rows(
            "select wearer_id, kind, at_ms, device_id, seq from event where superseded <= ? order by wearer_id, at_ms, id",
            superseded,
        )
        return [Event(wearer, kind, at_ms - start, device, seq) for wearer, kind, at_ms, device, seq in rows]

    def times_ms(self, wearer: str, kind: str) -> list[int]:
        return [event.t_ms for event in self.events() if (event.wearer, event.kind) == (wearer, kind)]

    def records_of(self, name: str) -> list[record.Record]:
        stored = self.stored()[ident.parse_device_name(name)]
        return [record.Record(raw) for _, raw in sorted(stored.items())]


def flash_records(folder: Path) -> dict[int, bytes]:
    """sequence → the 32 bytes that a device's flash holds."""
    path = folder / "journal.flash"
    flash = FileDevice(str(path), path.stat().st_size // _FLASH_BLOCK)
    try:
        return {record.seq_of(raw): raw for raw in read_all(flash)}
    finally:
        flash.close()


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    return Scenario(scenario.path, scenario.file.model_copy(update={"seed": seed}))


def make_run(
    folder: Path,
    scenario: Scenario,
    *,
    kind: str = "nats",
    speed: float = 0.0,
    until_ms: int | None = None,
    tls: bool = False,
    **more: Any,
) -> Run:
    """A run over a broker of the kind, without a console. Not yet started: it is a context manager."""

    def broker(path: Path, port: int, users: list) -> Any:
        return BROKERS[kind](path / "broker", port, users)

    options = Options(until_ms=until_ms or scenario.until_ms, speed=speed, tls=tls)
    return Run(scenario, RunFolder(folder), options, make_broker=broker, **more)


def run_scenario(
    folder: Path,
    *,
    scenario: Scenario | None = None,
    tick: Callable[[Run], None] = lambda run: None,
    around: Callable[[Run], Any] | None = None,
    **options: Any,
) -> Outcome:
    """Run to the end and sum up. `around(run)` gives a context manager that is entered while the scenario lasts."""
    with make_run(folder, scenario or load(ERRAND), **options) as run:
        if around is None:
            run.live(tick)
        else:
            with around(run):
                run.live(tick)
        made_by = run.made()
        return Outcome(run, run.finish(tick), made_by)


def sealed_messages(run: Run, stored: dict[int, dict[int, bytes]]) -> list[Inbound]:
    """The records again, sealed as their devices would and without any trouble on the way: device by device, in order."""
    keyring = Keyring(run.folder.fleet_key)
    out = []
    for device, records in sorted(stored.items()):
        seqs = sorted(records)
        for at in range(0, len(seqs), 32):
            part = seqs[at : at + 32]
            body = b"".join(records[seq] for seq in part)
            sealed = keyring.seal(message.RECORDS, device, KEY_ID, part[0], len(part), body)
            out.append(Inbound(ident.topic(SHARD, ident.device_name(device), ident.UP), sealed))
    return out
