"""Zones as the field needs them: inside, outside or unknown, told once and when it is sure, fixes faster where it matters."""

import math
import random

import numpy as np
import pytest

from bridge.orders.zonemap import Circle, Zone
from firmware.core import zonemap
from firmware.tag import _zones_viper
from tests.firmware.core.geo_cases import cases, wrap
from tests.firmware.tag.zone_field import START, Field, circle, place, square

IN, OUT = [(1, True)], [(1, False)]


# --- inside, outside, unknown


def test_a_circle_that_touches_the_edge_is_neither_inside_nor_outside():
    field = Field([circle(kind="home")])
    assert field.is_home(0, 99) is True
    assert field.is_home(0, 101) is None
    assert field.is_home(95, 10) is None
    assert field.is_home(105, 10) is None
    assert field.is_home(115, 10) is False
    assert Field([circle(kind="exclusion")]).is_home(0, 10) is None  # no home zone


def test_a_second_home_counts_like_the_first():
    field = Field([circle(1, "home"), circle(2, "home", north_m=1000)])
    assert [field.is_home(north) for north in (0, 1000, 500, 1100)] == [True, True, False, None]


def test_no_place_is_ever_on_the_wrong_side():
    """Against shapely and geodesics: circles and polygons of 10 m to 100 km, with fixes of any radius."""
    rng = np.random.default_rng(8)
    seen = {True: 0, False: 0, None: 0}
    for each in cases(rng, 300, 24):
        points = [(int(lat) / 1e7, int(wrap(lon)) / 1e7) for lat, lon in each.points]
        radius_dm = min(int(each.reach_dm / 1.1), 1_000_000)
        shape = Circle(*points[0], radius_dm / 10) if len(points) == 1 else points
        try:
            field = Field([Zone(1, "home", shape)])
        except ValueError:  # a star that touches itself
            continue
        each.reach_dm = 2_000_000
        inside, dm = each.truth()
        if len(points) == 1:
            inside, dm = dm < radius_dm, np.abs(dm - radius_dm)
        for at, is_in, from_edge in zip(each.at, inside, dm, strict=True):
            fix_dm = int(10 ** rng.uniform(0.5, 4))
            pos = _zones_viper.buffers(2)[1]  # type: ignore
            pos[0], pos[1] = int(at[0]), int(wrap(at[1]))
            answer = field.zones.is_home(pos, fix_dm)
            seen[answer] += 1
            slack = 4 + (fix_dm * 2 + (radius_dm if len(points) == 1 else 0)) / 500
            if answer is None:
                assert from_edge < fix_dm + slack
            else:
                assert answer == is_in and from_edge > fix_dm - 1
    assert min(seen.values()) > 500


def test_a_fix_without_a_radius_or_off_the_earth_decides_nothing():
    field = Field([circle(confirm=1), circle(2, "home")])
    for lat, lon, radius_dm in ((507154000, -24367000, 0), (507154000, -24367000, -1), (900000001, 0, 10), (0, 1800000001, 10)):
        pos = _zones_viper.buffers(2)[1]  # type: ignore
        pos[0], pos[1] = lat, lon
        field.zones.check(pos, radius_dm, START)
        assert field.zones.is_home(pos, radius_dm) is None
    assert not field.told
    assert field.fix(0, 5000) == []  # 5 km: anywhere
    assert field.fix(0) == [(1, True)]


# --- confirmation


def test_the_first_state_is_told_once_when_it_is_sure_and_again_after_a_start():
    field = Field([circle(confirm=3)])
    assert [field.fix(0) for _ in range(5)] == [[], [], IN, [], []]
    field.start()
    assert [field.fix(0) for _ in range(5)] == [[], [], IN, [], []]


def test_so_many_points_confirm_a_change():
    for confirm in range(1, 5):
        field = Field([circle(confirm=confirm)], dwell_s=0)
        assert [field.fix(500) for _ in range(confirm)] == [[]] * (confirm - 1) + [OUT]
        assert [field.fix(0) for _ in range(confirm + 1)] == [[]] * (confirm - 1) + [IN, []]


def test_a_second_point_confirms_when_the_dwell_time_has_passed():
    field = Field([circle(confirm=10)], dwell_s=60)
    assert [field.fix(0, after_s=60) for _ in range(2)] == [[], IN]
    field = Field([circle(confirm=10)], dwell_s=60)
    assert [field.fix(0, after_s=15) for _ in range(5)] == [[], [], [], [], IN]


