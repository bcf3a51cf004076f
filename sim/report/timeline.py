"""A wearer's run as lanes under one axis of local time: what was found, what was done, what the devices said, what was true."""

import math
from collections.abc import Callable, Iterable

from sim.engine.expecting import seconds
from sim.report import svg
from sim.report.gather import Found, Span, Story, WearerStory, spans_of
from sim.report.svg import BLUE, DIM, GREEN, GREY, INK, LINE, ORANGE, PALE, PINK, RED, SKY, tag, text, titled

WIDTH, LEFT, RIGHT = 1140, 116, 14
_PLOT = WIDTH - LEFT - RIGHT
_LETTER = 6.1  # px of one at the lanes' size, about
MODES = {"GPS": BLUE, "RF": SKY, "OFF": GREY}
PRESENCES = {"home": GREEN, "out": ORANGE, "unknown": GREY}
TRAVELS = {"walk": GREEN, "bus": ORANGE, "car": RED, "bicycle": PINK, "cycle": PINK}
_LIGHT = (SKY, ORANGE)  # dark letters are read better on these
_DISTANCE_H, _BATTERY_H = 96, 52
_ROWS = 3  # of words beside findings
_SHORT = 60.0
_MINOR = 40  # of what asks nobody, so many marks are told apart by a pointer; more are drawn thinner


class _Lanes:
    """Grows downwards, a lane after the other."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.parts: list[str] = []
        self.y = 0.0

    def x(self, t_ms: float) -> float:
        return LEFT + _PLOT * min(1.0, max(0.0, t_ms / max(1, self._story.ended_ms)))

    def clock(self, t_ms: int) -> str:
        local = self._story.scenario.local_time(t_ms)
        return f"{local:%H:%M:%S}" if self._story.ended_ms < 86_400_000 else f"{local:%a %d %b %H:%M:%S}"

    def add(self, *parts: str) -> None:
        self.parts += parts

    def label(self, words: str, height: float, more: str = "") -> None:
        self.add(text(words, LEFT - 10, self.y + height / 2 + 4, class_="lane"))
        if more:
            self.add(text(more, LEFT - 10, self.y + height / 2 + 17, class_="lane dim"))

    def lane(self, words: str, spans: Iterable[Span], height: float, colour: Callable[[str], str], tells: bool = True) -> None:
        self.label(words, height)
        self.add(tag("rect", x=LEFT, y=self.y, width=_PLOT, height=height, fill=PALE, fill_opacity=0.6))
        for span in spans:
            x, width = self.x(span.from_ms), self.x(span.until_ms) - self.x(span.from_ms)
            title = f"{span.value}: {self.clock(span.from_ms)} to {self.clock(span.until_ms)}"
            fill = colour(span.value)
            self.add(tag("rect", titled(title), x=x, y=self.y, width=max(width, 0.8), height=height, fill=fill))
            if tells and width > len(span.value) * _LETTER + 8:
                ink = "in ink" if fill in _LIGHT else "in"
                self.add(text(span.value, x + 5, self.y + height / 2 + 3.8, class_=ink))
        self.y += height + 5


def draw(story: Story, wearer: WearerStory) -> str:
    """The whole SVG. Its `data-*` tell the page's script where the plot lies."""
    lanes = _Lanes(story)
    lanes.y = 24.0
    _findings(lanes, wearer)
    _done(lanes, wearer)
    lanes.lane("mode", wearer.modes, 17, lambda value: MODES.get(value, GREY))
    lanes.lane("presence", wearer.presences, 17, lambda value: PRESENCES.get(value, GREY))
    lanes.y -= 2
    lanes.lane("truly", _truly(wearer, story.ended_ms), 9, lambda value: PRESENCES[value], tells=False)
    if wearer.curfews:
        lanes.lane("curfew", wearer.curfews, 15, lambda _: "#6b7680")
    lanes.lane("moves", _travels(wearer), 9, lambda value: TRAVELS.get(value, PINK), tells=False)
    lanes.lane("no network", wearer.uncovered, 9, lambda _: INK, tells=False)
    if wearer.no_home_network:
        lanes.lane("router off", wearer.no_home_network, 9, lambda _: INK, tells=False)
    lanes.y += 3
    _distance(lanes, wearer)
    _batteries(lanes, wearer)
    height = lanes.y + 4
    axis = _axis(story, lanes, height)
    cursor = tag("line", class_="cursor", x1=0, x2=0, y1=22, y2=height - 4, visibility="hidden")
    label = f"Timeline of {wearer.name}"
    return tag(
        "svg", axis + "".join(lanes.parts) + cursor, viewBox=f"0 0 {WIDTH} {height:.0f}", class_="timeline", role="img",
        aria_label=label, data_wearer=wearer.id, data_left=LEFT, data_plot=_PLOT,
    )  # fmt: skip


