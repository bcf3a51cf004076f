"""A take: one run of one requirement's scenario as its measure sees it. Times are virtual ms, distances metres."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from bridge.store import schema
from firmware.core import ident, record
from sim.engine.summary import FINDINGS
from sim.scenario import Scenario
from sim.scenario.models.people import Person
from sim.suite.arrivals import BRIDGE_MS, Arrivals
from sim.world import World
from sim.world.wearer import Truth

_FINDINGS = frozenset(FINDINGS)


class Fix(NamedTuple):
    """As stored. `radius_m` None: it says none."""

    seq: int
    t_ms: int
    lat: float
    lon: float
    radius_m: float | None


class Event(NamedTuple):
    """A record of something that happened, as stored."""

    seq: int
    t_ms: int
    code: int
    a: int
    b: int
    battery: int | None


class Finding(NamedTuple):
    """What the rules found; of which record, if of one."""

    wearer: str
    kind: str
    t_ms: int
    device_id: int | None
    seq: int | None
    late: bool
    detail: dict[str, Any]


@dataclass
class Take:
    """`scenario` is the requirement's own, as the seed has it; `world` may hold more people. `journal_bytes`: of a tag."""

    scenario: Scenario
    world: World
    engine: Engine
    arrivals: Arrivals
    ended_ms: int
    journal_bytes: int = 0

    @property
    def people(self) -> list[Person]:
        return self.scenario.file.people

    def person(self, who: str) -> Person:
        return next(p for p in self.people if p.id == who)

    @property
    def wearer_days(self) -> float:
        return len(self.people) * self.ended_ms / 86_400_000

    def moment_ms(self, text: str) -> int:
        return self.scenario.moment_ms(text)

    def done_ms(self, who: str, what: str) -> list[int]:
        """When this was done to the person's devices by hand."""
        return [self.moment_ms(e.at) for e in self.person(who).events if e.what == what]

    def trouble_ms(self, who: str, kind: str) -> list[tuple[int, int]]:
        """From when until when the person had this fault."""
        faults = [f for f in self.scenario.file.faults if f.kind == kind and f.wearer == who]
        return [(self.moment_ms(f.start), self.moment_ms(f.end)) for f in faults if f.start is not None and f.end is not None]

    # The store

    def fixes(self, who: str) -> list[Fix]:
        """The fixes of the person's tag that may be shown, by time."""
        rows = self._records(self.person(who).tag, record.FIX)
        return [
            Fix(r.seq, self._virtual(r.at_ms), r.lat_e7 / 1e7, r.lon_e7 / 1e7, None if r.radius_dm is None else r.radius_dm / 10)
            for r in rows
        ]

    def events(self, device: str, *codes: int) -> list[Event]:
        """A device's records of these codes (or of all), by time."""
        rows = self._records(device, record.EVENT)
        out = [Event(r.seq, self._virtual(r.at_ms), r.code, r.value_a or 0, r.value_b or 0, r.battery) for r in rows]
        return [each for each in out if not codes or each.code in codes]

    def findings(self, who: str, *kinds: str) -> list[Finding]:
        """What stands found of a person, by time."""
        table = schema.event
        statement = (
            select(table).where(table.c.wearer_id == who, table.c.superseded.is_(False)).order_by(table.c.at_ms, table.c.id)
        )
        with self.engine.connect() as connection:
            rows = connection.execute(statement).all()
        out = [
            Finding(r.wearer_id, r.kind, self._virtual(r.at_ms), r.device_id, r.seq, bool(r.late), dict(r.detail)) for r in rows
        ]
        return [each for each in out if not kinds or each.kind in kinds]

    def live(self, who: str) -> dict[str, Any]:
        """What is known last of a person; empty when nothing is."""
        with self.engine.connect() as connection:
            row = connection.execute(select(schema.live).where(schema.live.c.wearer_id == who)).first()
        return {} if row is None else dict(row._mapping)

    def rows(self, statement: Any) -> Sequence[Any]:
        with self.engine.connect() as connection:
            return connection.execute(statement).all()

    def _records(self, device: str, kind: int) -> Sequence[Any]:
        table = schema.record
        statement = select(table).where(
            table.c.device_id == ident.parse_device_name(device),
            table.c.kind == kind,
            table.c.at_ms.is_not(None),
            table.c.quarantine.is_(None),
        )
        return self.rows(statement.order_by(table.c.at_ms, table.c.seq))

    def _virtual(self, at_ms: int) -> int:
        return at_ms - self.scenario.start_utc_ms

    # Arrivals

    def arrived_ms(self, device: str | int | None, seq: int | None) -> int | None:
        """When a record reached the bridge; None when it never did, or nobody saw it."""
        device_id = ident.parse_device_name(device) if isinstance(device, str) else device
        return None if device_id is None or seq is None else self.arrivals.get((device_id, seq))

    def shown_ms(self, found: Finding) -> int | None:
        """When a finding that follows from a record can be on a console."""
        arrived = self.arrived_ms(found.device_id, found.seq)
        return None if arrived is None else arrived + BRIDGE_MS

    # The truth

    def truth(self, who: str, t_ms: int) -> Truth:
        """Where the tag really is."""
        return self.world.truth(who, t_ms)

    def apart_m(self, a: tuple[float, float], b: tuple[float, float]) -> float:
        """Between two places, latitude and longitude."""
        plane = self.world.town.plane
        return math.dist(plane.to_xy(*a), plane.to_xy(*b))

    def miss_m(self, who: str, fix: Fix) -> float:
        """How far a fix is from the truth."""
        truth = self.truth(who, fix.t_ms)
        return self.apart_m((truth.lat, truth.lon), (fix.lat, fix.lon))

    # Expectations

    def missed(self) -> list[str]:
        """What the scenario expects and is not found, in words."""
        out = []
        for e in self.scenario.expect:
            if not e.never and not any(e.from_ms <= f.t_ms <= e.until_ms for f in self.findings(e.wearer_id, e.kind)):
                when = self.scenario.local_time(e.from_ms)
                out.append(f"{e.wearer_id}: {e.kind} after {when:%H:%M:%S}")
        return out

    def silent(self) -> list[str]:
        """Devices of which nothing is in the store, in words: who says nothing cannot say anything wrong."""
        rows = self.rows(select(schema.record.c.device_id).distinct())
        heard = {row.device_id for row in rows}
        devices = sorted({name for p in self.people for name in (p.tag, p.home_unit) if name})
        return [f"{name}: nothing heard" for name in devices if ident.parse_device_name(name) not in heard]

    def false(self) -> list[str]:
        """What asks something of an officer, or must never be found, and the scenario does not expect, in words."""
        wanted = [e for e in self.scenario.expect if not e.never]
        never = [e for e in self.scenario.expect if e.never]
        out = []
        for p in self.people:
            for f in self.findings(p.id):
                if any((e.wearer_id, e.kind) == (p.id, f.kind) and e.from_ms <= f.t_ms <= e.until_ms for e in wanted):
                    continue
                banned = any((e.wearer_id, e.kind) == (p.id, f.kind) and e.from_ms <= f.t_ms <= e.until_ms for e in never)
                if banned or f.kind in _FINDINGS:
                    out.append(f"{p.id}: {f.kind} at {self.scenario.local_time(f.t_ms):%H:%M:%S}")
        return out
