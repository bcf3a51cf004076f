"""Runs the rules over what is in the store, and writes what they find. Between the pure rules and the store.

What holds:
- Records after the cursor are read, and events, live state, the rules' state and the cursor are written in ONE transaction:
  whenever the process dies, each event is there once.
- Once all records are read, the events that are not `superseded` are what the rules find in the wearer's records folded in order
  of time, whatever order, batches and repetitions they arrived in. Only `received_ms`, `late` and the ids tell of the arrival.
- Records that come late send the wearer's fold back to a checkpoint (one an hour) before them and on again. Events that are then
  not found any more stay, marked `superseded`: somebody may have acted on them.
- Conditions hold from when they are in the store; an event of a condition that was changed or taken away since is left as it is.

The clock runs too: behind the host's time (`wall`) or behind the newest record of anybody (`records`) by CLOCK_BEHIND_MS, so that
records on their way are in before a curfew is judged without them.
"""

import time
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Engine, delete, or_, select, update

from bridge.counts import Counts
from bridge.rules import fold
from bridge.rules.conditions import Conditions, compile_conditions
from bridge.rules.facts import Fact, Finding
from bridge.store import schema
from bridge.store.settings import get_settings
from bridge.store.writing import insert_of

from .case import Case, Read, period_of, read_of
from .crashes import place

CHUNK = 2000  # records in one transaction
LATE_MS = 15 * 60_000  # requirements: a tag that has not reported for longer is listed
CLOCK_BEHIND_MS = 120_000
CHECKPOINT_MS = 3_600_000
_DAY_MS = 86_400_000
_KEEP_HOURLY_MS = 3 * _DAY_MS
_KEEP_DAILY_MS = 60 * _DAY_MS
_KEY = attrgetter("key")

_record = schema.record
_FACT_COLUMNS = [_record.c[name] for name in Fact._fields]