def _axis(story: Story, lanes: _Lanes, height: float) -> str:
    parts = [text(story.scenario.local_time(0).strftime("%Z"), LEFT - 24, 14, class_="lane dim")]
    for t_ms, words, is_day in svg.ticks(story.scenario, story.ended_ms):
        x = lanes.x(t_ms)
        parts.append(tag("line", x1=x, x2=x, y1=19, y2=height - 4, stroke=GREY if is_day else LINE, stroke_width=1))
        anchor = "end" if x > WIDTH - 40 else "middle"
        parts.append(text(words, x, 14, class_="tick day" if is_day else "tick", text_anchor=anchor))
    return "".join(parts)


def _findings(lanes: _Lanes, wearer: WearerStory) -> None:
    """Above, what asks something of an officer, with a line to when it was known; below, the rest."""
    asking = [found for found in wearer.found if found.asks and not found.superseded]
    rows = min(_ROWS, len(asking))
    free = [float(LEFT)] * rows
    top = lanes.y
    lanes.label("findings", 15 * max(1, rows))
    for found in asking:
        x, came = lanes.x(found.t_ms), lanes.x(found.t_ms if found.came_ms is None else found.came_ms)
        words = found.text
        clear = came - x if came - x < _SHORT else 0.0  # the words stand behind a short line, on a long one
        wide = len(words) * _LETTER + 16 + clear
        right = x + wide < WIDTH
        row = next((i for i in range(rows) if free[i] <= (x if right else x - wide)), None)
        place = row if row is not None else min(range(rows), key=lambda i: free[i])
        y = top + 15 * place + 8
        free[place] = max(free[place], max(came, x + wide if right else x) + 4)
        title = titled(_told(lanes, found))
        marks = tag("path", title, d=f"M{x:.1f} {y + 5:.1f}l-5 -9.5h10z", fill=RED)
        if came > x + 1:
            marks += tag("line", x1=x, x2=came, y1=y - 4, y2=y - 4, stroke=RED, stroke_width=1.5)
        if row is not None:
            at, anchor = (x + 8 + clear, "start") if right else (x - 8, "end")
            marks += text(words, at, y + 4, class_="found", text_anchor=anchor)
        lanes.add(marks)
    lanes.y += 15 * max(1, rows) + 3
    lanes.label("told besides", 11)
    lanes.add(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=lanes.y + 5.5, y2=lanes.y + 5.5, stroke=LINE, stroke_width=1))
    minor = [found for found in wearer.found if not found.asks and not found.superseded]
    for found in minor:
        x = lanes.x(found.t_ms)
        wide = 3 if len(minor) <= _MINOR else 1.5
        lanes.add(tag("rect", titled(_told(lanes, found)), x=x - wide / 2, y=lanes.y, width=wide, height=11, fill=DIM))
    lanes.y += 11 + 7


def _told(lanes: _Lanes, found: Found) -> str:
    known = "" if found.lag_ms is None else f", known {seconds(max(0, found.lag_ms))} later"
    return f"{found.text}: {lanes.clock(found.t_ms)}{known}"


