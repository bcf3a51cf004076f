"""MicroPython itself by the real esptool, onto the boot loader of a board on a pseudo-terminal."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.board.board import Board
from tests.boards import OLD, Releases
from tests.tools.commands import homeward, refused
from tools.flash.partitions import board_partitions, pack_partitions

APP_AT = 0x10000


def image(seed: int, app_size: int = 40_000) -> bytes:
    """As micropython.org offers it, for 0x1000: boot loader, a partition table of its own, application."""
    chance = random.Random(seed)
    boot = b"\xe9" + chance.randbytes(0x5000)
    table = b"\xaa\x50" + b"\x00" * 30 + b"\xff" * (0x1000 - 32)
    app = b"\xe9" + chance.randbytes(app_size)
    return boot.ljust(0x7000, b"\xff") + table.ljust(APP_AT - 0x8000, b"\xff") + app


def test_it_is_written_and_verified_and_the_keys_are_left_alone(
    board: Board, releases: Releases, tmp_path: Path, seed: int
) -> None:
    flash = board.folder / "rom.flash"
    keys = random.Random(seed).randbytes(APP_AT - 0x9000)
    flash.write_bytes(b"\xff" * 0x9000 + keys + b"\xff" * ((4 << 20) - APP_AT))
    file = tmp_path / "micropython.bin"
    file.write_bytes(image(seed))
    arguments = ("--port", board.serial_number, "--release", releases.old, "--trust", releases.trust, "--firmware", file)
    done = homeward("flash", "tag", *arguments, cwd=tmp_path)
    assert done.returncode == 0 and f"build {OLD}" in done.stdout, done
    found = flash.read_bytes()
    assert found[0x1000:0x8000] == file.read_bytes()[:0x7000]
    assert found[0x8000:0x9000] == pack_partitions(board_partitions("tag_t_a7670_l76k"))
    assert found[0x9000:APP_AT] == keys
    app = file.read_bytes()[0xF000:]
    assert found[APP_AT : APP_AT + len(app)] == app


def test_a_flash_that_does_not_keep_what_is_written_is_told(
    board: Board, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.board.rom import Rom

    write: Callable[[Rom, int, bytes], None] = Rom._write

    def worn(self: Rom, at: int, data: bytes) -> None:
        write(self, at, data[:-1] + b"\x55" if at > APP_AT else data)

    monkeypatch.setattr(Rom, "_write", worn)
    file = tmp_path / "micropython.bin"
    file.write_bytes(image(seed))
    line = refused("flash", "tag", "--port", board.serial_number, "--firmware", file, cwd=tmp_path)
    assert "esptool: " in line


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"not firmware", "MicroPython for the ESP32"),
        (image(1)[:0xF000] + b"\x00" * 64, "an application for 0x10000"),
        (image(1, 0x1D0000), "at most 1900544 for tag_t_a7670_l76k"),
    ],
)
def test_another_file_is_refused_before_anything_is_written(board: Board, tmp_path: Path, data: bytes, word: str) -> None:
    file = tmp_path / "other.bin"
    file.write_bytes(data)
    assert word in refused("flash", "tag", "--port", board.serial_number, "--firmware", file, cwd=tmp_path)
    assert not (board.folder / "rom.flash").exists()


def test_the_image_of_this_test_has_the_shape_of_a_real_one() -> None:
    data = image(1)
    assert struct.unpack_from("<H", data, 0x7000)[0] == 0x50AA and data[0] == data[0xF000] == 0xE9
