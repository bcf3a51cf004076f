"""Ingest without a broker: what is stored, what is receipted, what is refused and why."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.ingest import Inbound, Ingest, Outbound
from bridge.keys import Keyring
from bridge.store import open_store, queries, schema
from firmware.core import message, record
from tests.bridge.devices import FLEET_KEY, START_S, Device, wear

NOW_MS = START_S * 1000


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_store(tmp_path / "store.db")
    wear(engine, "tag-000001", home_unit="hmu-000001")
    wear(engine, "tag-000002", "tag-000003")
    return engine


def ingest_of(engine: Engine, **how: Any) -> Ingest:
    return Ingest(engine, Keyring(FLEET_KEY), **{"now_ms": lambda: NOW_MS, **how})


def stored(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(schema.record).order_by(schema.record.c.device_id, schema.record.c.seq)))


def through(device: Device, down: Iterable[Outbound]) -> list[tuple[int, int]]:
    receipts = [device.open_receipt(each.payload) for each in down]
    return [(receipt.first_seq, receipt.stored_through) for receipt in receipts]


def test_a_fix_is_stored_as_it_was_made(engine: Engine) -> None:
    tag = Device("tag-000001")
    raw = tag.fix(NOW_MS + 250, 507154321, -24367000, speed_cms=140, radius_dm=None)
    ingest_of(engine).handle([Inbound(tag.up, tag.message([raw]))])
    (row,) = stored(engine)
    assert (row.raw, row.at_ms, row.received_ms) == (raw, NOW_MS + 250, NOW_MS)
    assert (row.lat_e7, row.lon_e7, row.speed_cms, row.radius_dm, row.course_deg) == (507154321, -24367000, 140, None, 90)
    assert (row.code, row.relayed_by, row.quarantine, row.boot) == (None, None, None, None)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_receipts_do_not_show_how_messages_fell_into_batches(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Against an oracle that counts by hand, with losses, repeats, reorderings and restarts."""
    chance = random.Random(seed)
    tag = Device("tag-000001")
    for _ in range(60):
        tag.fix()
    raws = [tag.journal[seq] for seq in sorted(tag.journal)]
    parcels = [raws[at : at + chance.randint(1, 8)] for at in range(0, 60, 4)]
    parcels += chance.sample(parcels, 5)
    chance.shuffle(parcels)
    have: set[int] = set()
    expected = []
    for parcel in parcels:
        have |= {record.seq_of(raw) for raw in parcel}
        prefix = next(n for n in range(100) if n + 1 not in have)
        expected.append((record.seq_of(parcel[0]), prefix))
    store = open_store(tmp_path_factory.mktemp("s") / "store.db")
    wear(store, "tag-000001")
    ingest, got, counters = ingest_of(store), [], []
    waiting = [Inbound(tag.up, tag.message(parcel)) for parcel in parcels]
    while waiting:
        some = chance.randint(1, 6)
        down = ingest.handle(waiting[:some])
        got += through(tag, down)
        counters += [tag.open_receipt(each.payload).counter for each in down]
        waiting = waiting[some:]
        if chance.random() < 0.3:
            ingest = ingest_of(store)
    assert got == expected
    assert counters == sorted(set(counters)) and counters[0] > 0
    assert {row.seq: row.raw for row in stored(store)} == {seq: tag.journal[seq] for seq in have}
    store.dispose()


def test_a_missing_record_holds_the_receipt_back_and_is_named(engine: Engine) -> None:
    tag = Device("tag-000001")
    raws = [tag.fix() for _ in range(9)]
    ingest = ingest_of(engine)
    down = ingest.handle([Inbound(tag.up, tag.message(part)) for part in (raws[:2], raws[3:5], raws[6:])])
    assert through(tag, down) == [(1, 2), (4, 2), (7, 2)]
    assert ingest.missing() == {tag.id: [(3, 3), (6, 6)]}
    with engine.connect() as connection:
        assert queries.missing(connection) == [(tag.id, 3, 3, False), (tag.id, 6, 6, False)]
    assert through(tag, ingest.handle([Inbound(tag.up, tag.message(raws[2:3]))])) == [(3, 5)]