def _done(lanes: _Lanes, wearer: WearerStory) -> None:
    """What the scenario does: faults as bars, what is done by hand as diamonds."""
    rows: list[list[Span]] = []
    for fault in wearer.faults:
        row = next((row for row in rows if row[-1].until_ms <= fault.from_ms), None)
        if row is None:
            rows.append([fault])
        else:
            row.append(fault)
    for i, row in enumerate(rows):
        lanes.lane("faults" if not i else "", row, 15, lambda _: PINK)
    if not wearer.happenings:
        return
    lanes.label("done", 13)
    xs = [lanes.x(done.t_ms) for done in wearer.happenings]
    for done, x, following in zip(wearer.happenings, xs, [*xs[1:], WIDTH], strict=True):
        y = lanes.y + 6.5
        title = titled(f"{done.text} ({done.device}): {lanes.clock(done.t_ms)}")
        lanes.add(tag("path", title, d=f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z", fill=PINK, stroke="#8b3f6c"))
        wide = len(done.text) * _LETTER + 14
        if x + wide < following:
            lanes.add(text(done.text, x + 9, y + 4, class_="found"))
    lanes.y += 13 + 6


def _truly(wearer: WearerStory, ended_ms: int) -> list[Span]:
    return spans_of(((s.t_ms, "home" if s.at_home else "out") for s in wearer.samples), ended_ms)


def _travels(wearer: WearerStory) -> list[Span]:
    ended_ms = wearer.samples[-1].t_ms if wearer.samples else 0
    return [span for span in spans_of(((s.t_ms, s.travel) for s in wearer.samples), ended_ms) if span.value != "still"]


def _distance(lanes: _Lanes, wearer: WearerStory) -> None:
    """How far from home: really, as a line; by each fix, as a dot."""
    top, height = lanes.y, _DISTANCE_H
    farthest = max((s.home_m for s in wearer.samples), default=0.0)
    limit = _round_up(max(farthest, 100.0))

    def y(metres: float) -> float:
        return top + height - height * min(1.0, metres / limit)

    lanes.label("from home", height - 14, "dots: fixes")
    lanes.add(tag("rect", x=LEFT, y=top, width=_PLOT, height=height, fill=PALE, fill_opacity=0.6))
    for share in (0.5, 1.0):
        lanes.add(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(limit * share), y2=y(limit * share), stroke=LINE))
        lanes.add(text(_metres(limit * share), LEFT + 4, y(limit * share) + 11, class_="scale"))
    line = [(lanes.x(s.t_ms), y(s.home_m)) for s in wearer.samples]
    lanes.add(tag("path", d=svg.path(line), fill="none", stroke=INK, stroke_width=1.4))
    dots = "".join(f"M{lanes.x(fix.t_ms):.1f} {y(fix.home_m):.1f}h0" for fix in wearer.fixes)
    lanes.add(tag("path", d=dots, class_="fixes", stroke=BLUE))
    lanes.y += height + 7


def _batteries(lanes: _Lanes, wearer: WearerStory) -> None:
    top, height = lanes.y, _BATTERY_H
    lanes.label("battery", height - 14, "tag, home unit" if wearer.home_unit else "tag")
    lanes.add(tag("rect", x=LEFT, y=top, width=_PLOT, height=height, fill=PALE, fill_opacity=0.6))
    for percent in (0, 50, 100):
        y = top + height * (1 - percent / 100)
        lanes.add(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke=LINE))
    lanes.add(text("100 %", LEFT + 4, top + 11, class_="scale"))
    for device, levels in wearer.batteries.items():
        points = [(lanes.x(level.t_ms), top + height * (1 - level.percent / 100)) for level in levels]
        is_tag = device == wearer.tag
        dashes = None if is_tag else "5 3"
        title = titled(device)
        lanes.add(
            tag(
                "path", title, d=svg.path(points), fill="none", stroke=BLUE if is_tag else RED, stroke_width=1.6,
                stroke_dasharray=dashes,
            )
        )  # fmt: skip
    lanes.y += height + 2


def _round_up(value: float) -> float:
    size = 10 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * size >= value)


def _metres(metres: float) -> str:
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:.0f} m"
