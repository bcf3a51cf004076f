"""What a run came to, read from the store and from the devices' flash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from bridge.store import queries
from bridge.store.schema import declined, event, record, rules_cursor
from firmware.core.blockdev import FileDevice
from firmware.core.journal import made
from sim.scenario import Expectation, Scenario

# The kinds of event that ask something of an officer; the others tell what is.
FINDINGS = (
    "late_home", "strap_cut", "zone_entered", "battery_low", "mains_lost", "case_opened", "shielded", "jammed", "spoofed",
    "motion_no_fix", "receiver_dead", "modem_dead", "unit_silent", "comms_lost", "moved",
)  # fmt: skip
_BLOCK = 4096
_FOR_EVER_MS = 1 << 61


@dataclass
class Summary:
    """What a run came to. Times in seconds, memory in MiB; `digest` as `bridge.store.queries.digest` makes it."""

    scenario: str
    seed: int
    simulated_s: float
    wall_s: float
    records_made: int
    records_stored: int
    fixes: int
    events: int
    findings: int
    bytes: int
    peak_memory_mb: float
    digest: str
    device_runs: int
    holds_expired: int
    crashes: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Everything made is stored, nothing crashed, and the scenario's expectations hold."""
        return self.records_made == self.records_stored and not self.crashes and not self.unmet

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def records_made(folder: Path) -> int:
    """How many records a device has made, by the flash in its folder."""
    path = folder / "journal.flash"
    if not path.exists():
        return 0
    flash = FileDevice(str(path), path.stat().st_size // _BLOCK)
    try:
        return made(flash)
    finally:
        flash.close()


def stored(engine: Engine, made_by: Mapping[int, int]) -> int:
    """How many of the records that each device (by id) had made are in the store, or were declined there: nobody wore it then."""
    total = 0
    with engine.connect() as connection:
        for device_id, last in made_by.items():
            statement = select(func.count()).select_from(record).where(record.c.device_id == device_id, record.c.seq <= last)
            total += connection.execute(statement).scalar_one()
            ranges = select(declined.c.first, declined.c.last).where(declined.c.device_id == device_id)
            total += sum(max(0, min(end, last) - first + 1) for first, end in connection.execute(ranges))
    return total


def is_judged(engine: Engine) -> bool:
    """Whether the bridge's rules have seen the newest record."""
    with engine.connect() as connection:
        newest = connection.execute(select(func.max(record.c.id))).scalar() or 0
        seen = connection.execute(select(func.max(rules_cursor.c.record_id))).scalar() or 0
    return seen >= newest


def stored_figures(engine: Engine, made_by: Mapping[int, int]) -> dict[str, Any]:
    """The fields of a Summary that come from the store alone."""
    with engine.connect() as connection:
        counts = queries.counts(connection)
        asking = select(func.count()).select_from(event).where(event.c.kind.in_(FINDINGS), event.c.superseded.is_(False))
        return {
            "fixes": counts["fixes"],
            "events": counts["events"],
            "findings": connection.execute(asking).scalar_one(),
            "digest": queries.digest(connection, made_by),
        }


def unmet(engine: Engine, scenario: Scenario, ended_ms: int, settled_ms: int) -> list[str]:
    """The scenario's expectations that lie within what was simulated and do not hold, in words."""
    out = []
    for e in scenario.expect:
        if not e.never and ended_ms < e.until_ms < _FOR_EVER_MS:
            continue
        found = _count(engine, e, scenario.start_utc_ms, settled_ms)
        if e.never and found:
            out.append(f"{e.wearer_id}: {e.kind} must not be found, but was, {found} times")
        elif not e.never and not found:
            first, last = (scenario.local_time(t).strftime("%H:%M:%S") for t in (e.from_ms, min(e.until_ms, ended_ms)))
            out.append(f"{e.wearer_id}: {e.kind} must be found between {first} and {last}, but was not")
    return out


def _count(engine: Engine, e: Expectation, start_ms: int, settled_ms: int) -> int:
    statement = (
        select(func.count())
        .select_from(event)
        .where(
            event.c.wearer_id == e.wearer_id,
            event.c.kind == e.kind,
            event.c.superseded.is_(False),
            event.c.at_ms >= start_ms + e.from_ms,
            event.c.at_ms <= start_ms + min(e.until_ms, settled_ms),
        )
    )
    with engine.connect() as connection:
        return connection.execute(statement).scalar_one()
