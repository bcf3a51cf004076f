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
from sim.engine.expecting import Outcome, outcomes
from sim.scenario import Scenario

# The kinds of event that ask something of an officer; the others tell what is.
FINDINGS = (
    "late_home", "strap_cut", "zone_entered", "battery_low", "mains_lost", "case_opened", "shielded", "jammed", "spoofed",
    "motion_no_fix", "receiver_dead", "modem_dead", "unit_silent", "comms_lost", "moved",
)  # fmt: skip
_BLOCK = 4096


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
    expected: list[Outcome] = field(default_factory=list)  # of each expectation, in the scenario's order

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


def judged(engine: Engine, scenario: Scenario, folder: Path, ended_ms: int, settled_ms: int) -> dict[str, Any]:
    """The fields of a Summary that tell what became of the scenario's expectations."""
    expected = outcomes(engine, scenario, folder, ended_ms, settled_ms)
    return {"expected": expected, "unmet": [outcome.why for outcome in expected if outcome.met is False]}
