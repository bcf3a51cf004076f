"""The console's routes. `create_app(engine, settings)` builds everything; nothing is built at import.

GET /                        the page (`?key=…` lets in, see `access`)
GET /api/state               the whole picture: clock, people, live state, zones, the newest events, the stream's cursor
GET /api/town                the base map, GeoJSON
GET /api/track/{wearer}      the fixes of a local day (`?day=YYYY-MM-DD`, today unless given)
GET /api/events              `?after=ID` the following, else the newest; `?before=ID`, `?wearer=`, `?limit=`
GET /api/stream              server-sent events (`stream`), resumed by `Last-Event-ID` or `?after=CURSOR`
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Engine
from sse_starlette import EventSourceResponse
from starlette.middleware import Middleware

from bridge.console import shapes
from bridge.console.access import AccessGate, content_security_policy
from bridge.console.reading import Reader, Rows, Scheme
from bridge.console.settings import ConsoleSettings
from bridge.console.shapes import Cursor
from bridge.console.stream import Hub, wall_ms
from bridge.errors import ConfigError

_HERE = Path(__file__).parent
_BIGGEST_ID = 2**62
_EVENTS_PAGE = 200
_OPEN_FOR_MS = 14 * 86_400_000  # how far back the page looks for what is still open
_SEND_TIMEOUT_S = 15  # a browser that takes nothing for so long is gone

RowId = Annotated[int | None, Query(ge=0, le=_BIGGEST_ID)]


def create_app(engine: Engine, settings: ConsoleSettings) -> FastAPI:
    """The console over a store. ConfigError when the town's file cannot be read or the store's settings are wrong."""
    reader = Reader(engine)
    hub = Hub(reader, poll_ms=settings.poll_ms, heartbeat_ms=settings.heartbeat_ms, client_queue=settings.client_queue)
    if settings.town is not None:
        check_town(settings.town)
    pages = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
    )
    refusal_style = (_HERE / "templates" / "access.css").read_text(encoding="utf-8")
    gate = Middleware(
        AccessGate,
        key=settings.access_key,
        refusal_html=pages.get_template("access.html").render(style=refusal_style),
        refusal_style=refusal_style,
        policy=content_security_policy(settings.tile_source()),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        polling = asyncio.create_task(hub.run())
        yield
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling

    app = FastAPI(title="Homeward console", lifespan=lifespan, middleware=[gate], docs_url=None, redoc_url=None, openapi_url=None)
    app.state.hub = hub
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")

    def town_file() -> Path | None:
        """The file of the base map: the configured one, else the one that the store names, if it is there."""
        if settings.tile_url:
            return None
        if settings.town is not None:
            return settings.town
        named = Path(hub.known.scheme.town) if hub.known.scheme.town else None
        return named if named and named.is_file() else None

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return pages.get_template("console.html").render()

    @app.get("/api/state")
    async def state() -> Response:
        await hub.look(thoroughly=True)
        events = await asyncio.to_thread(reader.events, None, None, None, _EVENTS_PAGE)
        since_ms = (hub.now_ms() or wall_ms()) - _OPEN_FOR_MS
        alarms = await asyncio.to_thread(reader.events_of, shapes.OPENING_AND_CLOSING, since_ms)
        return _json(_state(hub, events, alarms, town_file() is not None, settings))

    @app.get("/api/town")
    async def town() -> Response:
        path = town_file()
        if path is None or not path.is_file():
            raise HTTPException(404, "no base map is configured")
        return FileResponse(path, media_type="application/geo+json")

    @app.get("/api/track/{wearer_id}")
    async def track(wearer_id: str, day: date | None = None) -> Response:
        await hub.look(thoroughly=True)
        scheme = hub.known.scheme
        if not any(wearer["wearer_id"] == wearer_id for wearer in scheme.wearers):
            raise HTTPException(404, f"no wearer {wearer_id!r}")
        shown = day or shapes.local_day(hub.now_ms() or wall_ms(), scheme.zone)
        try:
            from_ms, until_ms = shapes.day_bounds_ms(shown, scheme.zone)
        except (OverflowError, ValueError):
            raise HTTPException(422, f"day: got {shown}, expected a day within the calendar") from None
        rows = await asyncio.to_thread(reader.track, wearer_id, from_ms, until_ms)
        return _json(
            {
                "wearer": wearer_id,
                "day": shown.isoformat(),
                "timezone": scheme.timezone,
                "from_ms": from_ms,
                "until_ms": until_ms,
                "gap_ms": shapes.GAP_MS,
                "fields": shapes.FIX_FIELDS,
                "fixes": [shapes.fix_shape(row) for row in rows],
            }
        )

    @app.get("/api/events")
    async def events(
        after: RowId = None,
        before: RowId = None,
        wearer: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = _EVENTS_PAGE,
    ) -> Response:
        await hub.look(thoroughly=True)
        rows = await asyncio.to_thread(reader.events, after, before, wearer, limit)
        names = hub.known.scheme.device_names
        return _json({"events": [shapes.event_shape(row, names) for row in rows]})

    @app.get("/api/stream")
    async def stream(
        request: Request, after: str | None = None, last_event_id: Annotated[str | None, Header()] = None
    ) -> EventSourceResponse:
        named = last_event_id or after
        cursor = Cursor.parse(named)
        if named and cursor is None:
            raise HTTPException(422, f"after: got {named[:40]!r}, expected a cursor such as 12-3-0")
        return EventSourceResponse(hub.listen(cursor), send_timeout=_SEND_TIMEOUT_S, ping=15)

    return app


def check_town(path: Path) -> None:
    """ConfigError unless the file is a GeoJSON FeatureCollection."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "town", error.strerror or "unreadable", "a GeoJSON file that can be read") from None
    except ValueError as error:
        raise ConfigError(path, "town", str(error), "a GeoJSON FeatureCollection") from None
    kind = found.get("type") if isinstance(found, dict) else type(found).__name__
    if kind != "FeatureCollection" or not isinstance(found.get("features"), list):
        raise ConfigError(path, "type", kind, "a GeoJSON FeatureCollection")


