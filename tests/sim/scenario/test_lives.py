"""What people do at random: as often as said, when said, the same from the same seed, and never a jump."""

import statistics

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario import Scenario
from sim.scenario.models import ScenarioFile
from sim.world.motion import MAX_MPS
from sim.world.plane import distance_m

HOUR, DAY = 3_600_000, 86_400_000
TEXT = """
name: t
start: 2026-06-01T00:00:00
timezone: Europe/London
until: 60d
people:
  - id: a
    name: A
    tag: tag-000001
    home_unit: hmu-000001
    home: 22 Mallow Lane
    conditions:
      - {kind: exclusion, name: Z, around: {place: 27 Friars Street, radius_m: 150}}
    routine:
      - {name: to work, leave: "08:00", to: Westgate Print Works, by: cycle}
      - {name: home, leave: "17:00", to: home, by: car}
    charging: {at: "22:30", minutes: 60}
"""


def scenario(seed=1, **person):
    data = yaml.safe_load(TEXT)
    data["seed"] = seed
    data["people"][0] |= person
    return Scenario("t", ScenarioFile.model_validate(data))


def stays(world, days):
    return [s for s in world.wearers["a"].stretches(0, days * DAY) if s.place is not None]


def test_an_appointment_is_kept_and_then_one_goes_back_to_where_one_was():
    weekly = {"at": "10:30", "place": "Probation Office", "minutes": 45, "days": ["tue"], "by": "bus"}
    once = {"at": "14:00", "place": "Jobcentre", "day": 3, "then": "home"}
    s = scenario(appointments=[weekly, once])
    world = s.world()

    def at(day, hour, minute=0):
        return world.truth("a", s.clock_ms(day, hour * 3600 + minute * 60)).place

    for day in (2, 9):  # Tuesdays
        assert at(day, 9) == "Westgate Print Works" and at(day, 10, 31) == at(day, 11, 14) == "Probation Office"
        assert at(day, 12) == "Westgate Print Works" and at(day, 18) == "22 Mallow Lane"
    assert at(3, 10, 31) == "Westgate Print Works"
    assert at(3, 14, 1) == at(3, 14, 29) == "Jobcentre" and at(3, 16) == "22 Mallow Lane"
    assert at(10, 14, 1) == "Westgate Print Works"


def test_outings_come_as_often_as_said_within_the_hours_said():
    wander = {
        "to": ["Larkfield Supermarket", "Priory Gardens"],
        "per_day": 2.5,
        "stay_min": [10, 20],
        "between": ["09:00", "21:00"],
    }
    counts = []
    for seed in range(4):
        s = scenario(seed, routine=[], wander=[wander])
        out = [x for x in stays(s.world(), 60) if x.place in wander["to"]]
        counts.append(len(out))
        for x in out:
            assert 9 <= s.local_time(x.start_ms).hour <= 21 and 10 * 60_000 <= x.end_ms - x.start_ms <= 20 * 60_000
        assert {x.place for x in out} == set(wander["to"])
    assert statistics.mean(counts) / 60 == pytest.approx(2.5, rel=0.15)  # Poisson: 600 of them, 2 sigma is 8 %; a few do not fit


def test_one_comes_home_late_and_forgets_to_charge_as_often_as_said():
    s = scenario(mistakes={"late_home": 0.3, "late_by_min": [20, 40], "forgets_charging": 0.25})
    usual = scenario().world()
    world = s.world()
    late = forgotten = 0
    for day in range(1, 61):
        clock = [s.clock_ms(day, second) for second in (0, 86_399)]
        came, comes = (
            next(
                x.start_ms
                for x in w.wearers["a"].stretches(*clock)
                if x.place == "22 Mallow Lane" and x.start_ms > clock[0] + 9 * HOUR
            )
            for w in (world, usual)
        )
        assert came == comes or 20 * 60_000 <= came - comes <= 40 * 60_000
        late += came != comes
        forgotten += not [e for e in world.wearers["a"].events(*clock) if e.kind == "charger_on"]
    assert 9 <= late <= 27 and 7 <= forgotten <= 24  # of 60: 18 and 15, within 2.5 sigma


