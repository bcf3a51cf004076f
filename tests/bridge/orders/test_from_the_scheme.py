"""Leases and configs as they follow from wear periods and conditions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.orders import asking, zonemap
from bridge.orders.payloads import (
    LEASE_S_MAX,
    NO_CONFIG,
    Lease,
    config_payload,
    lease_payload,
    parse_config,
    parse_lease,
    pieces,
    range_result,
)
from bridge.orders.wanted import Worn, wanted_lease
from firmware.core import message
from tests.bridge.devices import START_S
from tests.bridge.orders.household import NOW_MS, Household, scheme

DAY_S = 86_400
HOME = {"lat": 50.7154, "lon": -2.4367, "radius_m": 80}
STATION = {"kind": "exclusion", "name": "Station", "circle": {"lat": 50.71, "lon": -2.43, "radius_m": 150}}
PARK = {"kind": "inclusion", "name": "Park", "polygon": [[50.70, -2.44], [50.72, -2.44], [50.72, -2.42]]}


def leases(house: Household) -> list[Lease]:
    return [parse_lease(row.payload) for row in house.rows() if row.kind == message.ORDER_LEASE]


def test_an_open_wear_period_has_a_lease_of_35_days_that_is_renewed_when_half_of_it_is_gone(tmp_path: Path) -> None:
    house = Household(tmp_path)
    house.settle()
    assert leases(house) == [Lease(1, START_S, START_S + 35 * DAY_S)]
    house.wait(17 * DAY_S)
    house.settle()
    assert len(leases(house)) == 1
    house.wait(DAY_S)
    house.settle()
    until_s = leases(house)[-1].until_s
    assert len(leases(house)) == 2 and 52.9 * DAY_S < until_s - START_S < 53.1 * DAY_S


def test_a_wear_period_with_an_end_has_a_lease_until_then(tmp_path: Path) -> None:
    house = Household(tmp_path, scheme(until="2026-06-04T05:00:00Z"))
    house.settle()
    assert leases(house) == [Lease(1, START_S, START_S + 3 * DAY_S)]
    house.wait(3 * DAY_S)
    house.settle()
    assert len(leases(house)) == 1, "it is over by itself"


def test_who_withdraws_his_consent_is_let_go_at_once(tmp_path: Path) -> None:
    """Whatever else is on its way, and though the tag says nothing."""
    house = Household(tmp_path)
    house.settle()
    house.ask(message.ORDER_LOCATE)
    house.pump()
    house.wait(3600)
    house.apply(scheme(until="2026-06-01T06:00:00Z"))
    (piece,) = house.pieces(house.pump())
    assert (piece.kind, parse_lease(piece.data)) == (message.ORDER_LEASE, Lease(1, START_S, START_S + 3600))
    assert [row.state for row in house.rows() if row.kind == message.ORDER_LOCATE] != ["sent"]
    house.done(piece.number)
    assert house.wait(3600) == []


def test_an_end_that_is_moved_moves_the_lease(tmp_path: Path) -> None:
    house = Household(tmp_path)
    house.settle()
    for until, day in (("2026-06-11T05:00:00Z", 10), ("2026-06-21T05:00:00Z", 20)):
        house.apply(scheme(until=until))
        (piece,) = house.pieces(house.pump())
        assert parse_lease(piece.data).until_s == START_S + day * DAY_S
        house.done(piece.number)


def test_the_next_wearers_lease_waits_for_the_end_of_the_one_before(tmp_path: Path) -> None:
    both = scheme(until="2026-06-02T05:00:00Z")
    both["wearers"].append({"id": "w2", "name": "X", "tag": "tag-000001", "from": "2026-06-03T05:00:00Z"})
    house = Household(tmp_path, both)
    house.settle()
    assert leases(house) == [Lease(1, START_S, START_S + DAY_S)]
    house.wait(DAY_S)
    house.settle()
    assert leases(house)[1:] == [Lease(2, START_S + 2 * DAY_S, START_S + 37 * DAY_S)]


def test_a_home_unit_has_no_lease_and_no_zones_but_the_policy(tmp_path: Path) -> None:
    house = Household(tmp_path, {**scheme(home=HOME, conditions=[STATION]), "policy": {"unit_status_s": 600}})
    out = house.send(house.hmu, house.hmu.event(13, house.now_ms))
    (piece,) = house.pieces(out)
    assert (piece.kind, piece.data) == (message.ORDER_CONFIG, config_payload({"unit_status_s": 600}))


def test_a_tag_is_told_its_settings_its_zones_and_its_home(tmp_path: Path) -> None:
    house = Household(tmp_path, {**scheme(home=HOME, conditions=[STATION, PARK]), "policy": {"fix_interval_s": 30}})
    house.settle()
    (row,) = [row for row in house.rows() if row.kind == message.ORDER_CONFIG]
    policy, zone_map = parse_config(row.payload)
    assert policy == {"fix_interval_s": 30}
    home, station, park = zonemap.unpack(zone_map)
    assert (home.kind, home.id, home.shape.radius_m) == ("home", 0, 80.0)  # pyright: ignore
    assert (station.kind, station.shape.radius_m, park.kind, len(park.shape)) == ("exclusion", 150.0, "inclusion", 3)  # pyright: ignore
    assert len({home.id, station.id, park.id}) == 3


def test_a_changed_condition_is_a_new_config_and_an_old_one_on_its_way_is_overtaken(tmp_path: Path) -> None:
    house = Household(tmp_path, scheme(home=HOME))
    house.settle()
    house.apply(scheme(home=HOME, conditions=[STATION]))
    first = house.pieces(house.pump())
    house.apply(scheme(home=HOME, conditions=[PARK]))
    second = house.pieces(house.pump())
    assert first[0].number < second[0].number and house.open() == [message.ORDER_CONFIG]
    house.done(second[0].number)
    assert not house.open() and house.wait(3600) == []


def test_a_tag_that_nobody_wears_any_more_forgets_where_people_live(tmp_path: Path) -> None:
    house = Household(tmp_path, scheme(home=HOME, conditions=[STATION]))
    house.settle()
    house.wait(60)
    house.apply(scheme(until="2026-06-01T05:01:00Z", home=HOME, conditions=[STATION]))
    house.pump()
    house.now_ms += 60_000
    house.settle()
    newest = [row for row in house.rows() if row.kind == message.ORDER_CONFIG][-1]
    assert (newest.payload, newest.state) == (NO_CONFIG, "done")


def test_a_long_config_goes_in_pieces_that_make_it_up_a_few_at_a_time_by_a_home_unit(tmp_path: Path) -> None:
    zones = [{**STATION, "name": f"Zone {i}"} for i in range(30)]
    house = Household(tmp_path, scheme(home=HOME, conditions=zones))
    (lease,) = house.pieces(house.hear(relayed=True))
    found = house.pieces(house.done(lease.number, relayed=True))
    assert 1 <= len(found) <= 3 and all(piece.relayed for piece in found)
    for _ in range(20):
        found += [piece for piece in house.pieces(house.hear(relayed=True)) if piece.kind == message.ORDER_CONFIG]
    whole = bytearray(found[0].total)
    for piece in found:
        whole[piece.offset : piece.offset + len(piece.data)] = piece.data
    (row,) = [row for row in house.rows() if row.kind == message.ORDER_CONFIG]
    assert bytes(whole) == row.payload and len(zonemap.unpack(parse_config(row.payload)[1])) == 31
    assert len({piece.number for piece in found}) == 1


def test_what_a_bench_has_put_on_the_device_is_not_sent_again(tmp_path: Path) -> None:
    house = Household(tmp_path, scheme(home=HOME))
    worn = Worn(1, "w1", house.tag.id, house.hmu.id, NOW_MS, None, (50.7154, -2.4367), 80)
    lease = wanted_lease(worn, None, NOW_MS)
    assert lease is not None
    asking.note_provisioned(house.engine, house.tag.name, message.ORDER_LEASE, lease_payload(*lease), 1)
    zone = zonemap.Zone(0, "home", zonemap.Circle(50.7154, -2.4367, 80))
    asking.note_provisioned(house.engine, house.tag.name, message.ORDER_CONFIG, config_payload({}, zonemap.pack([zone])), 2)
    house.restart()
    assert house.pieces(house.hear()) == [] and house.wait(3600) == []


def test_a_zone_that_no_tag_can_hold_is_told_and_stops_nothing_else(tmp_path: Path) -> None:
    many = [[50.7 + 0.0001 * i, -2.4 + 0.00001 * i * i] for i in range(100)]
    house = Household(tmp_path, scheme(conditions=[{"kind": "exclusion", "name": "Many", "polygon": many}]))
    (piece,) = house.pieces(house.hear())
    assert piece.kind == message.ORDER_LEASE and house.counts.get("orders", "config impossible")


TIMES = st.integers(0, 4_000_000_000)


@given(
    start=TIMES,
    length=st.none() | st.integers(1, 900 * DAY_S),
    now=TIMES,
    days=st.integers(1, 365),
    known=st.none() | st.builds(Lease, st.integers(1, 2), TIMES, TIMES),
)
def test_a_lease_never_goes_beyond_the_wear_period_and_is_settled_at_once(start, length, now, days, known) -> None:
    until_ms = None if length is None else (start + length) * 1000
    worn = Worn(1, "w", 1, None, start * 1000, until_ms, None, 100)
    lease = wanted_lease(worn, known, now * 1000, days)
    assert wanted_lease(worn, lease, now * 1000, days) == lease, "asked again it is the same"
    if lease is None:
        assert known is None and until_ms is not None and until_ms <= now * 1000
        return
    assert lease.until_s <= lease.from_s or lease == known or lease.until_s - lease.from_s <= LEASE_S_MAX
    if until_ms is not None and lease.until_s > max(now, lease.from_s):
        assert lease.period_id == 1 and lease.until_s * 1000 <= until_ms
    if start <= now and (until_ms is None or now * 1000 < until_ms):
        assert lease.from_s <= now < lease.until_s, "who is worn may track"


@given(number=st.integers(1, 2**32 - 1), payload=st.binary(max_size=2000))
def test_pieces_make_up_the_order_whatever_their_order(number: int, payload: bytes) -> None:
    whole = bytearray(len(payload))
    for body in reversed(pieces(number, message.ORDER_CONFIG, payload)):
        parsed = message.parse_order(body)
        assert parsed is not None and parsed[0] == number and parsed[3] == len(payload)
        data = body[message.ORDER_HEADER :]
        whole[parsed[2] : parsed[2] + len(data)] = data
    assert whole == payload


@given(
    room=st.integers(0, 255),
    slot=st.integers(0, 15),
    frames=st.integers(0, 4095),
    lowest=st.integers(-128, 0),
    median=st.integers(-128, 0),
)
def test_a_range_record_is_read_as_it_is_written(room: int, slot: int, frames: int, lowest: int, median: int) -> None:
    from tests.bridge.devices import Device

    raw = Device("hmu-000001").event(41, a=room << 16 | slot << 12 | frames, b=(lowest & 0xFFFF) << 16 | median & 0xFFFF)
    a, b = (int.from_bytes(raw[at : at + 4], "little", signed=True) for at in (16, 20))
    assert range_result(a, b) == {"room": room, "slot": slot, "frames": frames, "lowest_dbm": lowest, "median_dbm": median}


@pytest.mark.parametrize(("policy", "words"), [({"fix_interval_s": 1}, "expected 5 to 3600"), ({"x": 1}, "no such setting")])
def test_a_config_with_a_wrong_setting_is_never_made(policy: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        config_payload(policy)


def test_what_the_bench_takes_from_the_scheme_is_what_the_bridge_wants(tmp_path: Path) -> None:
    from bridge.orders import bench

    house = Household(tmp_path, {**scheme(home=HOME, conditions=[STATION]), "policy": {"fix_interval_s": 30}})
    for device in (house.tag, house.hmu):
        found = bench.wanted(house.engine, device.name, NOW_MS)
        bench.note(house.engine, device.name, {kind: (kind, payload) for kind, payload in found.items()})
    house.restart()
    assert house.pieces(house.hear()) == []
    assert house.pieces(house.send(house.hmu, house.hmu.event(13, house.now_ms))) == [] and house.wait(3600) == []