def _state(hub: Hub, events: Rows, alarms: Rows, has_town: bool, settings: ConsoleSettings) -> dict[str, Any]:
    scheme: Scheme = hub.known.scheme
    now_ms = hub.now_ms()
    day = shapes.local_day(now_ms or wall_ms(), scheme.zone)
    from_ms, until_ms = shapes.day_bounds_ms(day, scheme.zone)
    tiles = {"url": settings.tile_url, "attribution": settings.tile_attribution} if settings.tile_url else None
    live = hub.known.live
    people = shapes.wearer_shapes(scheme.wearers, scheme.periods, scheme.device_names, now_ms)
    return {
        "now_ms": now_ms,
        "clock": scheme.clock,
        "timezone": scheme.timezone,
        "store_ok": hub.known.store_ok,
        "cursor": str(hub.known.cursor),
        "today": {"day": day.isoformat(), "from_ms": from_ms, "until_ms": until_ms},
        "gap_ms": shapes.GAP_MS,
        "map": {"town": "/api/town" if has_town else None, "tiles": tiles},
        "wearers": [{**person, "live": live.get(person["id"])} for person in people],
        "zones": [zone for row in scheme.conditions if (zone := shapes.zone_shape(row))],
        "curfews": [shapes.curfew_shape(row) for row in scheme.conditions if row["kind"] == "curfew"],
        "events": [shapes.event_shape(row, scheme.device_names) for row in events],
        "events_page": _EVENTS_PAGE,
        "alarm_events": [shapes.event_shape(row, scheme.device_names) for row in alarms],
        "counts": {
            "wearers": len(people),
            "devices": len(scheme.device_names),
            "records": hub.known.cursor.record_id,
            "events": hub.known.cursor.event_id,
        },
    }


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