def test_what_is_done_at_random_is_undone_and_comes_as_often_as_said():
    s = scenario(rates=[{"what": "strap_cut", "per_year": 200, "minutes": [5, 30]}, {"what": "unit_moved", "per_year": 60}])
    events = s.world().wearers["a"].spec.events
    cuts = [e for e in events if e.kind == "strap_cut"]
    assert 18 <= len(cuts) <= 50  # 33 expected in 60 days; sigma 5.7
    for cut in cuts:
        closed = min(e.at_ms for e in events if e.kind == "strap_closed" and e.at_ms > cut.at_ms)
        assert 5 * 60_000 <= closed - cut.at_ms <= 30 * 60_000
    assert {e.device for e in events if e.kind == "unit_moved"} == {"hmu-000001"}
    assert [(d.at_ms, d.what) for d in s.draws] == sorted((e.at_ms, e.kind) for e in events if e.kind != "strap_closed")


def test_a_longer_run_has_the_same_beginning():
    rates = [{"what": "case_opened", "per_year": 400, "between": ["10:00", "12:00"]}]
    short, long = scenario(rates=rates), scenario(rates=rates)
    short.until_ms = 20 * DAY
    assert [d for d in long.draws if d.at_ms < 19 * DAY] == [d for d in short.draws if d.at_ms < 19 * DAY]
    assert all(10 <= long.local_time(d.at_ms).hour < 12 for d in long.draws) and len(long.draws) > 30
    assert short.draws != scenario(2, rates=rates).draws[: len(short.draws)]


def test_who_goes_into_a_zone_at_random_is_in_it_then():
    s = scenario(rates=[{"what": "into_zone", "zone": "Z", "per_year": 100, "minutes": [4, 9], "between": ["12:00", "15:00"]}])
    world = s.world()
    lat, lon = world.town.latlon(world.town.place("27 Friars Street"))
    assert s.draws
    for draw in s.draws:
        span = range(draw.at_ms, draw.at_ms + HOUR, 5000)
        inside = [t for t in span if distance_m(*world.truth("a", t)[:2], lat, lon) < 150]
        assert len(inside) * 5000 >= (draw.until_ms or 0) - draw.at_ms - 10_000
    quiet = scenario().world()
    assert not any(distance_m(*quiet.truth("a", t)[:2], lat, lon) < 150 for t in range(0, 10 * DAY, 20_000))


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 1 << 40),
    by=st.sampled_from(["walk", "cycle", "bus", "car"]),
    traffic=st.sampled_from(["none", "light", "busy"]),
    per_day=st.floats(0.1, 12),
    day=st.integers(0, 40),
)
def test_nobody_jumps_whatever_they_do(seed, by, traffic, per_day, day):
    data = yaml.safe_load(TEXT)
    data["town"] = {"traffic": traffic}
    data["seed"] = seed
    data["people"][0] |= {
        "wander": [{"to": ["Larkfield Supermarket", "Friars Street", "The Millwheel"], "per_day": per_day, "by": by}],
        "mistakes": {"late_home": 0.5}, "rates": [{"what": "into_zone", "zone": "Z", "per_year": 500}],
        "appointments": [{"at": "11:00", "place": "Town Library", "days": ["mon", "wed", "fri", "sun"], "by": by}],
    }  # fmt: skip
    world, again = (Scenario("t", ScenarioFile.model_validate(data)).world() for _ in range(2))
    before = world.truth("a", day * DAY)
    for t in range(day * DAY + 5000, (day + 1) * DAY, 5000):
        now = world.truth("a", t)
        most = max(MAX_MPS[now.mode], MAX_MPS[before.mode])
        assert distance_m(before.lat, before.lon, now.lat, now.lon) <= most * 5 * 1.01 + 0.05, (t, before, now)
        before = now
    for t in (day * DAY + 5 * HOUR, day * DAY + 13 * HOUR, (day + 1) * DAY - 1):  # asked for in another order
        assert again.truth("a", t) == world.truth("a", t)