def test_no_time_confirms_what_a_single_point_has_said():
    field = Field([circle(confirm=2)])
    field.fix(0)
    assert field.tick(600) == []
    field = Field([circle(confirm=2)], dwell_s=0)
    field.fix(0)
    assert field.fix(0, radius_m=300, after_s=3600) == []


def test_an_unknown_point_neither_confirms_nor_begins_anew():
    field = Field([circle(confirm=3)], dwell_s=0)
    assert [field.fix(north) for north in (500, 500, 500)] == [[], [], OUT]
    assert [field.fix(north) for north in (0, 100, 0, 95, 105, 0)] == [[], [], [], [], [], IN]


def test_a_point_on_the_old_side_begins_anew():
    field = Field([circle(confirm=3)], dwell_s=0)
    for _ in range(3):
        field.fix(500)
    assert [field.fix(north) for north in (0, 0, 500, 0, 0)] == [[]] * 5
    assert field.fix(0) == IN


def test_a_clock_that_is_set_back_confirms_nothing():
    field = Field([circle(confirm=3)])
    field.fix(0)
    assert field.fix(0, after_s=-86_400) == []
    assert field.fix(0) == IN


def test_after_the_clock_was_set_back_dwelling_counts_from_there():
    field = Field([circle(confirm=10)])
    assert [field.fix(0), field.fix(0, after_s=-86_400), field.fix(0, after_s=59), field.fix(0, after_s=1)] == [[], [], [], IN]


# --- edges and drift


def test_who_changes_sides_comes_half_a_radius_further():
    field = Field([circle(confirm=1, radius_m=200)])
    assert field.fix(300, 20) == OUT
    assert field.fix(175, 20) == []  # the circle is inside; not by half as much again
    assert field.fix(168, 20) == IN
    assert field.fix(225, 20) == []
    assert field.fix(232, 20) == OUT


