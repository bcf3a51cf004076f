"""A batch of messages into the store in one transaction, and the receipts that answer it.

What holds:
- A receipt exists only after the commit of every record that it speaks of. It says how far the device's records are stored
  without a gap *as of that message*, as if messages were handled one by one: how they fell into batches does not show.
- What is dated outside of every wear period of its device is receipted and counted, and but for the device's health never stored
  (`worn`). Of what was stored undated and proves to be such, nothing stays.
- A record that its device has had to drop (JOURNAL_FULL) holds no receipt back: its number is kept in `lost`. Should it come
  after all, it is stored.
- Each record is stored once, however often it comes. A second, different record under the same number goes to `record_conflict`.
- Nothing raises but the store itself (`SQLAlchemyError`: disk full, locked); then nothing of the batch is stored and nothing is
  receipted, and `handle` may be called again with the same batch.

Receive time is the host's clock (`wall`), or the newest time of any record so far (`records`: a simulation or a replay, where the
host's time means nothing; receive times are then the same whatever the speed).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy import Connection, Engine, bindparam, case, delete, func, select, update

from bridge.counts import Counts
from bridge.keys import Keyring
from bridge.ranges import Range
from bridge.store import queries, schema
from bridge.store.writing import insert_of
from firmware.core import ident, message

from .columns import COLUMNS, FUTURE_MS, ClockSet, Facts, clock_set, first_held, take_apart, uptime_s
from .counters import DownCounters
from .progress import Progress
from .tables import Key, Row, decline, keep_conflicts, load_spans
from .unseal import Opened, Refused, unseal
from .worn import SLACK_MS, Span, is_kept, is_kept_undated

WALL = "wall"
RECORDS = "records"


class Inbound(NamedTuple):
    topic: str
    payload: bytes


class Outbound(NamedTuple):
    topic: str
    payload: bytes


class Downward(Protocol):
    """Who sends orders down, and hears of everything that has come (`bridge.orders`). One transaction with the records."""

    counters: DownCounters

    def take_in(
        self, connection: Connection, messages: Sequence[Opened], rows: Sequence[Row], received_ms: int
    ) -> dict[int, int]:
        """Messages and the new records in them. The devices that have another key from now on: device → key id."""
        ...

    def outgoing(self) -> list[Outbound]: ...
    def forget(self) -> None: ...


class Ingest:
    """The one writer of records. Not for two threads at once; two processes on one store are safe but pointless."""

    def __init__(
        self,
        engine: Engine,
        keyring: Keyring,
        *,
        clock: str = WALL,
        counts: Counts | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        orders: Downward | None = None,
    ) -> None:
        if clock not in (WALL, RECORDS):
            raise ValueError(f"clock {clock!r}")
        self.counts = counts or Counts()
        self._engine = engine
        self._keyring = keyring
        self._clock = clock
        self._now_ms = now_ms
        self._log = structlog.get_logger("ingest")
        self._orders = orders
        self._counters = orders.counters if orders is not None else DownCounters()
        self._progress: dict[int, Progress] = {}
        self._boots: dict[int, dict[int, ClockSet]] = {}
        self._key_ids: dict[int, int] = {}  # what is sealed with an older key is refused
        self._spans: dict[int, list[Span]] = {}
        self._strange: dict[tuple[int, int], bool] = {}  # (tag, home unit): it is not the one he has at home
        self._newest_ms: int | None = None  # clock "records": the newest time of any record
        self._insert = insert_of(engine)
        self._insert_records = self._insert(schema.record).on_conflict_do_nothing()

    def handle(self, batch: Iterable[Inbound]) -> list[Outbound]:
        """Store the batch; when it is committed, orders to who was heard, then the receipts in the order of their messages."""
        opened = [self._open(inbound) for inbound in batch]
        messages = [each for each in opened if each is not None]
        if not messages:
            return []
        try:
            with self._engine.begin() as connection:
                messages, through = self._store(connection, messages)
                for device_id, count in Counter(each.device_id for each in messages).items():
                    self._counters.reserve(connection, device_id, count)
        except BaseException:
            self._forget()
            raise
        self._counters.committed()
        # Orders first: numbers down only grow, and who waits for the receipt has then heard all there is.
        orders = self._orders.outgoing() if self._orders is not None else []
        receipts = [self._receipt(each, upto) for each, upto in zip(messages, through, strict=True)]
        return [*orders, *(receipt for receipt in receipts if receipt is not None)]

    def missing(self, limit: int = 100) -> dict[int, list[tuple[int, int]]]:
        """Gaps in the numbers of each device heard since the start, as (first, last), but for what is known to be lost."""
        return {device_id: gaps for device_id, progress in self._progress.items() if (gaps := progress.missing(limit))}

    def _open(self, inbound: Inbound) -> Opened | None:
        opened = unseal(self._keyring, inbound.topic, inbound.payload)
        if isinstance(opened, Refused):
            count = self.counts.add("refused", opened.reason)
            if count < 10 or not count % 1000:  # a broken device must not fill the log as well
                self._log.warning(
                    "refused", reason=opened.reason, topic=inbound.topic[:80], bytes=len(inbound.payload), count=count
                )
            return None
        self.counts.add("messages")
        if opened.broken:
            self.counts.add("refused", "record", opened.broken)
            self._log.warning("refused", reason="record", topic=inbound.topic, records=opened.broken)
        return opened

    def _store(self, connection: Connection, batch: Sequence[Opened]) -> tuple[list[Opened], list[int]]:
        """Write the batch. The messages that were taken, and for each the gap-free prefix of its device as of then."""
        for each in batch:
            self._know(connection, each)
        messages = [each for each in batch if self._is_of_key(each)]
        for each in messages:
            self._note_relay(connection, each)
        self._spans = load_spans(connection, {each.device_id for each in messages})
        taken = [[take_apart(raw) for raw in each.raws] for each in messages]
        dated_boots = self._set_clocks(connection, messages, taken)
        rows: dict[Key, Row] = {}
        declined: list[Key] = []
        repeated: list[tuple[int, Facts, int]] = []
        through: list[int] = []
        heard: dict[int, int] = {}
        newest_ms = 0
        for each, facts_of_message in zip(messages, taken, strict=True):
            progress = self._progress[each.device_id]
            received_ms = heard[each.device_id] = newest_ms = self._receive_ms(connection, facts_of_message)
            for facts in facts_of_message:
                if progress.has(facts.seq):
                    repeated.append((each.device_id, facts, received_ms))
                    continue
                progress.add(facts.seq)
                row = self._row(each, facts, received_ms)
                if self._is_kept(row):
                    rows[each.device_id, facts.seq] = row
                else:
                    declined.append((each.device_id, facts.seq))
                if below := first_held(facts):
                    self._note_lost(connection, each.device_id, facts.seq, progress.give_up(below))
            through.append(progress.through)
        keep_conflicts(connection, self._insert, self.counts, rows, repeated)
        if rows:
            connection.execute(self._insert_records, list(rows.values()))
            self.counts.add("records", n=len(rows))
        for device_id, boot in dated_boots:
            declined += self._date_stored(connection, device_id, boot)
        decline(connection, self.counts, declined)
        if messages:
            if self._orders is not None:
                self._key_ids.update(self._orders.take_in(connection, messages, list(rows.values()), newest_ms))
            self._note_devices(connection, messages, heard)
        return messages, through

    def _know(self, connection: Connection, each: Opened) -> None:
        """The device's row and progress, made or loaded when it is heard for the first time."""
        device_id = each.device_id
        if device_id in self._progress:
            return
        table = schema.device
        row = connection.execute(select(table).where(table.c.device_id == device_id)).first()
        if row is None:
            kind = "tag" if ident.device_class(device_id) == ident.TAG else "hmu"
            values = {"device_id": device_id, "name": ident.device_name(device_id), "kind": kind, "shard": each.shard}
            connection.execute(table.insert().values(values))
            self._progress[device_id] = Progress()
        else:
            self._key_ids[device_id] = row.key_id or 0
            beyond = select(schema.record.c.seq).where(schema.record.c.device_id == device_id)
            above = {*connection.execute(beyond.where(schema.record.c.seq > row.stored_through)).scalars()}
            above.update(queries.declined(connection, device_id, row.stored_through))
            self._progress[device_id] = Progress(row.stored_through, above, queries.lost(connection, device_id))
        clocks = connection.execute(select(schema.boot_clock).where(schema.boot_clock.c.device_id == device_id))
        self._boots[device_id] = {clock.boot: ClockSet(clock.seq, clock.boot, clock.zero_ms) for clock in clocks}

    def _is_of_key(self, each: Opened) -> bool:
        """Whether it is sealed with the device's key of now or a newer one: nobody else can have made that."""
        if each.key_id >= self._key_ids.get(each.device_id, 0):
            return True
        self.counts.add("refused", "key")
        self._log.warning("refused", reason="key", device=ident.device_name(each.device_id), key_id=each.key_id)
        return False

    def _is_kept(self, row: Row) -> bool:
        spans = self._spans[row["device_id"]]
        if row["at_ms"] is None or row["quarantine"] in ("future", "doubtful"):
            return is_kept_undated(row["kind"], row["code"], row["received_ms"], spans, self._clock == WALL)
        return is_kept(row["kind"], row["code"], row["at_ms"], spans, 0 if row["boot"] is None else SLACK_MS)

    def _note_lost(self, connection: Connection, device_id: int, said_by: int, gone: Sequence[Range]) -> None:
        """The gaps that a JOURNAL_FULL, number `said_by`, has closed."""
        for first, last in gone:
            values = {"device_id": device_id, "first": first, "last": last, "said_by": said_by}
            connection.execute(schema.lost.insert().values(values))
            self.counts.add("lost", n=last - first + 1)
            self._log.error("records lost on the device", device=ident.device_name(device_id), first=first, last=last)

    def _note_relay(self, connection: Connection, each: Opened) -> None:
        """A home unit that is not the wearer's own is counted; its relay is taken all the same: the seal is what is trusted."""
        if each.relayed_by is None:
            return
        pair = each.device_id, each.relayed_by
        if pair not in self._strange:
            period = schema.wear_period
            own = connection.execute(select(period.c.hmu_id).where(period.c.tag_id == each.device_id)).scalars().all()
            self._strange[pair] = bool(own) and each.relayed_by not in own
            if self._strange[pair]:
                self._log.info("relayed by a strange home unit", tag=ident.device_name(pair[0]), home_unit=each.carrier)
        self.counts.add("relayed", "strange" if self._strange[pair] else "own")

    def _set_clocks(self, connection: Connection, messages: Sequence[Opened], taken: list[list[Facts]]) -> list[tuple[int, int]]:
        """Learn from the batch's CLOCK_SET events. (device, boot) of those that were news."""
        news: dict[tuple[int, int], ClockSet] = {}
        for each, facts_of_message in zip(messages, taken, strict=True):
            boots = self._boots[each.device_id]
            for facts in facts_of_message:
                clock = clock_set(facts)
                if clock is None or self._is_future(facts.at_ms):
                    continue
                known = boots.get(clock.boot)
                if known is None or clock.seq < known.seq:
                    boots[clock.boot] = clock
                    news[each.device_id, clock.boot] = clock
        table = schema.boot_clock
        for (device_id, boot), clock in news.items():
            statement = self._insert(table).values(device_id=device_id, boot=boot, seq=clock.seq, zero_ms=clock.zero_ms)
            values = {"seq": clock.seq, "zero_ms": clock.zero_ms}
            connection.execute(statement.on_conflict_do_update(index_elements=[table.c.device_id, table.c.boot], set_=values))
        return list(news)

    def _date_stored(self, connection: Connection, device_id: int, boot: int) -> list[Key]:
        """Date what came before its clock. The rules will read it again. What must go, as it proves now, has gone."""
        table = schema.record
        undated = (table.c.device_id == device_id) & table.c.at_ms.is_(None) & (table.c.boot == boot)
        columns = (table.c.id, table.c.seq, table.c.raw, table.c.kind, table.c.code)
        found = connection.execute(select(*columns).where(undated).order_by(table.c.seq)).all()
        zero_ms = self._boots[device_id][boot].zero_ms
        values: list[Row] = []
        gone: list[Any] = []
        for row in found:
            at_ms = zero_ms + uptime_s(row.raw) * 1000
            is_future = self._is_future(at_ms)
            if not is_future and not is_kept(row.kind, row.code, at_ms, self._spans[device_id], SLACK_MS):
                gone.append(row)
            else:
                values.append({"row_id": row.id, "at": at_ms, "doubt": "future" if is_future else None})
        for row in gone:
            connection.execute(delete(table).where(table.c.id == row.id))
        if values:
            statement = update(table).where(table.c.id == bindparam("row_id"))
            statement = statement.values(at_ms=bindparam("at"), quarantine=func.coalesce(table.c.quarantine, bindparam("doubt")))
            if self._clock == RECORDS:  # its receive time is the newest time known then, which its own may exceed
                later = case((table.c.received_ms < bindparam("at"), bindparam("at")), else_=table.c.received_ms)
                statement = statement.values(received_ms=later)
            connection.execute(statement, values)
            connection.execute(schema.dated.insert(), [{"record_id": value["row_id"]} for value in values])
            self.counts.add("dated_later", n=len(values))
        return [(device_id, row.seq) for row in gone]

    def _row(self, each: Opened, facts: Facts, received_ms: int) -> dict:
        at_ms = facts.at_ms
        if facts.boot is not None:
            clock = self._boots[each.device_id].get(facts.boot)
            if clock is not None:
                at_ms = clock.zero_ms + facts.uptime_s * 1000
        quarantine = facts.quarantine
        if quarantine is None and self._is_future(at_ms):
            quarantine = "future"
        if quarantine is not None:
            self.counts.add("quarantined", quarantine)
        head = (each.device_id, facts.seq, facts.raw, facts.kind, facts.flags, at_ms, facts.boot, quarantine)
        return dict(zip(COLUMNS, (*head, *facts.fields, received_ms, each.relayed_by, each.relay_rssi), strict=True))

    def _note_devices(self, connection: Connection, messages: Sequence[Opened], heard: dict[int, int]) -> None:
        table = schema.device
        last = {each.device_id: each for each in messages}
        values = []
        for device_id, received_ms in heard.items():
            progress, way = self._progress[device_id], last[device_id]
            key_id = self._key_ids.setdefault(device_id, 0) or way.key_id
            self._key_ids[device_id] = key_id
            values.append(
                {
                    "device": device_id,
                    "through": progress.through,
                    "highest": progress.highest,
                    "heard": received_ms,
                    "on_shard": way.shard if way.relayed_by is None else None,
                    "key": key_id,
                    "by": way.relayed_by,
                }
            )
        statement = update(table).where(table.c.device_id == bindparam("device"))
        statement = statement.values(
            stored_through=bindparam("through"),
            highest_seq=bindparam("highest"),
            heard_ms=bindparam("heard"),
            shard=func.coalesce(bindparam("on_shard"), table.c.shard),
            key_id=bindparam("key"),
            relayed_by=bindparam("by"),
        )
        connection.execute(statement, values)

    def _receive_ms(self, connection: Connection, taken: list[Facts]) -> int:
        if self._clock == WALL:
            return self._now_ms()
        newest_ms = self._newest_ms
        if newest_ms is None:
            # Receive times only grow in this mode, so the last row has the newest.
            last = select(schema.record.c.received_ms).order_by(schema.record.c.id.desc()).limit(1)
            newest_ms = connection.execute(last).scalar() or 0
        for facts in taken:
            if facts.at_ms is not None and facts.quarantine is None and facts.at_ms > newest_ms:
                newest_ms = facts.at_ms
        self._newest_ms = newest_ms
        return newest_ms

    def _is_future(self, at_ms: int | None) -> bool:
        return at_ms is not None and self._clock == WALL and at_ms > self._now_ms() + FUTURE_MS

    def _receipt(self, each: Opened, through: int) -> Outbound | None:
        counter = self._counters.take(each.device_id)
        if counter is None:
            self._log.error("no counters left: the device needs a new key", device=ident.device_name(each.device_id))
            return None
        sealed = self._keyring.seal_down(each.device_id, each.key_id, counter, message.pack_receipt(through, each.first_seq))
        if each.relayed_by is not None:
            header = bytearray(message.HEADER)
            message.pack_header(header, message.RELAY_DOWN, 0, 0, each.device_id, each.relay_token)
            sealed = bytes(header) + sealed
        self.counts.add("receipts")
        return Outbound(ident.topic(each.shard, each.carrier, ident.DOWN), sealed)

    def _forget(self) -> None:
        """After a transaction that did not happen: what was learnt in it is read from the store again."""
        self._counters.rolled_back()
        if self._orders is not None:
            self._orders.forget()
        self._key_ids.clear()
        self._progress.clear()
        self._boots.clear()
        self._newest_ms = None
