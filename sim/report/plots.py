"""Figures of a run, drawn by matplotlib: energy, data, fixes, latency, batteries. Each gives an SVG's text.

matplotlib is loaded here and nowhere else: it takes most of a second.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import cycle
from statistics import median
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.engine.figures import DeviceFigures
from sim.report import svg
from sim.report.gather import Story
from sim.report.svg import BLUE, CYCLE, DIM, GREEN, GREY, INK, LINE, ORANGE, PINK, RED, SKY
from sim.world.energy import TAG, UNIT, Battery, used_mah

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "homeward",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
_WIDE_IN = 11.4  # 1140 px at the page's 100 px an inch
_HOUR_MS = 3_600_000
_HOURLY_MS = 21 * 24 * _HOUR_MS  # a longer run is counted by the day
_TOLD_BINS = 30
_TELLS = 0.01  # of a device's whole charge: what takes less is "other"
_STATE_COLOURS = {
    "modem.idle": "#7fb8dd", "modem.connected": BLUE, "modem.transmitting": "#003f63", "modem.starting": "#3d8fc4",
    "modem.sleep": "#c6dff0", "gnss.acquiring": RED, "gnss.tracking": ORANGE, "cpu.awake": GREEN, "cpu.light": "#9fd8c5",
    "ble.listening": PINK, "adv.event": "#8b3f6c", "board.on": GREY, "lan.up": SKY, "wlan.up": "#7a5c2e", "motor.on": INK,
}  # fmt: skip
_LEGEND_IN = 2.9  # a legend of all states is as high as that
_LEGEND_MAX = 12  # wearers: more lines than these nobody tells apart by a legend


class Plot(NamedTuple):
    title: str
    about: str
    svg: str


def plots(story: Story) -> list[Plot]:
    """All that there is something to show for."""
    made: list[tuple[str, str, Callable[[Story], Figure | None]]] = [
        ("Energy by state", "mAh from the cell over the run, by what each part was doing; time on charger or mains not counted. "
         "A model: currents from data sheets and our own judgement.", _energy),
        ("Data volume", "Bytes of each device's connections to the broker, MQTT and what is around it, TCP/IP not counted. Those "
         "of a home unit hold what it relays for its tags.", _data),
        ("Fixes an hour", "Stored fixes of each tag by their own time: an hour, or a long run's days' mean.", _fixes),
        ("From the event to the store", "Share of records and findings that were with the bridge so long after their own time, "
         "in virtual time, the network's latency included. A record that waits for the next report counts with its waiting.",
         _latency),
        ("Battery", "Charge as the devices' own records told it.", _battery),
    ]  # fmt: skip
    out = []
    with mpl.rc_context(_STYLE):
        for title, about, draw in made:
            figure = draw(story)
            if figure is not None:
                out.append(Plot(title, about, _text(figure)))
    return out


def _text(figure: Figure) -> str:
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


@contextmanager
def _figure(height_in: float, rows: int = 1, **more: Any) -> Iterator[tuple[Figure, list[Axes]]]:
    figure = Figure(figsize=(_WIDE_IN, height_in), layout="constrained")
    axes = figure.subplots(rows, 1, squeeze=False, **more)
    yield figure, [row[0] for row in axes]


def _energy(story: Story) -> Figure | None:
    groups = [(kind, cell, [d for d in story.devices if d.name.startswith(prefix)]) for kind, prefix, cell in _KINDS]
    groups = [group for group in groups if any(used(device) for device in group[2])]
    if not groups:
        return None
    sizes = [max(_LEGEND_IN, 1.2 + 0.3 * len(group)) for _, _, group in groups]
    with _figure(sum(sizes), len(groups), height_ratios=sizes) as (figure, axes):
        for axis, (kind, cell, devices) in zip(axes, groups, strict=True):
            _stack(axis, kind, cell, devices, _names(story))
        axes[-1].set_xlabel("mAh")
    return figure


_KINDS = (("Tags", "tag", TAG), ("Home units", "hmu", UNIT))


def used(device: DeviceFigures) -> dict[str, float]:
    """Charge by state, mAh, of those that took any."""
    cell = UNIT if device.name.startswith("hmu") else TAG
    return {state: mah for state, mah in used_mah(cell.drains, device.ms_on_cell).items() if mah > 0}


def _stack(axis: Axes, kind: str, cell: Battery, devices: list[DeviceFigures], names: dict[str, str]) -> None:
    by_device = [used(device) for device in devices]
    total = sum((Counter(each) for each in by_device), Counter[str]())
    whole = sum(total.values())
    states = [state for state, mah in total.most_common() if mah >= _TELLS * whole]
    labels = [names.get(device.name, device.name) for device in devices]
    lefts = [0.0] * len(devices)
    colours = cycle(CYCLE)
    for state in [*states, "other"]:
        if state == "other":
            widths = [sum(mah for s, mah in each.items() if s not in states) for each in by_device]
        else:
            widths = [each.get(state, 0.0) for each in by_device]
        colour = _STATE_COLOURS.get(state, "#dddddd" if state == "other" else next(colours))
        axis.barh(range(len(devices)), widths, left=lefts, color=colour, height=0.68, label=state.replace(".", " "), linewidth=0)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    for i, end in enumerate(lefts):
        share = end / cell.usable_mah
        told = f"{end:,.0f}" if end >= 100 else f"{end:.3g}"
        axis.annotate(f" {told} mAh, {share:.1%} of a cell", (end, i), va="center", fontsize=8.5, color=DIM)
    axis.set_yticks(range(len(devices)), labels)
    axis.invert_yaxis()
    axis.set_xlim(0, max(lefts) * 1.28 or 1)
    axis.grid(axis="y", visible=False)
    axis.set_title(kind)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _names(story: Story) -> dict[str, str]:
    """device → what to call it: its wearer's id before its name."""
    out: dict[str, str] = {}
    for wearer in story.wearers:
        out[wearer.tag] = f"{wearer.id}, {wearer.tag}"
        if wearer.home_unit and wearer.home_unit not in out:
            out[wearer.home_unit] = f"{wearer.id}, {wearer.home_unit}"
    return out