@pytest.mark.parametrize("shape", ["circle", "polygon"])
def test_drift_of_100_m_outside_does_not_enter(shape):
    """A day between tall buildings, 100 m beside a large zone: sigma 100 m, correlated over 60 s, its radius told honestly."""
    place_of = Circle(*place(0), 2000) if shape == "circle" else square(2000)
    for seed in range(3):
        rng = random.Random(seed)
        field = Field([Zone(1, "exclusion", place_of)])
        north = east = 0.0
        told = []
        for _ in range(86_400 // 15):
            keep = 0.7788  # exp(-15 / 60)
            north, east = (keep * x + (1 - keep**2) ** 0.5 * rng.gauss(0, 100) for x in (north, east))
            told += field.fix(2100 + north, 245, east_m=east)
        assert told in ([], OUT)


def test_a_wearer_at_the_edge_does_not_flap():
    rng = random.Random(5)
    field = Field([circle(radius_m=300)])
    drift, told = 0.0, []
    for _ in range(4 * 60 * 8):
        drift = 0.78 * drift + 0.63 * rng.gauss(0, 8)
        told += field.fix(300 + drift, 20)
    assert len(told) <= 2


# --- schedules


def test_a_zone_that_begins_is_told_of_to_who_stands_inside():
    field = Field([circle(intervals=[(START + 600, START + 1200)])])
    assert [field.fix(0) for _ in range(4)] == [[]] * 4
    assert field.zones.interval_s() == 0 and not field.zones.in_violation
    assert field.tick(600 - 61) == []
    assert field.tick(1) == IN
    assert field.zones.interval_s() == 15 and field.zones.in_violation
    assert field.tick(60) == []
    assert field.tick(600) == []  # it has ended: nothing is told
    assert field.zones.interval_s() == 0 and not field.zones.in_violation


def test_each_time_a_zone_begins_its_state_is_told():
    hours = [(START + day * 86_400, START + day * 86_400 + 3600) for day in range(20)]
    field = Field([circle(intervals=hours, confirm=1), circle(2, "inclusion", intervals=hours, confirm=1)])
    for day in range(20):
        north = 0 if day % 2 else 500
        field.now = START + day * 86_400 - 60
        assert field.fix(north, after_s=0) == []
        assert field.tick(59) == []
        assert field.tick(1) == [(1, bool(day % 2)), (2, bool(day % 2))]
        assert field.fix(north) == []
        assert field.tick(3700) == []


def test_what_was_before_the_receiver_went_off_is_not_told_of_a_zone_that_begins():
    field = Field([circle(1, "inclusion", intervals=[(START + 600, START + 4000)])])
    for _ in range(3):
        field.fix(400)  # on the way home
    field.zones.forget()
    assert field.tick(600) == []
    assert [field.fix(0) for _ in range(3)] == [[], [], IN]


def test_a_fix_of_two_hours_ago_does_not_tell_where_the_wearer_is():
    field = Field([circle(confirm=1, intervals=[(START + 7200, START + 9000)])])
    field.fix(0)
    assert field.tick(7200) == []
    assert field.fix(0) == IN


def test_a_check_notices_a_schedule_as_a_tick_does():
    field = Field([circle(confirm=3, intervals=[(START + 100, START + 200)])])
    assert [field.fix(0, after_s=20) for _ in range(6)] == [[], [], [], [], IN, []]


def test_a_clock_that_is_set_back_finds_the_schedule_again():
    field = Field([circle(confirm=1, intervals=[(START + 100, START + 200), (START + 1000, START + 1100)])])
    assert field.fix(0, after_s=1050) == IN
    assert field.fix(0, after_s=-900) == []
    assert field.zones.in_violation
    assert field.fix(0, after_s=100) == [] and not field.zones.in_violation
    assert field.fix(0, after_s=800) == IN


def test_without_a_clock_a_schedule_says_nothing_and_a_zone_without_one_holds():
    field = Field([circle(1, confirm=1, intervals=[(0, 0xFFFFFFFF)]), circle(2, confirm=1)])
    field.now = 0
    assert field.fix(0, after_s=0) == [(2, True)]
    assert field.tick() == []
    field.now = START
    assert field.tick() == [] and field.fix(0) == [(1, True)]


# --- the interval


def wanted(zones, north_m, **settings) -> int:
    field = Field(zones, **settings)
    for _ in range(3):
        field.fix(north_m)
    return field.zones.interval_s()


def test_in_and_near_an_exclusion_zone_fixes_come_faster():
    assert [wanted([circle()], north) for north in (0, 100, 290, 330, 5000)] == [15, 15, 15, 0, 0]
    assert wanted([circle()], 330, near_m=400) == 15
    assert wanted([circle()], 130, near_m=0) == 0
    assert wanted([circle(interval_s=30)], 0) == 30
    assert wanted([circle(), circle(2, interval_s=5)], 0, interval_s=20) == 5


def test_outside_an_inclusion_zone_and_near_its_edge_fixes_come_faster_but_not_deep_inside():
    zones = [circle(kind="inclusion", radius_m=1000)]
    assert [wanted(zones, north) for north in (0, 700, 900, 1100, 50_000)] == [0, 0, 15, 15, 15]
    zones = [circle(kind="inclusion", radius_m=1000, interval_s=40)]
    assert [wanted(zones, north) for north in (0, 50_000)] == [40, 40]


def test_home_quickens_nothing_unless_it_says_so():
    assert [wanted([circle(kind="home")], north) for north in (0, 100, 200)] == [0, 0, 0]
    assert [wanted([circle(kind="home", interval_s=20)], north) for north in (0, 200, 5000)] == [20, 20, 0]


def test_who_can_reach_a_zone_before_the_next_fix_is_near():
    field = Field([circle()])
    assert [field.fix(1400), field.zones.interval_s()] == [[], 0]
    field.zones.travel_dm = 14_000
    field.fix(1400)
    assert field.zones.interval_s() == 15


def test_violation_lasts_until_the_other_side_is_sure():
    field = Field([circle()])
    for _ in range(3):
        field.fix(0)
    assert field.zones.in_violation
    field.fix(2000)
    assert field.zones.in_violation and field.zones.interval_s() == 15
    field.fix(2000)
    field.fix(2000)
    assert not field.zones.in_violation and field.zones.interval_s() == 0


def test_each_violation_that_begins_and_each_whose_end_is_near_is_another_number():
    """By it the fix that says so first is sent at once."""
    field = Field([circle(1), circle(2, radius_m=400)])
    seen = []
    for north_m in (2000, 300, 300, 300, 0, 0, 0, 300, 300, 300, 2000, 2000, 2000):
        field.fix(north_m)
        seen.append(field.zones.violations)
    changes = [i for i in range(1, len(seen)) if seen[i] != seen[i - 1]]
    # Into the larger, the smaller; out of the smaller and sure of it; out of the larger and sure of it.
    assert changes == [1, 4, 7, 9, 10, 12] and seen[0] == seen[12] == 0


@pytest.mark.parametrize(("radius_m", "changes"), [(40, [3, 6]), (70, [])])
def test_two_centres_in_a_row_in_a_forbidden_zone_are_another_number_and_no_violation_of_the_tags(radius_m, changes):
    """The bridge's rules take them for entering; a larger circle's centre says nothing."""
    field = Field([circle(radius_m=100)])
    seen = []
    for north_m in (2000, 2000, 80, 80, 80, 130, 2000, 2000):
        field.fix(north_m, radius_m)
        assert not field.zones.in_violation
        seen.append(field.zones.violations)
    assert [i for i in range(1, len(seen)) if seen[i] != seen[i - 1]] == changes


def test_a_circle_just_beyond_the_edge_is_another_number_before_the_tag_is_sure_of_it():
    """The bridge's rules know no half radius more."""
    field = Field([circle(radius_m=100)])
    seen = []
    for north_m in (200, 200, 200, 78, 200, 0, 0, 0, 122, 122, 200, 200, 200):
        field.fix(north_m, 20)
        seen.append((field.zones.violations, field.zones.in_violation))
    changes = [i for i in range(1, len(seen)) if seen[i][0] != seen[i - 1][0]]
    assert changes == [3, 4, 5, 8, 12], seen
    assert [violated for _, violated in seen] == [False] * 5 + [True] * 7 + [False]


def test_after_a_centre_in_a_forbidden_zone_the_next_fix_comes_sooner_for_it_decides():
    field = Field([circle(radius_m=100)])
    wanted = []
    for north_m in (200, 200, 200, 90, 90, 90, 110, 200, 0, 0, 0):
        field.fix(north_m, 20)
        wanted.append(field.zones.interval_s())
    assert wanted == [15, 15, 15, 8, 15, 15, 15, 15, 15, 15, 15]


def test_centres_in_a_zone_now_and_then_are_nothing():
    field = Field([circle(radius_m=100)])
    for north_m in (2000, 80, 130) * 10:
        field.fix(north_m, 40)
        assert field.zones.violations == 0


def test_who_comes_out_of_an_inclusion_zone_and_back_is_another_number_too():
    field = Field([circle(1, "inclusion", radius_m=500)])
    seen = []
    for north_m in (0, 0, 0, 1000, 1000, 1000, 0, 0, 0):
        field.fix(north_m)
        seen.append(field.zones.violations)
    assert [i for i in range(1, len(seen)) if seen[i] != seen[i - 1]] == [3, 6, 8]


# --- many


def test_far_zones_are_not_read():
    field = Field([circle(k, north_m=20_000 + 500 * k) for k in range(64)])
    for _ in range(5):
        field.fix(0)
    field.flash.reads = 0
    field.fix(0)
    assert field.flash.reads == 0


def test_64_zones_of_64_points_are_kept_apart():
    rim = [(2 * math.pi * k / 64, 60 + k % 2 * 20) for k in range(64)]
    shapes = [[place(out * math.sin(a), out * math.cos(a)) for a, out in rim]] * 64
    zones = [
        Zone(1000 + k, "exclusion", shape, confirm=1, intervals=[(START + 60 * k, START + 10**6)])
        for k, shape in enumerate(shapes)
    ]
    field = Field(zones)
    told = field.fix(0, 5)
    told += [each for k in range(70) for each in field.tick(60)]
    assert sorted(told) == [(1000 + k, True) for k in range(64)]


def test_no_map_is_no_zones():
    field = Field([])
    assert field.fix(0) == [] and field.tick() == [] and field.zones.interval_s() == 0 and field.is_home(0) is None


def test_machine_code_has_the_layouts_numbers():
    names = ("EXCLUSION", "INCLUSION", "HOME", "CIRCLE", "POLYGON", "POINTS_MAX", "CONFIRM_MAX", "RADIUS_MAX_DM", "LAT_MAX_E7")
    for name in names:
        assert getattr(_zones_viper, "_" + name) == getattr(zonemap, name)
    assert _zones_viper._WIDE * 2 >= zonemap.SPAN_MAX_E7
