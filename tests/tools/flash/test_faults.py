"""Whatever happens while a board is flashed, it comes back by itself as what it was or as what it was to be, with every record.

`python -m tools.flash.soak --cycles 1000` is the long form; HOMEWARD_SEED repeats one of these, HOMEWARD_CYCLES asks for more.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.board.board import Board
from sim.board.line import Fault
from tests.boards import NEW, OLD, Releases, flash_digest, release_number
from tools.board import BoardError, DeviceError, Link, LinkError, Port
from tools.flash.session import Outcome
from tools.flash.soak import Soak

Flash = Callable[..., Outcome]
_CYCLES = int(os.environ.get("HOMEWARD_CYCLES", "20"))
_CYCLE_S = 10  # on the wall clock, of a machine that has more to do; about half of that of one that has not (our judgement)


@pytest.fixture
def soak(tmp_path: Path, seed: int):
    with Soak(tmp_path, seed) as one:
        yield one


@pytest.mark.slow
def test_cycles_with_everything(soak: Soak) -> None:
    for kind in ("line", "write", "power", "dock"):
        soak.cycle(kind)
    assert soak.check_store() >= 5


@pytest.mark.slow
@pytest.mark.timeout(max(300, 60 + _CYCLE_S * _CYCLES))
def test_many_cycles_with_everything(soak: Soak) -> None:
    for _ in range(_CYCLES):
        soak.cycle()
    assert soak.check_store() > _CYCLES
    assert sum(count for what, count in soak.came.items() if "the old one runs" in what) > _CYCLES // 12
    assert sum(count for what, count in soak.came.items() if "the new one runs" in what) > _CYCLES // 12


def test_a_cable_pulled_in_the_middle_and_put_back_is_gone_on_with(
    board: Board, releases: Releases, flash: Flash, seed: int
) -> None:
    """What had been sent is not sent again."""
    at = random.Random(seed).randrange(60_000, 120_000)
    board.set_faults([Fault(at, "unplug", for_s=0.3)])
    done = flash(board, releases.old)
    assert board.line.faults == [] and done.is_good
    total = sum(file.size for file in (releases.manifests["old"].files | releases.manifests["old"].root).values())
    assert done.bytes_sent == total
    assert f"build {OLD}" in done.text


def test_a_flash_that_was_broken_off_is_gone_on_with_by_the_next(board: Board, releases: Releases, flash: Flash) -> None:
    board.set_faults([Fault(200_000, "unplug", for_s=60)])
    with pytest.raises(LinkError):
        flash(board, releases.old, back_within_s=0.5)
    board.plug()
    rest = flash(board, releases.old)
    total = sum(file.size for file in releases.manifests["old"].files.values())
    assert rest.is_good and 0 < rest.bytes_sent < total * 3 // 4


@pytest.mark.slow
def test_the_switch_is_one_write(flashed: Board, releases: Releases, flash: Flash) -> None:
    """With the power cut at a write before it the old release runs, from it on the new one; found by halving."""
    board = flashed
    flash(board, releases.new)
    flash(board, releases.old)
    low, high = 0, 90  # cut there, the old one runs; cut there, the new one
    while high - low > 1:
        write = (low + high) // 2
        board.cut_power_at_write(write, 500)
        try:
            flash(board, releases.new, back_within_s=0.2)
        except BoardError:
            pass
        board.never_cut()
        board.power_on()
        with Link(board.serial_number) as link:
            ran = str(link.ask("version", "version ", 10))
        assert f"build {OLD} " in ran or f"build {NEW} " in ran
        if f"build {NEW} " in ran:
            high = write
            flash(board, releases.old)
        else:
            low = write
    assert 5 < high < 90


def test_noise_never_makes_a_wrong_byte(board: Board, seed: int) -> None:
    chance = random.Random(seed)
    with Link(board.serial_number, timeout_s=2.0) as link:
        link.enter()
        for number in range(6):
            data = chance.randbytes(3000)
            board.set_faults([Fault(chance.randrange(6000), chance.choice(("garbage", "lost", "flip")), chance.randint(1, 9))])
            for _ in range(6):
                try:
                    link.write_file(f"/{number}", data)
                    break
                except LinkError:
                    link.enter()
            board.set_faults([])
            assert link.read_file(f"/{number}") == data


def test_an_exception_on_the_board_is_told_as_one(board: Board) -> None:
    with Link(board.serial_number) as link:
        link.enter()
        with pytest.raises(DeviceError) as told:
            link.run("open('/none')")
        assert told.value.kind == "OSError" and told.value.number == 2
        with pytest.raises(DeviceError, match="ValueError: here"):
            link.run("raise ValueError('here')")


def test_the_lock_is_the_board_s_and_not_the_port_s(board: Board) -> None:
    with Link(board.serial_number), pytest.raises(BoardError, match="in use by"), Link(Port(board.port, board.serial_number)):
        pass


def test_a_board_that_is_left_in_the_repl_starts_its_application_again(flashed: Board) -> None:
    with Link(flashed.serial_number) as link:
        link.enter()
        link.guard(1)
    with Link(flashed.serial_number) as link:
        link.reset_input()
        assert f"build {OLD} " in str(link.ask("version", "version ", 10))


def test_a_slow_line_does(flashed: Board, releases: Releases, flash: Flash) -> None:
    before = flash_digest(flashed.folder)
    flashed.line.baud = 115200
    assert flash(flashed, releases.old).is_good
    assert flash_digest(flashed.folder) == before and release_number(flashed.folder) in (0, 1)
