"""A store to look at, the console over it in this process (`client`), and the console's own process (`console`)."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, Request, expect

from bridge.console.app import create_app
from bridge.console.reading import open_read_only
from bridge.console.settings import ConsoleSettings
from bridge.store.opening import open_store
from tests.bridge.console.demo_town import write_town
from tests.bridge.console.field import Field
from tests.browser import open_browser

KEY = "the-key-of-this-test-run"


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_town(tmp_path_factory.mktemp("town") / "town.geojson")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as the migrations make it: made once, copied for each test."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    open_store(f"sqlite:///{path}").dispose()
    return path


@pytest.fixture
def field(tmp_path: Path, town: Path, empty_store: Path) -> Iterator[Field]:
    shutil.copyfile(empty_store, tmp_path / "store.db")
    made = Field(tmp_path / "store.db", town=town)
    yield made
    made.close()


@pytest.fixture
def make_client(field: Field) -> Iterator[Callable[..., TestClient]]:
    """`make_client(**settings)`: a client that has not shown the key yet."""
    engines = []

    def make(**settings: object) -> TestClient:
        engines.append(open_read_only(field.url))
        app = create_app(engines[-1], ConsoleSettings(access_key=KEY, **settings))  # type: ignore[arg-type]
        return TestClient(app, base_url="http://127.0.0.1")

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    """A client that is in."""
    entered = make_client()
    assert entered.get("/", params={"key": KEY}).status_code == 200
    return entered


@dataclass
class RunningConsole:
    process: subprocess.Popen[str]
    url: str

    @property
    def origin(self) -> str:
        return self.url.partition("/?")[0]


@pytest.fixture
def start_console() -> Iterator[Callable[..., RunningConsole]]:
    """`start_console(store_url, *arguments)`: the real process, waited for until it answers; ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(store_url: str, *arguments: str) -> RunningConsole:
        command = [sys.executable, "-m", "bridge.console", "--store", store_url, *arguments]
        if "--port" not in arguments:
            command += ["--port", "0"]
        fast = {**os.environ, "HOMEWARD_CONSOLE_POLL_MS": "50", "HOMEWARD_CONSOLE_HEARTBEAT_MS": "200"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=fast)
        started.append(process)
        assert process.stdout is not None
        deadline = threading.Timer(30, process.kill)  # a process that says nothing ends the wait by its end
        deadline.start()
        line = process.stdout.readline()
        deadline.cancel()
        assert line, "the console ended before it was ready"
        said = json.loads(line)
        assert said["event"] == "console ready"
        return RunningConsole(process, said["url"])

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


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
