"""`homeward flash` against boards on pseudo-terminals: as a program where it is about what a person sees, else in-process."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware import switch
from sim.board.board import Board
from sim.board.line import Fault
from tests.boards import BAD, MPREMOTE, NEW, OLD, Releases, flash_digest, provisioned, release_number, running, said
from tests.tools.commands import homeward, refused
from tests.tools.flash.conftest import usb
from tools.board import BoardError, Link
from tools.flash.session import Outcome

Flash = Callable[..., Outcome]


def version(board: Board) -> str:
    """What the application says that runs."""
    with Link(board.serial_number) as link:
        link.reset_input()
        return link.ask("version", "version ", 10) or "nothing"


def test_a_new_board_gets_it_whole_and_mpremote_finds_every_byte(board: Board, releases: Releases, tmp_path: Path) -> None:
    arguments = ("tag", "--port", board.serial_number, "--release", releases.old, "--trust", releases.trust)
    done = homeward("flash", *arguments, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(f"{board.serial_number}: tag_t_a7670_l76k"), done
    assert "files sent" in done.stdout and "healthy after" in done.stdout
    manifest = releases.manifests["old"]
    folder = running(board.folder)
    paths = ["firmware/tag/main.mpy", "firmware/core/version.mpy", "firmware/__init__.mpy"]
    out = said(board.port, *" + ".join(f"fs sha256sum :/{folder}/{path}" for path in paths).split())
    assert [line for line in out.split() if len(line) == 64] == [manifest.files[path].sha256 for path in paths]


def test_it_is_confirmed_by_running_and_stays(board: Board, releases: Releases, flash: Flash) -> None:
    assert flash(board, releases.old).is_good
    assert release_number(board.folder) in (0, 1)
    board.power_off()
    board.power_on()
    assert f"build {OLD} " in version(board)


def test_the_second_time_nothing_is_sent_and_nothing_is_written(flashed: Board, releases: Releases, flash: Flash) -> None:
    before = flash_digest(flashed.folder), release_number(flashed.folder)
    passed = flashed.line.passed
    again = flash(flashed, releases.old)
    assert again.is_good and again.bytes_sent == 0 and "nothing sent" in again.text
    assert (flash_digest(flashed.folder), release_number(flashed.folder)) == before
    assert flashed.line.passed - passed < 40_000  # questions and hashes; the application alone is 120,000


def test_only_what_differs_is_sent(flashed: Board, releases: Releases, flash: Flash) -> None:
    was = running(flashed.folder)
    new = flash(flashed, releases.new)
    assert new.is_good and new.files_sent == 1 and f"build {NEW}" in new.text
    assert running(flashed.folder) != was
    assert flash(flashed, releases.old).files_sent == 0  # the other folder still holds it


def test_what_does_not_start_is_taken_back(flashed: Board, releases: Releases, flash: Flash) -> None:
    failed = flash(flashed, releases.bad, wait_s=4.0)
    assert not failed.is_good and ("not today" in failed.text or "went back" in failed.text), failed
    assert f"build {OLD} " in version(flashed)
    assert not release_number(flashed.folder) & 0b1110
    assert BAD not in version(flashed)


def test_an_update_over_the_air_that_was_under_way_is_over(flashed: Board, releases: Releases, flash: Flash) -> None:
    """And is not gone on with under what was flashed."""
    path = flashed.folder / f"homeward.{switch.KEY}.nvs"
    number = release_number(flashed.folder)
    flashed.power_off()
    path.write_bytes(switch.busy(number).to_bytes(4, "little"))
    flashed.power_on()
    assert flash(flashed, releases.new).is_good
    assert not switch.is_busy(release_number(flashed.folder)) and running(flashed.folder) != switch.NAMES[number & 1]


def test_a_dry_run_writes_nothing_and_leaves_it_running(flashed: Board, releases: Releases, flash: Flash) -> None:
    before = flash_digest(flashed.folder), release_number(flashed.folder)
    would = flash(flashed, releases.new, dry_run=True)
    assert would.is_good and "would send 1 files" in would.text
    assert (flash_digest(flashed.folder), release_number(flashed.folder)) == before
    assert f"build {OLD} " in version(flashed)


def test_a_board_that_is_not_provisioned_says_so(tmp_path: Path, registry: Path, releases: Releases, flash: Flash) -> None:
    with Board(tmp_path / "bare", usb("bare"), registry=registry) as bare:
        done = flash(bare, releases.old)
    assert done.is_good and "homeward provision" in done.text


@pytest.mark.slow
def test_three_boards_at_once_and_one_in_use_does_not_hold_up_the_others(
    make_board: Callable[..., Board], releases: Releases, tmp_path: Path
) -> None:
    boards = [make_board(f"tag-00000{n}") for n in (1, 2, 3)]
    with Link(boards[1].serial_number):
        done = homeward("flash", "tag", "--all", "--release", releases.old, "--trust", releases.trust, cwd=tmp_path)
    assert done.returncode == 1 and "2 of 3 boards" in done.stdout, done
    assert f"{boards[1].serial_number}: in use by" in done.stdout
    for board in (boards[0], boards[2]):
        assert f"build {OLD} " in version(board)


def test_all_leaves_boards_of_the_other_kind_alone(make_board: Callable[..., Board], releases: Releases, tmp_path: Path) -> None:
    unit, tag = make_board("hmu-000001"), make_board("tag-000001")
    done = homeward("flash", "tag", "--all", "--release", releases.old, "--trust", releases.trust, cwd=tmp_path)
    assert done.returncode == 0 and "left alone: this is a hmu_esp32_poe" in done.stdout, done
    assert f"build {OLD} " in version(tag) and release_number(unit.folder) == 0


class TestOneLineAndExitCode2:
    """For each thing that a person can mend. `refused` holds that it is one line on standard error."""

    def test_a_port_where_nothing_answers(self, tmp_path: Path, releases: Releases) -> None:
        master, slave = pty.openpty()
        name = os.ttyname(slave)
        os.close(slave)
        line = refused("flash", "tag", "--port", name, cwd=tmp_path)
        assert "nothing answers at 115200 baud" in line
        os.close(master)

    def test_no_such_board(self, board: Board, tmp_path: Path) -> None:
        line = refused("flash", "tag", "--port", "PTY-999999", cwd=tmp_path)
        assert f"no such board or port; plugged in: {board.serial_number} on " in line

    def test_the_wrong_kind_of_board(self, make_board: Callable[..., Board], tmp_path: Path) -> None:
        unit = make_board("hmu-000001")
        assert "this is a hmu_esp32_poe, and no tag" in refused("flash", "tag", "--port", unit.serial_number, cwd=tmp_path)

    def test_the_wrong_board(self, make_board: Callable[..., Board], tmp_path: Path) -> None:
        unit = make_board("hmu-000001")
        line = refused("flash", "hmu", "--port", unit.serial_number, "--board", "hmu_t_a7670", cwd=tmp_path)
        assert "was provisioned as a hmu_esp32_poe, and is no hmu_t_a7670" in line

    def test_a_board_that_there_is_no_firmware_for(self, board: Board, tmp_path: Path) -> None:
        assert "one of hmu_esp32_poe" in refused("flash", "tag", "--port", board.port, "--board", "tag_x", cwd=tmp_path)

    def test_a_full_file_system(self, tmp_path: Path, registry: Path, releases: Releases) -> None:
        folder = provisioned(tmp_path / "run")
        with Board(folder, usb("small"), registry=registry, vfs_kib=256) as small:
            arguments = ("--port", small.serial_number, "--release", releases.old, "--trust", releases.trust)
            line = refused("flash", "tag", *arguments, cwd=tmp_path)
            assert "its file system is full" in line and "KiB are needed" in line
            assert release_number(small.folder) == 0

    def test_another_program_has_the_port(self, board: Board, tmp_path: Path) -> None:
        other = subprocess.Popen(
            [sys.executable, "-c", f"import os; fd = os.open({board.port!r}, os.O_RDWR); print(1, flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        line = refused("flash", "tag", "--port", board.serial_number, cwd=tmp_path)
        assert f"(process {other.pid})" in line and "in use by" in line
        other.stdin.close()
        other.wait()

    def test_mpremote_has_the_port(self, board: Board, tmp_path: Path) -> None:
        code = "import time; print(1); time.sleep(30)"
        other = subprocess.Popen([MPREMOTE, "connect", board.port, "exec", code], stdout=subprocess.PIPE)
        assert other.stdout is not None
        other.stdout.readline()
        assert "in use by" in refused("flash", "tag", "--port", board.serial_number, cwd=tmp_path)
        other.kill()
        other.wait()
        other.stdout.close()

    def test_a_port_that_vanishes(self, flashed: Board, releases: Releases, flash: Flash) -> None:
        flashed.set_faults([Fault(6_000, "unplug", for_s=60)])
        with pytest.raises(BoardError, match="and not come back within 1 s") as told:
            flash(flashed, releases.new, back_within_s=1.0)
        assert "\n" not in str(told.value)
        flashed.plug()
        flashed.press_reset()
        assert f"build {OLD} " in version(flashed)

    def test_a_release_that_nobody_trusted_has_signed(self, board: Board, releases: Releases, tmp_path: Path) -> None:
        homeward("release", "keys", "--out", tmp_path / "others", cwd=tmp_path)
        trust = tmp_path / "others" / "release.pub"
        line = refused("flash", "tag", "--port", board.port, "--release", releases.old, "--trust", trust, cwd=tmp_path)
        assert "trusted release keys" in line
