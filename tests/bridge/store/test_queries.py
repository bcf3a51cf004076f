"""What the console and the tools read."""

from pathlib import Path

import pytest
from sqlalchemy import Connection

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.findings import Findings
from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store, queries
from firmware.core import record
from tests.bridge.devices import FLEET_KEY, START_S, Device

START_MS = START_S * 1000
SCHEME = {
    "timezone": "UTC",
    "wearers": [
        {"id": "a", "name": "A", "tag": "tag-000001", "from": "2026-06-01T05:00:00Z", "until": "2026-06-01T06:00:00Z"},
        {"id": "b", "name": "B", "tag": "tag-000001", "from": "2026-06-01T06:00:00Z"},
        {"id": "c", "name": "C", "tag": "tag-000003", "from": "2026-06-01T06:00:00Z"},
    ],
}


@pytest.fixture
def connection(tmp_path: Path):
    """One tag on two wearers, one after the other: a fix every ten minutes from 04:30 to 07:30, the last ones sent first;
    those of before 05:00 are nobody's and are not stored."""
    engine = open_store(tmp_path / "store.db")
    apply_scheme(engine, Scheme.model_validate(SCHEME))
    tag = Device("tag-000001")
    for minute in range(-30, 151, 10):
        tag.fix(START_MS + minute * 60_000, 507154000 + minute)
    tag.fix(START_MS + 70 * 60_000, 0, 0)
    tag.event(record.STRAP_CUT, START_MS + 30 * 60_000)
    ingest = Ingest(engine, Keyring(FLEET_KEY), clock="records")
    for sealed in reversed(tag.messages(5)):
        ingest.handle([Inbound(tag.up, sealed)])
    findings = Findings(engine, clock="records")
    while findings.run():
        pass
    with open_store(tmp_path / "store.db", read_only=True).connect() as reader:
        yield reader


def test_a_track_is_of_the_wearer_of_that_time_and_by_event_time(connection: Connection) -> None:
    def minutes(wearer_id: str, since: int = -1000, until: int = 1000) -> list[int]:
        rows = queries.track(connection, wearer_id, START_MS + since * 60_000, START_MS + until * 60_000)
        return [(row.at_ms - START_MS) // 60_000 for row in rows]

    assert minutes("a") == [0, 10, 20, 30, 40, 50]
    assert minutes("b") == [60, 70, 80, 90, 100, 110, 120, 130, 140, 150]
    assert minutes("b", 80, 100) == [80, 90]
    assert minutes("nobody") == minutes("c") == []


def test_live_states_name_every_wearer(connection: Connection) -> None:
    rows = {row.wearer_id: row for row in queries.live_states(connection)}
    assert list(rows) == ["a", "b", "c"]
    assert rows["a"].strap == "cut" and rows["b"].strap is None
    assert rows["b"].fix_at_ms == START_MS + 150 * 60_000 and rows["b"].lat_e7 == 507154150
    assert rows["c"].at_ms is None and rows["c"].name == "C"


def test_ids_lead_on(connection: Connection) -> None:
    newest_record, newest_event = queries.newest_ids(connection)
    assert (newest_record, newest_event) == (18, 1)
    first = queries.records_after(connection, 0, limit=8)
    rest = queries.records_after(connection, first[-1].id)
    assert [row.id for row in (*first, *rest)] == list(range(1, 19))
    (event,) = queries.events_after(connection, 0)
    assert event.kind == "strap_cut" and queries.events_after(connection, event.id) == []
    assert queries.events_after(connection, 0, wearer_id="b") == []
    assert queries.newest_events(connection, wearer_id="a") == [event]
    assert queries.newest_event_time_ms(connection) == START_MS + 150 * 60_000


def test_fixes_are_all_of_them(connection: Connection) -> None:
    assert [row.seq for row in queries.fixes(connection)] == list(range(4, 21))
    counts = queries.counts(connection)
    assert (counts["records"], counts["fixes"], counts["quarantined"], counts["events"], counts["wearers"]) == (18, 17, 1, 1, 3)
