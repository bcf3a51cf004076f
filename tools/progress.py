"""What is seen while a run is going on: a picture read from the store, drawn live on a terminal or told in plain lines.

The store is asked for what is new only, twice a second at most, so that looking does not slow the run down.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from bridge.store import queries, schema
from firmware.core.record import FIX, MODE_GPS, MODE_RF, PRESENCE_HOME, PRESENCE_NOT_HOME
from sim.report.words import describe

if TYPE_CHECKING:
    from sim.engine.run import Run

_LOOK_S = 0.5
_SPEED_OVER_S = 5.0
_LINE_EVERY_S = 5.0
_MODES = {MODE_GPS: "GPS", MODE_RF: "RF"}
_PRESENCES = {PRESENCE_HOME: "home", PRESENCE_NOT_HOME: "out"}


@dataclass(frozen=True)
class Happening:
    """An event, as a line. `asks`: somebody has to look at it."""

    at: datetime
    wearer: str
    text: str
    asks: bool


@dataclass
class Picture:
    """Where a run is. `speed` is what it does, over the last seconds; `modes` counts tags, `presences` wearers."""

    now: datetime
    day: int
    share: float
    speed: float = 0.0
    records: int = 0
    fixes: int = 0
    events: int = 0
    findings: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    presences: Counter[str] = field(default_factory=Counter)
    new: list[Happening] = field(default_factory=list)


class Looker:
    """Reads the picture of one run. `look` costs a few short queries."""

    def __init__(self, run: "Run") -> None:
        from sim.engine.summary import FINDINGS

        self._run = run
        self._asks = frozenset(FINDINGS)
        self._record_id = self._event_id = 0
        self._records = self._fixes = self._events = self._findings = 0
        self._names = {person.id: person.name for person in run.scenario.file.people}
        self._samples: deque[tuple[float, int]] = deque()

    def look(self) -> Picture:
        run = self._run
        now_ms = min(run.now_ms, run.options.until_ms)
        now = run.scenario.local_time(now_ms)
        day = (now.date() - run.scenario.local_time(0).date()).days + 1
        picture = Picture(now, day, now_ms / run.options.until_ms, self._speed(now_ms))
        assert run.engine is not None
        with run.engine.connect() as connection:
            record = schema.record
            for row in connection.execute(select(record.c.id, record.c.kind).where(record.c.id > self._record_id)):
                self._record_id = max(self._record_id, row.id)
                self._records += 1
                self._fixes += row.kind == FIX
            for row in queries.events_after(connection, self._event_id):
                self._event_id = max(self._event_id, row.id)
                if not row.superseded:
                    self._events += 1
                    self._findings += row.kind in self._asks
                    picture.new.append(self._happening(row))
            for row in queries.live_states(connection):
                picture.modes["silent" if row.mode is None else _MODES.get(row.mode, "unknown")] += 1
                picture.presences[_PRESENCES.get(row.presence, "unknown")] += 1
        picture.records, picture.fixes = self._records, self._fixes
        picture.events, picture.findings = self._events, self._findings
        return picture

    def _speed(self, now_ms: int) -> float:
        wall = time.monotonic()
        self._samples.append((wall, now_ms))
        while self._samples[0][0] < wall - _SPEED_OVER_S:
            self._samples.popleft()
        began_wall, began_ms = self._samples[0]
        return (now_ms - began_ms) / 1000 / (wall - began_wall) if wall > began_wall else 0.0

    def _happening(self, row) -> Happening:
        at = datetime.fromtimestamp(row.at_ms / 1000, self._run.scenario.zone)
        wearer = self._names.get(row.wearer_id) or str(row.wearer_id)
        return Happening(at, wearer, describe(row.kind, row.detail), row.kind in self._asks)


class Display(Protocol):
    """Where a picture goes. A context manager."""

    def show(self, picture: Picture) -> None: ...
    def __enter__(self) -> "Display": ...
    def __exit__(self, *_: object) -> None: ...


class Progress:
    """Shows a run's picture on a display, each time its tick comes and it is time again."""

    def __init__(self, looker: Looker, display: Display) -> None:
        self._looker = looker
        self._display = display
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next:
            self.now()

    def now(self) -> None:
        self._display.show(self._looker.look())
        self._next = time.monotonic() + _LOOK_S


class PlainLines:
    """For logs and pipes: each event as it comes in, and every few seconds where the run is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = 0.0

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, picture: Picture) -> None:
        for happening in picture.new:
            self._print(_line(happening))
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            self._print(f"{_moment(picture)}  {picture.speed:,.0f}×  {_counts(picture)}  {_devices(picture)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """For a terminal: one panel that is drawn anew, with the console's address and the newest events."""

    def __init__(self, console: Console, title: str, url: str, newest: int = 10) -> None:
        self._title, self._url = title, url
        self._events: deque[Happening] = deque(maxlen=newest)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveView":
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def show(self, picture: Picture) -> None:
        self._events.extend(picture.new)
        self._live.update(self._draw(picture), refresh=True)

    def _draw(self, picture: Picture) -> Panel:
        facts = Table.grid(padding=(0, 2))
        facts.add_column(style="dim")
        facts.add_column(overflow="fold")
        if self._url:
            facts.add_row("console", Text(self._url, style=f"bold cyan link {self._url}"))
        facts.add_row("local time", f"[bold]{_moment(picture)}[/]  [dim]{picture.share:4.0%}[/]")
        facts.add_row("speed", f"{picture.speed:,.0f}×")
        facts.add_row("stored", _counts(picture))
        facts.add_row("devices", _devices(picture))
        events = Table.grid(padding=(0, 2))
        for happening in reversed(self._events):
            style = "bold yellow" if happening.asks else ""
            events.add_row(f"[dim]{happening.at:%H:%M:%S}[/]", escape(happening.wearer), Text(happening.text, style=style))
        body = Group(facts, Text(), events) if self._events else Group(facts)
        title = f"[bold]Homeward[/] · {escape(self._title)}"
        return Panel(body, title=title, title_align="left", subtitle="Ctrl-C ends everything")


def _moment(picture: Picture) -> str:
    return f"day {picture.day} {picture.now:%H:%M:%S %Z}"


def _counts(picture: Picture) -> str:
    return f"{picture.records:,} records · {picture.fixes:,} fixes · {picture.events:,} events · {picture.findings:,} findings"


def _devices(picture: Picture) -> str:
    modes = ", ".join(f"{count} {mode}" for mode, count in sorted(picture.modes.items()))
    wearers = ", ".join(f"{count} {presence}" for presence, count in sorted(picture.presences.items()))
    return f"tags: {modes} · wearers: {wearers}"


def _line(happening: Happening) -> str:
    return f"{happening.at:%H:%M:%S}  {'! ' if happening.asks else '  '}{happening.wearer}: {happening.text}"
