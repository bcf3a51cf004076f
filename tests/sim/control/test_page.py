"""The control page over a real run: who is let in, what is refused, and in a real browser what is dragged and cut."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from sim.control.acts import Act, load_acts
from sim.control.desk import Desk
from sim.control.hand import LOG, Hand
from sim.control.server import ControlServer
from sim.engine.run import Run
from sim.scenario import load
from tests.browser import open_browser
from tests.end_to_end.runs import make_run

ONE = Path(__file__).with_name("one.yaml")
SCREENSHOTS = Path(os.environ.get("HOMEWARD_SCREENSHOTS", "build/screenshots"))
SOON_S = 20.0


@dataclass
class Going:
    """A run that goes on in a thread, and its page."""

    url: str
    folder: Path
    desk: Desk
    run: Run

    @property
    def base(self) -> str:
        return self.url.partition("/?")[0]

    def acts(self) -> list[Act]:
        return load_acts(self.folder / LOG, load(ONE)) if (self.folder / LOG).exists() else []

    def until(self, is_so: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first picture of which it is so."""
        deadline = time.monotonic() + SOON_S
        while not ((picture := self.desk.picture)["ready"] and is_so(picture)):
            assert time.monotonic() < deadline, picture
            time.sleep(0.02)
        return picture


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Going]:
    folder = tmp_path_factory.mktemp("page")
    scenario = load(ONE)
    hand = Hand(scenario, folder)
    desk = Desk(hand)
    over, ready, made = threading.Event(), threading.Event(), list[Run]()

    def live() -> None:
        with make_run(folder / "run", scenario, speed=10.0, hand=hand) as run:
            made.append(run)
            ready.set()
            run.live(desk.look, is_over=over.is_set)

    thread = threading.Thread(target=live)
    thread.start()
    assert ready.wait(60)
    server = ControlServer(desk, folder / "run")
    one = Going(server.url, folder, desk, made[0])
    one.until(lambda picture: True)
    yield one
    over.set()
    thread.join(60)
    server.close()


@pytest.fixture
def client(going: Going) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=going.base) as one:
        assert one.get(going.url).status_code == 200
        yield one


def test_without_the_runs_key_nobody_has_it_in_hand(going: Going):
    for path in ("/", "/api/picture", "/static/main.js", "/static/console/css/page.css", "/?key=guessed"):
        assert httpx.get(going.base + path).status_code == 401
    assert httpx.post(going.base + "/api/act", json={"what": "strap_cut", "wearer": "jory"}).status_code == 401
    assert httpx.get(going.url, headers={"Host": "elsewhere.example"}).status_code == 421
    assert going.acts() == []


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("act", {"what": "strap_cutt", "wearer": "jory"}, "what"),
        ("act", {"what": "strap_cut", "wearer": "jori"}, "wearer"),
        ("act", {"what": "moved", "wearer": "jory", "values": {"lat": 500, "lon": 1}}, "lat"),
        ("act", {"what": "bridge_slow", "values": {"delay_s": -1}}, "delay_s"),
        ("speed", {"speed": "fast"}, "speed"),
        ("speed", {"speed": 0}, "speed"),
        ("skip", {"to": "tomorrow"}, "to"),
        ("skip", {"to": "25:00"}, "to"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(client: httpx.Client, going: Going, path: str, body: dict, key: str):
    answer = client.post(f"/api/{path}", json=body)
    assert answer.status_code == 422
    assert answer.json()["key"] == key and "expected" in answer.json()
    assert going.acts() == []


def test_the_picture_is_the_truth_and_what_the_bridge_has_heard(client: httpx.Client, going: Going):
    going.until(lambda picture: picture["now_ms"] > 0)
    picture = client.get("/api/picture").json()
    (jory,) = picture["wearers"]
    assert picture["zone"] == "BST" and picture["speed"] == 10
    truth = going.run.world.truth("jory", picture["now_ms"])
    assert jory["at"] == pytest.approx([truth.lat, truth.lon], abs=1e-3)
    assert jory["name"] == "Jory Penhale" and {"mode", "presence", "battery"} <= set(jory)
    assert client.get("/api/town").json()["type"] == "FeatureCollection"


def at(page: Page, wearer: str) -> tuple[float, float]:
    box = page.locator(f".wearer-marker[data-wearer={wearer}]").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.browser
def test_a_wearer_is_dragged_and_his_strap_cut_in_a_browser(going: Going):
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(going.url)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        assert "key=" not in page.url
        before = going.desk.picture["wearers"][0]["at"]

        x, y = at(page, "jory")
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 90, y - 60, steps=4)
        page.mouse.up()
        held = going.until(lambda picture: picture["wearers"][0]["at"] != before)["wearers"][0]
        assert held["is_held"]
        assert held["at"][0] > before[0] and held["at"][1] < before[1], "north and west"

        cut = page.locator("#acts").get_by_role("button", name="Strap cut", exact=True)
        cut.focus()
        page.keyboard.press("Enter")  # by the keyboard alone
        going.until(lambda picture: "strap_cut" in picture["wearers"][0]["is"])
        expect(cut).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#log li").first).to_contain_text("Jory Penhale: strap cut")
        page.get_by_role("button", name="Let go").click()
        going.until(lambda picture: not picture["wearers"][0]["is_held"])

        page.get_by_role("button", name="Pause").click()
        stands = going.until(lambda picture: picture["speed"] == "paused")["now_ms"]
        page.fill("#skip-text", "10:20")
        page.keyboard.press("Enter")
        going.until(lambda picture: picture["now_ms"] >= 20 * 60_000)
        assert stands < 20 * 60_000
        page.get_by_role("button", name="Tag dropped").click()
        page.get_by_role("button", name="Max", exact=True).click()
        going.until(lambda picture: "tag_dropped" in picture["wearers"][0]["is"])

        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / "control.png")
        page.set_viewport_size({"width": 390, "height": 844})
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, "a phone does not scroll sideways"
        page.screenshot(path=SCREENSHOTS / "control-phone.png", full_page=True)
        assert errors == []
    kinds = [act.what for act in going.acts() if act.what not in ("speed", "skipped")]
    assert kinds == ["moved", "strap_cut", "let_go", "tag_dropped"]
    assert {"speed", "skipped"} <= {act.what for act in going.acts()}