def test_a_record_that_the_device_had_to_drop_holds_no_receipt_back_and_stays_visible_as_lost(engine: Engine) -> None:
    tag = Device("tag-000001")
    raws = [tag.fix() for _ in range(9)]
    full = tag.event(record.JOURNAL_FULL, a=2, b=6)
    ingest = ingest_of(engine)
    ingest.handle([Inbound(tag.up, tag.message(part)) for part in (raws[:2], raws[3:4], raws[7:9])])
    assert through(tag, ingest.handle([Inbound(tag.up, tag.message([full]))])) == [(10, 5)]
    assert ingest.missing() == {tag.id: [(6, 7)]}, "what the device still holds may come yet"
    for _ in range(2):
        with engine.connect() as connection:
            assert queries.missing(connection) == [(tag.id, 3, 3, True), (tag.id, 5, 5, True), (tag.id, 6, 7, False)]
        assert through(tag, ingest.handle([Inbound(tag.up, tag.message([full]))])) == [(10, 5)]
        ingest = ingest_of(engine)
    assert through(tag, ingest.handle([Inbound(tag.up, tag.message(raws[5:7]))])) == [(6, 10)]
    assert ingest.counts.get("lost") == 0 and ingest.missing() == {}


@pytest.mark.parametrize("restart", [False, True])
def test_a_record_given_up_that_was_on_its_way_is_stored_once(engine: Engine, restart: bool) -> None:
    tag = Device("tag-000001")
    raws = [tag.fix() for _ in range(5)]
    full = tag.event(record.JOURNAL_FULL, a=4, b=5)
    ingest = ingest_of(engine)
    ingest.handle([Inbound(tag.up, tag.message([raws[4], full]))])
    for _ in range(3):
        if restart:
            ingest = ingest_of(engine)
        assert through(tag, ingest.handle([Inbound(tag.up, tag.message(raws[1:3]))])) == [(2, 6)]
    assert [row.seq for row in stored(engine)] == [2, 3, 5, 6]
    with engine.connect() as connection:
        assert queries.missing(connection) == [(tag.id, 1, 1, True), (tag.id, 4, 4, True)]


@pytest.mark.parametrize("held", [0, 1, 2, 6, 2**31, -1])
def test_a_journal_full_that_makes_no_sense_gives_nothing_up(engine: Engine, held: int) -> None:
    """It may not speak of numbers beyond its own; nor of the time before it named one."""
    tag = Device("tag-000001")
    full = tag.event(record.JOURNAL_FULL, a=1, b=held, seq=5)
    expected = 1 if held == 2 else 0
    assert through(tag, ingest_of(engine).handle([Inbound(tag.up, tag.message([full]))])) == [(5, expected)]


