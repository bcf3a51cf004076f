"""Orders on their way: numbers, ways, pieces, repetitions, answers; over crashes of the bridge."""

import random
import struct
from pathlib import Path
from typing import Any

import pytest

from bridge.ingest import Inbound
from bridge.orders.going import AGAIN_MS
from bridge.orders.payloads import parse_lease
from firmware.core import message, record
from tests.bridge.orders.household import Household, scheme

AGAIN_S = AGAIN_MS // 1000


@pytest.fixture
def house(tmp_path: Path) -> Household:
    """A tag that has its lease and has been heard."""
    house = Household(tmp_path)
    house.settle()
    return house


def test_an_order_goes_out_as_soon_as_it_is_found_and_is_over_with_its_answer(house: Household) -> None:
    order_id = house.ask(message.ORDER_LOCATE)
    (piece,) = house.pieces(house.pump())
    assert (piece.kind, piece.total, piece.data, piece.relayed) == (message.ORDER_LOCATE, 0, b"", False)
    row = house.row(order_id)
    assert (row.state, row.number, row.by_whom, row.reason) == ("sent", piece.number, "officer", "a call")
    house.now_ms += 20_000
    house.hear()
    assert house.pieces(house.done(piece.number)) == []
    row = house.row(order_id)
    assert (row.state, row.status, row.done_ms) == ("done", 0, house.now_ms)
    assert house.wait(3600) == [] and house.pieces(house.hear()) == []


def test_what_the_device_refuses_is_over_too(house: Household) -> None:
    order_id = house.ask(message.ORDER_LOCATE)
    (piece,) = house.pieces(house.pump())
    house.done(piece.number, message.NO_FIX)
    assert (house.row(order_id).state, house.row(order_id).status) == ("refused", message.NO_FIX)
    assert house.wait(3600) == []


def test_unanswered_it_goes_again_after_a_minute_both_ways_and_then_only_when_the_device_is_heard(house: Household) -> None:
    house.ask(message.ORDER_VIBRATE)
    (first,) = house.pieces(house.pump())
    assert house.wait(AGAIN_S - 1) == [] and house.pieces(house.hear()) == []
    again = house.pieces(house.wait(1))
    assert [(piece.number, piece.data, piece.relayed) for piece in again] == [
        (first.number, first.data, False),
        (first.number, first.data, True),
    ]
    assert house.wait(AGAIN_S) == [], "the device is not there: the broker keeps what was sent"
    assert len(house.pieces(house.hear())) == 2
    assert house.pieces(house.hear()) == [], "at most once a minute"
    house.now_ms += AGAIN_MS
    assert len(house.pieces(house.hear())) == 2


def test_a_tag_that_was_heard_by_its_home_unit_is_told_by_it(house: Household) -> None:
    house.hear(relayed=True)
    house.ask(message.ORDER_LOCATE)
    (piece,) = house.pieces(house.pump())
    assert piece.relayed
    house.restart()
    assert all(piece.relayed for piece in house.pieces(house.wait(5))), "and a new bridge knows it"


def test_orders_come_before_the_receipt_that_ends_the_devices_wait(house: Household) -> None:
    house.ask(message.ORDER_LOCATE)
    house.orders.pump()
    house.now_ms += AGAIN_MS
    out = house.hear()
    assert len(house.pieces(out[:-1])) == len(out) - 1 > 0 and house.pieces(out[-1:]) == []
    counters = [message.parse_header(each.payload)[4] for each in out if message.parse_header(each.payload)[0] == message.DOWN]  # pyright: ignore
    assert counters == sorted(counters)


def test_only_one_order_is_on_its_way_and_the_next_follows_its_answer(house: Household) -> None:
    for kind in (message.ORDER_LOCATE, message.ORDER_VIBRATE, message.ORDER_LOCATE):
        house.ask(kind)
    numbers: list[int] = []
    out = house.pump()
    for kind in (message.ORDER_LOCATE, message.ORDER_VIBRATE, message.ORDER_LOCATE):
        (piece,) = house.pieces(out)
        assert piece.kind == kind and house.pump() == []
        numbers.append(piece.number)
        out = house.done(piece.number)
    assert numbers == sorted(set(numbers))


def test_locate_is_given_up_after_ten_minutes_and_an_answer_after_that_still_counts(house: Household) -> None:
    order_id = house.ask(message.ORDER_LOCATE)
    (piece,) = house.pieces(house.pump())
    house.wait(600)
    assert house.row(order_id).state == "expired"
    assert house.pieces(house.hear()) == []
    house.done(piece.number)
    assert house.row(order_id).state == "done"


def test_numbers_grow_whatever_the_host_thinks_of_the_time(house: Household) -> None:
    last = 0
    for step_s in (0, 3600, -86_400, 0, 5):
        house.now_ms += step_s * 1000
        house.ask(message.ORDER_VIBRATE)
        (piece,) = house.pieces(house.orders.pump())
        assert piece.number > last
        last = piece.number
        house.done(piece.number)


def test_a_device_that_was_never_heard_is_sent_nothing(tmp_path: Path) -> None:
    house = Household(tmp_path)
    order_id = house.ask(message.ORDER_LOCATE)
    assert house.pump() == [] and house.wait(600) == []
    assert house.row(order_id).state == "expired", "and who waits for it is not kept waiting for ever"
    kinds = [piece.kind for piece in house.pieces(house.hear())]
    assert kinds == [message.ORDER_LEASE], "and then its lease first"


