"""What the bridge finds in a wearer's records, from the message to the event row, without a broker."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

from bridge.cases.scheme import Scheme, apply_scheme
from bridge.findings import Findings
from bridge.ingest import Inbound, Ingest
from bridge.keys import Keyring
from bridge.store import open_store, schema
from firmware.core import record
from tests.bridge.devices import FLEET_KEY, Device

HOME = (507154000, -24367000)
PUB = (507254000, -24367000)  # 1.1 km north
MINUTE = 60_000
SCHEME = {
    "timezone": "Europe/London",
    "wearers": [
        {
            "id": "w1",
            "name": "One",
            "tag": "tag-000001",
            "home_unit": "hmu-000001",
            "home": {"lat": 50.7154, "lon": -2.4367},
            "from": "2026-06-01T04:00:00Z",
            "conditions": [
                {"kind": "curfew", "name": "Nights", "from": "19:00", "until": "07:00", "grace_min": 5},
                {"kind": "exclusion", "name": "School", "circle": {"lat": 50.7204, "lon": -2.4367, "radius_m": 100}},
            ],
        }
    ],
}


def ms(local: str) -> int:
    """Ms UTC of a British Summer Time such as "06-01 19:00"."""
    day, _, clock = local.partition(" ")
    return round(datetime.fromisoformat(f"2026-{day}T{clock}+01:00").timestamp() * 1000)


class World:
    """A store with one wearer, and his devices."""

    def __init__(self, folder: Path, name: str = "store.db", scheme: dict[str, Any] = SCHEME) -> None:
        self.engine: Engine = open_store(folder / name)
        apply_scheme(self.engine, Scheme.model_validate(scheme))
        self.ingest = Ingest(self.engine, Keyring(FLEET_KEY), clock="records")
        self.findings = Findings(self.engine, clock="records")
        self.tag, self.hmu = Device("tag-000001"), Device("hmu-000001")

    def send(self, device: Device, raws: Sequence[bytes]) -> None:
        assert self.ingest.handle([Inbound(device.up, device.message(raws))])

    def send_all(self) -> None:
        """Everything in order of time, as if each record came when it was made."""
        raws = [(record.Record(raw), device) for device in (self.tag, self.hmu) for raw in device.journal.values()]
        raws.sort(key=lambda each: (each[0].time_s, each[1].id, each[0].seq))
        self.send_parcels([(device, [made.raw]) for made, device in raws])

    def send_parcels(self, parcels: Sequence[tuple[Device, Sequence[bytes]]]) -> None:
        """One message each, in this order, in one transaction."""
        self.ingest.handle([Inbound(device.up, device.message(raws)) for device, raws in parcels])

    def look(self) -> None:
        while self.findings.run():
            pass

    def rows(self, table) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table)).all())

    def events(self, *kinds: str) -> list[tuple[str, str]]:
        """(kind, UTC time) of what stands, in order of time."""
        found = [row for row in self.rows(schema.event) if not row.superseded and (not kinds or row.kind in kinds)]
        found.sort(key=lambda row: (row.at_ms, row.id))
        return [(row.kind, datetime.fromtimestamp(row.at_ms / 1000, UTC).strftime("%H:%M:%S")) for row in found]

    @property
    def live(self) -> Any:
        (row,) = self.rows(schema.live)
        return row


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def heartbeat(world: World, since: str, until: str) -> None:
    for at_ms in range(ms(since), ms(until), 15 * MINUTE):
        world.hmu.event(record.STATUS, at_ms, flags=0)


def a_day_with_a_late_return(world: World, back: str = "06-01 19:42") -> None:
    tag, hmu = world.tag, world.hmu
    hmu.event(record.PRESENCE, ms("06-01 06:00"), record.PRESENCE_HOME, tag.id, flags=0)
    heartbeat(world, "06-01 06:05", "06-01 12:00")
    hmu.event(record.PRESENCE, ms("06-01 12:00"), record.PRESENCE_NOT_HOME, tag.id, flags=0)
    tag.event(record.MODE, ms("06-01 12:01"), record.MODE_GPS, record.MODE_BY_SILENCE)
    heartbeat(world, "06-01 12:05", back)
    for i, at_ms in enumerate(range(ms("06-01 12:02"), ms(back), 5 * MINUTE)):
        tag.fix(at_ms, PUB[0] + i, PUB[1])
    hmu.event(record.PRESENCE, ms(back), record.PRESENCE_HOME, tag.id, flags=0)
    tag.event(record.MODE, ms(back) + 20_000, record.MODE_RF, record.MODE_BY_BEACON, flags=record.MODE_RF)


def test_who_is_out_when_the_grace_ends_is_late_home_and_then_home(world: World) -> None:
    a_day_with_a_late_return(world)
    world.send_all()
    world.look()
    assert world.events("late_home", "home", "curfew_unknown") == [("late_home", "18:05:00"), ("home", "18:42:00")]
    (home,) = [row for row in world.rows(schema.event) if row.kind == "home"]
    assert home.detail["minutes_late"] == 42
    assert world.live.presence == record.PRESENCE_HOME and world.live.mode == record.MODE_RF


def test_who_comes_home_in_the_grace_is_not_late(world: World) -> None:
    a_day_with_a_late_return(world, back="06-01 19:04")
    world.send_all()
    world.look()
    assert world.events("late_home", "home", "left_home", "curfew_unknown", "out_all_night") == []


def test_who_was_away_long_before_the_curfew_began_is_found_with_no_record_after_it(world: World) -> None:
    """No event when already outside as the schedule starts: not here. Another wearer's records move the clock on."""
    a_day_with_a_late_return(world)
    other = Device("hmu-000009")
    other.event(record.STATUS, ms("06-01 19:10"), flags=0)
    cut = ms("06-01 18:50") // 1000
    for device in (world.tag, world.hmu):
        device.journal = {seq: raw for seq, raw in device.journal.items() if record.Record(raw).time_s < cut}
    world.send_all()
    world.look()
    assert world.events("late_home") == []
    scheme = {
        **SCHEME,
        "wearers": [*SCHEME["wearers"], {**SCHEME["wearers"][0], "id": "w2", "tag": "tag-000009", "home_unit": "hmu-000009"}],
    }
    apply_scheme(world.engine, Scheme.model_validate(scheme))
    world.send(other, list(other.journal.values()))
    world.look()
    assert ("late_home", "18:05:00") in world.events("late_home")


