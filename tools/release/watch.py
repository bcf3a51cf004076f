"""How far updates are, in words: a table, and bars for who waits."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bridge.orders.payloads import ANSWERS
from bridge.releases import rollout
from tools.order import open_data

_POLL_S = 0.5
_OPEN = ("queued", "sent")


def row_of(row: Any) -> dict[str, Any]:
    """An update as the store has it, for a table or JSON. `share`: of the release's bytes, those that are there, 0 to 1; None
    before the first is asked for."""
    result = row.result or {}
    share = None
    if row.state == "done":
        share = 1.0
    elif result.get("size"):
        share = min(result["at"] / result["size"], 1.0)
    return {
        "order": row.id,
        "device": row.name,
        "version": row.detail.get("version"),
        "build": row.detail.get("build"),
        "by": row.by_whom,
        "reason": row.reason,
        "asked": _time(row.created_ms),
        "state": row.state,
        "what": _words(row, share),
        "share": share,
        "runs": row.running,
        "heard": _time(row.heard_ms),
    }


def _words(row: Any, share: float | None) -> str:
    if row.state == "queued":
        return "waits for the bridge, or for the device to be heard"
    if row.state == "sent":
        if share is None:
            return "sent, and not answered yet"
        return "fetched: it starts anew and is on trial" if share >= 1 else f"fetches, {share:.0%}"
    if row.state == "refused":
        return ANSWERS.get(row.status, f"refused: {row.status}")
    if row.state == "done":
        return "runs it"
    return "another release was asked for" if row.state == "replaced" else str(row.state)


def _time(ms: int | None) -> str | None:
    return None if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%SZ}"


def table_of(rows: Sequence[dict[str, Any]]) -> Any:
    """A rich table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("order", "asked", "device", "build", "by", "what", "runs", "heard", box=None, pad_edge=False)
    for row in rows:
        cells = (row["order"], row["asked"], row["device"], row["build"], row["by"], row["what"], row["runs"], row["heard"])
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in cells))
    return table


def watch(data: str, ids: Sequence[int]) -> bool:
    """A bar a device until each is over; without a terminal a line for each change. Whether all of them run it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    console = Console()
    engine = open_data(data, read_only=True)
    told: dict[int, str] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[int, Any] = {}
        while True:
            with engine.connect() as connection:
                rows = [row_of(row) for row in rollout.progress(connection, ids, len(ids))]
            for row in reversed(rows):
                task = tasks.setdefault(row["order"], None)
                if task is None:
                    task = tasks[row["order"]] = bars.add_task(row["device"], total=1.0, what="")
                bars.update(task, completed=row["share"] or 0.0, what=row["what"])
                if told.get(row["order"]) != row["what"]:
                    told[row["order"]] = row["what"]
                    if not console.is_terminal:
                        console.print(f"{row['device']}: {row['what']}", highlight=False, markup=False)
            if all(row["state"] not in _OPEN for row in rows):
                break
            time.sleep(_POLL_S)
    engine.dispose()
    return all(row["state"] == "done" for row in rows)
