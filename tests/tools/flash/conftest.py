"""A tag's board on a pseudo-terminal, and releases for it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sim.board.board import Board, missing
from tests.boards import Releases, provisioned
from tests.tools.commands import ENVIRONMENT
from tools.board import Link, ports
from tools.flash.session import Asked, Outcome, Session
from tools.flash.soak import Quiet
from tools.flash.wanted import Wanted


@pytest.fixture(scope="session", autouse=True)
def interpreter() -> None:
    if reason := missing():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("releases"))


def usb(name: str) -> str:
    """A board's USB serial number, which no board of another process bears: boards are locked by it."""
    return f"PTY{os.getpid()}-{name}"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test's boards make themselves known, to this process and to programs."""
    monkeypatch.setenv(ports.REGISTRY, str(tmp_path / "registry"))
    monkeypatch.setitem(ENVIRONMENT, ports.REGISTRY, str(tmp_path / "registry"))
    return tmp_path / "registry"


@pytest.fixture
def make_board(tmp_path: Path, registry: Path) -> Iterator[Callable[..., Board]]:
    """`make_board(name)`: provisioned, powered, without an application."""
    with ExitStack() as stack:

        def make(name: str = "tag-000001", **more: int) -> Board:
            folder = provisioned(tmp_path / f"run-{name}", name)
            return stack.enter_context(Board(folder, usb(name), registry=registry, **more))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def board(make_board: Callable[..., Board]) -> Board:
    return make_board()


@pytest.fixture(scope="session")
def flashed_folder(releases: Releases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a board that runs `releases.old`."""
    folder = provisioned(tmp_path_factory.mktemp("flashed") / "run")
    with Board(folder) as one, Link(one.port) as link:
        wanted = Wanted("tag", release=releases.old, trust=releases.trust)
        assert Session(link, wanted, Asked(), Quiet()).run().is_good
    return folder


@pytest.fixture
def flashed(flashed_folder: Path, tmp_path: Path, registry: Path) -> Iterator[Board]:
    """A board that runs `releases.old`; its port goes with its power."""
    shutil.copytree(flashed_folder, tmp_path / "flashed", symlinks=True)
    with Board(tmp_path / "flashed", usb("flashed"), registry=registry, bus_powered=True) as one:
        yield one


@pytest.fixture
def flash(releases: Releases) -> Callable[..., Outcome]:
    """`flash(board, file)`: in this process, as the command does it."""

    def run(board: Board, file: Path, **asked: float) -> Outcome:
        wanted = Wanted("tag", release=file, trust=releases.trust)
        with Link(board.serial_number) as link:
            return Session(link, wanted, Asked(**({"wait_s": 20.0} | asked)), Quiet()).run()  # type: ignore[arg-type]

    return run
