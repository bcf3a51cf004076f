"""What is done to a tag, as its receiver, its radio and its sensors feel it: and what ordinary losses look like beside it."""

from collections.abc import Callable

import pynmea2

from firmware.core.gnss import Receiver as Parser
from sim.world import Person, Receiver, Reception, Trip, Trouble, Truth, World, WorldSpec
from sim.world.gnss import JAM_LOST_DB

MINUTE = 60_000
START = 1_780_000_000_000 // 1000 * 1000
OPEN = Truth(50.7154, -2.4367, 1.4, 90.0, False, 0.0, None, 10_000_000, "walk")
INSIDE = OPEN._replace(indoors=True, speed_mps=0.0)


def epochs(
    wrong: Reception | Callable[[int], Reception | None] | None, truth: Truth = OPEN, seconds: int = 60, at_ms: int = START
):
    """What our own parser makes of a warm receiver's epochs."""
    receiver = Receiver(7, 1)
    out = []

    def keep(fix):
        names = ("valid", "cn0_max", "in_view", "satellites", "utc_s", "day", "tod_s", "date_doubtful", "has_date")
        out.append({name: getattr(fix, name) for name in names} | {"lat": fix.pos[0], "lon": fix.pos[1]})

    parser = Parser(keep)
    for second in range(seconds):
        t_ms = at_ms + second * 1000
        data = receiver.epoch(t_ms, truth, at_ms - 600_000, 1000, wrong(second) if callable(wrong) else wrong)
        parser.feed(bytearray(data), len(data))
        parser.idle()
    return out


def metres_north(epoch) -> float:
    return (epoch["lat"] / 1e7 - OPEN.lat) * 111_195


def world_with(*troubles: Trouble) -> World:
    trips = (Trip("out", "Fairlea Common", leave_s=9 * 3600), Trip("back", "home", leave_s=10 * 3600))
    people = (
        Person(
            "a",
            "A",
            "tag-000001",
            "hmu-000001",
            "22 Mallow Lane",
            trips,
        ),
        Person("b", "B", "tag-000002", None, "30 Wren Place"),
    )
    return World(WorldSpec(1, START, "Europe/London", people=people, troubles=troubles))


def test_a_jammer_takes_the_same_from_every_satellite_and_then_the_fix():
    clear, weak, lost = (epochs(Reception(loss_db=db))[-1] for db in (0, 12, JAM_LOST_DB))
    assert clear["valid"] and weak["valid"] and not lost["valid"]
    assert clear["cn0_max"] - weak["cn0_max"] == 12 and clear["cn0_max"] - lost["cn0_max"] == JAM_LOST_DB
    assert weak["satellites"] < clear["satellites"]


