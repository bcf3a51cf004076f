"""What a board is to hold: compiled from the sources here for the processor that it has, or a signed release from a file."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import firmware
from bridge.errors import ConfigError
from bridge.releases import Bundle, Manifest, load_trusted, read_bundle
from tools.board import BoardError
from tools.flash.cache import compiled
from tools.release.build import architecture, boards, source_number

# The name of a processor in `sys.implementation._mpy >> 10` (MicroPython, ".mpy files").
ARCHITECTURES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
)
# sys.platform of the interpreter on this host and of the one in QEMU: such a board may stand for any.
_SIMULATED = ("linux", "mps2-an385")


class WrongKindError(BoardError):
    """It is a tag, and a home unit is wanted, or the other way round."""


@dataclass(frozen=True)
class Release:
    """A manifest and its files; those of `root` too, by their names."""

    manifest: Manifest
    contents: dict[str, bytes] = field(repr=False)


class Wanted:
    """What is to be flashed. Used by many threads: each release is compiled once.

    `kind` is "tag" or "hmu". `board`: of boards that are not provisioned, and what those that are must be. ConfigError for a
    board that there is not, or a release of another kind.
    """

    def __init__(self, kind: str, board: str | None = None, release: Path | None = None, trust: Path | None = None) -> None:
        self.kind = kind
        self.board = board
        self._lock = threading.Lock()
        self._compiled: dict[tuple[str, str], Release] = {}
        self._bundle: Bundle | None = None
        if board is not None:
            architecture(board)
            if not board.startswith(kind + "_"):
                raise ConfigError("command line", "--board", board, f"a board for a {kind}: {', '.join(self._of_kind())}")
        if release is not None:
            assert trust is not None
            self._bundle = read_bundle(release, load_trusted(trust))
            manifest = self._bundle.manifest
            if manifest.kind != kind or (board is not None and manifest.board != board):
                raise ConfigError(release, "board", manifest.board, board or f"a board for a {kind}")

    def _of_kind(self) -> list[str]:
        return [name for name in boards() if name.startswith(self.kind + "_")]

    def board_of(self, port: str, provisioned: str) -> str:
        """Which board this one is taken for. BoardError when it is another one than it is to be, or nothing says which."""
        if provisioned:
            if not provisioned.startswith(self.kind + "_"):
                raise WrongKindError(port, f"this is a {provisioned}, and no {self.kind}")
            if self.board not in (None, provisioned):
                raise BoardError(port, f"this was provisioned as a {provisioned}, and is no {self.board}")
            return provisioned
        if self.board is not None:
            return self.board
        if self._bundle is not None:
            return self._bundle.manifest.board
        if len(names := self._of_kind()) == 1:
            return names[0]
        raise BoardError(port, f"not provisioned: say which board it is by --board ({', '.join(self._of_kind())})")

    def release_for(self, port: str, board: str, arch: str, mpy: tuple[int, int], platform: str) -> Release:
        """For this board's processor. BoardError when it is not the one that such a board has, or takes no such files."""
        own = architecture(board)
        if arch != own and platform not in _SIMULATED:
            raise BoardError(port, f"this has a processor for {arch or 'plain'} code, and a {board} one for {own}: wrong board?")
        if self._bundle is not None:
            manifest = self._bundle.manifest
            if manifest.board != board:
                raise BoardError(port, f"this is a {board}, and the release is for a {manifest.board}")
            if manifest.arch not in ("", arch):
                raise BoardError(port, f"this takes code for {arch or 'any processor'}, and the release is for {manifest.arch}")
            release = Release(manifest, self._bundle.contents)
        else:
            with self._lock:
                key = board, arch
                if key not in self._compiled:
                    self._compiled[key] = Release(*compiled(board, _number(), arch))
                release = self._compiled[key]
        major, minor = map(int, release.manifest.mpy.split("."))
        if major != mpy[0] or minor not in (0, mpy[1]):
            raise BoardError(port, f"its MicroPython takes .mpy {mpy[0]}.{mpy[1]}, and this is {major}.{minor}: give --firmware")
        return release


def _number() -> int:
    # Sources that are being worked on have no number of their own; on a bench the newest change will do.
    try:
        return source_number()
    except ConfigError:
        return max(int(path.stat().st_mtime) for path in Path(firmware.__file__).parent.rglob("*.py"))
