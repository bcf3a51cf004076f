"""Helpers for tests of the page in a real browser."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from tests.bridge.console.conftest import RunningConsole
from tests.bridge.console.demo_town import at, corner
from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, walk, wearer_entry

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
