"""What is put together for a report: the plan, the truth and what was found, each from where it is known."""

import pytest
import shapely

from firmware.core import record
from sim.control.acts import Act, text
from sim.report.gather import SAMPLE_MS, Span, Story, WearerStory
from sim.world.plane import distance_m
from tests.sim.report.made_up import HOUR_MS, MINUTE_MS, TAG, UNIT, MadeUp


@pytest.fixture
def jory(story: Story) -> WearerStory:
    (wearer,) = story.wearers
    return wearer


def ms(story: Story, moment: str) -> int:
    return story.scenario.moment_ms(moment)


def test_the_truth_is_the_worlds(story: Story, jory: WearerStory):
    world = story.scenario.world()
    assert len(jory.samples) == story.ended_ms // SAMPLE_MS + 1
    for sample in jory.samples[:: 4 * 60]:
        truth = world.truth("jory", sample.t_ms)
        assert (sample.lat, sample.lon, sample.travel) == (truth.lat, truth.lon, truth.mode)
        assert sample.home_m == pytest.approx(distance_m(truth.lat, truth.lon, *jory.home))
    assert jory.samples[0].at_home and not jory.samples[-1].at_home  # the tag lies where he dropped it


def test_the_true_way_has_its_corners(story: Story, jory: WearerStory):
    world = story.scenario.world()
    plane = world.town.plane
    way = shapely.LineString([plane.to_xy(lat, lon) for lat, lon in jory.track])
    off = []
    for t_ms in range(ms(story, "10:30"), ms(story, "14:00"), 1_000):
        truth = world.truth("jory", t_ms)
        off.append(way.distance(shapely.Point(plane.to_xy(truth.lat, truth.lon))))
    assert max(off) < 0.5


def test_coverage_is_as_it_really_was(story: Story, jory: WearerStory):
    (lost,) = jory.uncovered
    assert abs(lost.from_ms - ms(story, "12:00")) <= MINUTE_MS and abs(lost.until_ms - ms(story, "12:20")) <= MINUTE_MS
    assert jory.no_home_network == []


def test_faults_and_happenings_are_as_planned(story: Story, jory: WearerStory):
    assert jory.faults == [
        Span(ms(story, "11:00"), ms(story, "11:30"), "jam"),
        Span(ms(story, "12:00"), ms(story, "12:20"), "coverage lost"),
    ]
    assert [(done.t_ms, done.text) for done in jory.happenings[:2]] == [
        (ms(story, "14:20"), "strap cut"),
        (ms(story, "14:20") + 40_000, "tag dropped"),
    ]


def test_conditions_are_those_of_the_store(story: Story, jory: WearerStory):
    assert jory.curfews == [Span(ms(story, "21:00"), story.ended_ms, "Nights")]
    (zone,) = jory.zones
    assert (zone.kind, zone.name, zone.radius_m, len(zone.ring)) == ("exclusion", "The <river>", 120, 1)


def test_mode_and_presence_last_until_they_change(story: Story, jory: WearerStory):
    out_ms = ms(story, "10:30")
    assert jory.modes == [Span(0, out_ms, "RF"), Span(out_ms, story.ended_ms, "GPS")]
    assert jory.presences == [Span(40_000, out_ms, "home"), Span(out_ms, story.ended_ms, "out")]


def test_fixes_and_batteries_are_what_the_records_told(story: Story, jory: WearerStory):
    assert len(jory.fixes) == 23 and jory.fixes[0].t_ms == ms(story, "10:30") and jory.fixes[0].radius_m == 6.2
    assert jory.batteries.keys() == {TAG, UNIT}
    assert (jory.batteries[TAG][0].percent, jory.batteries[TAG][-2].percent) == (97, 93)
    assert {level.percent for level in jory.batteries[UNIT]} == {100} and len(jory.batteries[UNIT]) == 18


def test_each_finding_has_when_it_happened_and_when_it_was_known(story: Story, jory: WearerStory):
    (cut,) = (found for found in jory.found if found.kind == "strap_cut")
    assert (cut.t_ms, cut.lag_ms, cut.asks, cut.by_record) == (ms(story, "14:20"), 980, True, True)
    (late,) = (found for found in jory.found if found.kind == "late_home")
    # The next record of anybody is the home unit's of 22:00, which went up at 23:00.
    assert (late.text, late.lag_ms, late.by_record) == ("late home: Nights", ms(story, "23:00") + 50 - ms(story, "21:05"), False)
    (spoofed,) = (found for found in jory.found if found.superseded)
    assert spoofed.kind == "spoofed"


def test_lags_are_of_every_record_that_came(story: Story):
    assert len(story.record_lags_ms) == 1 + 23 + 1 + 18 and story.record_lags_ms == sorted(story.record_lags_ms)
    assert story.record_lags_ms[-1] == 17 * HOUR_MS + 50  # the home unit's first, which waited


def test_a_run_of_a_year_is_sampled_less_often(made: MadeUp):
    year_ms = 365 * 24 * HOUR_MS
    story = made.story(year_ms)
    assert len(story.wearers[0].samples) <= 6_001 and story.sample_ms % 1000 == 0


def test_records_that_nobody_believes_are_left_out(made: MadeUp):
    made.fix(5 * HOUR_MS, 51.0, -2.0)
    made.fix(3 * 24 * HOUR_MS, 51.0, -2.0)  # after the end
    made.told(6 * HOUR_MS, record.STATUS, mode=record.MODE_OFF)
    wearer = made.story().wearers[0]
    assert [fix.t_ms for fix in wearer.fixes] == [5 * HOUR_MS]
    assert [span.value for span in wearer.modes] == ["GPS", "OFF"]


def test_what_was_done_by_hand_counts_as_the_scenarios_own(made: MadeUp):
    at = {name: made.ms(name) for name in ("08:00", "08:30", "09:00", "10:00")}
    here = made.scenario.home_of(made.scenario.file.people[0])
    acts = [
        Act(at["08:00"], "moved", "jory", {"lat": here[0] + 0.003, "lon": here[1]}),
        Act(at["08:30"], "strap_cut", "jory"),
        Act(at["08:30"], "jam", "jory", {"fall_db": 30}),
        Act(at["09:00"], "jam_over", "jory"),
        Act(at["09:00"], "bridge_down"),
        Act(at["10:00"], "bridge_down_over"),
        Act(at["10:00"], "shield", None),
    ]
    (made.folder / "acts.yaml").write_text(text(acts, made.scenario), encoding="utf-8")
    seq = made.fix(at["09:00"] + MINUTE_MS, *here)
    made.went(seq, seq, at["09:00"] + 2 * MINUTE_MS)
    story = made.story()
    (wearer,) = story.wearers
    assert wearer.samples[at["08:00"] // SAMPLE_MS + 2].home_m == pytest.approx(333, abs=5)
    assert [(done.t_ms, done.text) for done in wearer.happenings[:2]] == [
        (at["08:00"], "moved, by hand"),
        (at["08:30"], "strap cut"),
    ]
    assert wearer.faults == [
        Span(at["08:30"], at["09:00"], "jam, by hand"),
        Span(at["09:00"], at["10:00"], "bridge down, by hand"),
        Span(at["10:00"], story.ended_ms, "shield, by hand"),
    ]
    assert wearer.uncovered[0].from_ms - at["10:00"] <= MINUTE_MS  # under the foil
    assert story.record_lags_ms == [at["10:00"] - at["09:00"] - MINUTE_MS]  # it waited for the bridge
