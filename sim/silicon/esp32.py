"""MicroPython's `esp32`: flash partitions and NVS, kept in files of the device's folder so that they outlive its process."""

import os

import _hw
import machine

_BLOCK = 4096
_ERASED = b"\xff" * 256
# The data partitions of the boards' partition tables, in KiB.
_SIZES = {"journal": 512, "config": 128, "relay": 1024}


class Partition:
    """NOR flash: erased to FF by block, programmed 1 to 0."""

    TYPE_APP = 0
    TYPE_DATA = 1
    BOOT = 0
    RUNNING = 1

    def __init__(self, label, block_size=_BLOCK):
        self._label = label
        self._size = _SIZES[label] * 1024
        path = "%s/%s.flash" % (_hw.folder, label)
        try:
            size = os.stat(path)[6]
        except OSError:
            size = 0
        if size != self._size:
            erased = _ERASED * (_BLOCK // len(_ERASED))
            with open(path, "wb") as blank:
                for _ in range(self._size // _BLOCK):
                    blank.write(erased)
        self._file = open(path, "r+b")

    @classmethod
    def find(cls, type=1, subtype=0xFF, label=None, block_size=_BLOCK):
        return [cls(label)] if label in _SIZES else []

    def info(self):
        return (1, 0x81, 0, self._size, self._label, False)

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * _BLOCK + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            for i in range(0, len(buf), _BLOCK):
                self.ioctl(6, block + i // _BLOCK)
            offset = 0
        at = block * _BLOCK + offset
        n = len(buf)
        self._file.seek(at)
        old = self._file.read(n)
        self._file.seek(at)
        for i in range(n):
            if old[i] != 0xFF:
                self._file.write(bytes(old[j] & buf[j] for j in range(n)))
                return
        self._file.write(buf)

    def ioctl(self, op, arg):
        if op == 4:
            return self._size // _BLOCK
        if op == 5:
            return _BLOCK
        if op == 6:
            self._file.seek(arg * _BLOCK)
            for _ in range(_BLOCK // len(_ERASED)):
                self._file.write(_ERASED)
            return 0
        return 0 if op in (1, 2, 3) else None


class NVS:
    """Key-value store: each value in a file of its own, replaced whole at `commit`."""

    def __init__(self, namespace):
        self._namespace = namespace
        self._pending = {}

    def _path(self, key):
        return "%s/%s.%s.nvs" % (_hw.folder, self._namespace, key)

    def _read(self, key):
        data = self._pending.get(key)
        if data is None:
            try:
                with open(self._path(key), "rb") as stored:
                    data = stored.read()
            except OSError:
                raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        return data

    def get_blob(self, key, buffer):
        data = self._read(key)
        if len(data) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(data)] = data
        return len(data)

    def set_blob(self, key, value):
        self._pending[key] = bytes(value)

    def get_i32(self, key):
        value = int.from_bytes(self._read(key), "little")
        return value - (1 << 32) if value >> 31 else value

    def set_i32(self, key, value):
        self._pending[key] = (value & 0xFFFFFFFF).to_bytes(4, "little")

    def erase_key(self, key):
        self._pending.pop(key, None)
        try:
            os.remove(self._path(key))
        except OSError:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")

    def commit(self):
        for key, data in self._pending.items():
            path = self._path(key)
            with open(path + ".new", "wb") as new:
                new.write(data)
            os.rename(path + ".new", path)
        self._pending.clear()


WAKEUP_ALL_LOW = False
WAKEUP_ANY_HIGH = True


def _rtc(pin):
    if pin._id not in machine._RTC_PINS:
        raise ValueError("invalid pin")
    return pin._id


def wake_on_ext0(pin=None, level=WAKEUP_ALL_LOW):
    _hw.ext0 = None if pin is None else (_rtc(pin), 1 if level else 0)


def wake_on_ext1(pins=None, level=WAKEUP_ALL_LOW):
    _hw.ext1 = None if not pins else (tuple([_rtc(pin) for pin in pins]), 1 if level else 0)


def mcu_temperature():
    return 25
