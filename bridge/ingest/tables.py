"""What a batch reads and writes beside its records: wear periods, numbers of what is not kept, two records under one number."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, select, update

from bridge.counts import Counts
from bridge.store import schema
from firmware.core import ident

from .columns import Facts
from .worn import Span

Row = dict[str, Any]  # the columns of `record`
Key = tuple[int, int]  # device, number


def _log() -> Any:
    return structlog.get_logger("ingest")


def load_spans(connection: Connection, devices: set[int]) -> dict[int, list[Span]]:
    """The wear periods of these devices as they stand now: consent may have been withdrawn a moment ago."""
    table = schema.wear_period
    spans: dict[int, list[Span]] = {device_id: [] for device_id in devices}
    for column in (table.c.tag_id, table.c.hmu_id):
        found = select(column, table.c.from_ms, table.c.until_ms).where(column.in_(devices))
        for device_id, from_ms, until_ms in connection.execute(found):
            spans[device_id].append(Span(from_ms, until_ms))
    return spans


def decline(connection: Connection, counts: Counts, keys: Sequence[Key]) -> None:
    """Keep the numbers, and nothing else, of what is not stored: they are receipted like all others."""
    table = schema.declined
    ranges: list[list[int]] = []
    for device_id, seq in sorted(keys):
        if ranges and ranges[-1][0] == device_id and ranges[-1][2] == seq - 1:
            ranges[-1][2] = seq
        else:
            ranges.append([device_id, seq, seq])
    for device_id, first, last in ranges:
        counts.add("declined", n=last - first + 1)
        before = (table.c.device_id == device_id) & (table.c.last == first - 1)
        if connection.execute(update(table).where(before).values(last=last)).rowcount == 0:
            connection.execute(table.insert().values(device_id=device_id, first=first, last=last))
        _log().info("not worn: not stored", device=ident.device_name(device_id), records=last - first + 1)


def keep_conflicts(
    connection: Connection,
    insert: Callable[..., Any],
    counts: Counts,
    rows: dict[Key, Row],
    repeated: list[tuple[int, Facts, int]],
) -> None:
    """Repeats are normal and dropped; one that says something else under the same number is kept as evidence."""
    counts.add("repeated", n=len(repeated))
    by_device: dict[int, list[int]] = {}
    for device_id, facts, _ in repeated:
        if (device_id, facts.seq) not in rows:
            by_device.setdefault(device_id, []).append(facts.seq)
    table = schema.record
    stored: dict[tuple[int, int], bytes] = {}
    for device_id, seqs in by_device.items():
        for at in range(0, len(seqs), 500):
            some = select(table.c.seq, table.c.raw).where(table.c.device_id == device_id, table.c.seq.in_(seqs[at : at + 500]))
            stored.update({(device_id, row.seq): row.raw for row in connection.execute(some)})
    for device_id, facts, received_ms in repeated:
        key = (device_id, facts.seq)
        raw = rows[key]["raw"] if key in rows else stored.get(key)
        if raw is not None and raw != facts.raw:
            values = {"device_id": device_id, "seq": facts.seq, "raw": facts.raw, "received_ms": received_ms}
            connection.execute(insert(schema.record_conflict).values(values).on_conflict_do_nothing())
            counts.add("conflicts")
            _log().error("two records under one number", device=ident.device_name(device_id), seq=facts.seq)
