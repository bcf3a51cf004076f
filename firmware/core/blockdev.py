"""Block devices with the interface of `esp32.Partition`, in RAM and in a file, for hosts and tests.

    readblocks(block, buf, offset=0)     fill buf
    writeblocks(block, buf)              erase the blocks that buf covers, then program
    writeblocks(block, buf, offset)      program without erasing: bits only go from 1 to 0, as in NOR flash
    ioctl(op, arg)                       BLOCK_COUNT, BLOCK_SIZE, BLOCK_ERASE (arg: the block); 0 for sync, None if unknown

Errors are OSError, as a partition raises them; a driver may also return a negative errno.
"""

from .port import MICROPYTHON, const

SYNC = const(3)
BLOCK_COUNT = const(4)
BLOCK_SIZE = const(5)
BLOCK_ERASE = const(6)

_EINVAL = const(22)
_BY_LOOP = const(64)  # up to here bytes are copied one by one, which allocates nothing


class RamDevice:
    """NOR flash in memory. `data` is a copy of an earlier image; `violations` counts bytes that were programmed from 0 to 1,
    which flash cannot do: they end up as the AND of both, as they would there."""

    def __init__(self, blocks, block_size=4096, data=None):
        self.blocks = blocks
        self.block_size = block_size
        self.data = bytearray(blocks * block_size) if data is None else bytearray(data)
        self.violations = 0
        self._erased = b"\xff" * block_size
        if len(self.data) != blocks * block_size:
            raise ValueError("image of %d bytes for %d blocks of %d" % (len(self.data), blocks, block_size))
        if data is None:
            for block in range(blocks):
                self.ioctl(BLOCK_ERASE, block)

    def readblocks(self, block, buf, offset=0):
        start = self._start(block, offset, len(buf))
        data = self.data
        if len(buf) > _BY_LOOP:
            buf[:] = memoryview(data)[start : start + len(buf)]
        else:
            for i in range(len(buf)):
                buf[i] = data[start + i]

    def writeblocks(self, block, buf, offset=None):
        start = self._start(block, offset or 0, len(buf))
        if offset is None:
            for i in range(-(-len(buf) // self.block_size)):
                self.ioctl(BLOCK_ERASE, block + i)
        data = self.data
        for i in range(len(buf)):
            both = data[start + i] & buf[i]
            if both != buf[i]:
                self.violations += 1
            data[start + i] = both

    def ioctl(self, op, arg):
        if op == BLOCK_COUNT:
            return self.blocks
        if op == BLOCK_SIZE:
            return self.block_size
        if op == BLOCK_ERASE:
            start = self._start(arg, 0, self.block_size)
            self.data[start : start + self.block_size] = self._erased
        return 0 if op <= SYNC or op == BLOCK_ERASE else None

    def _start(self, block, offset, n):
        start = block * self.block_size + offset
        if block < 0 or offset < 0 or start + n > len(self.data):
            raise OSError(_EINVAL)
        return start


class FileDevice:
    """A device in a file, made (all ones) or lengthened when it is too short. Nothing is buffered in the process: what was
    written survives kill -9, though not a power cut of the host. Programming here overwrites, where flash would AND."""

    def __init__(self, path, blocks, block_size=4096):
        self.blocks = blocks
        self.block_size = block_size
        self._erased = b"\xff" * block_size
        self._file = _open(path)
        size = self._file.seek(0, 2)
        if size > blocks * block_size:
            self._file.close()
            raise ValueError("%s: %d bytes, expected at most %d" % (path, size, blocks * block_size))
        while size < blocks * block_size:
            size += self._file.write(self._erased[size % block_size :])

    def readblocks(self, block, buf, offset=0):
        self._seek(block, offset, len(buf))
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            for i in range(-(-len(buf) // self.block_size)):
                self.ioctl(BLOCK_ERASE, block + i)
        self._seek(block, offset or 0, len(buf))
        self._file.write(buf)

    def ioctl(self, op, arg):
        if op == BLOCK_COUNT:
            return self.blocks
        if op == BLOCK_SIZE:
            return self.block_size
        if op == BLOCK_ERASE:
            self._seek(arg, 0, self.block_size)
            self._file.write(self._erased)
        return 0 if op <= SYNC or op == BLOCK_ERASE else None

    def close(self):
        self._file.close()

    def _seek(self, block, offset, n):
        if not 0 <= block < self.blocks or offset < 0 or block * self.block_size + offset + n > self.blocks * self.block_size:
            raise OSError(_EINVAL)
        self._file.seek(block * self.block_size + offset)


def _open(path):
    # MicroPython's binary files are unbuffered and take no `buffering`; CPython's must be told.
    mode = "r+b"
    try:
        open(path, mode).close()
    except OSError:
        mode = "w+b"
    return open(path, mode) if MICROPYTHON else open(path, mode, buffering=0)
