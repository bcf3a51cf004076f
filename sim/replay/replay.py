"""A replay: each source drives the GNSS port of one simulated tag, and everything behind it is the real thing.

    bytes → UART → firmware → sealed records → broker → bridge → store → fixes

The tags have no home unit, always have coverage, and are worn by people in a place that matters to nobody; their motion input
says all the time that they move, for nobody knows when those of the recording did. Each has a lease for the dates in its log,
unless they span more than a year. Same log, same records. A log is over when its last epoch has had time to close, a live
receiver when its port is; then the run ends as soon as everything made is stored.

Policies: `every-fix` keeps the receiver on and records each valid epoch, whatever it says of date and accuracy; `normal` is the
tag as it is worn: it wakes the receiver for a fix a minute, and takes none that it does not believe (a date before 2024 is not).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bridge.errors import ConfigError
from firmware.core.ident import TAG, device_name, parse_device_name
from sim.engine.circuit.tag import TagCircuit
from sim.engine.device import Device
from sim.engine.folder import RunFolder
from sim.engine.run import Options, Run
from sim.engine.summary import Summary
from sim.scenario import Scenario
from sim.scenario.models import ScenarioFile
from sim.world import World

from .circuit import LivePlayer, LogPlayer, Player, ReplayCircuit
from .fixes import StoredFix, stored_fixes, write_fixes
from .live import LivePort
from .log import Log, is_plausible, plausible_start
from .source import Source

EVERY_FIX = "every-fix"
NORMAL = "normal"
POLICIES: dict[str, dict[str, int]] = {EVERY_FIX: {"every_fix": 1}, NORMAL: {}}
_REPORT_S = 60
_WATCHED_REPORT_S = 5  # when somebody watches it at a pace: what is on the map should be of now
FOREVER_MS = 366 * 86_400_000  # a lease is never longer
_HOME = {"lat": 50.7154, "lon": -2.4367}


@dataclass(frozen=True)
class Replayed:
    """What came of it. `fixes` has a list for each source; `epochs` counts those played (of a live receiver: its RMC)."""

    summary: Summary
    fixes: list[list[StoredFix]]
    epochs: int
    ended: str  # why a live receiver ended, or ""


@dataclass(frozen=True)
class Progress:
    """How far a replay is, for whoever shows it."""

    run: Run
    epochs: int
    epochs_total: int | None  # None: nobody knows, it is live


class ReplayScenario(Scenario):
    """People who stand still, one for each source, under no conditions."""

    def __init__(self, sources: Sequence[Source]) -> None:
        dates = [list(source.dates()) if isinstance(source, Log) else [datetime.now(UTC)] for source in sources]
        start = plausible_start(min((date for each in dates for date in each[:1]), default=None))
        last = [max(filter(is_plausible, each), default=start) for each in dates]
        self._last_utc_ms = {tag_name(i): int(date.timestamp() * 1000) for i, date in enumerate(last, 1)}
        people = [
            {"id": f"replay-{i}", "name": Path(source.name).name or source.name, "tag": tag_name(i), "home": _HOME}
            for i, source in enumerate(sources, 1)
        ]
        title = people[0]["name"] if len(people) == 1 else f"{len(people)} receivers"
        file = {"name": f"replay of {title}", "start": start.replace(tzinfo=None), "timezone": "UTC", "people": people}
        super().__init__("replay", ScenarioFile.model_validate(file))

    def fitted_utc_ms(self, device: str) -> int:
        """At the end of what is played: the lease that is given then reaches back for most of a year."""
        return self._last_utc_ms[device]

    def to_scheme(self) -> dict:
        """Worn since ever, for a log is of any age, by somebody whose home is nobody's business."""
        scheme = super().to_scheme()
        for wearer in scheme["wearers"]:
            wearer["from"] = "1970-01-01T00:00:00Z"
            del wearer["home"]
        return scheme


def tag_name(number: int) -> str:
    """The tag that plays the source of this number, from 1."""
    return device_name(TAG << 24 | number)


def run_replay(
    sources: Source | Sequence[Source],
    folder: RunFolder,
    *,
    policy: str = EVERY_FIX,
    json_file: Path | None = None,
    speed: float = 0.0,
    console_port: int | None = None,
    broker_port: int = 0,
    until_ms: int | None = None,
    started: Callable[[Run], None] = lambda run: None,
    tick: Callable[[Progress], None] = lambda progress: None,
    is_stopped: Callable[[], bool] = lambda: False,
    stay: Callable[[Run, Replayed], None] = lambda run, replayed: None,
) -> Replayed:
    """Play the sources to their end, for `until_ms` of virtual time, or until `is_stopped()`.

    `speed` 0 is as fast as possible; with a live receiver it is 1, whatever is given. `json_file` gets the fixes of all sources,
    read back from the store. `started` is called when everything runs, `tick` ten times a second, `stay` at the end while broker,
    bridge and console are still up. Live ports are closed at the end.
    """
    sources = [sources] if isinstance(sources, Source) else list(sources)
    if policy not in POLICIES:
        raise ConfigError("replay", "policy", policy, "one of " + ", ".join(POLICIES))
    live = [source for source in sources if isinstance(source, LivePort)]
    try:
        options = Options(until_ms or FOREVER_MS, 1.0 if live else speed, console_port, broker_port, shows_town=False)
        players: list[Player] = []

        def make_tag(device: Device, world: World) -> TagCircuit:
            source = sources[len(players)]
            if isinstance(source, Log):
                player: Player = LogPlayer(device, source)
            else:
                player = LivePlayer(device, source, lambda moment: int((moment - run.began_at) * 1000))
            players.append(player)
            return ReplayCircuit(device, world, player)

        settings = POLICIES[policy] | {"report_interval_s": _WATCHED_REPORT_S if options.speed else _REPORT_S}
        run = Run(ReplayScenario(sources), folder, options, settings, make_tag)
        with run:
            started(run)
            total = None if live else sum(len(source.epochs) for source in sources if isinstance(source, Log))

            def epochs() -> int:
                return sum(player.epochs for player in players)

            def on_tick(_: Run) -> None:
                tick(Progress(run, epochs(), total))

            def is_over() -> bool:
                return is_stopped() or all(player.is_over(run.now_ms) for player in players)

            run.live(on_tick, is_over)
            made = run.made()
            summary = run.finish(on_tick)
            assert run.engine is not None
            with run.engine.connect() as connection:
                ids = [parse_device_name(tag_name(i)) for i in range(1, len(sources) + 1)]
                fixes = [stored_fixes(connection, device_id, made[device_id]) for device_id in ids]
            ended = "; ".join(port.ended for port in live if port.ended)
            replayed = Replayed(summary, fixes, epochs(), ended)
            if json_file is not None:
                write_fixes(json_file, (fix for of_one in fixes for fix in of_one))
            stay(run, replayed)
            return replayed
    finally:
        for port in live:
            port.close()
