"""MicroPython itself onto an ESP32, by esptool, written and then verified.

The file is what micropython.org offers for the ESP32, to be written at 0x1000: boot loader, partition table, application. The
table is replaced by the board's own (`partitions`). What lies between, the settings store with a device's keys, is left alone.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bridge.errors import ConfigError
from tools.board import BoardError, Link, LinkError
from tools.flash.partitions import TABLE_AT, TABLE_SIZE, board_partitions, pack_partitions
from tools.flash.wanted import Wanted

_AT = 0x1000  # of the file, in the flash of an ESP32
_IMAGE = 0xE9  # first byte of an image (ESP-IDF, "App Image Format")
_TABLE = b"\xaa\x50"
_CHIP = "esp32"
_BAUD = 460800  # half of what the boards' CH9102 and CH340 take
_TIMEOUT_S = 600
_FIRST_START_S = 30.0  # it formats its file system


class Writer:
    """`write(link)` for each board. ConfigError when the file is not such a one."""

    def __init__(self, file: Path, wanted: Wanted, dry_run: bool = False, chip: str = _CHIP) -> None:
        self._file = file
        self._wanted = wanted
        self._dry_run = dry_run
        self._chip = chip
        try:
            self._data = file.read_bytes()
        except OSError as error:
            raise ConfigError(file, "--firmware", str(file), f"a file that can be read ({error.strerror})") from None
        table = TABLE_AT - _AT
        is_image = len(self._data) > table + TABLE_SIZE and self._data[0] == _IMAGE and self._data[table : table + 2] == _TABLE
        if not is_image:
            expected = "MicroPython for the ESP32 as micropython.org offers it, to be written at 0x1000"
            raise ConfigError(file, "--firmware", f"{len(self._data)} bytes, {self._data[:4].hex()}", expected)

    def pieces(self, board: str) -> list[tuple[int, bytes]]:
        """(address, bytes) to be written for this board. ConfigError when the application is larger than its partition."""
        partitions = board_partitions(board)
        app = next(each for each in partitions if each.type == "app")
        at = app.offset - _AT
        data = self._data[at:]
        if not data or data[0] != _IMAGE:
            raise ConfigError(self._file, "--firmware", data[:1].hex() or "nothing", f"an application for {app.offset:#x}")
        if len(data) > app.size:
            raise ConfigError(self._file, "--firmware", f"{len(data)} bytes", f"at most {app.size} for {board}")
        return [(_AT, self._data[: TABLE_AT - _AT]), (TABLE_AT, pack_partitions(partitions)), (app.offset, data)]

    def write(self, link: Link) -> None:
        """BoardError with esptool's own words."""
        board = self._board(link)
        pieces = self.pieces(board)
        if self._dry_run:
            return
        link.close_port()
        with tempfile.TemporaryDirectory(prefix="homeward-firmware-") as folder:
            places: list[str] = []
            for address, data in pieces:
                path = Path(folder) / f"{address:x}.bin"
                path.write_bytes(data)
                places += [hex(address), str(path)]
            self._esptool(link, "--after", "no-reset", "write-flash", *places)
            self._esptool(link, "--after", "hard-reset", "verify-flash", *places)
        link.reopen()
        for _ in range(3):
            try:
                link.enter(timeout_s=_FIRST_START_S)
                return
            except LinkError:
                continue
        link.enter()

    def _board(self, link: Link) -> str:
        # What runs there now may know which board it is; it need not answer.
        try:
            link.enter(timeout_s=1.0)
            provisioned = link.blob("board", 64).decode("utf-8", "replace")
        except BoardError:
            provisioned = ""
            if not link.is_open:
                link.reopen()
        return self._wanted.board_of(link.port.name, provisioned)

    def _esptool(self, link: Link, *arguments: str) -> None:
        command = [sys.executable, "-m", "esptool", "--chip", self._chip, "--port", link.port.device, "--baud", str(_BAUD)]
        try:
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise BoardError(link.port.name, f"esptool did not come to its end within {_TIMEOUT_S} s") from None
        if done.returncode:
            said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            fatal = [line for line in said if re.search("error|failed", line, re.IGNORECASE)]
            raise BoardError(link.port.name, "esptool: " + " ".join((fatal or said or ["no word"])[:1]).strip())
