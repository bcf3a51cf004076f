"""The serial boot loader in an ESP32's ROM, and the stub that esptool puts in its place, over a flash in a file.

As esptool's documentation describes the protocol ("Serial Protocol"): SLIP frames of direction, command, size, value and data;
an answer ends with a status, of 4 bytes from the ROM and of 2 from the stub. What is loaded into RAM is taken for esptool's stub,
whatever it is. Enough for `write-flash`, `verify-flash` and `flash-id`.
"""

import hashlib
import struct
import zlib
from pathlib import Path

SYNC_FRAME = b"\xc0\x00\x08\x24\x00"  # how the first thing begins that esptool says
FLASH_SIZE = 4 << 20
_SECTOR = 4096
_FLASH_BEGIN, _FLASH_DATA, _FLASH_END = 0x02, 0x03, 0x04
_MEM_BEGIN, _MEM_END, _MEM_DATA = 0x05, 0x06, 0x07
_SYNC, _WRITE_REG, _READ_REG = 0x08, 0x09, 0x0A
_SPI_SET_PARAMS, _SPI_ATTACH, _CHANGE_BAUD = 0x0B, 0x0D, 0x0F
_DEFL_BEGIN, _DEFL_DATA, _DEFL_END, _MD5 = 0x10, 0x11, 0x12, 0x13
_DONE = (_FLASH_END, _MEM_BEGIN, _MEM_DATA, _WRITE_REG, _SPI_SET_PARAMS, _SPI_ATTACH, _CHANGE_BAUD, _DEFL_END)
_REGISTERS = {
    0x40001000: 0x00F01D83,  # which chip it is: ESP32
    0x3FF42080: 0x001640EF,  # the SPI controller's first data word after "read id": a W25Q32, 4 MiB
}
_ROM_SYNC, _STUB_SYNC = 0x20120707, 0


class Rom:
    """`feed(data)` gives what it answers. The flash outlives it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            path.write_bytes(b"\xff" * FLASH_SIZE)
        self._frame: bytearray | None = None
        self._is_stub = False
        self._at = 0
        self._inflate: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if byte != 0xC0:
                if self._frame is not None:
                    self._frame.append(byte)
            elif self._frame:
                body = bytes(self._frame).replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                self._frame = None
                out += self._answer(body)
            else:
                self._frame = bytearray()
        return bytes(out)

    def _answer(self, frame: bytes) -> bytes:
        if len(frame) < 8 or frame[0] != 0:
            return b""
        command, data = frame[1], frame[8:]
        if command == _SYNC:
            return 8 * self._reply(command, _STUB_SYNC if self._is_stub else _ROM_SYNC)
        try:
            return self._do(command, data)
        except (struct.error, zlib.error, ValueError):
            return self._reply(command, failed=0x05)

    def _do(self, command: int, data: bytes) -> bytes:
        if command == _READ_REG:
            return self._reply(command, _REGISTERS.get(struct.unpack_from("<I", data)[0], 0))
        if command in (_FLASH_BEGIN, _DEFL_BEGIN):
            size, _, _, self._at = struct.unpack_from("<IIII", data)
            if self._at + size > FLASH_SIZE:
                raise ValueError("beyond the flash")
            self._inflate = zlib.decompressobj() if command == _DEFL_BEGIN else None
            self._write(self._at, b"\xff" * (-(-size // _SECTOR) * _SECTOR))
            return self._reply(command)
        if command in (_FLASH_DATA, _DEFL_DATA):
            piece = data[16 : 16 + struct.unpack_from("<I", data)[0]]
            if command == _DEFL_DATA and self._inflate is not None:
                piece = self._inflate.decompress(piece)
            self._write(self._at, piece)
            self._at += len(piece)
            return self._reply(command)
        if command == _MD5:
            at, size = struct.unpack_from("<II", data)
            digest = hashlib.md5(self.read(at, size))
            return self._reply(command, data=digest.digest() if self._is_stub else digest.hexdigest().encode())
        if command == _MEM_END:
            reply = self._reply(command)
            self._is_stub = True
            return reply + _slip(b"OHAI")
        return self._reply(command) if command in _DONE else self._reply(command, failed=0x05)

    def _reply(self, command: int, value: int = 0, data: bytes = b"", failed: int = 0) -> bytes:
        status = bytes([1 if failed else 0, failed]) + (b"" if self._is_stub else b"\0\0")
        return _slip(struct.pack("<BBHI", 1, command, len(data) + len(status), value) + data + status)

    def read(self, at: int, size: int) -> bytes:
        """What the flash holds."""
        with self._path.open("rb") as flash:
            flash.seek(at)
            return flash.read(size)

    def _write(self, at: int, data: bytes) -> None:
        with self._path.open("r+b") as flash:
            flash.seek(at)
            flash.write(data[: max(0, FLASH_SIZE - at)])


def _slip(body: bytes) -> bytes:
    return b"\xc0" + body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
