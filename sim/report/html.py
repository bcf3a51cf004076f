"""The report as one page: everything in it, nothing from a network, which its content security policy holds it to."""

import base64
import json
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sim.engine.expecting import seconds
from sim.report import maps, plots, svg, timeline
from sim.report.gather import Found, Story, WearerStory

_TOLD_MAX = 250  # rows of a wearer's table; the store has the rest
_POINTS_MAX = 1_500  # of a wearer, for the pointer's moving


def write(target: Path, story: Story) -> None:
    """Whole or not at all."""
    new = target.with_name(target.name + ".new")
    new.write_text(page(story), encoding="utf-8")
    os.replace(new, target)


def page(story: Story) -> str:
    """The HTML."""
    environment = Environment(
        loader=PackageLoader("sim.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    drawn = maps.Maps(story)
    return environment.get_template("report.html").render(
        story=story,
        summary=story.summary,
        scenario=story.scenario,
        facts=list(_facts(story)),
        problems=_problems(story),
        base=Markup(drawn.base()),
        wearers=[_wearer(story, wearer, drawn) for wearer in story.wearers],
        plots=[(plot, _image(plot.svg)) for plot in plots.plots(story)],
        legend=_LEGEND,
        colours=svg,
        truth=Markup(_truth(story, drawn)),
        told_max=_TOLD_MAX,
    )


_LEGEND = [
    ("mode", list(timeline.MODES.items())),
    ("presence", list(timeline.PRESENCES.items())),
    ("moves", [("on foot", timeline.TRAVELS["walk"]), ("bus", timeline.TRAVELS["bus"]), ("car", timeline.TRAVELS["car"])]),
]


def _facts(story: Story) -> Any:
    scenario, summary = story.scenario, story.summary
    begin, end = scenario.local_time(0), scenario.local_time(story.ended_ms)
    pace = summary.simulated_s / summary.wall_s if summary.wall_s else 0.0
    yield "simulated", f"{begin:%a %d %b %Y %H:%M} to {end:%a %d %b %Y %H:%M %Z}"
    yield "seed", str(summary.seed)
    yield "took", f"{summary.wall_s:.1f} s ({pace:,.0f} times as fast as life)"
    yield "records", f"{summary.records_made:,} made, {summary.records_stored:,} stored"
    yield "fixes", f"{summary.fixes:,}"
    yield "events", f"{summary.events:,}, of these {summary.findings:,} that ask somebody"
    yield "bytes to and from the broker", f"{summary.bytes:,}"
    yield "wearers, devices", f"{len(story.wearers)}, {len(story.devices)}"
    yield "peak memory", f"{summary.peak_memory_mb:.0f} MiB"
    yield "digest of the records", summary.digest


def _problems(story: Story) -> list[str]:
    summary = story.summary
    lost = summary.records_made - summary.records_stored
    words = [f"{lost:,} of {summary.records_made:,} records made are not in the store"] if lost else []
    return words + summary.crashes


def _wearer(story: Story, wearer: WearerStory, drawn: maps.Maps) -> dict[str, Any]:
    rows = sorted(wearer.found, key=lambda found: not found.asks) if len(wearer.found) > _TOLD_MAX else wearer.found
    shown = sorted(rows[:_TOLD_MAX], key=lambda found: found.t_ms)
    return {
        "of": wearer,
        "timeline": Markup(timeline.draw(story, wearer)),
        "map": Markup(drawn.draw(wearer)),
        "found": [_row(story, found) for found in shown],
        "left_out": max(0, len(wearer.found) - _TOLD_MAX),
        "asks": sum(found.asks and not found.superseded for found in wearer.found),
    }


def _row(story: Story, found: Found) -> dict[str, Any]:
    """A line of the table. A clock that is a little ahead makes a lag negative: it is told as it is."""
    lag_ms = found.lag_ms
    told = "–" if lag_ms is None else seconds(lag_ms) if lag_ms >= 0 else f"−{seconds(-lag_ms)}"
    return {
        "of": found,
        "at": _clock(story, found.t_ms),
        "came": "–" if found.came_ms is None else _clock(story, found.came_ms),
        "lag": told,
    }


def _clock(story: Story, t_ms: int) -> str:
    local = story.scenario.local_time(t_ms)
    return f"{local:%H:%M:%S}" if local.date() == story.scenario.local_time(0).date() else f"{local:%d %b %H:%M:%S}"


def _image(text: str) -> str:
    """A figure as an image of its own, so that its names and styles meet no others."""
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def _truth(story: Story, drawn: maps.Maps) -> str:
    """What the pointer on a timeline is told, as JSON that is safe inside of a script element."""
    every = max(1, -(-story.ended_ms // story.sample_ms // _POINTS_MAX))
    people = {}
    for wearer in story.wearers:
        samples = wearer.samples[::every]
        points = [drawn.point(s.lat, s.lon) for s in samples]
        people[wearer.id] = {
            "x": [round(x, 1) for x, _ in points],
            "y": [round(y, 1) for _, y in points],
            "home": [round(s.home_m) for s in samples],
            "kmh": [round(s.speed_mps * 3.6, 1) for s in samples],
            "travel": [s.travel for s in samples],
            "mode": wearer.modes,
            "presence": wearer.presences,
            "uncovered": wearer.uncovered,
        }
    whole = {
        "start": story.scenario.start_utc_ms,
        "ended": story.ended_ms,
        "step": story.sample_ms * every,
        "zone": story.scenario.timezone,
        "people": people,
    }
    return json.dumps(whole, separators=(",", ":")).replace("<", "\\u003c")