@pytest.mark.parametrize("seed", range(8))
def test_through_crashes_and_refused_commits_no_number_ever_has_two_contents(tmp_path: Path, seed: int) -> None:
    """And no counter seals two bodies: the sealed bytes under one counter are one."""
    chance = random.Random(seed)
    house = Household(tmp_path)
    contents: dict[int, tuple[int, bytes]] = {}
    sealed: dict[tuple[int, int], bytes] = {}
    waiting: list[int] = []
    for _ in range(200):
        out = []
        what = chance.random()
        if what < 0.25:
            house.ask(chance.choice((message.ORDER_LOCATE, message.ORDER_VIBRATE)))
        elif what < 0.4:
            house.restart()
        elif what < 0.5:
            house.apply(scheme(until=chance.choice((None, "2027-06-01T05:00:00Z", "2027-08-01T00:00:00Z"))))
        elif what < 0.6 and waiting:
            out = house.done(waiting[-1])
        elif what < 0.7:
            fail_once(house)
        else:
            out = house.hear(relayed=chance.random() < 0.5)
        out += house.wait(chance.choice((0.2, 5, 61)))
        for each in out:
            payload = each.payload
            if message.parse_header(payload)[0] == message.RELAY_DOWN:  # pyright: ignore
                payload = payload[message.HEADER :]
            header = message.parse_header(payload)
            assert header is not None
            assert sealed.setdefault((header[3], header[4]), payload) == payload
        for piece in house.pieces(out):
            assert contents.setdefault(piece.number, (piece.kind, piece.data)) == (piece.kind, piece.data)
            waiting.append(piece.number)
    assert len(contents) > 5


def fail_once(house: Household) -> None:
    """A transaction in which orders were planned does not happen."""
    from sqlalchemy.exc import OperationalError

    def fail(*arguments: Any) -> dict[int, int]:
        keep(*arguments)
        raise OperationalError("", {}, Exception("disk full"))

    keep = house.orders.take_in
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OperationalError):
        patch.setattr(house.orders, "take_in", fail)
        house.hear()


def test_a_home_units_range_test_is_kept_with_the_name_of_the_room(house: Household) -> None:
    house.send(house.hmu, house.hmu.event(record.STATUS, house.now_ms))
    kitchen = house.ask(message.ORDER_RANGE_TEST, name="hmu-000001", room="Kitchen", seconds=30)
    bath = house.ask(message.ORDER_RANGE_TEST, name="hmu-000001", room="Bath", seconds=30)
    out = house.pump()
    for order_id, room, median in ((kitchen, 1, -71), (bath, 2, -88)):
        (piece,) = house.pieces(out)
        assert struct.unpack("<BH", piece.data) == (room, 30)
        values = room << 16 | 57, (-95 & 0xFFFF) << 16 | median & 0xFFFF
        measured = house.hmu.event(record.RANGE, house.now_ms, *values)
        out = house.send(house.hmu, measured, house.hmu.event(record.ORDER_DONE, house.now_ms, piece.number))
        assert house.row(order_id).state == "done"
        result = house.row(order_id).result
        assert (result["frames"], result["lowest_dbm"], result["median_dbm"]) == (57, -95, median)
    assert [house.row(each).result["room"] for each in (kitchen, bath)] == ["Kitchen", "Bath"]


def test_the_key_changes_with_the_answer_that_comes_under_the_new_one(house: Household) -> None:
    from bridge.keys import device_key
    from tests.bridge.devices import FLEET_KEY, Device

    order_id = house.ask(message.ORDER_KEY)
    (piece,) = house.pieces(house.pump())
    assert piece.data == bytes([2]) + device_key(FLEET_KEY, house.tag.id, 2)
    assert house.row(order_id).payload == b"\x02", "no key stands in the store"
    assert house.hear(), "under the old key, until it has the new one"
    old, new = house.tag, Device("tag-000001", key_id=2)
    new.journal = old.journal
    house.tag = new
    late = old.message([old.fix(house.now_ms)])
    assert house.hear(), "records under the new key may come before the answer"
    assert house.ingest.handle([Inbound(house.tag.up, late)]), "and old ones that were on their way"
    house.done(piece.number)
    assert house.row(order_id).state == "done"
    assert house.ingest.handle([Inbound(house.tag.up, late)]) == []
    house.restart()
    assert house.ingest.handle([Inbound(house.tag.up, late)]) == [] and house.counts.get("refused", "key") == 2
    house.ask(message.ORDER_LOCATE)
    assert house.pieces(house.pump())[0].kind == message.ORDER_LOCATE


def test_where_time_is_that_of_the_records_nothing_goes_by_the_hosts_clock(tmp_path: Path) -> None:
    house = Household(tmp_path, clock="records")
    (lease,) = house.pieces(house.hear())
    assert lease.number == house.now_ms // 1000 and parse_lease(lease.data).from_s == house.now_ms // 1000
    for _ in range(5):
        assert house.wait(1000) == []
    assert len(house.pieces(house.hear())) == 2
    house.done(lease.number)
    house.ask(message.ORDER_LOCATE)
    assert [piece.kind for piece in house.pieces(house.orders.pump())] == [message.ORDER_LOCATE], (
        "but who asks is not kept waiting"
    )
