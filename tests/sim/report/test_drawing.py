"""What the report draws: axes of local time, lanes, maps and figures, by what they say rather than how they look."""

import re
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest

from sim.engine.figures import DeviceFigures
from sim.report import maps, plots, svg, timeline
from sim.report.gather import Story
from sim.scenario import Scenario
from sim.scenario.models import ScenarioFile
from tests.sim.report.made_up import HOUR_MS, TAG, UNIT, MadeUp

SVG = "{http://www.w3.org/2000/svg}"


def starting(local: str) -> Scenario:
    person = {"id": "a", "name": "A", "tag": "tag-000001", "home": "22 Mallow Lane"}
    data = {"name": "axis", "start": datetime.fromisoformat(local), "timezone": "Europe/London", "people": [person]}
    return Scenario("axis", ScenarioFile.model_validate(data))


@pytest.mark.parametrize(
    ("start", "hours", "first", "last"),
    [
        ("2026-06-01T06:00:00", 1, "06:00", "07:00"),
        ("2026-06-01T06:07:00", 2, "06:10", "08:00"),
        ("2026-06-01T06:00:00", 24, "06:00", "06:00"),
        ("2026-06-01T06:00:00", 24 * 7, "12:00", "Mon 8 Jun"),
        ("2026-06-01T06:00:00", 24 * 365, "Mon 29 Jun", "Mon 31 May"),
    ],
)
def test_an_axis_has_round_local_times_and_not_too_many(start: str, hours: float, first: str, last: str):
    told = list(svg.ticks(starting(start), round(hours * HOUR_MS)))
    assert 5 <= len(told) <= 15
    assert (told[0][1], told[-1][1]) == (first, last)
    assert all(0 <= t_ms <= hours * HOUR_MS for t_ms, _, _ in told)


@pytest.mark.parametrize("start", ["2026-03-28T18:00:00", "2026-10-24T18:00:00"])
def test_an_axis_goes_on_at_round_times_when_the_clocks_change(start: str):
    scenario = starting(start)
    told = list(svg.ticks(scenario, 24 * HOUR_MS))
    for t_ms, words, is_day in told:
        local = datetime.fromtimestamp((scenario.start_utc_ms + t_ms) / 1000, ZoneInfo("Europe/London"))
        assert words == (f"{local:%a} {local.day} {local:%b}" if is_day else f"{local:%H:%M}") and local.minute == 0
    times = [t_ms for t_ms, _, _ in told]
    assert times == sorted(set(times))


def test_a_path_keeps_to_a_tenth_however_long_it_is():
    points = [(i / 3, i / 7) for i in range(1000)]
    at = [0.0, 0.0]
    for kind, x, y in re.findall(r"([Ml])(-?[\d.]+) (-?[\d.]+)", svg.path(points)):
        at = [float(x), float(y)] if kind == "M" else [at[0] + float(x), at[1] + float(y)]
    assert at == pytest.approx(points[-1], abs=0.06)


def test_what_is_in_a_scenario_cannot_break_an_element():
    drawn = svg.tag("rect", svg.titled("<script>"), data_x='"><script>') + svg.text("<b>", 1, 2)
    assert "<script>" not in drawn and "<b>" not in drawn