def test_a_loss_that_the_store_refused_to_note_is_noted_when_it_is_told_again(engine: Engine) -> None:
    tag = Device("tag-000001")
    batch = [Inbound(tag.up, tag.message([tag.event(record.JOURNAL_FULL, a=2, b=3, seq=3)]))]
    ingest = ingest_of(engine)

    def full(connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(engine, "commit", full)
    with pytest.raises(OperationalError):
        ingest.handle(batch)
    event.remove(engine, "commit", full)
    assert through(tag, ingest.handle(batch)) == [(3, 3)]
    with engine.connect() as connection:
        assert queries.missing(connection) == [(tag.id, 1, 2, True)]


def test_a_batch_that_the_store_refuses_is_receipted_only_when_it_is_taken(engine: Engine) -> None:
    tag = Device("tag-000001")
    batch = [Inbound(tag.up, tag.message([tag.fix(), tag.fix()]))]
    ingest = ingest_of(engine)

    def full(connection) -> None:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(engine, "commit", full)
    with pytest.raises(OperationalError):
        ingest.handle(batch)
    event.remove(engine, "commit", full)
    assert stored(engine) == []
    assert through(tag, ingest.handle(batch)) == [(1, 2)]
    assert len(stored(engine)) == 2


def test_a_different_record_under_the_same_number_is_kept_as_evidence(engine: Engine) -> None:
    tag, twin = Device("tag-000001"), Device("tag-000001")
    first, second = tag.fix(NOW_MS, 507154000), twin.fix(NOW_MS, 407154000)
    ingest = ingest_of(engine)
    for raw in (first, second, first, second):
        ingest.handle([Inbound(tag.up, tag.message([raw]))])
    assert [row.raw for row in stored(engine)] == [first]
    with engine.connect() as connection:
        assert connection.execute(select(schema.record_conflict.c.raw)).scalars().all() == [second]


def test_undated_records_are_dated_by_the_clock_of_their_boot_whichever_comes_first(engine: Engine) -> None:
    tag = Device("tag-000001")
    before = tag.undated(record.BOOT, uptime_s=3, boot=5)
    clock = tag.clock_set(NOW_MS, uptime_s=100, boot=5)
    after = tag.undated(record.STATUS, uptime_s=40, boot=5)
    other = tag.undated(record.BOOT, uptime_s=3, boot=6)
    ingest = ingest_of(engine)
    for raw in (before, other, clock, after):
        ingest.handle([Inbound(tag.up, tag.message([raw]))])
    assert [row.at_ms for row in stored(engine)] == [NOW_MS - 97_000, NOW_MS, NOW_MS - 60_000, None]
    with engine.connect() as connection:
        assert connection.execute(select(schema.dated.c.record_id)).scalars().all() == [1]


def test_by_the_records_own_clock_nothing_was_received_before_it_happened(engine: Engine) -> None:
    """In a simulation "now" is the newest time that any record told; one that is dated later may itself be newer."""
    tag = Device("tag-000001")
    ingest = ingest_of(engine, clock="records")
    for raw in (tag.undated(record.BOOT, uptime_s=3, boot=5), tag.clock_set(NOW_MS, uptime_s=100, boot=5)):
        ingest.handle([Inbound(tag.up, tag.message([raw]))])
    with engine.connect() as connection:
        rows = connection.execute(select(schema.record.c.at_ms, schema.record.c.received_ms).order_by(schema.record.c.id)).all()
    assert rows == [(NOW_MS - 97_000, NOW_MS - 97_000), (NOW_MS, NOW_MS)]


def test_a_time_of_day_alone_is_no_date(engine: Engine) -> None:
    tag = Device("tag-000001")
    raw = tag.fix(3_600_000, flags=record.MODE_GPS | record.TIME_OF_DAY)
    ingest_of(engine).handle([Inbound(tag.up, tag.message([raw]))])
    (row,) = stored(engine)
    assert row.at_ms is None and row.quarantine is None and record.Record(row.raw).time_s == 3600


def test_what_cannot_be_believed_is_stored_in_quarantine(engine: Engine) -> None:
    tag = Device("tag-000001")
    tag.fix(NOW_MS + 86_400_000 + 1000)
    tag.fix(NOW_MS + 86_000_000)
    tag.fix(NOW_MS, flags=record.MODE_GPS | record.DATE_DOUBTFUL)
    tag.fix(NOW_MS, 0, 0)
    tag.fix(NOW_MS, 900_000_001, 5)
    tag.fix(NOW_MS, 5, -1_800_000_001)
    assert through(tag, ingest_of(engine).handle([Inbound(tag.up, tag.messages()[0])])) == [(1, 6)]
    rows = stored(engine)
    assert [row.quarantine for row in rows] == ["future", None, "doubtful", "position", "position", "position"]
    assert [row.lat_e7 for row in rows[3:]] == [None, None, None]


def test_in_a_simulation_the_newest_record_is_the_time_of_receipt(engine: Engine) -> None:
    tag, hmu = Device("tag-000001"), Device("hmu-000001")
    ingest = ingest_of(engine, clock="records")
    for device, at_ms in ((tag, NOW_MS), (hmu, NOW_MS - 5000), (tag, NOW_MS + 10**9)):
        ingest.handle([Inbound(device.up, device.message([device.event(record.STATUS, at_ms)]))])
    ingest = ingest_of(engine, clock="records")  # a restart
    ingest.handle([Inbound(hmu.up, hmu.message([hmu.event(record.STATUS, NOW_MS)]))])
    received = {(row.device_id, row.seq): row.received_ms for row in stored(engine)}
    assert received == {(tag.id, 1): NOW_MS, (hmu.id, 1): NOW_MS, (tag.id, 2): NOW_MS + 10**9, (hmu.id, 2): NOW_MS + 10**9}


def test_a_strange_home_units_relay_is_counted_and_taken(engine: Engine) -> None:
    tag, own, strange = Device("tag-000008"), Device("hmu-000008"), Device("hmu-000009")
    entry = {"id": "w", "name": "W", "tag": tag.name, "home_unit": own.name, "from": "2026-06-01T00:00:00Z"}
    apply_scheme(engine, Scheme.model_validate({"timezone": "UTC", "wearers": [entry]}))
    ingest = ingest_of(engine)
    for hmu in (own, strange):
        (down,) = ingest.handle([Inbound(hmu.up, hmu.relay(a_message(tag), -90))])
        assert down.topic == hmu.down and tag.open_receipt(down.payload).relayed
    assert (ingest.counts.get("relayed", "own"), ingest.counts.get("relayed", "strange")) == (1, 1)
    assert [(row.relayed_by, row.relay_rssi) for row in stored(engine)] == [(own.id, -90), (strange.id, -90)]


def test_a_receipt_names_the_relayed_message_that_it_answers(engine: Engine) -> None:
    tag, hmu = Device("tag-000001"), Device("hmu-000001")
    for token in (77, 0, 2**32 - 1):
        (down,) = ingest_of(engine).handle([Inbound(hmu.up, hmu.relay(a_message(tag), token=token))])
        header = message.parse_header(down.payload)
        assert header is not None and (header[0], header[4]) == (message.RELAY_DOWN, token)
        assert tag.open_receipt(down.payload).relayed


def a_message(device: Device) -> bytes:
    return device.message([device.fix()])


def test_refusals_by_reason(engine: Engine) -> None:
    tag, other, hmu = Device("tag-000001"), Device("tag-000002"), Device("hmu-000001")
    good = a_message(tag)
    stranger = Device("tag-000001", fleet_key=bytes(32))
    broken_record = bytearray(tag.journal[1])
    broken_record[12] ^= 1
    down = bytearray(good)
    down[0] = message.VERSION << 4 | message.DOWN
    cases = [
        ("topic", "hw/0/nobody/up", good),
        ("topic", "elsewhere", good),
        ("topic", tag.down, good),
        ("envelope", tag.up, b""),
        ("envelope", tag.up, b"hello, world, this is no message"),
        ("envelope", tag.up, bytes(down)),
        ("device", other.up, good),
        ("device", hmu.up, good),
        ("length", tag.up, good[:-1]),
        ("length", tag.up, good + b"\0"),
        ("seal", tag.up, good[:-1] + bytes([good[-1] ^ 1])),
        ("seal", tag.up, a_message(stranger)),
        ("relay", tag.up, tag.relay(good)),
        ("device", hmu.up, hmu.relay(hmu.relay(good))),
        ("device", hmu.up, hmu.relay(a_message(hmu))),
        ("envelope", hmu.up, hmu.relay(b"")),
        ("record", tag.up, tag.message([bytes(broken_record)])),
    ]
    for reason, topic, payload in cases:
        ingest = ingest_of(engine)
        down_messages = ingest.handle([Inbound(topic, payload)])
        assert ingest.counts.get("refused", reason) == 1, (reason, topic, payload, ingest.counts.as_dict())
        if reason != "record":
            assert down_messages == []
    assert stored(engine) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topic=st.sampled_from(["hw/0/tag-000001/up", "hw/0/hmu-000001/up", "x"]) | st.text(max_size=20),
    payload=st.binary(max_size=120),
)
def test_any_bytes_under_any_topic_are_refused_and_counted(engine: Engine, topic: str, payload: bytes) -> None:
    ingest = ingest_of(engine)
    assert ingest.handle([Inbound(topic, payload)]) == []
    assert sum(n for name, n in ingest.counts.as_dict().items() if name.startswith("refused")) == 1


