"""A replay from an empty folder, for the tests of the whole way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sim.engine.folder import RunFolder
from sim.replay.replay import Replayed, run_replay


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., Replayed]:
    """`run_replay` in a folder of its own each time."""
    made = 0

    def one(sources, **options) -> Replayed:
        nonlocal made
        made += 1
        return run_replay(sources, RunFolder(tmp_path / f"run-{made}"), **options)

    return one
