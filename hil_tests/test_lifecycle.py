"""A board's way from its maker to its first records, by the commands that a person at a bench types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from bridge.store import schema
from bridge.store.opening import open_store
from firmware.core import record
from firmware.core.ident import parse_device_name
from firmware.core.record import Record

HOMEWARD = Path(sys.executable).parent / "homeward"
TAG, UNIT = "tag-000001", "hmu-000001"


@pytest.fixture
def typed(rig, steps, tmp_path: Path):
    """`typed("flash", …)`: the real command, in a scheme's folder of its own; what it said. It must succeed."""
    environment = {
        **os.environ,
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "HOMEWARD_STATE": str(tmp_path / "state"),
        **rig.board.environment,
    }

    def run(*arguments: object, code: int = 0) -> str:
        command = [str(HOMEWARD), *map(str, arguments)]
        steps.note("homeward " + " ".join(command[1:]))
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280)
        steps.note(f"exit {done.returncode}", out=done.stdout[-2000:], err=done.stderr[-2000:])
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


def stored(folder: Path) -> list[Record]:
    engine = open_store(folder / "state" / "store.db", read_only=True)
    table = schema.record.c
    statement = select(table.raw).where(table.device_id == parse_device_name(TAG)).order_by(table.seq)
    with engine.connect() as connection:
        found = [Record(raw) for raw in connection.execute(statement).scalars()]
    engine.dispose()
    return found


@pytest.mark.needs("board")
def test_a_bare_board_is_flashed_provisioned_and_hands_over_its_records_by_cable(rig, typed, tmp_path):
    port = ("--port", rig.board.serial)
    typed("ca", "init", "--broker", "127.0.0.1:8883")
    typed("release", "keys")
    typed("release", "build", "--board", rig.board.kind, "--arch", rig.board.architecture, "--number", 1)
    (release,) = (tmp_path / "dist").glob("*.hwr")
    flashed = typed("flash", "tag", *port, "--board", rig.board.kind, "--release", release)
    assert "files sent" in flashed
    assert "0 files sent" in typed("flash", "tag", *port, "--release", release)
    typed("provision", TAG, "--with", UNIT, *port, "--yes")
    typed("dock", "--store", tmp_path / "state" / "bridge.toml", *port, "--once")
    first = stored(tmp_path)
    assert first[0].seq == 1 and first[0].kind == record.EVENT and first[0].code == record.BOOT
    # After a power cut it runs the same application, with the same keys, and goes on counting.
    rig.board.cut_power()
    typed("dock", "--store", tmp_path / "state" / "bridge.toml", *port, "--once")
    then = stored(tmp_path)
    assert [r.raw for r in then[: len(first)]] == [r.raw for r in first]
    numbers = [r.seq for r in then]  # without a lease only its own health is stored, so there are gaps
    assert numbers == sorted(set(numbers)) and len(then) > len(first)
    assert sum(r.kind == record.EVENT and r.code == record.BOOT for r in then) >= 2
