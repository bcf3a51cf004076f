"""Made-up takes: a store that a test has written, a real world, and arrivals that the test decides."""

import struct
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from bridge.store import schema
from bridge.store.opening import open_store
from firmware.core import ident
from sim.scenario import Scenario
from sim.suite.requirements import scenario_of
from sim.suite.take import Take


class MadeUp:
    """A take of a requirement's scenario as it is written, with nothing in the store yet."""

    def __init__(self, folder: Path, name: str, scenario: Scenario | None = None) -> None:
        self.scenario = scenario or scenario_of(name)
        self.engine = open_store(folder / "store.db")
        self.take = Take(self.scenario, self.scenario.world(), self.engine, {}, self.scenario.until_ms, 512 * 1024)
        self._seqs: dict[str, int] = {}
        self._findings = 0
        with self.engine.begin() as connection:
            for p in self.scenario.file.people:
                connection.execute(insert(schema.wearer).values(wearer_id=p.id, name=p.name))
                for device in (p.tag, p.home_unit):
                    if device is not None and device not in self._seqs:
                        kind = "tag" if device.startswith("tag") else "hmu"
                        values = {"device_id": ident.parse_device_name(device), "name": device, "kind": kind, "shard": "0"}
                        connection.execute(insert(schema.device).values(values))
                        self._seqs[device] = 0

    def record(self, device: str, t_ms: int, arrived_ms: int | None = None, **columns: Any) -> int:
        """A record of a device; its number. It is at the bridge at once unless told otherwise."""
        self._seqs[device] += 1
        seq = columns.pop("seq", self._seqs[device])
        at_ms = self.scenario.start_utc_ms + t_ms
        device_id = ident.parse_device_name(device)
        values = {"device_id": device_id, "seq": seq, "raw": struct.pack("<I28x", seq), "flags": 0, "mode": 0}
        values |= {"at_ms": at_ms, "received_ms": at_ms, "kind": 2, **columns}
        with self.engine.begin() as connection:
            connection.execute(insert(schema.record).values(values))
        self.take.arrivals[device_id, seq] = t_ms if arrived_ms is None else arrived_ms
        return seq

    def fix(self, who: str, t_ms: int, off_m: float = 0.0, radius_m: float | None = 10.0, arrived_ms: int | None = None) -> int:
        """A fix so far north of the truth."""
        truth = self.take.truth(who, t_ms)
        lat = truth.lat + off_m / 111_195
        radius = None if radius_m is None else round(radius_m * 10)
        columns = {"kind": 1, "lat_e7": round(lat * 1e7), "lon_e7": round(truth.lon * 1e7), "radius_dm": radius}
        return self.record(self.take.person(who).tag, t_ms, arrived_ms, **columns)

    def finding(self, who: str, kind: str, t_ms: int, of: str | None = None, seq: int | None = None, **more: Any) -> None:
        """What the rules found, `of` which device's record; `late` and the keys of its detail are in `more`."""
        self._findings += 1
        at_ms = self.scenario.start_utc_ms + t_ms
        late = more.pop("late", False)
        values = {
            "wearer_id": who, "device_id": None if of is None else ident.parse_device_name(of), "seq": seq, "kind": kind,
            "at_ms": at_ms, "received_ms": at_ms, "late": late, "superseded": False, "detail": more,
            "dedupe": f"{who}:{kind}:{self._findings}",
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(schema.event).values(values))

    def live(self, who: str, **columns: Any) -> None:
        tag_id = ident.parse_device_name(self.take.person(who).tag)
        with self.engine.begin() as connection:
            connection.execute(insert(schema.live).values(wearer_id=who, tag_id=tag_id, **columns))

    def done(self, who: str, what: str) -> int:
        return self.take.done_ms(who, what)[0]