def test_a_jam_grows_to_its_depth_and_ends_with_its_time():
    jam = Trouble("jam", "a", MINUTE, 10 * MINUTE, fall_db=24, ramp_ms=MINUTE)
    world = world_with(jam)

    def loss(tag: str, t_ms: int) -> int:
        wrong = world.reception(tag, OPEN, t_ms)
        return wrong.loss_db if wrong else 0

    assert [loss("tag-000001", t * MINUTE // 2) for t in (1, 2, 3, 4, 19, 20)] == [0, 0, 12, 24, 24, 0]
    assert loss("tag-000002", 5 * MINUTE) == 0, "somebody else's"


def test_a_jammer_at_a_place_is_felt_the_more_the_nearer():
    world = world_with(Trouble("jam", None, 0, 10**9, lat=OPEN.lat, lon=OPEN.lon, radius_m=200, fall_db=20))

    def loss(metres: float) -> int:
        wrong = world.reception("tag-000001", OPEN._replace(lat=OPEN.lat + metres / 111_195), 5000)
        return wrong.loss_db if wrong else 0

    assert [loss(metres) for metres in (0, 199, 250, 301)] == [20, 20, 10, 0]


def test_coming_indoors_is_another_loss_some_satellites_stay_by_a_window():
    inside = epochs(None, INSIDE, seconds=1800)
    outside = epochs(None)[-1]["cn0_max"]
    jammed = epochs(Reception(loss_db=20))[-1]["cn0_max"]
    levels = [epoch["cn0_max"] for epoch in inside]
    assert all(10 <= outside - level <= 30 or level > jammed for level in levels)
    assert sum(level > jammed + 3 for level in levels) > len(levels) / 2, "not as flat as a jammer leaves it"
    assert all(epoch["in_view"] >= 8 for epoch in inside)


def test_a_spoofer_shows_a_place_that_is_not_and_is_loud_everywhere():
    world = world_with(Trouble("spoof", "a", 0, 10**9, jump_m=500.0, drift_mps=2.0, bearing_deg=0.0))
    shown = epochs(lambda second: world.reception("tag-000001", OPEN, second * 1000), INSIDE)
    assert all(epoch["valid"] and epoch["cn0_max"] >= 44 for epoch in shown)
    assert abs(metres_north(shown[0]) - 500) < 1 and abs(metres_north(shown[50]) - 600) < 1


def test_foil_takes_satellites_home_unit_and_network():
    world = world_with(Trouble("shield", "a", MINUTE, 2 * MINUTE))
    wrong = world.reception("tag-000001", OPEN, MINUTE)
    last = epochs(wrong)[-1]
    assert not last["valid"] and last["cn0_max"] <= 0
    home = [world.tag_to_home_unit_dbm("tag-000001", "hmu-000001", 3.0, t) for t in (0, MINUTE, 2 * MINUTE)]
    assert home[0] is not None and home[1] is None and home[2] is not None
    assert [world.has_coverage("tag-000001", t) for t in (0, MINUTE, 2 * MINUTE)] == [True, False, True]
    assert world.has_coverage("tag-000002", MINUTE)


def test_a_dead_receiver_says_nothing_or_nothing_that_makes_sense():
    assert epochs(Reception(silent=True)) == []
    receiver = Receiver(7, 1)
    noise = [receiver.epoch(START + n * 1000, OPEN, START - 600_000, 1000, Reception(garbage=True)) for n in range(20)]
    assert all(len(data) > 200 for data in noise) and len(set(noise)) == 20
    assert epochs(Reception(garbage=True)) == []


def test_sentinels_are_said_in_sentences_that_are_valid():
    zero = Receiver(7, 1).epoch(START, OPEN, START - 600_000, 1000, Reception(says="zero_position")).decode().split()
    rmc = [pynmea2.parse(line, check=True) for line in zero if "RMC" in line]
    assert [(m.status, m.latitude, m.longitude) for m in rmc] == [("A", 0.0, 0.0)]
    for says, doubtful_day in (("year_1980", 3657), ("rollover", None), ("future", None)):
        told = epochs(Reception(says=says))[-1]
        assert told["valid"] and told["date_doubtful"], says
        if doubtful_day:
            assert told["day"] in (doubtful_day, doubtful_day + 36525), "1980-01-06, or 2080 by its two digits"


def test_a_leap_second_is_the_60th_second_of_its_day():
    midnight = START // 86_400_000 * 86_400_000 + 86_400_000
    told = epochs(Reception(says="leap_second"), seconds=5, at_ms=midnight - 2000)
    assert [epoch["tod_s"] for epoch in told] == [86398, 86399, 86400, 1, 2]
    assert all(epoch["valid"] and not epoch["date_doubtful"] for epoch in told)
    assert told[2]["day"] == told[1]["day"] == told[3]["day"] - 1


def test_a_stuck_motion_sensor_says_the_same_whoever_moves():
    still, moving = Trouble("motion_stuck", "a", 0, 10**9, how="still"), Trouble("motion_stuck", "b", 0, 10**9, how="moving")
    world, sound = world_with(still, moving), world_with()
    nine = next(t for t in range(0, 86_400_000, MINUTE) if sound.is_moving("tag-000001", t, 0.2))
    assert not world.is_moving("tag-000001", nine, 0.2)
    assert world.is_moving("tag-000002", nine, 0.2) and not sound.is_moving("tag-000002", nine, 0.2)
