"""`python -m tools.flash.soak --cycles N`: a tag's board on a pseudo-terminal is flashed and docked again and again, and
everything happens to it.

In each cycle the release that it does not run is flashed, with one of: nothing, faults of the line at random bytes, the power cut
at a random write to its flash, the power cut at a random byte of the line; or it is docked, with the same. Whatever happened,
afterwards it must answer by itself as one of the two releases; as the one that was flashed, if the flash said so; and its journal
must hold every record that it held. At the end it is docked with nothing in the way: the store has every record that was ever in
the journal, once, byte for byte. The same seed asks for the same; what comes of it depends on the moment.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from bridge.cases.scheme import apply_scheme, load_scheme
from bridge.releases import Manifest
from bridge.releases.bundle import describe
from bridge.store import open_store, schema
from firmware import switch
from firmware.core.blockdev import FileDevice
from firmware.core.journal import read_all
from firmware.core.record import seq_of
from sim.board.board import Board
from sim.board.line import Fault, random_faults
from sim.engine.folder import RunFolder
from sim.engine.image import compile_firmware, firmware_sources, host_architecture
from tools.board import BoardError, Link, Port
from tools.board.errors import LinkError
from tools.flash.cache import compiled
from tools.flash.session import Asked, Outcome, Session, look
from tools.flash.wanted import Release, Wanted

KINDS = ("nothing", "line", "line", "write", "write", "power", "dock", "dock", "dock")
BOARD = "tag_t_a7670_l76k"
NAME = "tag-000001"
_BUILDS = ("0000000000aa", "0000000000bb")
# What a flash takes, by whether the other folder still holds most of it: bytes on the line, and writes to flash.
_LINE_BYTES = {True: 50_000, False: 90_000}
_WRITES = {True: 90, False: 1_350}
_GUARD_S = 5  # a board that was left in the REPL starts its application again; on a bench it is GUARD_S
_WATCHDOG_S = 30  # of the application: noise on the dock's line may be a Ctrl-C, which ends it
_BACK_S = 75.0
_DOCK_BYTES = 8_000  # of a dock that hands over some ten records
_DOCK_S = 20


class Quiet:
    """A `Reporter` that shows nothing."""

    def stage(self, board: str, text: str) -> None: ...
    def total(self, board: str, size: int) -> None: ...
    def sent(self, board: str, size: int) -> None: ...


class Given(Wanted):
    """One release, whatever the board."""

    def __init__(self, release: Release) -> None:
        super().__init__(release.manifest.kind, release.manifest.board)
        self._release = release

    def release_for(self, port: str, board: str, arch: str, mpy: tuple[int, int], platform: str) -> Release:
        return self._release


def stamped(manifest: Manifest, contents: dict[str, bytes], build: str) -> Release:
    """The same release but for what it says its build is."""
    source, place = next(pair for pair in firmware_sources() if pair[1].name == "version.py")
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "version.mpy"
        compile_firmware(source, target, place, Path(scratch) / "folded", manifest.arch, build)
        contents = contents | {place.with_suffix(".mpy").as_posix(): target.read_bytes()}
    files = describe({path: data for path, data in contents.items() if path in manifest.files})
    return Release(replace(manifest, build=build, files=files), contents)


def records(folder: Path) -> dict[int, bytes]:
    """What a board's journal holds, read behind its back."""
    path = folder / "journal.flash"
    if not path.exists():
        return {}
    flash = FileDevice(str(path), path.stat().st_size // 4096)
    try:
        return {seq_of(raw): raw for raw in read_all(flash)}
    finally:
        flash.close()


@dataclass
class Soak:
    """`cycle` raises AssertionError with what must not be. `folder` is empty, or a soak's own."""

    folder: Path
    seed: int
    came: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> "Soak":
        self._chance = random.Random(self.seed)
        self._why = ""
        self._ever: dict[int, bytes] = {}
        # One with native code and one without: a few modules, a quarter of the bytes, differ.
        releases = [compiled(BOARD, 1, arch) for arch in (host_architecture(), "")]
        self._releases = [stamped(*release, build) for release, build in zip(releases, _BUILDS, strict=True)]
        run = self._run = RunFolder(self.folder / "run")
        run.write_bridge_settings(1, "wall")
        wearer = {"id": "w1", "name": "W", "tag": NAME, "home_unit": "hmu-000001", "from": "2026-01-01T00:00:00Z"}
        run.write_scheme({"timezone": "Europe/London", "wearers": [wearer], "policy": {}})
        apply_scheme(open_store(str(run.store)), load_scheme(run.path / "scheme.yaml"))
        folder = run.provision(NAME, "hmu-000001", ["hmu-000001"], 0, 9, {"watchdog_s": _WATCHDOG_S})
        self.board = Board(folder, "SOAK-1", registry=self.folder / "registry", seed=self.seed, bus_powered=True)
        self.board.__enter__()
        outcome = self._flash(0)
        assert outcome is not None and outcome.is_good, f"it cannot be flashed at all: {outcome or self._why}"
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()

    def cycle(self, kind: str | None = None) -> str:
        """What happened, in words."""
        board, chance = self.board, self._chance
        kind = kind or chance.choice(KINDS)
        before = self._build()
        wanted = 1 - _BUILDS.index(before)
        holds = chance.random() < 0.6 or self._clear(before)
        held = records(board.folder)
        at = 0
        if kind == "line":
            kinds = ("garbage", "lost", "flip", "stall", "unplug", "reset")
            board.set_faults(random_faults(chance.randrange(1 << 30), _LINE_BYTES[holds], chance.randint(1, 3), kinds))
        elif kind == "power":
            at = chance.randrange(_LINE_BYTES[holds])
            board.set_faults([Fault(at, "power", for_s=0.3)])
        elif kind == "write":
            at = chance.randint(1, _WRITES[holds])
            board.cut_power_at_write(at, chance.randrange(1001))
        elif kind == "dock":
            at = self._trouble_dock()
        outcome = self._flash(wanted) if kind != "dock" else None
        docked = kind == "dock" and self._dock()
        board.set_faults([])
        board.never_cut()
        board.power_on()
        after = self._build()
        self._check(kind, at, before, after, _BUILDS[wanted], outcome)
        lost = {seq for seq, raw in held.items() if records(board.folder).get(seq) != raw}
        assert not lost, f"seed {self.seed}, {kind} at {at}: records {sorted(lost)} are gone"
        self._ever |= held
        told = "flashed" if outcome is not None and outcome.is_good else "docked" if docked else "not done"
        why = "" if told != "not done" else f" ({outcome.text if outcome is not None else self._why})"
        self.came[f"{kind}: {told}, {'the new' if after != before else 'the old'} one runs"] += 1
        return f"{kind} at {at}: {told}, {after} runs{why}"

    def _check(self, kind: str, at: int, before: str, after: str, wanted: str, outcome: Outcome | None) -> None:
        where = f"seed {self.seed}, {kind} at {at}: {outcome}"
        assert after in (before, wanted), f"{where}: {after!r} runs"
        if outcome is not None and outcome.is_good:
            assert after == wanted, f"{where}: said to be flashed, but {after!r} runs"

    def _trouble_dock(self) -> int:
        board, chance = self.board, self._chance
        at = chance.randrange(_DOCK_BYTES)
        kind = chance.choice(("line", "write", "power"))
        if kind == "line":
            kinds = ("garbage", "lost", "flip", "stall", "unplug", "reset")
            board.set_faults(random_faults(chance.randrange(1 << 30), _DOCK_BYTES, chance.randint(1, 3), kinds))
        elif kind == "power":
            board.set_faults([Fault(at, "power", for_s=0.3)])
        else:
            board.cut_power_at_write(at := chance.randint(1, 12), chance.randrange(1001))
        return at

    def _dock(self, timeout_s: int = _DOCK_S) -> bool:
        """Whether it has handed over all."""
        command = [str(Path(sys.executable).with_name("homeward")), "dock", "--store", "bridge.toml", "--port", self.board.port]
        command += ["--once", "--timeout", str(timeout_s)]
        process = subprocess.Popen(command, cwd=self._run.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while process.poll() is None:
            if not self.board.is_on and not self.board.line.faults:
                self.board.power_on()  # the dock waits for it, as for one whose cell is charged again
            time.sleep(0.05)
        assert process.stdout is not None
        self._why = process.stdout.read()[-200:]
        return process.returncode == 0

    def check_store(self) -> int:
        """At the end: how many records the store has of it, which is every one."""
        self._ever |= records(self.board.folder)
        assert self._dock(90), f"seed {self.seed}: it does not hand over what it has: {self._why}"
        with open_store(str(self._run.store)).connect() as connection:
            table = schema.record
            found = connection.execute(select(table.c.seq, table.c.raw)).all()
        stored = {int(seq): bytes(raw) for seq, raw in found}
        wrong = sorted(seq for seq, raw in self._ever.items() if stored.get(seq) != raw)
        assert not wrong and len(found) == len(stored), f"seed {self.seed}: records {wrong} are not in the store as they were"
        return len(stored)

    def _clear(self, build: str) -> bool:
        # The folder that does not run, so that all of it has to be written again. False.
        for _ in range(3):  # on a busy machine its short watchdog may bite in between
            try:
                with Link(self._port()) as link:
                    link.enter()
                    found = look(link, _GUARD_S)
                    idle = switch.NAMES[1 - (found.release & 1)]
                    link.run(f"for p in _walk('/{idle}','',{{}},False):\n _rm('/{idle}/'+p)")
                    link.reset()
                    break
            except LinkError:
                continue
        assert self._build() == build
        return False

    def _flash(self, wanted: int) -> Outcome | None:
        asked = Asked(wait_s=20.0, back_within_s=1.0, guard_s=_GUARD_S)
        try:
            with Link(self._port(), timeout_s=3.0) as link:
                return Session(link, Given(self._releases[wanted]), asked, Quiet()).run()
        except BoardError as error:
            self._why = str(error)
            return None

    def _port(self) -> Port:
        return Port(self.board.port, "")

    def _build(self) -> str:
        """What runs, once it is no longer on trial. Nobody helps it to start."""
        deadline = time.monotonic() + _BACK_S
        said = None
        while time.monotonic() < deadline:
            try:
                with Link(self._port(), timeout_s=3.0) as link:
                    link.reset_input()
                    said = link.ask("version", "version ", 2.0)
            except LinkError:
                continue
            if said is not None and not said.endswith(" updating"):
                return said.split()[3]
            time.sleep(0.1)
        number = (self.board.folder / f"homeward.{switch.KEY}.nvs").read_bytes()
        raise AssertionError(f"seed {self.seed}: it has not come back ({said}, switch {number.hex()}): {self.board.log[-600:]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.flash.soak", description=__doc__)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--kind", choices=sorted(set(KINDS)), help="the same in each cycle")
    parser.add_argument("--seed", type=int, default=None, help="printed; one at random otherwise")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 30) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, Soak(Path(folder), seed) as soak:
        for number in range(1, arguments.cycles + 1):
            try:
                what = soak.cycle(arguments.kind)
            except AssertionError as error:
                sys.exit(f"cycle {number}: {error}")
            print(f"{number:5} {what}", flush=True)
        stored = soak.check_store()
        for line, count in sorted(soak.came.items()):
            print(f"{count:5} x {line}")
        print(
            f"{arguments.cycles} cycles in {time.monotonic() - began:.0f} s, {soak.board.boots} starts; it always came back, "
            f"and the store has all {stored} records"
        )


if __name__ == "__main__":
    main()
