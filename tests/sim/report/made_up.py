"""A run that never was: a folder with a store, as the bridge fills it, and arrivals, as the engine notes them. No device runs."""

from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import insert

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.ingest.columns import COLUMNS, take_apart
from bridge.store import schema
from bridge.store.opening import open_store
from firmware.core import record
from firmware.core.ident import parse_device_name
from sim.engine.expecting import outcomes
from sim.engine.figures import DeviceFigures
from sim.engine.summary import Summary
from sim.report.gather import Story, gather
from sim.scenario import Scenario, load
from sim.world.energy import TAG as TAG_DRAINS
from sim.world.energy import UNIT as UNIT_DRAINS
from tests.tools.commands import DEMO

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TAG, UNIT = "tag-000003", "hmu-000003"


class MadeUp:
    """Jory's day of the demonstration, whose strap is cut at 14:20; what was found of it is for each test to say.

    Times are virtual ms, since 06:00 BST.
    """

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        data = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
        data["people"] = [person for person in data["people"] if person["id"] == "jory"]
        data["expect"] = []
        (folder / "day.yaml").write_text(yaml.safe_dump(data | changes, sort_keys=False), encoding="utf-8")
        self.scenario: Scenario = load(folder / "day.yaml")
        self.engine = open_store(folder / "store.db")
        apply_scheme(self.engine, Scheme.model_validate(self.scenario.to_scheme()))
        self._lines: list[str] = []
        self._seq: dict[str, int] = {}
        self.arrive()

    def close(self) -> None:
        self.engine.dispose()

    def ms(self, moment: str) -> int:
        return self.scenario.moment_ms(moment)

    def fix(self, t_ms: int, lat: float, lon: float, *, name: str = TAG, mode: int = record.MODE_GPS, battery: int = 90) -> int:
        """Its sequence number."""
        raw, (at_s, ms) = bytearray(record.SIZE), divmod(self.scenario.start_utc_ms + t_ms, 1000)
        place = (round(lat * 1e7), round(lon * 1e7))
        return self._keep(
            name, raw, t_ms, lambda seq: record.pack_fix(raw, seq, at_s, mode, ms, *place, 100, 62, 90, 11, 9, battery)
        )

    def told(self, t_ms: int, code: int, *, name: str = TAG, mode: int = record.MODE_GPS, battery: int = 90) -> int:
        """An event record's sequence number."""
        raw, (at_s, ms) = bytearray(record.SIZE), divmod(self.scenario.start_utc_ms + t_ms, 1000)
        return self._keep(name, raw, t_ms, lambda seq: record.pack_event(raw, seq, at_s, mode, ms, code, 0, 0, battery))

    def _keep(self, name: str, raw: bytearray, t_ms: int, pack: Any) -> int:
        seq = self._seq[name] = self._seq.get(name, 0) + 1
        pack(seq)
        facts = take_apart(bytes(raw))
        device_id = parse_device_name(name)
        head = (device_id, facts.seq, bytes(raw), facts.kind, facts.flags, facts.at_ms, facts.boot, facts.quarantine)
        received_ms = self.scenario.start_utc_ms + t_ms
        with self.engine.begin() as connection:
            values = dict(zip(COLUMNS, (*head, *facts.fields, received_ms, None, None), strict=True))
            connection.execute(insert(schema.record).values(values))
        return seq

    def found(self, kind: str, t_ms: int, seq: int | None = None, *, superseded: bool = False, **detail: Any) -> None:
        """An event of Jory's; without a sequence number it follows from no record."""
        at_ms = self.scenario.start_utc_ms + t_ms
        values = dict(
            wearer_id="jory", device_id=None if seq is None else parse_device_name(TAG), seq=seq, kind=kind, at_ms=at_ms,
            received_ms=at_ms, late=False, superseded=superseded, detail=detail, dedupe=f"{kind}/{at_ms}/{seq}",
        )  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(schema.event).values(values))

    def went(self, first: int, last: int, sent_ms: int, latency_ms: int | None = 50, *, name: str = TAG) -> None:
        """Records first..last went up."""
        latency = "" if latency_ms is None else latency_ms
        self._lines.append(f"{name},{parse_device_name(name)},{first},{last},{sent_ms},{latency}\n")
        self.arrive()

    def arrive(self) -> None:
        (self.folder / "arrivals.csv").write_text("".join(self._lines))

    def outcomes(self, ended_ms: int = 18 * HOUR_MS) -> list[Any]:
        return outcomes(self.engine, self.scenario, self.folder, ended_ms, ended_ms)

    def summary(self, ended_ms: int, **changes: Any) -> Summary:
        expected = self.outcomes(ended_ms)
        values: dict[str, Any] = dict(
            scenario=self.scenario.name, seed=self.scenario.seed, simulated_s=ended_ms / 1000, wall_s=12.5, records_made=10,
            records_stored=10, fixes=7, events=3, findings=1, bytes=999, peak_memory_mb=123.4, digest="ab" * 32, device_runs=5,
            holds_expired=0, expected=expected, unmet=[outcome.why for outcome in expected if outcome.met is False],
        )  # fmt: skip
        return Summary(**(values | changes))

    def story(self, ended_ms: int = 18 * HOUR_MS, **changes: Any) -> Story:
        return gather(self.folder, self.scenario, self.summary(ended_ms, **changes), FIGURES)


FIGURES = [
    DeviceFigures(TAG, {state: HOUR_MS for state in TAG_DRAINS.drains}, 0, 8_800, 5_900, 1),
    DeviceFigures(UNIT, {state: HOUR_MS for state in UNIT_DRAINS.drains}, 17 * HOUR_MS, 7_100, 5_100, 1),
]


def a_day(made: MadeUp) -> None:
    """A morning at home, a fix each ten minutes while he is out, and the strap."""
    world = made.scenario.world()
    boot = made.told(0, record.BOOT, mode=record.MODE_RF, battery=97)
    made.went(boot, boot, 2_000)
    made.found("presence", 40_000, boot, presence="home", by="home_unit")
    out_ms = made.ms("10:30")
    for t_ms in range(out_ms, made.ms("14:20"), 10 * MINUTE_MS):
        truth = world.truth("jory", t_ms)
        seq = made.fix(t_ms, truth.lat, truth.lon, battery=96 - (t_ms - out_ms) // HOUR_MS)
        made.went(seq, seq, t_ms + 1_000)
        if t_ms == out_ms:
            made.found("presence", t_ms, seq, presence="not_home", by="fix")
    cut = made.told(made.ms("14:20"), record.STRAP_CUT)
    made.went(cut, cut, made.ms("14:20") + 900, 80)
    made.found("strap_cut", made.ms("14:20"), cut, loop_mv=0)
    made.found("spoofed", made.ms("14:00"), cut, superseded=True)
    made.found("late_home", made.ms("21:05"), curfew="Nights")
    for hour in range(18):
        made.told(hour * HOUR_MS, record.STATUS, name=UNIT, mode=record.MODE_UNKNOWN, battery=100)
    made.went(1, 18, 17 * HOUR_MS, name=UNIT)
