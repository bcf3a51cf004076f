"""A release as it comes into a folder of the device's file system: only what differs, in order, resumed where it stopped.

The release is asked for by offset in its image: its manifest, then the files in the manifest's order. What is in the folder
already, whole and right, is left; what the running folder has is copied; the rest is fetched, into `part`, which becomes the
file when its SHA-256 is the manifest's. Whatever cut comes, the next `Taking` goes on from what is there. The folder is no
release from the first change on (its `manifest.json` goes first) until every file is right (it comes last).

The manifest is read line by line: as a whole it would not fit the heap. Plain files: on the device and on the host.
"""

import json
import os
from array import array
from binascii import crc32, unhexlify
from hashlib import sha256

from .port import const

MANIFEST = "/manifest.json"
_NEW = "/manifest.new"
_PART = "/part"
_COPY = "/copy"
_FILES_MAX = const(128)
_FILE_MAX = const(65536)
_TRIES = const(3)  # of a file that comes with another hash than it should
_SPARE_BLOCKS = const(4)  # for what the file system itself writes

_HERE = const(0)
_FETCH = const(1)
_COPIED = const(2)  # from the running folder

# How it stands
COMING = const(0)
WHOLE = const(1)
BAD = const(2)  # what came is not what was announced
NO_ROOM = const(3)


def head(folder, name, default):
    """A value of the first lines of a folder's manifest."""
    try:
        with open(folder + MANIFEST) as file:
            for line in file:
                if line.startswith('"%s": ' % name):
                    return json.loads(line[len(name) + 4 :].rstrip(",\n"))
                if line.startswith('"root"'):
                    break
    except (OSError, ValueError):
        pass
    return default


def entries(path):
    """(path, size, SHA-256) of each file that a manifest names for the folder. ValueError when it is no manifest."""
    inside = False
    with open(path) as file:
        for line in file:
            if line.startswith('"files"'):
                inside = True
            elif inside and line.startswith('"'):
                for name, value in json.loads("{" + line.rstrip(",\n") + "}").items():
                    if not name.startswith("firmware/") or ".." in name or not 0 < value[0] <= _FILE_MAX:
                        raise ValueError(name)
                    yield name, value[0], unhexlify(value[1])


def size_of(path):
    """In bytes, -1 when there is no such file."""
    try:
        stat = os.stat(path)
    except OSError:
        return -1
    return -1 if stat[0] & 0x4000 else stat[6]


def is_file(path, size, digest):
    """Whether this file has that size and SHA-256, in bytes."""
    if size_of(path) != size:
        return False
    known = sha256()
    buf = memoryview(bytearray(512))
    try:
        with open(path, "rb") as file:
            while True:
                n = file.readinto(buf)
                if not n:
                    break
                known.update(buf[:n])
    except OSError:
        return False
    return known.digest() == digest


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


