"""A scheme's folder, boards, and the real command in this process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sim.board.board import Board
from tests.tools.provision.boards import usb
from tools.board.ports import REGISTRY
from tools.provision.state import begin

Command = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scheme that was just begun."""
    begin(tmp_path / "state", "127.0.0.1:8883", None, "test")
    return tmp_path / "state"


@pytest.fixture
def command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`homeward …` on the scheme's folder, with nobody at the terminal."""
    from tools.cli import app

    registry = tmp_path / "registry"
    registry.mkdir()
    monkeypatch.setenv(REGISTRY, str(registry))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int = 0) -> Any:
        env = {**os.environ, "HOMEWARD_STATE": str(folder), "COLUMNS": "200"}
        result = CliRunner().invoke(app, [str(each) for each in arguments], env=env)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    return run


@pytest.fixture
def plugged(command: Command, tmp_path: Path) -> Iterator[Callable[[str], Board]]:
    """`plugged(usb(2))`: a board, powered and plugged in."""
    pytest.importorskip("micropython_run", reason="no MicroPython interpreter for this platform")
    boards: list[Board] = []

    def one(serial_number: str = usb(1)) -> Board:
        board = Board(tmp_path / serial_number, serial_number, registry=tmp_path / "registry")
        board.__enter__()
        boards.append(board)
        return board

    yield one
    for board in boards:
        board.close()
