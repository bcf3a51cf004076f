"""The page in a real browser over the real process: what a person who watches sees."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.bridge.console.conftest import RunningConsole
from tests.bridge.console.demo_town import at, corner
from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, home_of, walk, wearer_entry
from tests.browser import open_browser

pytestmark = pytest.mark.browser
Start = Callable[..., RunningConsole]

SCHOOL = dict(zip(("lat", "lon"), at(*corner(-3, 2)), strict=True)) | {"radius_m": 95}
ZONE = {"kind": "exclusion", "name": "Lode School", "circle": SCHOOL}
CURFEW = {"kind": "curfew", "name": "Night", "from": "19:00", "until": "07:00"}
SCREENSHOTS = Path(os.environ.get("HOMEWARD_SCREENSHOTS", "build/screenshots"))

VIEW = "const { view } = await import('/static/js/main.js');"
ON_SCREEN = f"""async (at) => {{ {VIEW} const p = view.map.latLngToContainerPoint(at);
    const f = view.map.getContainer().getBoundingClientRect(); return [p.x + f.x, p.y + f.y]; }}"""
# How many percent of the way between two places have any paint of a track on them, five pixels wide.
PAINTED_PERCENT = f"""async ([a, b]) => {{
    {VIEW}
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const canvas = document.querySelector('.leaflet-tracks-pane canvas'), ctx = canvas.getContext('2d');
    const box = canvas.getBoundingClientRect(), frame = view.map.getContainer().getBoundingClientRect();
    const ratio = canvas.width / box.width;
    const on = (at) => {{
        const p = view.map.latLngToContainerPoint(at);
        return [(p.x + frame.x - box.x) * ratio, (p.y + frame.y - box.y) * ratio];
    }};
    const [p, q] = [on(a), on(b)];
    let hits = 0;
    for (let i = 0; i < 100; i += 1) {{
        const x = Math.round(p[0] + (q[0] - p[0]) * i / 99), y = Math.round(p[1] + (q[1] - p[1]) * i / 99);
        hits += ctx.getImageData(x - 2, y - 2, 5, 5).data.some((v, k) => k % 4 === 3 && v > 40) ? 1 : 0;
    }}
    return hits;
}}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def look(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`look(console, **context)`: the page, live. At the end: no request left this machine, nothing was refused or thrown."""
    contexts, strangers, complaints = [], [], []

    def watch(request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1" and not request.url.startswith(("data:", "blob:")):
            strangers.append(request.url)

    def opened(console: RunningConsole, **settings: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, "locale": "en-US", **settings})  # type: ignore[arg-type]
        contexts.append(context)
        context.on("request", watch)
        context.route(
            "**/*", lambda route: route.continue_() if urlsplit(route.request.url).hostname == "127.0.0.1" else route.abort()
        )
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(console.url)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=15_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert strangers == [], "the console asked somebody else"
    assert complaints == []


def keep(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def pin(page: Page, wearer: str) -> tuple[float, float]:
    """The middle of a wearer's pin on the screen."""
    box = page.locator(f".wearer-marker[data-wearer={wearer}]").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def busy_scheme(field: Field) -> None:
    """Five wearers about town at noon: one in a zone, one with a cut strap, one at home."""
    field.enrol(wearer_entry(1, [CURFEW, ZONE]), *(wearer_entry(n) for n in range(2, 6)))
    field.fixes(1, walk(1, NOON_MS - 180 * MINUTE_MS, 60) + walk(1, NOON_MS - 20 * MINUTE_MS, 20))
    field.fixes(2, walk(2, NOON_MS - 120 * MINUTE_MS, 90) + walk(2, NOON_MS - 8 * MINUTE_MS, 8))
    field.fixes(3, walk(3, NOON_MS - 60 * MINUTE_MS, 58), strap="cut", battery=17)
    field.fixes(4, walk(4, NOON_MS - 70 * MINUTE_MS, 40))
    field.at_home(5, NOON_MS)
    field.event(2, "late_home", NOON_MS - 17 * 60 * MINUTE_MS)
    field.event(1, "zone_entered", NOON_MS - 9 * MINUTE_MS, zone="Lode School", zone_kind="exclusion")
    field.event(3, "strap_cut", NOON_MS - 4 * MINUTE_MS)


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
