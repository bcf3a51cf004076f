"""A run's summary: for people as a table, for programs as JSON."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from sim.engine.summary import Summary


def write_json(target: Path, summary: "Summary", folder: Path) -> None:
    """Whole or not at all. The keys of `Summary`, with `good` and the run's folder."""
    write_whole(target, {**summary.as_dict(), "good": summary.is_good, "folder": str(folder)})


def write_whole(target: Path, values: dict[str, Any]) -> None:
    """As JSON, whole or not at all."""
    new = target.with_name(target.name + ".new")
    new.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    os.replace(new, target)


def problems(summary: "Summary") -> Iterator[str]:
    """Why a run is not good, a line each."""
    if summary.records_stored != summary.records_made:
        yield f"{summary.records_made - summary.records_stored} of {summary.records_made} records made are not in the store"
    for crash in summary.crashes:
        lines = [line.strip() for line in crash.splitlines() if line.strip()]
        yield lines[0] + (f": {lines[-1]}" if len(lines) > 1 else "")
    yield from summary.unmet


def show(console: Console, summary: "Summary", folder: Path) -> None:
    table = Table(title=f"{summary.scenario}, seed {summary.seed}", box=box.SIMPLE, show_header=False, title_justify="left")
    table.add_column(style="dim")
    table.add_column(justify="right")
    factor = summary.simulated_s / summary.wall_s if summary.wall_s else 0.0
    rows = [
        ("simulated", span(summary.simulated_s)),
        ("took", f"{summary.wall_s:.1f} s ({factor:,.0f}×)"),
        ("records made", f"{summary.records_made:,}"),
        ("records stored", f"{summary.records_stored:,}"),
        ("fixes", f"{summary.fixes:,}"),
        ("events", f"{summary.events:,}"),
        ("of these findings", f"{summary.findings:,}"),
        ("bytes on the air", f"{summary.bytes:,}"),
        ("peak memory", f"{summary.peak_memory_mb:.0f} MiB"),
        ("digest", summary.digest[:16] + "…"),
    ]
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    console.print(f"kept in [bold]{escape(shown(folder))}[/]", soft_wrap=True, highlight=False)


def show_problems(console: Console, summary: "Summary") -> None:
    """On stderr's console; nothing when there is none."""
    if summary.is_good:
        return
    console.print("[bold red]not good:[/]")
    for problem in problems(summary):
        console.print(f"  {escape(problem)}", soft_wrap=True, highlight=False)


def span(seconds: float) -> str:
    """`1 d 2 h`, `30 min`, `45 s`: whole units, the two largest."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def shown(path: Path) -> str:
    """As seen from here, when it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
