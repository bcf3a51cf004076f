"""Whoever can reach the port but has no key sees nothing; whoever has it sees nothing from elsewhere."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from bridge.console.access import content_security_policy
from tests.bridge.console.conftest import KEY

PATHS = ["/", "/api/state", "/api/events", "/api/track/w1", "/api/town", "/api/stream", "/static/js/main.js", "/nowhere"]

Make = Callable[..., TestClient]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_key_every_path_is_closed(make_client: Make, path: str) -> None:
    answer = make_client().get(path)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert KEY not in answer.text


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1], KEY + "x", KEY.upper(), "\udcff", "é"])
def test_a_wrong_key_opens_nothing(make_client: Make, key: str) -> None:
    answer = make_client().get("/", params={"key": key.encode("utf-8", "surrogateescape")})
    assert answer.status_code == 401 and "set-cookie" not in answer.headers


def test_the_key_opens_the_page_and_only_there(make_client: Make) -> None:
    client = make_client()
    assert client.get("/api/state", params={"key": KEY}).status_code == 401
    answer = client.get("/", params={"key": KEY})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert KEY not in cookie
    assert client.get("/").status_code == 200, "the cookie is enough from now on"
    assert client.get("/api/state").status_code == 200


@pytest.mark.parametrize("cookie", ["=", "; ; ", "homeward_00000000=x", "\x7f", "a" * 5000])
def test_a_foreign_cookie_opens_nothing(make_client: Make, cookie: str) -> None:
    assert make_client().get("/api/state", headers={"cookie": cookie}).status_code == 401


def test_two_consoles_on_one_machine_do_not_take_each_others_cookie(make_client: Make, field: object) -> None:
    first = make_client()
    first.get("/", params={"key": KEY})
    from fastapi.testclient import TestClient as Client

    from bridge.console.app import create_app
    from bridge.console.reading import open_read_only
    from bridge.console.settings import ConsoleSettings

    engine = open_read_only(field.url)  # type: ignore[attr-defined]
    second = Client(create_app(engine, ConsoleSettings(access_key="another-key-of-another-run")), base_url="http://127.0.0.1")
    second.cookies.update(first.cookies)
    assert second.get("/api/state").status_code == 401
    engine.dispose()


def test_a_name_that_leads_here_by_rebinding_is_refused(client: TestClient) -> None:
    assert client.get("/api/state", headers={"host": "evil.example"}).status_code == 421
    assert client.get("/api/state", headers={"host": "localhost:8080"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/state", "/static/js/main.js", "/nowhere"])
def test_every_answer_carries_the_security_headers(client: TestClient, make_client: Make, path: str) -> None:
    for answer in (client.get(path), make_client().get(path)):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy
        assert "frame-ancestors 'none'" in policy


def test_where_people_are_stays_in_no_cache(client: TestClient) -> None:
    assert client.get("/api/state").headers["cache-control"] == "no-store"
    assert client.get("/").headers["cache-control"] == "no-store"


def test_the_page_has_no_inline_script_or_style(client: TestClient) -> None:
    page = client.get("/").text
    assert "<style" not in page and " style=" not in page and "javascript:" not in page
    assert page.count("<script") == page.count("<script src=") + page.count('<script type="module" src=')


def test_only_the_operators_tile_server_is_let_in() -> None:
    assert "img-src 'self' data: https://tiles.example.org;" in content_security_policy("https://tiles.example.org")
    assert "img-src 'self' data:;" in content_security_policy(None)
