"""The flash of a board on a pseudo-terminal: the simulator's partitions and NVS, in which power may fail at any write.

The file `cut` says when: u32 writes left until then (all ones: never), u32 how much of that last one is done, in thousandths.
"""

import _hw
import esp32

_NEVER = 0xFFFFFFFF
_file = None


def _write_is_cut():
    """None, or how many thousandths of this write are still done before the supply is gone."""
    _file.seek(0)
    left = int.from_bytes(_file.read(4), "little")
    if left == _NEVER:
        return None
    if left > 1:
        _file.seek(0)
        _file.write((left - 1).to_bytes(4, "little"))
        return None
    done = int.from_bytes(_file.read(4), "little")
    _file.seek(0)
    _file.write(b"\xff\xff\xff\xff")
    return done


class _Partition(esp32.Partition):
    def writeblocks(self, block, buf, offset=None):
        done = _write_is_cut()
        if done is not None:
            buf = memoryview(buf)[: len(buf) * done // 1000]
        if len(buf):
            super().writeblocks(block, buf, 0 if offset is None and done is not None else offset)
        if done is not None:
            _hw.fail()

    def ioctl(self, op, arg):
        done = _write_is_cut() if op == 6 else None
        if done is not None:
            self._file.seek(arg * 4096)
            self._file.write(b"\xff" * (4096 * done // 1000))
            _hw.fail()
        return super().ioctl(op, arg)


class _NVS(esp32.NVS):
    def commit(self):
        done = _write_is_cut() if self._pending else None
        if done is None or done >= 500:  # a value is the old one or the new one
            super().commit()
        if done is not None:
            _hw.fail()


class _Files:
    """`open` and the few functions of `os` that the simulator's modules use, on a file system that is mounted nowhere."""

    def __init__(self, host):
        self._host = host
        self.stat, self.rename, self.remove = host.stat, host.rename, host.remove

    def open(self, path, mode="r"):
        return self._host.open(path, mode)


def install(host, vfs_kib):
    """Put them in place of the simulator's, on the chip's own files; the device that the file system lives on."""
    global _file
    files = _Files(host)
    _file = files.open(_hw.folder + "/cut", "r+b")
    import machine

    for module in (esp32, machine):
        module.open, module.os = files.open, files
    esp32._SIZES["vfs"] = vfs_kib
    esp32.Partition, esp32.NVS = _Partition, _NVS
    return _Partition("vfs")