def test_counters_are_never_given_twice_whatever_the_restarts(engine: Engine) -> None:
    tag = Device("tag-000001")
    seen: list[int] = []
    for restart in range(4):
        ingest = ingest_of(engine)
        for _ in range(3 if restart else 1100):
            (down,) = (
                ingest.handle([Inbound(tag.up, a_message(tag))])
                if restart
                else ingest.handle([Inbound(tag.up, tag.message([tag.fix(seq=1)]))])
            )
            seen.append(tag.open_receipt(down.payload).counter)
    assert seen == sorted(set(seen))


def test_the_digest_is_over_all_records_in_order_of_device_and_number(engine: Engine) -> None:
    import hashlib

    hmu, tag = Device("hmu-000001"), Device("tag-000001")
    ingest = ingest_of(engine)
    for device in (hmu, tag):
        for _ in range(5):
            device.fix()
        ingest.handle([Inbound(device.up, sealed) for sealed in reversed(device.messages(2))])
    everything = b"".join(device.journal[seq] for device in (tag, hmu) for seq in range(1, 6))
    part = b"".join(tag.journal[seq] for seq in range(1, 4))
    with engine.connect() as connection:
        assert queries.digest(connection) == hashlib.sha256(everything).hexdigest()
        assert queries.digest(connection, {tag.id: 3}) == hashlib.sha256(part).hexdigest()
        assert queries.counts(connection)["records"] == 10