class Findings:
    def __init__(
        self,
        engine: Engine,
        *,
        clock: str = "wall",
        counts: Counts | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._counts = counts or Counts()
        self._now_ms = now_ms
        self._insert = insert_of(engine)
        self._cases: dict[str, Case] = {}
        self._worn_by: dict[int, list[str]] = {}  # device → whose it was ever
        self._compiled_from: object = None

    def run(self) -> bool:
        """Read on, a chunk at most. Whether there may be more."""
        try:
            with self._engine.begin() as connection:
                return self._run(connection)
        except BaseException:
            self._cases.clear()  # what was folded in memory may not be in the store
            self._compiled_from = None
            raise

    def _run(self, connection: Connection) -> bool:
        cursor, dated_cursor = self._cursor(connection)
        self._load_cases(connection)
        wanted = (*_FACT_COLUMNS, _record.c.id, _record.c.received_ms, _record.c.quarantine)
        rows = connection.execute(select(*wanted).where(_record.c.id > cursor).order_by(_record.c.id).limit(CHUNK)).all()
        dated = schema.dated
        again = select(*wanted, dated.c.id.label("dated_id")).join(dated, dated.c.record_id == _record.c.id)
        dated_rows = connection.execute(again.where(dated.c.id > dated_cursor).order_by(dated.c.id).limit(CHUNK)).all()

        redated = {row.id for row in dated_rows}
        news: dict[str, dict[tuple[int, ...], Read]] = {}
        for row in (*rows, *dated_rows):
            for wearer_id in self._worn_by.get(row.device_id, ()):
                self._cases[wearer_id].dirty = True
                if row.at_ms is not None and row.quarantine is None:
                    read = read_of(row)
                    news.setdefault(wearer_id, {})[read.key] = read
        for wearer_id, case in self._cases.items():
            if case.is_new or wearer_id in news:  # of a thousand wearers few have any, each time
                self._take_in(connection, case, sorted(news.get(wearer_id, {}).values(), key=_KEY), redated)
        more = len(rows) == CHUNK or len(dated_rows) == CHUNK
        if not more:
            self._let_the_clock_run(connection)
        self._write(connection)
        if rows or dated_rows:
            state = {"dated_id": dated_rows[-1].dated_id if dated_rows else dated_cursor}
            self._put_cursor(connection, "rules", rows[-1].id if rows else cursor, state)
        return more

    # Reading.

    def _cursor(self, connection: Connection) -> tuple[int, int]:
        table = schema.rules_cursor
        row = connection.execute(select(table).where(table.c.name == "rules")).first()
        return (row.record_id, row.state["dated_id"]) if row else (0, 0)

    def _load_cases(self, connection: Connection) -> None:
        """The wearers with their conditions, compiled anew when anything of them has changed in the store."""
        periods = connection.execute(select(schema.wear_period).order_by(schema.wear_period.c.id)).all()
        specs = connection.execute(select(schema.condition).order_by(schema.condition.c.id)).all()
        timezone = get_settings(connection).get("timezone", "UTC")
        made_from = (periods, specs, timezone)
        if made_from == self._compiled_from:
            return
        cursor = schema.rules_cursor
        stored = {row.name: row.state for row in connection.execute(select(cursor).where(cursor.c.name.like("wearer:%")))}
        self._cases = {}
        periods_of: dict[str, list[Any]] = {}
        for row in periods:
            periods_of.setdefault(row.wearer_id, []).append(row)
        specs_of: dict[str, list[Any]] = {}
        for row in specs:
            specs_of.setdefault(row.wearer_id, []).append(row)
        for wearer_id, his_periods in periods_of.items():
            conditions = compile_conditions(
                wearer_id,
                [period_of(row) for row in his_periods],
                [(row.kind, row.name, row.spec) for row in specs_of.get(wearer_id, ())],
                timezone,
            )
            self._cases[wearer_id] = Case(conditions, stored.get(f"wearer:{wearer_id}"))
        self._worn_by = {}
        for wearer_id, case in self._cases.items():
            for device_id in case.devices:
                self._worn_by.setdefault(device_id, []).append(wearer_id)
        self._compiled_from = made_from

    def _stored_reads(self, connection: Connection, case: Case, from_ms: int) -> list[Read]:
        """All believed facts of the case from a time on, in order."""
        reads: list[Read] = []
        wanted = select(*_FACT_COLUMNS, _record.c.id, _record.c.received_ms).where(_record.c.quarantine.is_(None))
        for device_id in case.devices:
            its = wanted.where(_record.c.device_id == device_id, _record.c.at_ms >= from_ms)
            reads += [read_of(row) for row in connection.execute(its)]
        return sorted(reads, key=_KEY)

    # Folding.

    def _take_in(self, connection: Connection, case: Case, reads: list[Read], redated: set[int]) -> None:
        """Fold what is new. What a refold took in already is left out; not so what had no date then."""
        from_ms, through_id = case.refolded
        reads = [
            read
            for read in reads
            if read.record_id in redated
            or not (read.record_id <= through_id and read.fact.at_ms >= from_ms and read.key <= case.key)
        ]
        if case.is_new:
            self._refold(connection, case, None)
        elif reads and not case.follows(reads[0].fact):
            self._refold(connection, case, reads[0].fact.at_ms)
        else:
            self._put_events(connection, case, self._fold(connection, case, reads))

    def _fold(self, connection: Connection, case: Case, reads: Iterable[Read]) -> list[tuple[Finding, int]]:
        """Fold facts on top of the state; findings with the time at which their reason was received."""
        found: list[tuple[Finding, int]] = []
        case.live = None
        for read in reads:
            hour_ms = read.fact.at_ms // CHECKPOINT_MS * CHECKPOINT_MS
            if case.fold is not None and case.fold["now_ms"] < hour_ms:
                case.fold, findings = fold.advance(case.fold, hour_ms, case.conditions)
                found += [(finding, read.received_ms) for finding in findings]
                if case.fold["now_ms"] == hour_ms:
                    self._put_checkpoint(connection, case, hour_ms)
            case.fold, findings = fold.step(case.fold, read.fact, case.conditions)
            found += [(_named(finding), read.received_ms) for finding in findings]
            case.key = read.key
            case.dirty = True
        return found

    def _refold(self, connection: Connection, case: Case, from_ms: int | None) -> None:
        """Go back to before `from_ms` (None: to the very beginning) and fold all that is stored from there."""
        self._counts.add("refolds")
        table = schema.rules_checkpoint
        his = table.c.wearer_id == case.conditions.wearer_id
        was_ms = case.fold["now_ms"] if case.fold is not None else 0
        checkpoint = None
        if from_ms is not None:
            before = select(table).where(his, table.c.at_ms <= from_ms).order_by(table.c.at_ms.desc()).limit(1)
            checkpoint = connection.execute(before).first()
        since_ms = checkpoint.at_ms if checkpoint is not None else 0
        connection.execute(delete(table).where(his, table.c.at_ms > since_ms))
        case.fold = checkpoint.state if checkpoint is not None else None
        case.key = ()
        case.is_new = False
        reads = self._stored_reads(connection, case, since_ms)
        found = self._fold(connection, case, reads)
        received_ms = max((read.received_ms for read in reads), default=0)
        if case.fold is not None and case.fold["now_ms"] < was_ms:
            case.fold, findings = fold.advance(case.fold, was_ms, case.conditions)
            found += [(finding, received_ms) for finding in findings]
        case.refolded = [since_ms, max((read.record_id for read in reads), default=0)]
        case.dirty = True
        self._replace_events(connection, case, since_ms, found)

    def _let_the_clock_run(self, connection: Connection) -> None:
        folded = [case for case in self._cases.values() if case.fold is not None]
        newest_ms = max((case.key[0] for case in folded if case.key), default=0)
        now_ms = self._now_ms() if self._clock == "wall" else newest_ms
        for case in folded:
            assert case.fold is not None
            state, findings = fold.advance(case.fold, now_ms - CLOCK_BEHIND_MS, case.conditions)
            if state["curfew"] != case.fold["curfew"]:
                self._put_events(connection, case, [(finding, now_ms) for finding in findings])
                case.fold = state  # else it stays where it was: records from before now need no refold
                case.dirty = True
            live = fold.live_of(state)
            case.dirty |= live != case.live
            case.live = live

    # Writing.

    def _event(self, case: Case, finding: Finding, received_ms: int) -> dict[str, Any]:
        wearer_id = case.conditions.wearer_id
        return {
            "wearer_id": wearer_id,
            "device_id": finding.device_id,
            "seq": finding.seq,
            "kind": finding.kind,
            "at_ms": finding.at_ms,
            "received_ms": received_ms,
            "late": received_ms - finding.at_ms > LATE_MS,
            "superseded": False,
            "detail": finding.detail,
            "dedupe": f"{wearer_id}:{finding.dedupe}",
        }

    def _put_events(self, connection: Connection, case: Case, found: list[tuple[Finding, int]]) -> None:
        if found:
            events = [self._event(case, finding, received_ms) for finding, received_ms in found]
            connection.execute(self._insert(schema.event).on_conflict_do_nothing(), events)
            self._counts.add("events", n=len(events))

    def _replace_events(self, connection: Connection, case: Case, since_ms: int, found: list[tuple[Finding, int]]) -> None:
        """Bring the events from a time on into line with what is found now."""
        table = schema.event
        his = select(table).where(table.c.wearer_id == case.conditions.wearer_id, table.c.at_ms >= since_ms)
        stored = {row.dedupe: row for row in connection.execute(his)}
        fresh: list[tuple[Finding, int]] = []
        for finding, received_ms in found:
            row = stored.pop(f"{case.conditions.wearer_id}:{finding.dedupe}", None)
            if row is None:
                fresh.append((finding, received_ms))
            elif row.superseded or (row.at_ms, row.detail) != (finding.at_ms, finding.detail):
                values = {"at_ms": finding.at_ms, "detail": finding.detail, "superseded": False}
                connection.execute(update(table).where(table.c.id == row.id).values(values))
        for row in stored.values():
            if not row.superseded and _is_judged(row, case.conditions):
                connection.execute(update(table).where(table.c.id == row.id).values(superseded=True))
                self._counts.add("superseded")
        self._put_events(connection, case, fresh)

    def _put_checkpoint(self, connection: Connection, case: Case, at_ms: int) -> None:
        table = schema.rules_checkpoint
        values = {"wearer_id": case.conditions.wearer_id, "at_ms": at_ms, "state": case.fold}
        statement = self._insert(table).values(values)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[table.c.wearer_id, table.c.at_ms], set_={"state": case.fold})
        )
        if at_ms % _DAY_MS == 0:
            old = (table.c.at_ms < at_ms - _KEEP_HOURLY_MS) & (table.c.at_ms % _DAY_MS != 0)
            old = or_(old, table.c.at_ms < at_ms - _KEEP_DAILY_MS)
            connection.execute(delete(table).where(table.c.wearer_id == case.conditions.wearer_id, old))

    def _write(self, connection: Connection) -> None:
        """State and live of the wearers that anything has happened to."""
        for wearer_id, case in self._cases.items():
            if not case.dirty:
                continue
            case.dirty = False
            self._put_cursor(connection, f"wearer:{wearer_id}", 0, case.as_json())
            if case.fold is not None:
                live = case.live if case.live is not None else fold.live_of(case.fold)
                live = dict(live)
                heard = select(schema.device.c.heard_ms).where(schema.device.c.device_id == live["tag_id"])
                live["heard_ms"] = connection.execute(heard).scalar()
                statement = self._insert(schema.live).values(wearer_id=wearer_id, **live)
                connection.execute(statement.on_conflict_do_update(index_elements=[schema.live.c.wearer_id], set_=live))

    def _put_cursor(self, connection: Connection, name: str, record_id: int, state: dict[str, Any]) -> None:
        table = schema.rules_cursor
        values = {"record_id": record_id, "state": state}
        statement = self._insert(table).values(name=name, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=[table.c.name], set_=values))


def _named(finding: Finding) -> Finding:
    """With names for the checksums of a crash: the rules know no files."""
    if finding.kind != "crash":
        return finding
    where = place(finding.detail["path_crc"], finding.detail["line"], finding.detail["type"])
    return finding._replace(detail={"device": finding.detail["device"], "where": where})


def _is_judged(event: Any, conditions: Conditions) -> bool:
    """Whether the rules of today would find this event: it hangs on no condition, or on one that still stands as it was."""
    if "zone" not in event.detail and "curfew" not in event.detail:
        return True
    return any(condition.key in event.dedupe for condition in (*conditions.zones, *conditions.curfews))
