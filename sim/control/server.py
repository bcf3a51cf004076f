"""The control page: what is done to a run by hand, for a demonstration or for training. The simulator's own, beside the console.

It listens on 127.0.0.1 and opens with a key of its own, by the console's gate. What it draws with (map, colours) is the console's
too; what it shows is the truth, which no console knows.
"""

import secrets
import socket
import threading
from pathlib import Path
from typing import Annotated, Any

import orjson
import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.middleware import Middleware
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Engine

import bridge.console
from bridge.console.access import AccessGate, content_security_policy
from bridge.store import queries
from bridge.store.opening import open_store
from firmware.core.record import MODE_GPS, MODE_RF, PRESENCE_HOME, PRESENCE_NOT_HOME
from sim.control.acts import Wrong
from sim.control.desk import Desk

_HERE = Path(__file__).parent
_CONSOLE = Path(bridge.console.__file__ or "").parent
_MODES = {MODE_GPS: "GPS", MODE_RF: "RF"}
_PRESENCES = {PRESENCE_HOME: "home", PRESENCE_NOT_HOME: "out"}


def create_app(desk: Desk, folder: Path, key: str) -> FastAPI:
    """The page over a run's folder."""
    pages = Environment(
        loader=FileSystemLoader([_HERE / "templates", _CONSOLE / "templates"]),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    style = (_CONSOLE / "templates" / "access.css").read_text(encoding="utf-8")
    gate = Middleware(
        AccessGate,
        key=key,
        refusal_html=pages.get_template("refused.html").render(style=style),
        refusal_style=style,
        policy=content_security_policy(None),
    )
    app = FastAPI(title="Homeward control", middleware=[gate], docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static/console", StaticFiles(directory=_CONSOLE / "static"), name="console")
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    store = open_store(folder / "store.db", read_only=True)

    @app.exception_handler(Wrong)
    async def refused(_request: Request, wrong: Wrong) -> Response:
        return JSONResponse({"error": str(wrong), "key": wrong.key, "expected": wrong.expected}, status_code=422)

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return pages.get_template("control.html").render()

    @app.get("/api/town")
    async def town() -> Response:
        path = folder / "town.geojson"
        if not path.is_file():
            return JSONResponse({"error": "this run has no map"}, status_code=404)
        return FileResponse(path, media_type="application/geo+json")

    @app.get("/api/picture")
    def picture() -> Response:
        shown = desk.picture
        if shown["ready"]:
            heard = _heard(store)
            shown = {**shown, "wearers": [{**each, **heard.get(each["id"], {})} for each in shown["wearers"]]}
        return Response(orjson.dumps(shown), media_type="application/json")

    @app.post("/api/act")
    async def act(
        what: Annotated[str, Body()],
        wearer: Annotated[str | None, Body()] = None,
        values: Annotated[dict[str, Any] | None, Body()] = None,
    ) -> Response:
        desk.wish(what, wearer, values or {})
        return Response(status_code=202)

    @app.post("/api/speed")
    async def speed(speed: Annotated[float | str, Body(embed=True)]) -> Response:
        desk.go(speed)
        return Response(status_code=202)

    @app.post("/api/skip")
    async def skip(to: Annotated[str, Body(embed=True)]) -> Response:
        desk.skip(to)
        return Response(status_code=202)

    return app


def _heard(store: Engine) -> dict[str, dict[str, Any]]:
    """What the bridge knows of each wearer, by id: mode, presence, battery."""
    with store.connect() as connection:
        rows = list(queries.live_states(connection))
    return {
        row.wearer_id: {"mode": _MODES.get(row.mode), "presence": _PRESENCES.get(row.presence), "battery": row.battery}
        for row in rows
    }


class ControlServer:
    """The page, served by a thread of its own until `close`. `url` holds its key."""

    def __init__(self, desk: Desk, folder: Path, port: int = 0) -> None:
        key = secrets.token_urlsafe(24)
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/?key={key}"
        config = uvicorn.Config(
            create_app(desk, folder, key), access_log=False, log_level="warning", server_header=False, ws="none",
            timeout_graceful_shutdown=1, lifespan="off",
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(5)
        self._socket.close()
