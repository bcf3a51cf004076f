"""What is seen while a run goes on: the address above all, the newest events first, plain lines where no terminal is."""

from collections import Counter
from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from tools.progress import Happening, LiveView, Picture, PlainLines, describe

NOON = datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


def picture(*new: Happening) -> Picture:
    return Picture(NOON, 1, 0.25, 60.0, 1234, 1000, 7, 2, Counter(GPS=3, RF=1), Counter(home=4), list(new))


def happening(text: str, asks: bool = False) -> Happening:
    return Happening(NOON, "Kit [Haverill]", text, asks)


@pytest.mark.parametrize(
    ("kind", "detail", "words"),
    [
        ("strap_cut", {}, "strap cut"),
        ("mode", {"mode": "rf", "reason": "by_beacon"}, "mode RF, by beacon"),
        ("mode", {}, "mode UNKNOWN"),
        ("presence", {"presence": "home", "by": "home_unit"}, "at home"),
        ("presence", {"presence": "not_home", "by": "fix"}, "out"),
        ("presence", {"presence": "unknown"}, "whereabouts unknown"),
        ("boot", {"device": "home_unit", "cause": 1, "count": 1}, "boot: home unit"),
        ("battery_low", {"device": "tag", "percent": 20}, "battery low: tag"),
        ("zone_entered", {"zone": "Protected address"}, "zone entered: Protected address"),
        ("late_home", {"curfew": "Nights"}, "late home: Nights"),
        ("something_new", {"whatever": 1}, "something new"),
    ],
)
def test_an_event_in_words(kind: str, detail: dict, words: str) -> None:
    assert describe(kind, detail) == words


def test_the_live_view_shows_address_time_counts_and_the_newest_events() -> None:
    console = Console(record=True, width=100, force_terminal=True, file=StringIO())
    url = "http://127.0.0.1:8080/?key=" + "k" * 32
    with LiveView(console, "demo", url, newest=2) as view:
        view.show(picture(happening("first"), happening("second")))
        view.show(picture(happening("zone entered: [red]Zone[/]", asks=True)))
        console.print(view._draw(picture()))
    text = console.export_text()
    assert url in text and "day 1 12:00:05 UTC" in text and "1,234 records" in text and "3 GPS, 1 RF" in text
    assert "Kit [Haverill]" in text and "zone entered: [red]Zone[/]" in text  # names are never read as markup
    last = text[text.rindex("Homeward") :]
    assert "first" not in last and last.index("zone entered") < last.index("second")


def test_plain_lines_tell_each_event_once_and_where_the_run_is() -> None:
    console = Console(record=True, width=60, file=StringIO())
    with PlainLines(console) as lines:
        lines.show(picture(happening("strap cut", asks=True)))
        lines.show(picture())
    told = console.export_text().splitlines()
    assert told[0] == "12:00:05  ! Kit [Haverill]: strap cut"
    assert told[1].startswith("day 1 12:00:05 UTC  60×  1,234 records") and len(told) == 2
