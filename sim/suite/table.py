"""The suite's outcome for people and for programs: a table, the seeds to look at, and JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sim.suite.requirements import Requirement
from sim.suite.samples import Verdict

_SHOWN = 5  # of what was missed or false, and of failing seeds


def show(out: Console, wanted: Sequence[Requirement], verdicts: Sequence[Verdict]) -> None:
    """A row for each figure; after it what did not hold, why, and how it is run again alone."""
    by_name = {verdict.requirement: verdict for verdict in verdicts}
    table = Table(title="What the field asks, measured", title_justify="left", header_style="bold", pad_edge=False)
    for heading, justify in (
        ("requirement", "left"), ("figure", "left"), ("asked", "left"), ("median", "right"), ("worst", "right"),
        ("statistic", "right"), ("n", "right"), ("missed", "right"), ("false/day", "right"), ("seeds", "right"), ("held", "left"),
    ):  # fmt: skip
        table.add_column(heading, justify=justify, overflow="fold")  # type: ignore[arg-type]
    section = 0
    for requirement in wanted:
        if requirement.section != section:
            section = requirement.section
            table.add_section()
        if requirement.not_shown:
            table.add_row(requirement.name, f"not shown: {requirement.not_shown}", *[""] * 8, Text("–"))
            continue
        verdict = by_name.get(requirement.name)
        if verdict is None:
            why = "not run: --long" if requirement.long else "not run"
            table.add_row(requirement.name, why, *[""] * 8, Text("–"))
            continue
        _rows(table, verdict)
    out.print(table)
    for verdict in verdicts:
        if not verdict.held:
            _why(out, verdict)


def _rows(table: Table, verdict: Verdict) -> None:
    bad = bool(verdict.missed or verdict.false or verdict.crashed)
    for i, line in enumerate(verdict.lines):
        held = line.held and not (bad and not i)
        table.add_row(
            verdict.requirement if not i else "",
            line.figure.words,
            line.figure.asked,
            number(line.median),
            number(line.worst),
            number(line.measured),
            str(len(line.values)),
            str(verdict.missed) if not i else "",
            number(verdict.false_a_wearer_day) if not i else "",
            str(len(verdict.seeds)) if not i else "",
            Text("held", style="green") if held else Text("NOT HELD", style="bold red"),
        )


def _why(out: Console, verdict: Verdict) -> None:
    for found in verdict.found:
        for what, texts in (("missed", found.missed), ("false", found.false), ("crash", [found.crash] if found.crash else [])):
            for text in texts[:_SHOWN]:
                out.print(
                    f"{verdict.requirement}, seed {found.seed}: {what}: {text}", markup=False, highlight=False, soft_wrap=True
                )
    seeds = verdict.failing()
    if seeds:
        out.print(
            f"{verdict.requirement}: seeds {', '.join(map(str, seeds[:_SHOWN]))}; alone: {again(verdict)}",
            highlight=False,
            soft_wrap=True,
        )


def again(verdict: Verdict) -> str:
    """The command that repeats the first failing seed."""
    return f"homeward sim suite --only {verdict.requirement} --seeds 1 --first-seed {verdict.failing()[0]}"


def as_dict(wanted: Sequence[Requirement], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """For programs: `held` of all that was run, and each requirement with its figures. Numbers as measured, not rounded."""
    by_name = {verdict.requirement: verdict for verdict in verdicts}
    rows = [_row(requirement, by_name.get(requirement.name)) for requirement in wanted]
    return {"held": all(v.held for v in verdicts), "requirements": rows}


def _row(requirement: Requirement, verdict: Verdict | None) -> dict[str, Any]:
    row: dict[str, Any] = {"name": requirement.name, "section": requirement.section, "requirement": requirement.words}
    if requirement.not_shown:
        return {**row, "held": None, "not_shown": requirement.not_shown}
    if verdict is None:
        return {**row, "held": None, "not_shown": "not run"}
    return {
        **row,
        "held": verdict.held,
        "seeds": verdict.seeds,
        "missed": verdict.missed,
        "false": verdict.false,
        "false_a_wearer_day": verdict.false_a_wearer_day,
        "wearer_days": verdict.wearer_days,
        "crashed": verdict.crashed,
        "failing_seeds": verdict.failing(),
        "again": again(verdict) if not verdict.held and verdict.found else None,
        "problems": [
            f"seed {found.seed}: {text}" for found in verdict.found for text in (*found.missed, *found.false, found.crash) if text
        ],
        "figures": [
            {
                "figure": line.figure.words,
                "asked": line.figure.asked,
                "bound": line.figure.bound,
                "unit": line.figure.unit,
                "by": line.figure.by,
                "measured": line.measured,
                "median": line.median,
                "worst": line.worst,
                "samples": len(line.values),
                "held": line.held,
            }
            for line in verdict.lines
        ],
    }


def number(value: float | None) -> str:
    """With as many digits as tell something."""
    if value is None:
        return "none"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
