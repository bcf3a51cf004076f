"""`homeward bench`."""

from pathlib import Path
from typing import Annotated

import typer

from tools.failures import tells
from tools.inputs import check_target


@tells
def bench(
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="Where the list of {name, value, unit} goes.")] = Path(
        "bench.json"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Shorter: fewer repetitions, and two hours instead of a day.")] = False,
    long: Annotated[bool, typer.Option("--long", help="A wearer's whole year, 13 tags' whole week: no part of it.")] = False,
) -> None:
    """Measure what it can do: a table, and a JSON file.

    Firmware on the interpreter (bytes and time a sentence, a record), the
    demonstration's day as fast as it goes, a fleet live, memory, the bridge by
    itself.
    Nothing is asserted. The numbers are those of this machine, and only mean
    something when nothing else runs on it.

    Example:  homeward bench --quick --json bench.json
    """
    check_target("--json", json_file)

    from tools.bench import run_bench

    run_bench(json_file, quick=quick, long=long)
