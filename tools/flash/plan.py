"""What has to be done so that a board holds a release: plain functions of what is on it and of what is wanted."""

import posixpath
from dataclasses import dataclass, field

from bridge.releases import Manifest
from firmware import switch

BLOCK = 4096  # bytes that littlefs gives out at a time on an ESP32's flash
_FOLDER_BLOCKS = 2  # of a folder: littlefs keeps its entries in a pair
_SPARE_BLOCKS = 4  # for the moment in which a file is there twice, and for littlefs itself (our judgement)


@dataclass(frozen=True)
class Found:
    """What is on a board. `trees`: of `a` and `b`, path within the folder → SHA-256 in hex; of `/`, main.py and switch.mpy."""

    arch: str
    mpy: tuple[int, int]  # version and subversion of the .mpy files that it takes
    platform: str
    machine: str
    board: str  # "" when it is not provisioned
    release: int  # the number of `firmware.switch`
    free: int  # bytes of its file system
    trees: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Plan:
    """`folder` is "a" or "b". Sizes in bytes. With `is_there` that folder runs and is what is wanted: nothing is to be done."""

    folder: str
    is_there: bool
    send: dict[str, int] = field(default_factory=dict)  # path within the folder → size
    copy: dict[str, str] = field(default_factory=dict)  # path within the folder → path on the board of a file that is the same
    remove: list[str] = field(default_factory=list)
    root: dict[str, int] = field(default_factory=dict)  # of main.py and switch.mpy, what differs
    needed: int = 0  # of the file system, at most

    @property
    def bytes_to_send(self) -> int:
        return sum(self.send.values()) + sum(self.root.values())


def _is_held(tree: dict[str, str], wanted: Manifest) -> bool:
    # Two builds of the same sources differ in their number alone: the files say what runs.
    return switch.WHOLE in tree and {path: file.sha256 for path, file in wanted.files.items()} == {
        path: digest for path, digest in tree.items() if path != switch.WHOLE
    }


def make_plan(found: Found, wanted: Manifest) -> Plan:
    """The folder that runs is never touched."""
    good = found.release & 1
    runs, idle = switch.NAMES[good], switch.NAMES[1 - good]
    root = {path: file.size for path, file in wanted.root.items() if found.trees["/"].get(path) != file.sha256}
    is_settled = not switch.on_trial(found.release)
    if is_settled and not root and _is_held(found.trees[runs], wanted):
        return Plan(runs, True)
    have = found.trees[idle]
    elsewhere = {digest: f"/{runs}/{path}" for path, digest in found.trees[runs].items()}
    send: dict[str, int] = {}
    copy: dict[str, str] = {}
    for path, file in wanted.files.items():
        if have.get(path) != file.sha256:
            if file.sha256 in elsewhere:
                copy[path] = elsewhere[file.sha256]
            else:
                send[path] = file.size
    remove = sorted(path for path in have if path not in wanted.files and path != switch.WHOLE)
    new = [*send, *copy]
    folders = _folders(new) - _folders(have)
    sizes = [wanted.files[path].size for path in new] + list(root.values()) + [len(wanted.to_bytes())]
    needed = sum(-(-size // BLOCK) for size in sizes) + _FOLDER_BLOCKS * len(folders) + _SPARE_BLOCKS
    return Plan(idle, False, send, copy, remove, root, needed * BLOCK)


def _folders(paths: object) -> set[str]:
    out: set[str] = set()
    for path in paths:  # type: ignore[attr-defined]
        while path := posixpath.dirname(path):
            out.add(path)
    return out


def folders_of(paths: list[str]) -> list[str]:
    """The folders that these files lie in, outer ones first."""
    return sorted(_folders(paths), key=lambda path: (path.count("/"), path))
