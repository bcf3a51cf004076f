"""SVG as text: elements, the page's colours, and an axis of local time.

The colours are Okabe and Ito's, which people tell apart who see colours otherwise (jfly.uni-koeln.de/color).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from html import escape

from sim.scenario import Scenario

BLUE, ORANGE, GREEN, RED, SKY, PINK, YELLOW = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442"
INK, DIM, LINE, PALE, GREY = "#1b1f24", "#5c6570", "#d4d9df", "#eef1f4", "#9aa3ad"
CYCLE = (BLUE, ORANGE, GREEN, RED, PINK, SKY, "#6b4c9a", "#7a5c2e")

_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2 * 1440, 7 * 1440, 14 * 1440, 28 * 1440, 56 * 1440)
_MOST_TICKS = 14


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """`tag("rect", x=1, fill_opacity=.5)`; `class_` for class. Content is put in as it is, attributes are escaped."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items() if value is not None
    )
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def text(words: object, x: float, y: float, **attributes: object) -> str:
    return tag("text", escape(str(words)), x=x, y=y, **attributes)


def titled(words: object) -> str:
    """What a pointer over an element is told."""
    return f"<title>{escape(str(words))}</title>"


def path(points: list[tuple[float, float]], closed: bool = False) -> str:
    """A path's `d`, to a tenth."""
    if not points:
        return ""
    out = []
    last = (0, 0)
    for i, (x, y) in enumerate(points):
        here = (round(x * 10), round(y * 10))
        if not i:
            out.append(f"M{_tenth(here[0])} {_tenth(here[1])}")
        elif here != last:
            out.append(f"l{_tenth(here[0] - last[0])} {_tenth(here[1] - last[1])}")
        last = here
    return "".join(out) + ("z" if closed else "")


def _tenth(n: int) -> str:
    return str(n // 10) if not n % 10 else f"{n / 10:.1f}"


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))


def ticks(scenario: Scenario, ended_ms: int) -> Iterator[tuple[int, str, bool]]:
    """(virtual ms, label, whether a day begins there) of an axis over the run, at round local times."""
    minutes = next((step for step in _STEPS_MIN if ended_ms <= step * 60_000 * _MOST_TICKS), _STEPS_MIN[-1])
    first = scenario.local_time(0).replace(tzinfo=None)
    midnight = datetime(first.year, first.month, first.day)
    step = timedelta(minutes=minutes)
    local = midnight + step * ((first - midnight) // step)
    seen = -1
    while True:
        t_ms = round(local.replace(tzinfo=scenario.zone).timestamp() * 1000) - scenario.start_utc_ms
        if t_ms > ended_ms:
            return
        is_day = local.hour == 0 and local.minute == 0
        if t_ms >= 0 and t_ms > seen:  # an hour that the clocks leave out is not told twice
            seen = t_ms
            yield t_ms, f"{local:%a} {local.day} {local:%b}" if is_day else f"{local:%H:%M}", is_day
        local += step