def test_findings_that_the_store_did_not_take_are_found_again(world: World) -> None:
    a_day_with_a_late_return(world)
    world.send_all()

    def full(connection: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    event.listen(world.engine, "commit", full)
    with pytest.raises(OperationalError):
        world.findings.run()
    event.remove(world.engine, "commit", full)
    assert world.rows(schema.event) == world.rows(schema.live) == []
    world.look()
    assert world.events("late_home", "home") == [("late_home", "18:05:00"), ("home", "18:42:00")]


def test_by_the_hosts_clock_a_curfew_begins_with_no_record_at_all(world: World) -> None:
    now = [ms("06-01 18:50")]
    world.findings = Findings(world.engine, clock="wall", now_ms=lambda: now[0])
    a_day_with_a_late_return(world, back="06-01 18:50")
    world.hmu.journal.popitem()  # … and nothing is heard from 18:50 on
    world.tag.journal.popitem()
    world.send_all()
    world.look()
    now[0] = ms("06-01 19:06")
    world.look()
    assert world.events("late_home") == []  # what is on its way gets two minutes
    now[0] = ms("06-01 19:07") + 1
    world.look()
    assert world.events("late_home") == [("late_home", "18:05:00")]
    (row,) = [row for row in world.rows(schema.event) if row.kind == "late_home"]
    assert row.received_ms == now[0] and not row.late
    world.findings = Findings(world.engine, clock="wall", now_ms=lambda: now[0])
    world.look()
    assert len([row for row in world.rows(schema.event) if row.kind == "late_home"]) == 1


def test_who_goes_out_again_at_night_is_found_out(world: World) -> None:
    a_day_with_a_late_return(world)
    tag, hmu = world.tag, world.hmu
    heartbeat(world, "06-01 19:50", "06-01 23:00")
    hmu.event(record.PRESENCE, ms("06-01 23:00"), record.PRESENCE_NOT_HOME, tag.id, flags=0)
    hmu.event(record.PRESENCE, ms("06-01 23:03"), record.PRESENCE_HOME, tag.id, flags=0)  # to the bins
    hmu.event(record.PRESENCE, ms("06-01 23:30"), record.PRESENCE_NOT_HOME, tag.id, flags=0)
    heartbeat(world, "06-01 23:40", "06-02 08:00")
    hmu.event(record.PRESENCE, ms("06-02 08:00"), record.PRESENCE_HOME, tag.id, flags=0)
    world.send_all()
    world.look()
    found = world.events("late_home", "left_home", "home", "out_all_night", "curfew_unknown")
    assert found == [("late_home", "18:05:00"), ("home", "18:42:00"), ("left_home", "22:35:00"), ("home", "07:00:00")]


def test_who_does_not_come_home_at_all_was_out_all_night(world: World) -> None:
    a_day_with_a_late_return(world, back="06-02 09:00")
    world.send_all()
    world.look()
    found = world.events("late_home", "left_home", "home", "out_all_night", "curfew_unknown")
    assert found == [("late_home", "18:05:00"), ("out_all_night", "06:00:00"), ("home", "08:00:00")]


def test_home_without_its_home_unit_is_unknown_and_not_out(world: World) -> None:
    """Power cut at 18:00: the beacons are gone, the tag goes to GPS mode in the living room. He has not left."""
    tag, hmu = world.tag, world.hmu
    hmu.event(record.PRESENCE, ms("06-01 17:00"), record.PRESENCE_HOME, tag.id, flags=0)
    hmu.event(record.MAINS_LOST, ms("06-01 18:00"), flags=0)
    tag.event(record.MODE, ms("06-01 18:10"), record.MODE_GPS, record.MODE_BY_SILENCE)
    for minute in range(12, 120, 5):
        tag.fix(ms("06-01 18:00") + minute * MINUTE, HOME[0] + 2000, HOME[1], radius_dm=400)
    world.send_all()
    world.look()
    assert world.events("late_home", "left_home", "presence", "mains_lost", "curfew_unknown") == [
        ("presence", "16:00:00"),
        ("mains_lost", "17:00:00"),
        ("curfew_unknown", "18:05:00"),
    ]


def test_unknown_is_never_reported_as_out(world: World) -> None:
    world.hmu.event(record.PRESENCE, ms("06-01 08:00"), record.PRESENCE_NOT_HOME, world.tag.id, flags=0)
    world.hmu.event(record.BOOT, ms("06-01 21:00"), flags=0)  # silent in between
    world.send_all()
    world.look()
    assert world.events("late_home", "curfew_unknown")[0] == ("curfew_unknown", "18:05:00")


def test_a_cut_strap_stays_cut_when_it_closes_again(world: World) -> None:
    world.tag.event(record.STRAP_CLOSED, ms("06-01 07:00"), 1500)
    world.tag.event(record.STRAP_CUT, ms("06-01 14:20"), 3300)
    world.tag.event(record.STRAP_CUT, ms("06-01 14:21"), 3300)
    world.tag.event(record.STRAP_CLOSED, ms("06-01 14:25"), 1500)
    world.send_all()
    world.look()
    assert world.events("strap_cut", "strap_closed") == [
        ("strap_closed", "06:00:00"),
        ("strap_cut", "13:20:00"),
        ("strap_closed", "13:25:00"),
    ]
    assert world.live.strap == "cut"


def test_a_zone_is_entered_and_left_with_the_whole_circle(world: World) -> None:
    north = 89.9  # 1e-7 degrees a centimetre, about
    for minute, metres in enumerate((-400, -250, -120, -103, 0, 103, 112, 250)):
        world.tag.fix(ms("06-01 15:00") + minute * 3 * MINUTE, round(507204000 + metres * north), -24367000, radius_dm=60)
    world.send_all()
    world.look()
    assert world.events("zone_entered", "zone_left") == [("zone_entered", "14:12:00"), ("zone_left", "14:18:00")]


def test_a_late_backlog_opens_its_event_marked_late_and_does_not_move_the_live_marker_back(world: World) -> None:
    tag = world.tag
    old = [tag.fix(ms("06-01 10:00") + i * MINUTE, 507204000, -24367000) for i in range(5)]
    new = [tag.fix(ms("06-01 16:00") + i * MINUTE, *PUB) for i in range(5)]
    world.send(tag, new)
    world.look()
    assert world.events("zone_entered") == []
    world.send(tag, old)
    world.look()
    (entered,) = [row for row in world.rows(schema.event) if row.kind == "zone_entered"]
    assert entered.late and entered.at_ms == ms("06-01 10:00") and entered.received_ms == ms("06-01 16:04")
    assert world.live.fix_at_ms == ms("06-01 16:04") and world.live.lat_e7 == PUB[0]


def test_what_later_records_refute_stays_as_superseded(world: World) -> None:
    """The home unit lost its line at 18:30: that he came home at 18:58 is heard at 20:00."""
    a_day_with_a_late_return(world, back="06-01 18:58")
    home = list(world.hmu.journal.values())[-1]
    tag_home = list(world.tag.journal.values())[-1]
    for device, late in ((world.hmu, home), (world.tag, tag_home)):
        for raw in device.journal.values():
            if raw != late:
                world.send(device, [raw])
    world.tag.journal[999] = world.tag.fix(ms("06-01 19:06"), *PUB, seq=999)  # a stray fix, long out of date by then
    world.send(world.tag, [world.tag.journal[999]])
    world.look()
    assert world.events("late_home") == [("late_home", "18:05:00")]
    world.send(world.hmu, [home])
    world.look()
    assert world.events("late_home") == []
    (kept,) = [row for row in world.rows(schema.event) if row.kind == "late_home"]
    assert kept.superseded


def test_quarantined_records_move_nothing(world: World) -> None:
    world.tag.fix(ms("06-01 12:00"), *PUB)
    world.tag.fix(ms("06-01 12:01"), 0, 0)
    world.tag.fix(ms("06-01 13:00"), *HOME, flags=record.MODE_GPS | record.DATE_DOUBTFUL)
    world.send_all()
    world.look()
    assert world.live.fix_at_ms == world.live.at_ms == ms("06-01 12:00") and world.live.lat_e7 == PUB[0]


def test_an_undated_boot_is_told_of_once_its_clock_is_known(world: World) -> None:
    boot = world.tag.undated(record.BOOT, uptime_s=2, boot=7, b=7)
    world.send(world.tag, [boot])
    world.look()
    assert world.events("boot") == []
    world.send(world.tag, [world.tag.clock_set(ms("06-01 09:00"), uptime_s=62, boot=7)])
    world.look()
    assert world.events("boot") == [("boot", "07:59:00")]


def test_records_from_before_the_conditions_are_judged_when_they_come(tmp_path: Path) -> None:
    bare = {key: value for key, value in SCHEME["wearers"][0].items() if key not in ("conditions", "home")}
    world = World(tmp_path, scheme={"timezone": "Europe/London", "wearers": [bare]})
    a_day_with_a_late_return(world)
    world.send_all()
    world.look()
    assert world.events("late_home") == []
    apply_scheme(world.engine, Scheme.model_validate(SCHEME))
    world.look()
    assert ("late_home", "18:05:00") in world.events()


def a_busy_day(world: World, chance: random.Random) -> None:
    """Three days of everything, with times that collide."""
    tag, hmu = world.tag, world.hmu
    at_ms = ms("06-01 05:00")
    while at_ms < ms("06-04 05:00"):
        at_ms += chance.choice((0, 1000, 30_000, MINUTE, 10 * MINUTE, 50 * MINUTE))
        what = chance.randrange(16)
        if what < 5:
            tag.fix(
                at_ms,
                *chance.choice((PUB, (507204000, -24367000), HOME, (507194500, -24367000))),
                radius_dm=chance.choice((50, 300)),
            )
        elif what < 8:
            stated = chance.choice((record.PRESENCE_HOME, record.PRESENCE_NOT_HOME, record.PRESENCE_UNKNOWN))
            hmu.event(record.PRESENCE, at_ms, stated, tag.id, flags=0)
        elif what == 8:
            tag.event(chance.choice((record.STRAP_CUT, record.STRAP_CLOSED)), at_ms)
        elif what == 9:
            mode = chance.choice((record.MODE_GPS, record.MODE_RF))
            tag.event(record.MODE, at_ms, mode, 1, flags=mode)
        elif what == 10:
            tag.event(record.BATTERY, at_ms, chance.randrange(100), 3700)
        elif what == 11:
            chance.choice((tag, hmu)).event(record.BOOT, at_ms, flags=0)
        elif what < 14:
            hmu.event(chance.choice((record.MAINS_LOST, record.MAINS_BACK, record.MOVED)), at_ms, 3700, flags=0)
        elif what == 14:
            tag.event(chance.choice((record.JAMMED, record.JAM_ENDED)), at_ms, 20)
        else:
            hmu.event(record.STATUS, at_ms, flags=0)


def what_stands(world: World) -> set[tuple]:
    return {(row.dedupe, row.kind, row.at_ms, repr(row.detail)) for row in world.rows(schema.event) if not row.superseded}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_any_order_of_arrival_finds_the_same(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("orders")
    in_order = World(folder, "a.db")
    a_busy_day(in_order, chance)
    in_order.send_all()
    in_order.look()
    shuffled = World(folder, "b.db")
    parcels = [
        (device, [raws[i] for i in range(at, min(at + 7, len(raws)))])
        for device in (in_order.tag, in_order.hmu)
        for raws in [list(device.journal.values())]
        for at in range(0, len(raws), 7)
    ]
    if chance.random() < 0.5:
        chance.shuffle(parcels)
    else:  # nearly in order, as in the field
        parcels.sort(key=lambda each: record.Record(each[1][0]).time_s + chance.randrange(7200))
    parcels += chance.sample(parcels, min(5, len(parcels)))
    while parcels:
        some = chance.randint(1, 12)
        shuffled.send_parcels(parcels[:some])
        parcels = parcels[some:]
        shuffled.findings.run()
        if chance.random() < 0.1:  # a restart: nothing but the store is known
            shuffled.findings = Findings(shuffled.engine, clock="records")
    shuffled.look()
    assert what_stands(shuffled) == what_stands(in_order)
    columns = [column.name for column in schema.live.c if column.name != "heard_ms"]
    assert [getattr(shuffled.live, name) for name in columns] == [getattr(in_order.live, name) for name in columns]
    in_order.engine.dispose()
    shuffled.engine.dispose()


def test_what_a_later_clock_dates_is_found_though_newer_records_were_folded_before(world: World):
    """The tag has its clock last: its first record was stored, undated, while the home unit's sent the fold back to the start."""
    tag, hmu = world.tag, world.hmu
    world.send(tag, [tag.undated(record.BOOT, 1, 1, 1, 1)])
    for clock in ("06-01 06:10", "06-01 06:00"):  # the second comes late
        world.send(hmu, [hmu.event(record.PRESENCE, ms(clock), record.PRESENCE_HOME, tag.id, flags=0)])
        world.look()
    world.send(tag, [tag.clock_set(ms("06-01 06:20"), 31 * 60, 1)])  # switched on at 05:49
    world.look()
    assert world.events("boot", "presence") == [("boot", "04:49:01"), ("presence", "05:00:00")]
