"""A run put together for a report: what was planned, what really was, and what was found and when.

The truth (positions, coverage) is asked of the world after the run, a sample each `Story.sample_ms`; what was found is read from
the store; what only the engine knows comes as `DeviceFigures`. All times are virtual ms since the scenario's start.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, select

from bridge.rules.conditions import compile_conditions
from bridge.store.opening import open_store
from bridge.store.schema import condition, event, record
from firmware.core.ident import parse_device_name
from firmware.core.record import FIX, MODE_GPS, MODE_OFF, MODE_RF
from sim.control.acts import EVENTS, FAULTS, OVER, PACE, Act
from sim.control.doing import do, is_worldly
from sim.engine.expecting import Came, acts_of
from sim.engine.figures import DeviceFigures
from sim.engine.summary import FINDINGS, Summary
from sim.report.words import describe, plain
from sim.scenario import Scenario
from sim.world import World
from sim.world.overlay import Overlay
from sim.world.plane import distance_m
from sim.world.wearer import Wearer

if TYPE_CHECKING:
    from sim.engine.run import Run

SAMPLE_MS = 15_000  # no closer than this
_SAMPLES_MAX = 6_000  # of one wearer: a longer run is sampled less often
_CORNERS_MAX = 30_000
_COVERAGE_EVERY = 4  # samples: coverage changes more slowly than places, and costs more to ask
_MODES = {MODE_GPS: "GPS", MODE_RF: "RF", MODE_OFF: "OFF"}
_PRESENCES = {"home": "home", "not_home": "out"}


class Span(NamedTuple):
    from_ms: int
    until_ms: int
    value: str


class Sample(NamedTuple):
    """The truth at a time. `travel`: still, walk, bus, car …; `home_m`: how far from home."""

    t_ms: int
    lat: float
    lon: float
    speed_mps: float
    home_m: float
    travel: str
    at_home: bool


class Fix(NamedTuple):
    t_ms: int
    lat: float
    lon: float
    radius_m: float | None
    home_m: float


class Level(NamedTuple):
    """A cell's charge as a record told it."""

    t_ms: int
    percent: int


class Happening(NamedTuple):
    t_ms: int
    device: str
    text: str


class Found(NamedTuple):
    """An event. `came_ms`: when the bridge could know it, None where that is not known; `asks`: somebody has to look at it."""

    t_ms: int
    came_ms: int | None
    kind: str
    text: str
    asks: bool
    superseded: bool
    by_record: bool  # False: a time was reached, and the records' clock told so

    @property
    def lag_ms(self) -> int | None:
        return None if self.came_ms is None else self.came_ms - self.t_ms


class Zone(NamedTuple):
    """`ring` in (lat, lon), or a circle of `radius_m` around its only point."""

    kind: str
    name: str
    ring: tuple[tuple[float, float], ...]
    radius_m: float | None


@dataclass
class WearerStory:
    """One wearer's part. Degrees, metres."""

    id: str
    name: str
    tag: str
    home_unit: str | None
    home: tuple[float, float]
    samples: list[Sample] = field(default_factory=list)
    track: list[tuple[float, float]] = field(default_factory=list)  # the true way, with all its corners
    uncovered: list[Span] = field(default_factory=list)
    no_home_network: list[Span] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)
    modes: list[Span] = field(default_factory=list)
    presences: list[Span] = field(default_factory=list)
    batteries: dict[str, list[Level]] = field(default_factory=dict)  # by device
    faults: list[Span] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    curfews: list[Span] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)


@dataclass
class Story:
    """A whole run. `record_lags_ms`: from each dated record's own time to the bridge."""

    scenario: Scenario
    summary: Summary
    ended_ms: int
    sample_ms: int
    town: dict[str, Any]
    wearers: list[WearerStory]
    devices: list[DeviceFigures]
    record_lags_ms: list[int]

    @property
    def good(self) -> bool:
        return self.summary.is_good


def gather_run(run: "Run", summary: Summary) -> Story:
    """Of a run that is finished and not yet closed."""
    return gather(run.folder.path, run.scenario, summary, run.device_figures())


