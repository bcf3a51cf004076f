"""What the console says of the store, and what it says to bad questions."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from bridge.console.reading import open_read_only
from bridge.errors import ConfigError
from firmware.core import record
from tests.bridge.console.conftest import KEY
from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, home_of, walk, wearer_entry

HOUR_MS = 60 * MINUTE_MS
ZONE = {"kind": "exclusion", "name": "Lode School", "circle": {"lat": 50.717, "lon": -2.44, "radius_m": 80}}
SQUARE = {"kind": "inclusion", "name": "Centre", "polygon": [[50.71, -2.44], [50.71, -2.43], [50.72, -2.43]]}


def test_an_empty_store_is_a_picture_too(client: TestClient) -> None:
    state = client.get("/api/state").json()
    assert state["wearers"] == [] and state["events"] == [] and state["zones"] == []
    assert state["cursor"] == "0-0-0" and state["store_ok"] is True


def test_a_wearer_is_shown_with_tag_home_unit_home_and_live_state(client: TestClient, field: Field) -> None:
    field.enrol(wearer_entry(1, [ZONE, SQUARE]))
    field.fix(1, NOON_MS, (50.7161, -2.4377), radius_dm=84, battery=41)
    state = client.get("/api/state").json()
    (wearer,) = state["wearers"]
    assert (wearer["name"], wearer["tag"], wearer["home_unit"], wearer["worn"]) == ("Ada Quill", "tag-000001", "hmu-000001", True)
    assert wearer["home"] == {"lat_e7": round(home_of(1)[0] * 1e7), "lon_e7": round(home_of(1)[1] * 1e7)}
    live = wearer["live"]
    assert (live["lat_e7"], live["lon_e7"], live["radius_dm"]) == (507161000, -24377000, 84)
    assert (live["mode"], live["presence"], live["battery"], live["strap"]) == ("gps", "not_home", 41, "closed")
    assert [(zone["kind"], zone["name"]) for zone in state["zones"]] == [("exclusion", "Lode School"), ("inclusion", "Centre")]
    assert state["zones"][0]["circle"]["radius_m"] == 80 and len(state["zones"][1]["polygon"]) == 3
    assert state["timezone"] == "Europe/London"


def test_in_a_simulation_now_is_the_newest_event_time(client: TestClient, field: Field) -> None:
    field.enrol(wearer_entry(1))
    field.fix(1, NOON_MS, home_of(1))
    assert client.get("/api/state").json()["now_ms"] == NOON_MS
    field.fix(1, NOON_MS - HOUR_MS, home_of(1), live=False)  # a backlog does not turn the clock back
    assert client.get("/api/state").json()["now_ms"] == NOON_MS


def test_the_wall_clock_is_now_where_the_scheme_is_real(
    tmp_path: Path, make_client: Callable[..., TestClient], field: Field
) -> None:
    with field.engine.begin() as connection:
        connection.execute(text("UPDATE setting SET value = 'wall' WHERE key = 'clock'"))
    client = make_client()
    client.get("/", params={"key": KEY})
    field.enrol(wearer_entry(1))
    field.fix(1, NOON_MS, home_of(1))
    state = client.get("/api/state").json()
    assert state["clock"] == "wall" and abs(state["now_ms"] - NOON_MS) > HOUR_MS


def test_the_track_is_the_local_day_by_time_whatever_the_order_of_arrival(client: TestClient, field: Field) -> None:
    field.enrol(wearer_entry(1) | {"from": "2026-05-30T00:00:00Z"})
    midnight_ms = NOON_MS - 12 * HOUR_MS  # 00:00 BST, 23:00 UTC of the day before
    places = walk(1, midnight_ms, 8)
    field.fixes(1, places[4:])
    field.fixes(1, places[:4], live=False)
    field.fix(1, midnight_ms - 1, home_of(1), live=False)
    track = client.get("/api/track/w1").json()
    assert track["day"] == "2026-06-01" and track["from_ms"] == midnight_ms and track["until_ms"] == midnight_ms + 24 * HOUR_MS
    assert [fix[0] for fix in track["fixes"]] == [at_ms for at_ms, _ in places]
    assert track["fields"][:3] == ["at_ms", "lat_e7", "lon_e7"]
    before = client.get("/api/track/w1", params={"day": "2026-05-31"}).json()
    assert [fix[0] for fix in before["fixes"]] == [midnight_ms - 1]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_the_days_on_which_clocks_change_have_23_and_25_hours(client: TestClient, field: Field, day: str, hours: int) -> None:
    field.enrol(wearer_entry(1))
    track = client.get("/api/track/w1", params={"day": day}).json()
    assert track["until_ms"] - track["from_ms"] == hours * HOUR_MS


def test_nothing_outside_the_wear_period_is_shown(client: TestClient, field: Field) -> None:
    first = wearer_entry(1) | {"until": "2026-06-01T10:00:00Z"}
    second = (wearer_entry(2) | {"from": "2026-06-01T10:30:00Z"}) | {"tag": "tag-000001"}
    field.enrol(first, second)
    ten_utc = NOON_MS - HOUR_MS
    for minutes in (-1, 0, 29, 30):
        field.fix(1, ten_utc + minutes * MINUTE_MS, home_of(1), live=False)
    assert [fix[0] for fix in client.get("/api/track/w1").json()["fixes"]] == [ten_utc - MINUTE_MS]
    assert [fix[0] for fix in client.get("/api/track/w2").json()["fixes"]] == [ten_utc + 30 * MINUTE_MS]
    worn = {wearer["id"]: wearer["worn"] for wearer in client.get("/api/state").json()["wearers"]}
    assert worn == {"w1": False, "w2": True}


def test_what_is_in_quarantine_or_undated_is_shown_to_nobody(client: TestClient, field: Field) -> None:
    field.enrol(wearer_entry(1))
    field.fix(1, NOON_MS, home_of(1))
    field.fix(1, NOON_MS + 90 * HOUR_MS, home_of(1), live=False, flags=record.DATE_DOUBTFUL)
    field.fix(1, NOON_MS, (0.0, 0.0), live=False)
    field.undated_fix(1, home_of(1))
    assert len(client.get("/api/track/w1").json()["fixes"]) == 1
    assert client.get("/api/state").json()["now_ms"] == NOON_MS


def test_events_come_by_id_forwards_backwards_and_by_wearer(client: TestClient, field: Field) -> None:
    field.enrol(wearer_entry(1), wearer_entry(2))
    ids = [field.event(1 + n % 2, "mode", NOON_MS - n * MINUTE_MS, late=n == 3, mode=1) for n in range(6)]

    def asked(**query: object) -> list[int]:
        return [event["id"] for event in client.get("/api/events", params=query).json()["events"]]  # type: ignore[arg-type]

    assert asked() == ids
    assert asked(after=ids[2]) == ids[3:]
    assert asked(after=ids[0], limit=2) == ids[1:3]
    assert asked(before=ids[4], limit=2) == ids[2:4]
    assert asked(limit=2) == ids[4:]
    assert asked(wearer="w2") == ids[1::2]
    assert asked(wearer="nobody") == []
    event = client.get("/api/events", params={"after": ids[2], "limit": 1}).json()["events"][0]
    assert event["late"] is True and event["device"] == "tag-000002" and event["detail"] == {"mode": 1}
    assert event["received_ms"] == event["at_ms"] + 2_000


@pytest.mark.parametrize(
    "path", ["/api/track/nobody", "/api/track/%27%20OR%201=1", "/api/nothing", "/static/../app.py", "/static/%2e%2e/app.py"]
)
def test_what_does_not_exist_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/track/w1?day=yesterday",
        "/api/track/w1?day=2026-02-30",
        "/api/track/w1?day=9999-12-31",
        "/api/events?after=-1",
        "/api/events?after=x",
        "/api/events?after=99999999999999999999",
        "/api/events?limit=0",
        "/api/events?limit=100000",
        "/api/stream?after=1-2",
        "/api/stream?after=a-b-c",
    ],
)
def test_a_bad_question_is_refused_in_words(client: TestClient, field: Field, path: str) -> None:
    field.enrol(wearer_entry(1))
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_the_base_map_is_the_stores_the_configured_one_or_tiles(
    client: TestClient, make_client: Callable[..., TestClient], town: Path
) -> None:
    assert client.get("/api/state").json()["map"] == {"town": "/api/town", "tiles": None}
    assert client.get("/api/town").json()["type"] == "FeatureCollection"
    tiled = make_client(tile_url="https://{s}.tiles.example.org/{z}/{x}/{y}.png", tile_attribution="© <b>them</b>")
    tiled.get("/", params={"key": KEY})
    answer = tiled.get("/api/state")
    assert answer.json()["map"]["town"] is None and answer.json()["map"]["tiles"]["attribution"] == "© <b>them</b>"
    assert "https://*.tiles.example.org" in answer.headers["content-security-policy"]
    assert tiled.get("/api/town").status_code == 404


@pytest.mark.parametrize("content", ["", "{", "[]", '{"type": "Feature"}', '{"type": "FeatureCollection"}'])
def test_a_town_that_is_none_names_the_file(make_client: Callable[..., TestClient], tmp_path: Path, content: str) -> None:
    bad = tmp_path / "bad.geojson"
    bad.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.geojson: (town|type): got .* expected a GeoJSON"):
        make_client(town=bad)


def test_the_console_cannot_write_to_the_store(field: Field) -> None:
    from sqlalchemy.exc import OperationalError

    engine = open_read_only(field.url)
    with pytest.raises(OperationalError, match="readonly"), engine.begin() as connection:
        connection.execute(text("INSERT INTO wearer (wearer_id, name) VALUES ('x', 'x')"))
    engine.dispose()
