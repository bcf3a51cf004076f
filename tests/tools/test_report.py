"""What a run came to, for people and for programs."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.summaries import summary
from tools import report


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (45, "45 s"), (1800, "30 min"), (86_400, "1 d"), (93_784, "1 d 2 h"), (3601, "1 h 1 s")]
)
def test_lengths_of_time_are_told_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert report.span(seconds) == text


def test_a_good_run_has_no_problems() -> None:
    assert list(report.problems(summary())) == []


def test_what_is_not_good_is_said_a_line_each() -> None:
    bad = summary(records_stored=8, crashes=["tag-000001 at 5 ms: ended\nTraceback\nMemoryError: full"], unmet=["kit: no"])
    assert list(report.problems(bad)) == [
        "2 of 10 records made are not in the store",
        "tag-000001 at 5 ms: ended: MemoryError: full",
        "kit: no",
    ]


def test_the_table_names_every_figure_and_the_folder(tmp_path: Path) -> None:
    console = Console(record=True, width=100, file=StringIO())
    report.show(console, summary(), tmp_path)
    text = console.export_text()
    for words in ("simulated", "1 d", "2,000×", "records made", "records stored", "123 MiB", "abababab", str(tmp_path)):
        assert words in text


def test_programs_get_json_whole(tmp_path: Path) -> None:
    report.write_json(tmp_path / "day.json", summary(unmet=["kit: no"]), tmp_path)
    found = json.loads((tmp_path / "day.json").read_text())
    assert found["records_made"] == 10 and found["unmet"] == ["kit: no"] and found["good"] is False
    assert [path.name for path in tmp_path.iterdir()] == ["day.json"]
