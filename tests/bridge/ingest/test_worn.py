"""What is recorded while nobody wears the tag is receipted and never stored; the health of the device always is."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update

from bridge.ingest import Inbound, Ingest
from bridge.ingest.worn import BACKLOG_MS, HEALTH, SLACK_MS, Span, is_kept, is_kept_undated
from bridge.keys import Keyring
from bridge.store import open_store, queries, schema
from firmware.core import record
from tests.bridge.devices import FLEET_KEY, START_S, Device, wear

FROM_MS = START_S * 1000
UNTIL_MS = FROM_MS + 86_400_000
HOUR_MS = 3_600_000


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001", from_ms=FROM_MS, until_ms=UNTIL_MS, home_unit="hmu-000001")
    return engine


def ingest_of(engine: Engine, now_ms: int = UNTIL_MS + HOUR_MS) -> Ingest:
    return Ingest(engine, Keyring(FLEET_KEY), now_ms=lambda: now_ms)


def stored(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(schema.record.c.seq).order_by(schema.record.c.seq)).scalars())


def send(ingest: Ingest, device: Device, *raws: bytes) -> list[int]:
    """How far the device may free its records, by each receipt."""
    sealed = device.message(raws or list(device.journal.values()))
    return [device.open_receipt(each.payload).stored_through for each in ingest.handle([Inbound(device.up, sealed)])]


def test_a_late_backlog_is_cut_at_both_ends_of_the_wear_period_to_the_second(engine: Engine) -> None:
    tag = Device("tag-000001")
    for at_ms in (FROM_MS - 1000, FROM_MS, FROM_MS + HOUR_MS, UNTIL_MS - 1, UNTIL_MS, UNTIL_MS + HOUR_MS):
        tag.fix(at_ms)
    ingest = ingest_of(engine)
    assert send(ingest, tag) == [6], "all of it is receipted"
    assert stored(engine) == [2, 3, 4] and ingest.counts.get("declined") == 3
    with engine.connect() as connection:
        assert queries.missing(connection) == []


def test_the_health_of_a_tag_on_the_shelf_is_stored_and_nothing_else(engine: Engine) -> None:
    shelf = Device("tag-000007")
    for code in range(1, 60):
        shelf.event(code, FROM_MS)
    shelf.fix(FROM_MS)
    assert send(ingest_of(engine), shelf) == [60]
    assert set(stored(engine)) == {seq for seq in range(1, 60) if seq in HEALTH}


def test_withdrawn_consent_holds_for_what_arrives_after_it(engine: Engine) -> None:
    tag, unit = Device("tag-000001"), Device("hmu-000001")
    ingest = ingest_of(engine)
    assert send(ingest, tag, tag.fix(FROM_MS + 3 * HOUR_MS)) == [1]
    with engine.begin() as connection:
        connection.execute(update(schema.wear_period).values(until_ms=FROM_MS + 4 * HOUR_MS))
    assert send(ingest, tag, tag.fix(FROM_MS + 5 * HOUR_MS)) == [2]
    assert send(ingest, unit, unit.event(record.PRESENCE, FROM_MS + 5 * HOUR_MS, 1, tag.id)) == [1]
    assert stored(engine) == [1]


def test_a_bridge_that_starts_anew_still_receipts_beyond_what_it_did_not_store(engine: Engine) -> None:
    tag = Device("tag-000001")
    raws = [tag.fix(UNTIL_MS + 1000 * n) for n in range(10)]
    assert send(ingest_of(engine), tag, *raws[4:6]) == [0]
    assert send(ingest_of(engine), tag, *raws[6:9]) == [0]
    assert send(ingest_of(engine), tag, *raws[:4]) == [9]
    assert send(ingest_of(engine), tag, *raws) == [10]
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(select(schema.declined).order_by(schema.declined.c.first))]
    assert sum(last - first + 1 for _, first, last in rows) == 10 and stored(engine) == []


@pytest.mark.parametrize(("set_ms", "kept"), [(FROM_MS - HOUR_MS, False), (FROM_MS + HOUR_MS, True), (UNTIL_MS + HOUR_MS, False)])
def test_what_came_undated_is_judged_when_its_clock_is_known(engine: Engine, set_ms: int, kept: bool) -> None:
    """A place is not kept a moment longer than its date is unknown."""
    tag = Device("tag-000001")
    undated = [tag.fix(60_000 + 7, flags=record.UNDATED), tag.undated(record.STRAP_CUT, 61, 7)]
    ingest = ingest_of(engine)
    assert send(ingest, tag, *undated) == [2]
    assert stored(engine) == [1, 2]
    assert send(ingest, tag, tag.clock_set(set_ms, uptime_s=100, boot=7)) == [3]
    assert stored(engine) == ([1, 2, 3] if kept else [2, 3])
    assert send(ingest_of(engine), tag) == [3], "and a repetition brings nothing back"
    assert stored(engine) == ([1, 2, 3] if kept else [2, 3])


def test_a_record_of_the_first_second_is_not_lost_to_an_uptime_in_whole_seconds(engine: Engine) -> None:
    tag = Device("tag-000001")
    mode = tag.undated(record.MODE, 0, 7, record.MODE_GPS)
    assert send(ingest_of(engine), tag, mode, tag.clock_set(FROM_MS + 9_000, uptime_s=10, boot=7)) == [2]
    assert stored(engine) == [1, 2]


def test_a_date_that_nobody_believes_is_judged_by_when_it_came(engine: Engine) -> None:
    tag = Device("tag-000001")
    doubtful = {"flags": record.MODE_GPS | record.DATE_DOUBTFUL}
    assert send(ingest_of(engine, FROM_MS + HOUR_MS), tag, tag.fix(1_000_000_000_000, **doubtful)) == [1]
    assert send(ingest_of(engine, FROM_MS + HOUR_MS), tag, tag.fix(4_000_000_000_000)) == [2]
    long_after_ms = UNTIL_MS + BACKLOG_MS
    for raw in (tag.fix(FROM_MS, **doubtful), tag.fix(long_after_ms + 10 * 86_400_000), tag.fix(5000, flags=record.TIME_OF_DAY)):
        send(ingest_of(engine, long_after_ms), tag, raw)
    assert stored(engine) == [1, 2]


SPANS = st.lists(
    st.builds(lambda a, n: Span(a, None if n is None else a + n), st.integers(0, 10**6), st.none() | st.integers(1, 10**6))
)


@given(spans=SPANS, at_ms=st.integers(-(10**6), 3 * 10**6), code=st.integers(0, 70), slack=st.sampled_from((0, SLACK_MS)))
def test_only_health_is_kept_outside_of_every_period(spans: list[Span], at_ms: int, code: int, slack: int) -> None:
    worn = any(span.from_ms <= at_ms and not (span.until_ms is not None and span.until_ms <= at_ms) for span in spans)
    kept: Any = is_kept(record.FIX, None, at_ms, spans, slack)
    assert kept == worn or (slack and any(0 < span.from_ms - at_ms <= slack for span in spans))
    assert is_kept(record.EVENT, code, at_ms, spans) == (worn or code in HEALTH)
    assert is_kept(record.EVENT, code, None, spans) == (code in HEALTH)
    if is_kept(record.FIX, None, at_ms, spans):
        assert is_kept_undated(record.FIX, None, at_ms, spans, True), "who is worn now may send what is undated"
