"""One poller for all browsers: asks the store what is new every `poll_ms`, and hands each browser the same bytes.

Guarantees: a browser gets every fix and event once, in the store's order, from the cursor it names (`Last-Event-ID`) on; when
the way back is too long, or its cursor is of another store, it is told to start over (`reset`). A browser that is more than
`client_queue` messages behind is dropped, never buffered without bound: it comes back with its cursor. Nothing is polled
while nobody looks.

Messages: `hello` (full live state), `delta` {now_ms, live, fixes, events, redated, superseded}, `beat` {now_ms, store_ok},
`scheme` (people or conditions changed: ask /api/state again), `reset` (the same, and the tracks).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError
from sse_starlette import ServerSentEvent

from bridge.console.reading import News, Reader, Scheme
from bridge.console.shapes import Cursor, event_shape, fixes_by_wearer, live_shape
from bridge.errors import ConfigError

_LONGEST_WAY_BACK = 20_000  # records or events; beyond it, loading anew is cheaper


@dataclass(eq=False)
class Client:
    queue: asyncio.Queue[ServerSentEvent]
    dropped: bool = False


@dataclass
class Known:
    """What the poller knew after its last look at the store."""

    scheme: Scheme
    cursor: Cursor
    live: dict[str, dict[str, Any]] = field(default_factory=dict)
    superseded: set[int] = field(default_factory=set)
    newest_at_ms: int | None = None
    store_ok: bool = True

    def now_ms(self, wall_ms: Callable[[], int]) -> int | None:
        """The scheme's clock: the wall's, or in a simulation the newest event time in the store (None: nothing has happened)."""
        if self.scheme.clock == "wall":
            return wall_ms()
        newest = max((shape["at_ms"] or 0 for shape in self.live.values()), default=0)
        return max(self.newest_at_ms or 0, newest) or None


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def message(kind: str, body: object, cursor: Cursor | None = None) -> ServerSentEvent:
    return ServerSentEvent(data=orjson.dumps(body).decode(), event=kind, id=str(cursor) if cursor else None)


class Hub:
    """Built by `create_app`, run by its lifespan. One event loop; the store is read in threads."""

    def __init__(
        self, reader: Reader, *, poll_ms: int, heartbeat_ms: int, client_queue: int, clock: Callable[[], int] = wall_ms
    ) -> None:
        self._reader = reader
        self._poll_s, self._beat_s = poll_ms / 1000, heartbeat_ms / 1000
        self._client_queue = client_queue
        self._clock = clock
        self._clients: set[Client] = set()
        self._turn = asyncio.Lock()
        self.known = self._look_anew()

    def _look_anew(self) -> Known:
        reader = self._reader
        cursor = reader.cursor()
        live = {row["wearer_id"]: live_shape(row) for row in reader.live()}
        return Known(reader.scheme(), cursor, live, reader.superseded(), reader.newest_at_ms())

    def now_ms(self) -> int | None:
        return self.known.now_ms(self._clock)

    @property
    def client_count(self) -> int:
        return len(self._clients)

    async def run(self) -> None:
        """Poll until cancelled. An unreadable store is told to the browsers and tried again, for ever."""
        beat_at = 0.0
        while True:
            started = time.monotonic()
            beats = started >= beat_at
            if self._clients:
                await self.look(thoroughly=beats)
                if beats:
                    self._tell(message("beat", {"now_ms": self.now_ms(), "store_ok": self.known.store_ok}))
            if beats:
                beat_at = started + self._beat_s
            await asyncio.sleep(max(0.01, self._poll_s - (time.monotonic() - started)))

    async def look(self, thoroughly: bool = False) -> None:
        """One look at the store: what is new goes to every browser. `thoroughly`: also what changes seldom."""
        async with self._turn:
            try:
                complete = False
                while not complete:
                    news, live = await asyncio.to_thread(self._read_news)
                    self._spread(news, live)
                    complete = news.complete
                if thoroughly:
                    scheme, superseded = await asyncio.to_thread(lambda: (self._reader.scheme(), self._reader.superseded()))
                    if superseded != self.known.superseded:
                        self.known.superseded = superseded
                        self._tell(
                            message("delta", {"now_ms": self.now_ms(), "superseded": sorted(superseded)}, self.known.cursor)
                        )
                    if scheme != self.known.scheme:
                        self.known.scheme = scheme
                        self._tell(message("scheme", {"now_ms": self.now_ms()}))
                self.known.store_ok = True
            except (SQLAlchemyError, ConfigError, OSError):
                self.known.store_ok = False

    def _read_news(self) -> tuple[News, dict[str, dict[str, Any]]]:
        news = self._reader.news(self.known.cursor)
        return news, {row["wearer_id"]: live_shape(row) for row in self._reader.live()}

    def _spread(self, news: News, live: dict[str, dict[str, Any]]) -> None:
        known = self.known
        changed = [shape for wearer, shape in live.items() if known.live.get(wearer) != shape]
        if news.cursor == known.cursor and not changed:
            return
        known.cursor, known.live = news.cursor, live
        if news.newest_at_ms is not None:
            known.newest_at_ms = max(known.newest_at_ms or 0, news.newest_at_ms)
        self._tell(self._delta(news, changed))

    def _delta(self, news: News, live: list[dict[str, Any]]) -> ServerSentEvent:
        scheme = self.known.scheme
        body = {
            "now_ms": self.now_ms(),
            "live": live,
            "fixes": fixes_by_wearer(news.fixes, scheme.worn()),
            "events": [event_shape(row, scheme.device_names) for row in news.events],
            "redated": sorted({period.wearer_id for period in scheme.worn() if period.tag_id in news.redated}),
        }
        return message("delta", body, news.cursor)

    def _tell(self, said: ServerSentEvent) -> None:
        for client in list(self._clients):
            try:
                client.queue.put_nowait(said)
            except asyncio.QueueFull:
                client.dropped = True
                self._clients.discard(client)

    async def listen(self, after: Cursor | None) -> AsyncGenerator[ServerSentEvent, None]:
        """What one browser hears, from `after` on (None: from now on)."""
        if not self._clients:
            await self.look(thoroughly=True)  # nobody has been looking: what is known may be old
        async with self._turn:  # between two looks: what comes after `start` comes through the queue
            client = Client(asyncio.Queue(self._client_queue))
            self._clients.add(client)
            start = self.known.cursor
            hello = {"now_ms": self.now_ms(), "store_ok": self.known.store_ok, "live": list(self.known.live.values())}
        try:
            yield message("hello", hello)
            async for said in self._missed(after, start):
                yield said
            while not client.dropped or not client.queue.empty():
                yield await client.queue.get()
        finally:
            self._clients.discard(client)

    async def _missed(self, after: Cursor | None, start: Cursor) -> AsyncGenerator[ServerSentEvent, None]:
        if after is None or after == start:
            return
        records, events = start.record_id - after.record_id, start.event_id - after.event_id
        if after.is_beyond(start) or max(records, events) > _LONGEST_WAY_BACK:
            yield message("reset", {"now_ms": self.now_ms()}, start)
            return
        while after != start:
            news = await asyncio.to_thread(self._reader.news, after, start)
            after = news.cursor
            yield self._delta(news, [])