def _data(story: Story) -> Figure | None:
    if not any(device.bytes_up or device.bytes_down for device in story.devices):
        return None
    names = _names(story)
    devices = sorted(story.devices, key=lambda device: (device.name.startswith("hmu"), device.name))
    with _figure(max(1.6, 1.1 + 0.3 * len(devices))) as (figure, (axis,)):
        ys = range(len(devices))
        up, down = [d.bytes_up / 1000 for d in devices], [d.bytes_down / 1000 for d in devices]
        axis.barh(ys, up, color=BLUE, height=0.68, label="up", linewidth=0)
        axis.barh(ys, down, left=up, color=ORANGE, height=0.68, label="down", linewidth=0)
        for i, (sent, got) in enumerate(zip(up, down, strict=True)):
            axis.annotate(f" {sent:.1f} up, {got:.1f} down", (sent + got, i), va="center", fontsize=8.5, color=DIM)
        axis.set_yticks(ys, [names.get(device.name, device.name) for device in devices])
        axis.invert_yaxis()
        axis.set_xlim(0, max(a + b for a, b in zip(up, down, strict=True)) * 1.18)
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("kB")
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _fixes(story: Story) -> Figure | None:
    if not any(wearer.fixes for wearer in story.wearers):
        return None
    bin_ms = _HOUR_MS if story.ended_ms <= _HOURLY_MS else 24 * _HOUR_MS
    bins = max(1, math.ceil(story.ended_ms / bin_ms))
    rows = []
    for wearer in story.wearers:
        counts = Counter(fix.t_ms // bin_ms for fix in wearer.fixes)
        rows.append([counts[i] * _HOUR_MS / bin_ms for i in range(bins)])
    most = max(map(max, rows))
    with _figure(max(1.9, 1.2 + 0.32 * len(rows))) as (figure, (axis,)):
        edges = [i * bin_ms for i in range(bins + 1)]
        mesh = axis.pcolormesh(
            edges, range(len(rows) + 1), rows, cmap="Blues", vmin=0, vmax=most * 1.15, edgecolors="#fff", lw=0.6
        )
        if bins <= _TOLD_BINS:
            for y, row in enumerate(rows):
                for x, count in enumerate(row):
                    ink = "#fff" if count > most * 0.6 else INK
                    if count:
                        middle = (edges[x] + edges[x + 1]) / 2
                        axis.annotate(f"{count:.0f}", (middle, y + 0.5), ha="center", va="center", fontsize=8.5, color=ink)
        axis.set_yticks([i + 0.5 for i in range(len(rows))], [wearer.id for wearer in story.wearers])
        axis.invert_yaxis()
        axis.grid(visible=False)
        _local(axis, story)
        axis.set_xlim(0, max(story.ended_ms, edges[-1] if bins == 1 else 0))
        label = "fixes an hour" if bin_ms == _HOUR_MS else "fixes an hour, mean of 24 h"
        figure.colorbar(mesh, ax=axis, label=label, pad=0.01, aspect=12)
    return figure


def _looks() -> Iterator[dict[str, Any]]:
    """Colour and dashes of one line after the other."""
    for i in range(1 << 30):
        yield {"color": CYCLE[i % len(CYCLE)], "linestyle": ("-", "--", ":", "-.")[i // len(CYCLE) % 4], "linewidth": 1.6}


def _latency(story: Story) -> Figure | None:
    findings = [f.lag_ms for w in story.wearers for f in w.found if f.asks and not f.superseded and f.lag_ms is not None]
    series = [("records", story.record_lags_ms, BLUE, "-"), ("findings that ask somebody", findings, RED, "--")]
    series = [each for each in series if each[1]]
    if not series:
        return None
    with _figure(3.1) as (figure, (axis,)):
        for name, lags_ms, colour, line in series:
            seconds = sorted(max(0.01, lag / 1000) for lag in lags_ms)
            label = f"{name}: {len(seconds):,}, median {_s(median(seconds))}, most {_s(seconds[-1])}"
            axis.ecdf(seconds, color=colour, linestyle=line, linewidth=1.8, label=label)
        axis.set_xscale("log")
        marks = [
            (0.01, "≤ 10 ms"),
            (0.1, "0.1 s"),
            (1, "1 s"),
            (10, "10 s"),
            (60, "1 min"),
            (600, "10 min"),
            (3600, "1 h"),
            (86400, "1 d"),
        ]
        most = max(lags[-1] if name == "records" else max(lags) for name, lags, _, _ in series) / 1000
        shown = [mark for mark in marks if mark[0] <= max(most * 1.5, 1)]
        axis.set_xticks([at for at, _ in shown], [words for _, words in shown])
        axis.minorticks_off()
        axis.set_ylabel("share")
        axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axis.legend(loc="lower right")
    return figure


def _s(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _battery(story: Story) -> Figure | None:
    kinds = [(kind, prefix) for kind, prefix, _ in _KINDS if any(lv for n, lv in _levels(story) if n.startswith(prefix))]
    if not kinds:
        return None
    with _figure(2.6 * len(kinds), len(kinds), sharex=True) as (figure, axes):
        for axis, (kind, prefix) in zip(axes, kinds, strict=True):
            curves = [(name, levels) for name, levels in _levels(story) if name.startswith(prefix)]
            names = _names(story)
            for (name, levels), look in zip(curves, _looks(), strict=False):
                label = names.get(name, name).partition(",")[0]
                axis.plot([lv.t_ms for lv in levels], [lv.percent for lv in levels], label=label, **look)
            lowest = min((level.percent for _, levels in curves for level in levels), default=0)
            axis.set_ylim(max(0, lowest // 10 * 10 - 10), 102)
            axis.set_ylabel("%")
            axis.set_title(kind)
            _legend(axis, len(curves))
        _local(axes[-1], story)
    return figure


def _levels(story: Story) -> list[tuple[str, list[Any]]]:
    seen: dict[str, list[Any]] = {}
    for wearer in story.wearers:
        for device, levels in wearer.batteries.items():
            seen.setdefault(device, levels)
    return list(seen.items())


def _local(axis: Axes, story: Story) -> None:
    told = list(svg.ticks(story.scenario, story.ended_ms))
    axis.set_xlim(0, story.ended_ms)
    axis.set_xticks([t_ms for t_ms, _, _ in told], [words for _, words, _ in told])
    axis.set_xlabel(f"local time ({story.scenario.local_time(0):%Z})")


def _legend(axis: Axes, count: int) -> None:
    if count <= _LEGEND_MAX:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
