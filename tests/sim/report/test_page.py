"""The report's page: it stands alone, says what it should, and opens in a real browser without a word to anybody."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sim.report import html
from sim.report.gather import Story
from tests.browser import open_browser
from tests.sim.report.made_up import MadeUp


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def page(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("page") / "day.html"
    html.write(target, story)
    assert [path.name for path in target.parent.iterdir()] == ["day.html"]
    return target


def test_nothing_in_it_is_fetched_from_anywhere(page: Path):
    elements = Elements(page.read_text(encoding="utf-8"))
    for tag, attributes in elements.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/svg+xml;base64,")), (tag, value)
    policy = next(a for tag, a in elements.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert (policy["content"] or "").startswith("default-src 'none'")
    assert not re.search(r"url\(|@import", page.read_text(encoding="utf-8").partition("</style>")[0])


def test_names_of_a_scenario_cannot_break_it(page: Path):
    text = page.read_text(encoding="utf-8")
    assert "Jory </script>" not in text and "Jory &lt;/script&gt; &amp; Sons" in text
    assert text.count("<script") == text.count("</script>") == 2
    assert json.loads(text.partition('id="truth">')[2].partition("</script>")[0])["people"].keys() == {"jory"}


def test_what_is_not_good_is_told_at_the_top(made: MadeUp):
    crash = "tag-000003 at 5 ms: ended\nMemoryError: <full>"
    text = html.page(made.story(records_stored=8, crashes=[crash]))
    assert (
        "not good</span>" in text and "2 of 10 records made are not in the store" in text and "MemoryError: &lt;full&gt;" in text
    )
    assert "Nothing was found." in text and "The scenario expects nothing." in text


@pytest.mark.browser
def test_it_opens_in_a_browser_and_answers_to_the_pointer(page: Path):
    with open_browser() as browser:
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        said: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        assert tab.locator("h1").inner_text().split() == ["demo", "not", "good"]
        rows = tab.locator("table.expected tbody tr")
        assert [text.split("\t")[0].strip() for text in rows.all_inner_texts()] == ["✓ met", "✗ not met", "✓ met", "not judged"]
        assert "zone_entered must be found between 15:00:00 and 16:00:00, but was not" in rows.nth(1).inner_text()

        section = tab.locator("section.wearer")
        assert section.count() == 1 and section.locator("h2").inner_text().startswith("Jory </script> & Sons")
        line, map_ = section.locator("svg.timeline"), section.locator("svg.map")
        box, map_box = line.bounding_box(), map_.bounding_box()
        assert box and box["width"] > 1000 and box["height"] > 200 and map_box and map_box["width"] > 400
        cut = section.locator("table.found-table tr", has_text="strap cut")
        assert cut.inner_text().split("\t") == ["14:20:00", "14:20:00", "1.0 s", "strap cut"]
        assert "superseded" in (section.locator("table.found-table tr", has_text="spoofed").get_attribute("class") or "")
        for image in tab.locator("figure img").all():
            assert image.evaluate("each => each.complete && each.naturalWidth > 500")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the window"

        dot = map_.locator(".m-now")
        assert dot.get_attribute("visibility") == "hidden"
        # 11:15 of 06:00 to 24:00, in an SVG that is as wide as its viewBox or narrower.
        scale = box["width"] / 1140
        line.hover(position={"x": (116 + 1010 * 5.25 / 18) * scale, "y": 100})
        told = section.locator(".readout").inner_text()
        assert "11:1" in told and "BST" in told and "told: GPS, out" in told and "m from home" in told
        assert dot.get_attribute("visibility") == "visible"
        assert said == [] and asked == [page.as_uri()]
