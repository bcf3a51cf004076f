"""Live: whoever listens hears every fix and event once, comes back without loss, and cannot make the console swell."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sse_starlette import ServerSentEvent

from bridge.console.reading import Reader, open_read_only
from bridge.console.shapes import Cursor
from bridge.console.stream import Hub
from tests.bridge.console.field import MINUTE_MS, NOON_MS, Field, home_of, walk, wearer_entry


@pytest.fixture
def make_hub(field: Field) -> Iterator[Callable[..., Hub]]:
    engine = open_read_only(field.url)

    def make(client_queue: int = 64) -> Hub:
        return Hub(Reader(engine), poll_ms=20, heartbeat_ms=60_000, client_queue=client_queue)

    yield make
    engine.dispose()


def kind_and_body(said: ServerSentEvent) -> tuple[str, dict[str, Any]]:
    return str(said.event), json.loads(said.data or "")


async def next_of(stream: AsyncIterator[ServerSentEvent], kind: str) -> tuple[str | None, dict[str, Any]]:
    """The next message of a kind, within ten seconds."""
    async with asyncio.timeout(10):
        while True:
            said = await anext(stream)
            if said.event == kind:
                return said.id, json.loads(said.data or "")


def test_a_listener_hears_live_state_fixes_and_events_as_they_are_stored(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))
    field.fix(1, NOON_MS - MINUTE_MS, home_of(1))

    async def scenario() -> None:
        hub = make_hub()
        async with aclosing(hub.listen(None)) as stream:
            kind, hello = kind_and_body(await anext(stream))
            assert kind == "hello" and hello["live"][0]["wearer"] == "w1" and hello["now_ms"] == NOON_MS - MINUTE_MS
            field.fix(1, NOON_MS, (50.7170, -2.4380))
            field.event(1, "strap_cut", NOON_MS)
            await hub.look()
            cursor, delta = await next_of(stream, "delta")
            assert delta["now_ms"] == NOON_MS and cursor == "2-1-0"
            assert delta["fixes"]["w1"][0][:3] == [NOON_MS, 507170000, -24380000]
            assert delta["live"][0]["fix_at_ms"] == NOON_MS
            assert [event["kind"] for event in delta["events"]] == ["strap_cut"]
            await hub.look()
            assert not [1 for client in hub._clients if not client.queue.empty()], "nothing new, nothing said"
        assert hub.client_count == 0

    asyncio.run(scenario())


def test_coming_back_with_a_cursor_brings_what_was_missed_and_nothing_twice(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))
    track = walk(1, NOON_MS, 30)

    async def scenario() -> None:
        hub = make_hub()
        heard: list[int] = []
        cursor: str | None = "0-0-0"
        for start in range(0, 30, 6):
            async with aclosing(hub.listen(Cursor.parse(cursor))) as stream:
                while len(heard) < start:  # what was stored while nobody listened
                    cursor, delta = await next_of(stream, "delta")
                    heard += [fix[0] for fix in delta["fixes"].get("w1", [])]
                field.fixes(1, track[start : start + 3])
                await hub.look()
                while len(heard) < start + 3:
                    cursor, delta = await next_of(stream, "delta")
                    heard += [fix[0] for fix in delta["fixes"].get("w1", [])]
            field.fixes(1, track[start + 3 : start + 6])
        async with aclosing(hub.listen(Cursor.parse(cursor))) as stream:
            while len(heard) < 30:
                cursor, delta = await next_of(stream, "delta")
                heard += [fix[0] for fix in delta["fixes"].get("w1", [])]
        assert heard == [at_ms for at_ms, _ in track]

    asyncio.run(scenario())


def test_a_cursor_of_another_store_starts_over(field: Field, make_hub: Callable[..., Hub]) -> None:
    async def scenario() -> None:
        async with aclosing(make_hub().listen(Cursor(900, 4, 0))) as stream:
            assert (await next_of(stream, "reset"))[0] == "0-0-0"

    asyncio.run(scenario())


def test_a_browser_that_does_not_listen_is_dropped_and_the_others_are_served(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))

    async def scenario() -> None:
        hub = make_hub(client_queue=4)
        async with aclosing(hub.listen(None)) as slow, aclosing(hub.listen(None)) as quick:
            await anext(slow)
            await anext(quick)
            for at_ms, place in walk(1, NOON_MS, 10):
                field.fix(1, at_ms, place)
                await hub.look()
                await next_of(quick, "delta")
            assert hub.client_count == 1
            rest = [said async for said in slow]  # it ends: the browser comes back with the cursor of the last one it got
            assert len(rest) == 4 and rest[-1].id == "4-0-0"

    asyncio.run(scenario())


def test_a_record_dated_later_sends_for_the_track(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))
    record_id = field.undated_fix(1, home_of(1))

    async def scenario() -> None:
        hub = make_hub()
        async with aclosing(hub.listen(None)) as stream:
            await anext(stream)
            field.date(record_id, NOON_MS)
            await hub.look()
            assert (await next_of(stream, "delta"))[1]["redated"] == ["w1"]

    asyncio.run(scenario())


def test_a_fix_outside_every_wear_period_is_told_to_nobody(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1) | {"until": "2026-06-01T11:00:00Z"})  # NOON_MS

    async def scenario() -> None:
        hub = make_hub()
        async with aclosing(hub.listen(None)) as stream:
            await anext(stream)
            field.fixes(1, [(NOON_MS - 1, home_of(1)), (NOON_MS, home_of(1))], live=False)
            await hub.look()
            fixes = (await next_of(stream, "delta"))[1]["fixes"]
            assert [fix[0] for fix in fixes["w1"]] == [NOON_MS - 1]

    asyncio.run(scenario())


def test_people_and_superseded_events_are_noticed_too(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))
    event_id = field.event(1, "late_home", NOON_MS)

    async def scenario() -> None:
        hub = make_hub()
        async with aclosing(hub.listen(None)) as stream:
            await anext(stream)
            field.enrol(wearer_entry(1), wearer_entry(2))
            field.supersede(event_id)
            await hub.look(thoroughly=True)
            assert (await next_of(stream, "delta"))[1]["superseded"] == [event_id]
            await next_of(stream, "scheme")

    asyncio.run(scenario())


def test_a_store_that_cannot_be_read_is_said_and_tried_again(field: Field, make_hub: Callable[..., Hub]) -> None:
    from sqlalchemy import text

    async def scenario() -> None:
        hub = make_hub()
        with field.engine.begin() as connection:
            connection.execute(text("ALTER TABLE live RENAME TO away"))
        await hub.look()
        assert hub.known.store_ok is False
        with field.engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO live"))
        await hub.look()
        assert hub.known.store_ok is True

    asyncio.run(scenario())


def test_a_large_backlog_comes_whole(field: Field, make_hub: Callable[..., Hub]) -> None:
    field.enrol(wearer_entry(1))
    home = home_of(1)

    async def scenario() -> None:
        hub = make_hub()
        async with aclosing(hub.listen(None)) as stream:
            await anext(stream)
            field.fixes(1, [(NOON_MS + n * 1000, home) for n in range(12_000)])
            await hub.look()
            heard = 0
            while heard < 12_000:
                heard += len((await next_of(stream, "delta"))[1]["fixes"]["w1"])
            assert heard == 12_000

    asyncio.run(scenario())


ids = st.integers(0, 2**62)


@given(ids, ids, ids)
def test_a_cursor_reads_back_as_it_was_written(record_id: int, event_id: int, dated_id: int) -> None:
    cursor = Cursor(record_id, event_id, dated_id)
    if max(record_id, event_id, dated_id) < 10**18:
        assert Cursor.parse(str(cursor)) == cursor


@given(st.text())
def test_no_text_breaks_the_cursor(text: str) -> None:
    assert Cursor.parse(text) is None or str(Cursor.parse(text)).count("-") == 2