def drawn_timeline(story: Story) -> ET.Element:
    return ET.fromstring(timeline.draw(story, story.wearers[0]).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def test_a_timeline_has_all_lanes_under_one_axis(story: Story):
    root = drawn_timeline(story)
    lanes = [each.text for each in root.iter(f"{SVG}text") if (each.get("class") or "").startswith("lane")]
    for lane in ("BST", "findings", "faults", "done", "mode", "presence", "truly", "curfew", "moves", "no network", "from home",
                 "battery"):  # fmt: skip
        assert lane in lanes


def test_a_timeline_tells_what_was_found_with_its_lag_but_not_what_was_taken_back(story: Story):
    titles = [each.text for each in drawn_timeline(story).iter(f"{SVG}title")]
    assert "strap cut: 14:20:00, known 1.0 s later" in titles
    assert "jam: 11:00:00 to 11:30:00" in titles and "GPS: 10:30:00 to 00:00:00" in titles
    assert not any((title or "").startswith("spoofed") for title in titles)


def test_times_lie_where_the_axis_says(story: Story):
    root = drawn_timeline(story)
    left, plot = float(root.get("data-left", 0)), float(root.get("data-plot", 0))
    (jam,) = (each for each in root.iter(f"{SVG}rect") if (each.findtext(f"{SVG}title") or "").startswith("jam"))
    assert float(jam.get("x", 0)) == pytest.approx(left + plot * 5 / 18, abs=0.1)  # 11:00 of 06:00 to 24:00
    assert float(jam.get("width", 0)) == pytest.approx(plot * 0.5 / 18, abs=0.1)


def test_a_map_is_in_metres_and_shows_all_that_it_should(story: Story):
    drawn = maps.Maps(story)
    wearer = story.wearers[0]
    root = ET.fromstring(drawn.draw(wearer).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    x, y, wide, high = map(float, root.get("viewBox", "").split())
    assert wide / high == pytest.approx(maps.WIDTH / maps.HEIGHT, rel=0.01)
    for sample in wearer.samples:
        east, south = drawn.point(sample.lat, sample.lon)
        assert x < east < x + wide and y < south < y + high
    (zone,) = (each for each in root.iter(f"{SVG}circle") if each.findtext(f"{SVG}title") == "The <river> (exclusion)")
    assert float(zone.get("r", 0)) == 120
    radii = [float(each.get("r", 0)) for each in root.iter(f"{SVG}circle") if each.get("class") == "m-radius"]
    assert len(radii) == 23 and set(radii) == {6.2}
    west, east = drawn.point(*story.wearers[0].home), drawn.point(story.wearers[0].home[0] + 0.001, story.wearers[0].home[1])
    assert west[1] - east[1] == pytest.approx(111.2, abs=0.3)  # a thousandth of a degree north is 111 m up


def test_a_town_is_drawn_once_with_its_streets(story: Story):
    base = maps.Maps(story).base()
    root = ET.fromstring(base)
    classes = {each.get("class") for each in root.iter("path")}
    assert {"m-street", "m-building", "m-park", "m-water"} <= classes and base.count('id="town"') == 1


def test_energy_is_currents_times_times():
    used = plots.used(DeviceFigures(TAG, {"board.on": HOUR_MS, "cpu.awake": 2 * HOUR_MS, "modem.off": 0}, 0, 0, 0, 1))
    assert used == pytest.approx({"board.on": 0.35, "cpu.awake": 60.0})
    assert plots.used(DeviceFigures(UNIT, {"board.on": HOUR_MS}, 0, 0, 0, 1)) == pytest.approx({"board.on": 4.0})


@pytest.mark.filterwarnings("error")
def test_each_figure_is_an_svg_of_its_own_and_the_same_each_time(story: Story):
    drawn = plots.plots(story)
    assert [plot.title for plot in drawn] == [
        "Energy by state", "Data volume", "Fixes an hour", "From the event to the store", "Battery",
    ]  # fmt: skip
    for plot in drawn:
        assert ET.fromstring(plot.svg).tag == f"{SVG}svg" and "<script" not in plot.svg
    assert plots.plots(story) == drawn


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 40])
def test_figures_have_room_for_one_wearer_and_for_many(story: Story, count: int):
    wearers = [replace(story.wearers[0], id=f"w{i}", tag=f"tag-{i:06d}") for i in range(count)]
    devices = [replace(story.devices[0], name=wearer.tag) for wearer in wearers]
    drawn = plots.plots(replace(story, wearers=wearers, devices=devices))
    assert len(drawn) == 5


def test_of_what_there_is_nothing_there_is_no_figure(made: MadeUp):
    story = made.story()
    story.devices = []
    assert plots.plots(story) == []
