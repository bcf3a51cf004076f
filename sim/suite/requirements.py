"""The table: what a tagging system must do, the figure that is asked, the scenario that shows it, the function that reads it.

`ROWS` names every row of the field's requirements, sections 2 (figures to meet or beat) and 3 (what goes wrong in the field).
Each has at least one `Requirement`; what software cannot show, or this version of the product does not have yet, says so in
`not_shown` and is printed with its reason, never left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sim.scenario import Scenario, load
from sim.suite import lasting, measures
from sim.suite.measures import Measure, Samples
from sim.suite.samples import Figure

FOLDER = Path(__file__).parent / "scenarios"

ROWS: dict[str, tuple[int, str]] = {
    "first fix": (2, "First fix from cold, open sky"),
    "position error": (2, "Position error outdoors, unobstructed"),
    "locate-now": (2, "Locate-now, request to answer"),
    "zone event": (2, "Zone event to console, active tracking"),
    "strap cut": (2, "Strap cut: timestamped event on the tag, at the console"),
    "fix rate": (2, "Fix rate: moving, in or near a zone, at rest, at home"),
    "endurance": (2, "Endurance at a fix each 60 s"),
    "charging": (2, "Charging"),
    "store": (2, "Store on the tag without coverage, kept through a flat battery"),
    "battery warnings": (2, "Battery warnings staged, the wearer's first"),
    "home unit": (2, "Home unit: status, mains, moved, case, battery, range test"),
    "curfew": (2, "Curfew: grace, late, early and all night told apart, absences"),
    "presence": (2, "Presence: unknown is never reported as either"),
    "missing data": (2, "Missing data: a gap is a gap, not reporting is listed"),
    "accuracy": (2, "Accuracy: every fix carries a radius, a zone test three answers"),
    "tamper": (3, "Tamper latches"),
    "alert overload": (3, "Alert overload: few alerts, a flapping signal is one episode"),
    "backlog": (3, "Hidden backlog: open alerts by unresolved age"),
    "drift": (3, "GNSS drift enters or leaves no zone; indoor loss is no absence"),
    "uploads": (3, "Duplicates, late and out-of-order uploads"),
    "sentinels": (3, "Sentinels are never stored as a fix"),
    "interference": (3, "Ordinary signal loss is not jamming"),
    "times": (3, "Any time shown is local with its zone; both times are kept"),
    "taken off": (3, "A tag taken off may still transmit"),
}


@dataclass(frozen=True)
class Requirement:
    """`name` is also the scenario's file; `row` a key of ROWS. Exactly one of `measure` (with a scenario of that name), `alone`
    (samples made without a scenario, once: what it measures knows no seed) and `not_shown` (why) is there.

    `long` ones are run when asked for. `most_seeds` bounds what is too dear for many.
    """

    name: str
    row: str
    figures: tuple[Figure, ...] = ()
    measure: Measure | None = None
    alone: Callable[[], Samples] | None = None
    not_shown: str = ""
    long: bool = False
    most_seeds: int | None = None

    @property
    def section(self) -> int:
        return ROWS[self.row][0]

    @property
    def words(self) -> str:
        return ROWS[self.row][1]

    @property
    def file(self) -> Path | None:
        return FOLDER / f"{self.name}.yaml" if self.measure is not None else None


@cache
def scenario_of(name: str) -> Scenario:
    """The scenario of a requirement as it is written. Not to be changed: others have the same."""
    return load(FOLDER / f"{name}.yaml")


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement("first_fix", "first fix", (Figure("seconds", "switched on to first fix", 120, "s"),), measures.first_fix),
    Requirement(
        "position_error",
        "position error",
        (Figure("error", "fix to truth", 10, "m", "p90"), Figure("added", "fix to what the receiver said", 1, "m")),
        measures.position_error,
    ),
    Requirement("locate_now", "locate-now", (Figure("seconds", "request to answer", 180, "s"),), measures.locate_now),
    Requirement(
        "zone_event",
        "zone event",
        (Figure("entered", "edge crossed inwards to console", 30, "s"), Figure("left", "outwards to console", 30, "s")),
        measures.zone_event,
    ),
    Requirement(
        "strap_cut",
        "strap cut",
        (Figure("on_tag", "cut to its time on the tag", 2, "s"), Figure("shown", "cut to console", 10, "s")),
        measures.strap_cut,
    ),
    Requirement(
        "fix_rate",
        "fix rate",
        (
            # The receiver needs a moment for each fix, which comes on top of the interval that is asked.
            Figure("moving", "between fixes, moving", 62, "s", "p90"),
            Figure("zone", "between fixes, in a zone", 17, "s", "p90"),
            Figure("home", "fixes while the home unit is heard", 0, ""),
        ),
        measures.fix_rate,
    ),
    Requirement(
        "fix_rate_at_rest",
        "fix rate",
        (Figure("rest", "between fixes, at rest", 3660, "s"),),
        measures.fix_rate_at_rest,
    ),
    Requirement(
        "endurance",
        "endurance",
        (
            Figure("open", "in the open, by the energy model", 40, "h", at_least=True),
            Figure("home", "at home 14 h a day, by the energy model", 7, "days", at_least=True),
        ),
        alone=lasting.tag,
    ),
    Requirement("charging", "charging", (Figure("hours", "a day of a wearer at home 14 h", 2, "h"),), alone=lasting.charging),
    Requirement(
        "store_without_coverage",
        "store",
        (
            Figure("lost", "records lost", 0, ""),
            Figure("kept", "fixes of the time without coverage", 20, "", at_least=True),
            Figure("days", "the journal lasts at 1 fix/60 s", 10, "days", at_least=True),
        ),
        measures.store_without_coverage,
    ),
    Requirement(
        "store_ten_days",
        "store",
        (Figure("lost", "records lost", 0, ""), Figure("kept", "fixes of ten days", 13_000, "", at_least=True)),
        measures.store_without_coverage,
        long=True,
        most_seeds=1,
    ),
    Requirement(
        "battery_warnings",
        "battery warnings",
        (
            Figure("lead", "wearer warned before an officer", 15, "min", at_least=True),
            Figure("stages", "told at a stage", 1, "", "share", True),
        ),
        measures.battery_warnings,
    ),
    Requirement(
        "home_unit",
        "home unit",
        (
            Figure("mains", "mains lost to console", 60, "s"),
            Figure("moved", "moved to console", 60, "s"),
            Figure("case", "case opened to console", 60, "s"),
            Figure("status", "between two signs of life", 15, "min"),
        ),
        measures.home_unit,
    ),
    Requirement(
        "home_unit_battery",
        "home unit",
        (Figure("hours", "without mains, by the energy model", 24, "h", at_least=True),),
        alone=lasting.home_unit,
    ),
    Requirement("range_test", "home unit", (Figure("rooms", "rooms answered", 1, "", "share", True),), measures.range_test),
    Requirement(
        "curfew",
        "curfew",
        (Figure("kinds", "right kind told", 1, "", "share", True), Figure("grace", "off the grace's end", 1, "s")),
        measures.curfew,
    ),
    Requirement("authorised_absence", "curfew", not_shown="the product has no authorised absences yet"),
    Requirement(
        "presence",
        "presence",
        (Figure("wrong", "statements that are not so", 0, ""), Figure("unknown", "shown as unknown", 1, "", "share", True)),
        measures.presence,
    ),
    Requirement(
        "missing_data",
        "missing data",
        (
            Figure("claimed", "fixes claimed for a silence", 0, ""),
            Figure("spanned", "longest silence drawn as a line", 5, "min"),
            Figure("silences", "silences shown as a gap", 1, "", "share", True),
        ),
        measures.missing_data,
    ),
    Requirement(
        "not_reporting",
        "missing data",
        not_shown="the list is made by the console's page on the host's clock: tests/bridge/console in a browser",
    ),
    Requirement(
        "accuracy",
        "accuracy",
        (
            Figure("carried", "fixes with a radius", 1, "", "share", True),
            Figure("open", "truth within the radius, open sky", 0.95, "", "share", True),
            Figure("streets", "truth within the radius, between houses", 0.95, "", "share", True),
        ),
        measures.accuracy,
    ),
    Requirement(
        "zone_test", "accuracy", (Figure("claims", "inside or outside said rightly", 1, "", "share", True),), measures.zone_event
    ),
    Requirement("tamper_latches", "tamper", (Figure("latched", "latched", 1, "", "share", True),), measures.tamper_latches),
    Requirement(
        "alert_overload",
        "alert overload",
        (Figure("alerts", "alerts a wearer-day", 0.33, "", "mean"),),
        measures.alert_overload,
    ),
    Requirement(
        "flapping_signal", "alert overload", (Figure("episodes", "findings of a kind", 1, ""),), measures.flapping_signal
    ),
    Requirement("hidden_backlog", "backlog", not_shown="the product has no alerts to resolve yet: findings alone are listed"),
    Requirement(
        "gnss_drift",
        "drift",
        (Figure("told", "zones entered or left", 0, ""), Figure("drift", "largest drift of a fix", 15, "m", "mean", True)),
        measures.gnss_drift,
    ),
    Requirement("indoor_loss", "drift", (Figure("absences", "absences told", 0, ""),), measures.indoor_loss),
    Requirement(
        "late_records",
        "uploads",
        (
            Figure("dated", "dated where it belongs", 1, "", "share", True),
            Figure("marked", "marked as late", 1, "", "share", True),
        ),
        measures.late_records,
    ),
    Requirement(
        "duplicates",
        "uploads",
        (Figure("twice", "records stored twice", 0, ""), Figure("missing", "records missing", 0, "")),
        measures.duplicates,
    ),
    Requirement("sentinels", "sentinels", (Figure("stored", "such fixes stored", 0, ""),), measures.sentinels),
    Requirement(
        "ordinary_loss",
        "interference",
        (Figure("told", "told a wearer-day", 0, ""), Figure("lost", "times the signal was lost", 1, "", at_least=True)),
        measures.ordinary_loss,
    ),
    Requirement(
        "interference",
        "interference",
        (
            # No figure is asked: these bounds are our own, from what the detectors wait for.
            Figure("jam", "jammed to its finding", 480, "s"),
            Figure("shield", "shielded to its finding", 600, "s"),
            Figure("spoof", "false signal to its finding", 480, "s"),
            Figure("right", "the right kind alone", 1, "", "share", True),
        ),
        measures.interference,
    ),
    Requirement(
        "local_times",
        "times",
        (Figure("without", "without both times", 0, ""), Figure("zone", "zone kept for who shows it", 1, "", "share", True)),
        measures.local_times,
    ),
    Requirement("tag_taken_off", "taken off", not_shown="the product makes no reports yet, which are what must say it"),
)

BY_NAME = {each.name: each for each in REQUIREMENTS}