class Taking:
    """`folder` gets the release whose manifest has this size and SHA-256 (32 bytes); `running` is the other folder, "" for none.

    `survey` first, and again after the manifest has come; then `take` what is wanted, `run_length` bytes from `at` on. OSError
    when the flash does not write.
    """

    def __init__(self, folder, running, size, digest):
        self.state = COMING
        self.at = 0
        self.has_manifest = False
        self._folder = folder
        self._running = running
        self._size = size
        self._digest = digest
        self._buf = memoryview(bytearray(512))
        self._states = bytearray(0)
        self._sizes = array("I")
        self._entries = None
        self._i = -1
        self._tries = 0
        self._file = self._hash = None
        self._path = ""
        self._left = 0
        self._wanted = b""  # the hash of the file that is coming

    def survey(self):
        """Look what is missing. A generator, which yields between files: that takes seconds."""
        _mkdir(self._folder)
        new = self._folder + _NEW
        if is_file(self._folder + MANIFEST, self._size, self._digest):
            os.rename(self._folder + MANIFEST, new)
        else:
            _remove(self._folder + MANIFEST)
        self.has_manifest = is_file(new, self._size, self._digest)
        if not self.has_manifest:
            _remove(new)
            self._open(_NEW, self._size, self._digest, 0)
            if not self.has_manifest:
                return
        self._states = bytearray(0)
        self._sizes = array("I")
        known = set()
        more = 0  # bytes in whole blocks
        block = os.statvfs(self._folder)[0]
        try:
            for path, size, digest in entries(new):
                known.add(crc32(path.encode()) & 0x3FFFFFFF)
                state = _HERE
                if not is_file(self._folder + "/" + path, size, digest):
                    is_running = self._running and is_file(self._running + "/" + path, size, digest)
                    state = _COPIED if is_running else _FETCH
                    more += -(-size // block) * block - max(-(-size_of(self._folder + "/" + path) // block), 0) * block
                self._states.append(state)
                self._sizes.append(size)
                yield
        except (ValueError, TypeError, IndexError):
            self.state = BAD
        if not 0 < len(self._states) <= _FILES_MAX:
            self.state = BAD
        if self.state == BAD:
            return
        for _ in self._clear("/firmware", known):
            yield
        _remove(self._folder + _COPY)
        stat = os.statvfs(self._folder)
        if more + _SPARE_BLOCKS * block > stat[4] * stat[1] + max(size_of(self._folder + _PART), 0):
            self.state = NO_ROOM
            return
        i = 0
        for path, _, _ in entries(new):
            if self._states[i] == _COPIED:
                self._copy(path)
                self._states[i] = _HERE
                yield
            i += 1
        self._entries = entries(new)
        self._i = -1
        self.at = self._size
        self._next()

    def run_length(self):
        """How many bytes are wanted in one piece, from `at` on."""
        if not self.has_manifest:
            return self._size - self.at
        n = self._left
        i = self._i + 1
        while i < len(self._states) and self._states[i] == _FETCH:
            n += self._sizes[i]
            i += 1
        return n

    def take(self, offset, data):
        """A piece of the image. Whether it brought something new; what does not begin at `at` brings nothing."""
        if offset != self.at or self._file is None or self.state != COMING:
            return False
        done = 0
        while done < len(data) and self._file is not None and self.at == offset + done:
            n = min(len(data) - done, self._left)
            self._write(data[done : done + n])
            done += n
        return True

    def keep(self):
        """What has come outlives a power cut."""
        if self._file is not None:
            self._file.flush()

    def close(self):
        """Nothing more is taken by this one."""
        if self._entries is not None:
            self._entries.close()
            self._entries = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self):
        """Every file is right: the folder is a release. Call it once `state` is WHOLE."""
        _remove(self._folder + _PART)
        os.rename(self._folder + _NEW, self._folder + MANIFEST)

    # The file that is coming

    def _open(self, path, size, digest, at):
        part = self._folder + _PART
        done = size_of(part)
        if done > size:
            _remove(part)
            done = -1
        self._path = path
        self._wanted = digest
        self._hash = sha256()
        if done > 0:
            with open(part, "rb") as file:
                while True:
                    n = file.readinto(self._buf)
                    if not n:
                        break
                    self._hash.update(self._buf[:n])
        self._file = open(part, "ab")
        done = max(done, 0)
        self.at = at + done
        self._left = size - done
        if not self._left:
            self._close_part()

    def _write(self, data):
        self._file.write(data)  # type: ignore
        self._hash.update(data)  # type: ignore
        self.at += len(data)
        self._left -= len(data)
        if not self._left:
            self._close_part()

    def _close_part(self):
        # All of it is here.
        self._file.close()  # type: ignore
        self._file = None
        part = self._folder + _PART
        if self._hash.digest() != self._wanted:  # type: ignore
            _remove(part)
            self._tries += 1
            if self._tries == _TRIES:
                self.state = BAD
                return
            size = self._size if not self.has_manifest else self._sizes[self._i]
            self._open(self._path, size, self._wanted, self.at - size)
            return
        self._tries = 0
        _make_folders(self._folder, self._path)
        os.rename(part, self._folder + self._path)
        if self._path == _NEW:
            self.has_manifest = True  # `survey` looks further
        else:
            self._states[self._i] = _HERE
            self._next()

    def _next(self):
        # To the next file that is to be fetched. `at` is the end of the one before.
        at = self.at
        for path, size, digest in self._entries:  # type: ignore
            self._i += 1
            if self._states[self._i] == _FETCH:
                self._open("/" + path, size, digest, at)
                return
            at += size
        self.state = WHOLE

    # Files

    def _copy(self, path):
        copy = self._folder + _COPY
        with open(self._running + "/" + path, "rb") as source, open(copy, "wb") as target:
            while True:
                n = source.readinto(self._buf)
                if not n:
                    break
                target.write(self._buf[:n])
        _make_folders(self._folder, "/" + path)
        os.rename(copy, self._folder + "/" + path)

    def _clear(self, below, known):
        # Files that the release does not have.
        for name in os.listdir(self._folder + below) if _is_folder(self._folder + below) else ():
            path = below + "/" + name
            if _is_folder(self._folder + path):
                for _ in self._clear(path, known):
                    yield
            elif crc32(path[1:].encode()) & 0x3FFFFFFF not in known:
                os.remove(self._folder + path)
                yield


def _is_folder(path):
    try:
        return bool(os.stat(path)[0] & 0x4000)
    except OSError:
        return False


def _mkdir(path):
    if not _is_folder(path):
        os.mkdir(path)


def _make_folders(folder, path):
    at = path.find("/", 1)
    while at > 0:
        _mkdir(folder + path[:at])
        at = path.find("/", at + 1)
