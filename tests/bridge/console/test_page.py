"""The page live, in a real browser over the real process: what a person who watches sees happen."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, home_of, wearer_entry
from tests.bridge.console.page import ON_SCREEN, PAINTED_PERCENT, VIEW, Start, busy_scheme, keep, pin

pytestmark = pytest.mark.browser


def test_a_wearer_moves_on_the_map_and_an_event_appears_as_records_come_in(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    busy_scheme(field)
    page = look(start_console(field.url))
    expect(page.locator("#clock-text")).to_have_text("Mon 1 Jun 2026, 12:00:00 BST")
    expect(page.locator(".wearer-marker")).to_have_count(5)
    page.locator(".wearer[data-wearer=w2]").click()
    expect(page.locator("#details h3")).to_have_text("Ben Marsh")
    before = pin(page, "w2")
    there = (home_of(2)[0] + 0.0008, home_of(2)[1] + 0.0012)
    field.fix(2, NOON_MS + 30_000, there)
    expect(page.locator("[data-fact=position]")).to_contain_text(f"{there[0]:.5f}, {there[1]:.5f}")
    page.wait_for_function(
        "([x, y]) => { const b = document.querySelector('.wearer-marker[data-wearer=w2]').getBoundingClientRect();"
        " return Math.hypot(b.x + b.width / 2 - x, b.y + b.height / 2 - y) > 20; }",
        arg=list(before),
    )
    expect(page.locator("#clock-text")).to_have_text("Mon 1 Jun 2026, 12:00:30 BST")
    field.event(2, "strap_cut", NOON_MS + 31_000, received_ms=NOON_MS + 36_000, late=True)
    newest = page.locator("#events .event").first
    expect(newest).to_contain_text("Strap cut")
    expect(newest).to_contain_text("12:00:31 BST")
    expect(newest).to_contain_text("received 12:00:36 (5 s after)")
    expect(newest.locator(".late")).to_be_visible()
    keep(page, "console-moving")


def test_a_gap_is_drawn_as_a_gap_never_as_a_line(
    field: Field, start_console: Start, look: Callable[..., Page], tmp_path: Path
) -> None:
    field.enrol(wearer_entry(1))
    bare = tmp_path / "bare.geojson"
    bare.write_text('{"type": "FeatureCollection", "features": []}')
    lat, lon = home_of(1)
    east = [(NOON_MS + n * MINUTE_MS, (lat, lon + n * 0.0004)) for n in range(6)]
    after = [(NOON_MS + (20 + n) * MINUTE_MS, (lat, lon + 0.006 + n * 0.0004)) for n in range(6)]
    field.fixes(1, east + after)
    page = look(start_console(field.url, "--town", str(bare)))
    page.locator(".wearer[data-wearer=w1]").click()
    expect(page.locator(".gaps .counted")).to_have_text("12 fixes, 1 gap")
    expect(page.locator(".gaps li")).to_have_text("No fix 12:05–12:20, 15 min")
    painted = page.evaluate(PAINTED_PERCENT, arg=[[lat, lon + 0.0022], [lat, lon + 0.0058]])
    along_a_run = page.evaluate(PAINTED_PERCENT, arg=[[lat, lon], [lat, lon + 0.002]])
    joined = page.evaluate(f"async () => {{ {VIEW} return view.tracks.get('w1').line.getLatLngs().length; }}")
    assert along_a_run > 95, "between two fixes of one run there is a line"
    assert joined == 2, "two runs of fixes, two lines"
    assert painted < 10, "nothing but the rings at its ends lies in the gap"
    field.fix(1, NOON_MS + 12 * MINUTE_MS, (lat, lon + 0.004))  # a late fix in its middle makes two gaps of it
    expect(page.locator(".gaps .counted")).to_have_text("13 fixes, 2 gaps")
    keep(page, "console-gap")


def test_a_fix_tells_its_time_speed_and_radius_under_the_pointer(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    field.enrol(wearer_entry(1))
    field.fixes(
        1, [(NOON_MS, home_of(1)), (NOON_MS + MINUTE_MS, (home_of(1)[0], home_of(1)[1] + 0.002))], speed_cms=140, radius_dm=95
    )
    page = look(start_console(field.url))
    page.locator(".wearer[data-wearer=w1]").click()
    expect(page.locator(".gaps .counted")).to_have_text("2 fixes, 0 gaps")
    spot = page.evaluate(ON_SCREEN, arg=list(home_of(1)))
    tip = page.locator(".fix-tip")
    for nudge in range(200):  # as a hand does: the map takes notice of the pointer now and then, not of every pixel
        page.mouse.move(spot[0] + nudge % 3, spot[1])
        if tip.is_visible():
            break
    expect(tip).to_contain_text("12:00:00 BST")
    expect(page.locator(".fix-tip")).to_contain_text("5.0 km/h · ± 9.5 m · GPS")


def test_events_are_filtered_by_wearer_and_weight(field: Field, start_console: Start, look: Callable[..., Page]) -> None:
    busy_scheme(field)
    field.event(1, "mode", NOON_MS - MINUTE_MS, mode=1)
    page = look(start_console(field.url))
    expect(page.locator("#events .event")).to_have_count(4)
    page.locator("#alerts-only").check()
    expect(page.locator("#events .event")).to_have_count(3)
    page.locator("#events-wearer").select_option("w1")
    expect(page.locator("#events .event")).to_have_count(1)
    expect(page.locator("#events .event")).to_contain_text("Entered exclusion zone")
    expect(page.locator(".wearer[data-wearer=w1] .alarm")).to_have_text("In exclusion zone: Lode School")


def test_before_anyone_is_enrolled_it_waits_and_then_comes_alive(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    page = look(start_console(field.url))
    expect(page.locator("#wearers-empty")).to_contain_text("No wearers yet.")
    expect(page.locator("#events-empty")).to_contain_text("Nothing has happened yet.")
    expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
    keep(page, "console-empty")
    field.enrol(wearer_entry(1))
    expect(page.locator(".wearer[data-wearer=w1]")).to_contain_text("Nothing heard yet")
    expect(page.locator("#map-note")).to_have_text("Waiting for the first records from the tags.")
    field.fix(1, NOON_MS, home_of(1))
    expect(page.locator(".wearer-marker")).to_have_count(1)
    expect(page.locator("#map-note")).to_be_hidden()


def test_near_the_home_unit_the_wearer_is_shown_at_home_and_not_at_the_last_fix(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    field.enrol(wearer_entry(1))
    lat, lon = home_of(1)
    field.fix(1, NOON_MS - 60 * MINUTE_MS, (lat + 0.002, lon))
    page = look(start_console(field.url))
    pin_before = pin(page, "w1")
    field.at_home(1, NOON_MS)
    expect(page.locator(".wearer[data-wearer=w1] .what")).to_have_text("At home · Radio")
    page.wait_for_function(
        "y => document.querySelector('.wearer-marker[data-wearer=w1]').getBoundingClientRect().y > y + 30",
        arg=pin_before[1],
    )
    expect(page.locator(".accuracy")).to_have_count(0)


def test_a_wear_period_that_ends_takes_the_wearer_off_the_map(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    field.enrol(wearer_entry(1) | {"until": "2026-06-01T11:30:00Z"}, wearer_entry(2))
    field.fix(1, NOON_MS, home_of(1))
    field.fix(2, NOON_MS, home_of(2))
    page = look(start_console(field.url))
    expect(page.locator(".wearer-marker")).to_have_count(2)
    field.fix(2, NOON_MS + 31 * MINUTE_MS, home_of(2))
    expect(page.locator(".wearer-marker")).to_have_count(1)
    expect(page.locator(".wearer[data-wearer=w1]")).to_contain_text("Not worn now")