def gather(folder: Path, scenario: Scenario, summary: Summary, devices: Sequence[DeviceFigures]) -> Story:
    """Of a run's folder and what was kept of the run."""
    world = scenario.world()
    acts = acts_of(folder, scenario)
    overlay = Overlay(world)
    for act in acts:
        if is_worldly(act):
            do(act, world, overlay)
    ended_ms = round(summary.simulated_s * 1000)
    sample_ms = max(SAMPLE_MS, -(-ended_ms // _SAMPLES_MAX // 1000) * 1000)
    came = Came(folder, scenario)
    engine = open_store(folder / "store.db", read_only=True)
    try:
        with engine.connect() as connection:
            wearers = [_wearer(w, world, scenario, connection, came, ended_ms, sample_ms) for w in world.wearers.values()]
            for wearer in wearers:
                _note_acts(wearer, acts, ended_ms)
            lags = _record_lags(connection, scenario, came)
    finally:
        engine.dispose()
    return Story(scenario, summary, ended_ms, sample_ms, world.town.geojson(), wearers, list(devices), lags)


def _wearer(
    wearer: Wearer, world: World, scenario: Scenario, connection: Connection, came: Came, ended_ms: int, sample_ms: int
) -> WearerStory:
    home = world.town.latlon(wearer.home)
    story = WearerStory(wearer.id, wearer.name, wearer.tag, wearer.home_unit, home)
    times = range(0, ended_ms + 1, sample_ms)
    for t_ms in times:
        truth = world.truth(wearer.id, t_ms)
        away_m = distance_m(truth.lat, truth.lon, *home)
        at_home = truth.place == wearer.home.name
        story.samples.append(Sample(t_ms, truth.lat, truth.lon, truth.speed_mps, away_m, truth.mode, at_home))
    story.track = _track(story, world, ended_ms)
    asked = [*times[::_COVERAGE_EVERY], ended_ms]
    story.uncovered = _when_not(((t, world.has_coverage(wearer.tag, t)) for t in asked), ended_ms)
    if unit := wearer.home_unit:
        story.no_home_network = _when_not(((t, world.has_home_network(unit, t)) for t in asked), ended_ms)
    _plan(story, world, scenario, ended_ms)
    _read_conditions(story, connection, scenario, ended_ms)
    _read_records(story, connection, scenario.start_utc_ms, ended_ms)
    _read_events(story, connection, scenario.start_utc_ms, came, ended_ms)
    return story


def _track(story: WearerStory, world: World, ended_ms: int) -> list[tuple[float, float]]:
    """Where the way of moving changes there may be a corner; of a very long run the rest goes by the samples."""
    track: list[tuple[float, float]] = []
    t_ms = 0
    while t_ms <= ended_ms and len(track) < _CORNERS_MAX:
        truth = world.truth(story.id, t_ms)
        track.append((truth.lat, truth.lon))
        t_ms = max(t_ms + 1, world.next_change(story.id, t_ms))
    return track + [(s.lat, s.lon) for s in story.samples if s.t_ms >= min(t_ms, ended_ms)]


def _when_not(told: Iterable[tuple[int, bool]], ended_ms: int) -> list[Span]:
    spans: list[Span] = []
    since: int | None = None
    for t_ms, is_so in told:
        if not is_so and since is None:
            since = t_ms
        elif is_so and since is not None:
            spans.append(Span(since, t_ms, "lost"))
            since = None
    if since is not None:
        spans.append(Span(since, ended_ms, "lost"))
    return spans


def _plan(story: WearerStory, world: World, scenario: Scenario, ended_ms: int) -> None:
    """What the scenario does to this wearer, his devices and what is between them and the bridge."""
    for fault in [*scenario.faults, *world.spec.troubles]:
        if fault.wearer_id in (None, story.id) and fault.from_ms < ended_ms:
            story.faults.append(Span(fault.from_ms, min(fault.until_ms, ended_ms), plain(fault.kind)))
    story.faults.sort()
    mine = (story.tag, story.home_unit)
    for done in world.physical_events(0, ended_ms + 1):
        if done.device in mine:
            story.happenings.append(Happening(done.at_ms, done.device, plain(done.kind)))
    for order in scenario.orders:
        if order.device in mine and order.at_ms <= ended_ms:
            story.happenings.append(Happening(order.at_ms, order.device, f"order: {plain(order.kind)}"))
    story.happenings.sort()


def _note_acts(story: WearerStory, acts: Iterable[Act], ended_ms: int) -> None:
    """What somebody did by hand; what he did to a device is among what the world tells of it."""
    begun: dict[tuple[str, str | None], int] = {}
    for act in acts:
        kind = act.what.removesuffix(OVER)
        if act.wearer not in (None, story.id) or act.what in PACE or act.what in EVENTS or act.at_ms > ended_ms:
            continue
        if kind not in FAULTS:
            story.happenings.append(Happening(act.at_ms, story.tag, f"{plain(act.what)}, by hand"))
            continue
        since = begun.pop((kind, act.wearer), None)
        if since is not None:
            story.faults.append(Span(since, act.at_ms, f"{plain(kind)}, by hand"))
        if act.what == kind:
            begun[kind, act.wearer] = act.at_ms
    story.faults += [Span(since, ended_ms, f"{plain(kind)}, by hand") for (kind, _), since in begun.items()]
    story.faults.sort()
    story.happenings.sort()


def _read_conditions(story: WearerStory, connection: Connection, scenario: Scenario, ended_ms: int) -> None:
    columns = (condition.c.kind, condition.c.name, condition.c.spec)
    rows = connection.execute(select(*columns).where(condition.c.wearer_id == story.id).order_by(condition.c.id)).all()
    start_ms = scenario.start_utc_ms
    for curfew in compile_conditions(story.id, (), [(kind, name, spec) for kind, name, spec in rows], scenario.timezone).curfews:
        window = curfew.window_after(start_ms)
        while window.start_ms < start_ms + ended_ms:
            from_ms, until_ms = window.start_ms - start_ms, window.end_ms - start_ms
            story.curfews.append(Span(max(0, from_ms), min(until_ms, ended_ms), curfew.name))
            window = curfew.window_after(window.end_ms)
    for kind, name, spec in rows:
        if circle := spec.get("circle"):
            story.zones.append(Zone(kind, name, ((circle["lat"], circle["lon"]),), circle["radius_m"]))
        elif polygon := spec.get("polygon"):
            story.zones.append(Zone(kind, name, tuple((lat, lon) for lat, lon in polygon), None))


def _read_records(story: WearerStory, connection: Connection, start_ms: int, ended_ms: int) -> None:
    for name in filter(None, (story.tag, story.home_unit)):
        device_id = parse_device_name(name)
        columns = (record.c.at_ms, record.c.kind, record.c.mode, record.c.lat_e7, record.c.lon_e7, record.c.radius_dm)
        statement = select(*columns, record.c.battery).where(
            record.c.device_id == device_id,
            record.c.quarantine.is_(None),
            record.c.at_ms.between(start_ms, start_ms + ended_ms),
        )
        levels: list[Level] = []
        modes: list[tuple[int, str]] = []
        for at_ms, kind, mode, lat_e7, lon_e7, radius_dm, battery in connection.execute(statement.order_by(record.c.at_ms)):
            t_ms = at_ms - start_ms
            if battery is not None:
                levels.append(Level(t_ms, battery))
            if name != story.tag:
                continue
            if mode in _MODES:
                modes.append((t_ms, _MODES[mode]))
            if kind == FIX and lat_e7 is not None:
                lat, lon = lat_e7 / 1e7, lon_e7 / 1e7
                radius_m = None if radius_dm is None else radius_dm / 10
                story.fixes.append(Fix(t_ms, lat, lon, radius_m, distance_m(lat, lon, *story.home)))
        story.batteries[name] = levels
        if name == story.tag:
            story.modes = spans_of(modes, ended_ms)


def spans_of(changes: Iterable[tuple[int, str]], ended_ms: int) -> list[Span]:
    """From each change until the next to something else."""
    out: list[Span] = []
    for t_ms, value in changes:
        if out and out[-1].value == value:
            continue
        if out:
            out[-1] = out[-1]._replace(until_ms=t_ms)
        out.append(Span(t_ms, ended_ms, value))
    return out


def _read_events(story: WearerStory, connection: Connection, start_ms: int, came: Came, ended_ms: int) -> None:
    statement = select(event).where(event.c.wearer_id == story.id, event.c.at_ms <= start_ms + ended_ms)
    presences: list[tuple[int, str]] = []
    for row in connection.execute(statement.order_by(event.c.at_ms, event.c.id)).all():
        t_ms = row.at_ms - start_ms
        if row.kind == "presence" and not row.superseded:
            presences.append((max(0, t_ms), _PRESENCES.get(str(row.detail.get("presence")), "unknown")))
        came_ms = came.event_ms(connection, row)
        text = describe(row.kind, row.detail)
        story.found.append(Found(t_ms, came_ms, row.kind, text, row.kind in FINDINGS, row.superseded, row.device_id is not None))
    story.presences = spans_of(presences, ended_ms)


def _record_lags(connection: Connection, scenario: Scenario, came: Came) -> list[int]:
    statement = select(record.c.device_id, record.c.seq, record.c.at_ms)
    statement = statement.where(record.c.at_ms.is_not(None), record.c.quarantine.is_(None))
    out = []
    for device_id, seq, at_ms in connection.execution_options(yield_per=10_000).execute(statement):
        came_ms = came.record_ms(device_id, seq)
        if came_ms is not None:
            out.append(came_ms + scenario.start_utc_ms - at_ms)
    return sorted(out)
