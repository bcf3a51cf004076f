"""The page in its states: by day, by night, on a phone, by keyboard, crowded, cut off, locked."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, home_of, walk, wearer_entry
from tests.bridge.console.page import Start, busy_scheme, keep

pytestmark = pytest.mark.browser


def test_it_serves_by_day_by_night_and_on_a_phone(field: Field, start_console: Start, look: Callable[..., Page]) -> None:
    busy_scheme(field)
    console = start_console(field.url)
    grounds = set()
    for name, settings in {
        "day": {"viewport": {"width": 1440, "height": 900}},
        "night": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
        "phone": {"viewport": {"width": 390, "height": 844}},
    }.items():
        page = look(console, **settings)
        expect(page.locator(".wearer-marker")).to_have_count(5)
        expect(page.locator(".leaflet-tile-loaded").first).to_be_visible()
        grounds.add((name != "night", page.evaluate("getComputedStyle(document.body).backgroundColor")))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name}: it scrolls sideways"
        keep(page, f"console-{name}")
    assert len(grounds) == 2


def test_by_keyboard_alone_a_wearer_is_chosen_and_left(field: Field, start_console: Start, look: Callable[..., Page]) -> None:
    busy_scheme(field)
    page = look(start_console(field.url))
    page.locator(".wearer[data-wearer=w3]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#details h3")).to_have_text("Cleo Hart")
    expect(page.locator("[data-fact=strap]")).to_have_text("cut")
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_be_hidden()


def test_a_console_that_went_away_is_called_so_and_found_again(
    field: Field, start_console: Start, look: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMEWARD_CONSOLE_ACCESS_KEY", "one-key-for-both-starts-of-it")
    busy_scheme(field)
    console = start_console(field.url)
    page = look(console)
    console.process.kill()
    console.process.wait()
    expect(page.locator("#connection")).to_have_attribute("data-state", "reconnecting")
    field.event(4, "strap_cut", NOON_MS + 1_000)
    start_console(field.url, "--port", console.origin.rpartition(":")[2])
    expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=20_000)
    expect(page.locator("#events .event").first).to_contain_text("Dan Frost")


def test_without_the_key_the_browser_gets_a_page_that_says_so(field: Field, start_console: Start, browser: Browser) -> None:
    console = start_console(field.url)
    page = browser.new_page()
    answer = page.goto(console.origin + "/")
    assert answer is not None and answer.status == 401
    expect(page.locator("h1")).to_have_text("This console needs its key")
    page.close()


@pytest.mark.parametrize("wearers", [13])
def test_thirteen_wearers_with_ten_thousand_points_do_not_jam_the_page(
    field: Field, start_console: Start, look: Callable[..., Page], wearers: int
) -> None:
    field.enrol(*(wearer_entry(n) for n in range(1, wearers + 1)))
    for n in range(1, wearers + 1):
        field.fixes(n, walk(n, NOON_MS - 600 * MINUTE_MS, 11, every_s=1) + walk(n, NOON_MS - 11 * MINUTE_MS, 3, every_s=1))
    page = look(start_console(field.url))
    expect(page.locator(".wearer-marker")).to_have_count(wearers)
    page.locator(".wearer[data-wearer=w1]").click()
    expect(page.locator(".gaps .counted")).to_have_text("840 fixes, 1 gap")
    field.fix(2, NOON_MS, home_of(2))
    expect(page.locator("#clock-text")).to_contain_text("12:00:00 BST")
    keep(page, "console-thirteen")


def test_names_that_would_lie_on_each_other_give_way_to_the_weightier(
    field: Field, start_console: Start, look: Callable[..., Page]
) -> None:
    field.enrol(wearer_entry(1), wearer_entry(2))
    field.fix(1, NOON_MS, home_of(1))
    field.fix(2, NOON_MS, home_of(1), strap="cut")
    page = look(start_console(field.url))
    expect(page.locator(".wearer-marker[data-wearer=w2] .pin-name")).to_be_visible()
    expect(page.locator(".wearer-marker[data-wearer=w1] .pin-name")).to_be_hidden()
    page.locator(".wearer[data-wearer=w1]").click()
    expect(page.locator(".wearer-marker[data-wearer=w1] .pin-name")).to_be_visible()
