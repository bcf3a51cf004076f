"""A scheme's folder and an emulated tag on its bench, as the commands leave them that a person types."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from sqlalchemy import create_engine, text

from bridge import provisioning
from bridge.cases.scheme import apply_scheme, load_scheme
from bridge.keys import load_fleet_key
from bridge.provisioning import Place
from bridge.releases import load_signer, load_trusted, read_bundle, write_bundle
from bridge.releases.bundle import describe
from bridge.store import open_store
from firmware.core import record
from firmware.core.journal import Journal
from hil_tests.emulated.board import ARCHITECTURE, EmulatedBoard, run_on
from sim.engine.image import compile_firmware, compile_module, firmware_sources
from tools.release.build import compile_release

TAG, UNIT, KIND = "tag-000001", "hmu-000001", "tag_t_a7670_l76k"
TAG_ID, UNIT_ID = 0x01000001, 0x02000001
BUILD_OF_NEWER, BUILD_OF_BROKEN = "00000000beef", "00000000dead"

_LOAD = """
import os
from esp32 import NVS
for path in paths:
    at = path.find("/")
    while at >= 0:
        try:
            os.mkdir("/" + path[:at])
        except OSError:
            pass  # it is there
        at = path.find("/", at + 1)
    with open("/host/" + path, "rb") as source, open("/" + path, "wb") as target:
        target.write(source.read())
store = NVS("homeward")
for key, value in values.items():
    store.set_blob(key, value)
"""


class Desk:
    """`typed("flash", …)` runs the real command here; `board()` is the tag on the desk, off until it is entered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.serial = f"EMU{os.getpid()}"
        self.port = ("--port", self.serial)
        self.store = ("--store", folder / "state" / "bridge.toml")
        self._environment = {
            **os.environ,
            "HOMEWARD_STATE": str(folder / "state"),
            "HOMEWARD_BOARDS": str(folder / "registry"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }

    @classmethod
    def copied(cls, desk: "Desk", folder: Path) -> "Desk":
        """Another one on which everything is as on this."""
        shutil.copytree(desk.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("port", "registry"))
        return cls(folder)

    def _command(self, arguments: tuple[object, ...]) -> list[str]:
        return [str(Path(sys.executable).with_name("homeward")), *map(str, arguments)]

    def typed(self, *arguments: object, code: int = 0) -> str:
        """What the command said. It must end with `code`."""
        done = subprocess.run(
            self._command(arguments), cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=250
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def started(self, *arguments: object) -> subprocess.Popen[str]:
        """The same in the background, with its output in `out`. It ends with this process, however that ends."""
        mortal = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        command = mortal + self._command(arguments)
        with (self.folder / "out").open("w") as out:
            return subprocess.Popen(command, cwd=self.folder, env=self._environment, stdout=out, stderr=out, text=True)

    def board(self, seed: int = 0, baud: int = 0) -> EmulatedBoard:
        return EmulatedBoard(self.folder / "board", self.serial, registry=self.folder / "registry", seed=seed, baud=baud)

    def unit(self) -> EmulatedBoard:
        """Its home unit, which `load` has put beside it if it was asked for."""
        return EmulatedBoard(self.folder / "unit", self.serial + "U", registry=self.folder / "registry")

    def load(self, *names: str) -> None:
        """The quick way to where `flash` and `provision` lead, for those who test neither: a new scheme, and on the tag's flash
        (of `names`: the tag's and the home unit's) a release in folder `a`, `/main.py`, and its settings, all of it copied by
        the board itself."""
        self.typed("ca", "init", "--broker", "127.0.0.1:8883")
        fleet_key = load_fleet_key(self.folder / "state" / "fleet.key")
        for name in names or (TAG,):
            board = provisioning.BOARDS[name[:3]]
            manifest, contents = compile_release(board, 1, ARCHITECTURE)
            contents = {path if path in manifest.root else f"a/{path}": data for path, data in contents.items()}
            contents["a/manifest.json"] = manifest.to_bytes()
            place = Place(("127.0.0.1", 1883), partners=(UNIT_ID if name == TAG else TAG_ID,))
            keys = provisioning.device_keys(fleet_key, name, UNIT)
            self._copy("board" if name == TAG else "unit", contents, provisioning.settings(name, board, place, keys, None))

    def _copy(self, folder: str, contents: dict[str, bytes], values: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory(prefix="emulated-") as there:
            for path, data in contents.items():
                (Path(there) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(there) / path).write_bytes(data)
            with EmulatedBoard(self.folder / folder, modules=Path(there)) as board:
                run_on(board.port, Path(there), _LOAD, mounts=False, paths=sorted(contents), values=values)

    # Releases

    def release(self) -> Path:
        """A bundle of these sources, built here."""
        self.typed("release", "keys")
        self.typed("release", "build", "--board", KIND, "--arch", ARCHITECTURE, "--number", 1)
        (found,) = (self.folder / "dist").glob("*.hwr")
        return found

    def newer(self, good: Path) -> Path:
        """A bundle of another build, in which nothing else is different; signed as the good one is."""
        place = Path("firmware/core/version.py")
        (source,) = [source for source, found in firmware_sources() if found == place]
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "version.mpy"
            compile_firmware(source, target, place, Path(scratch) / "folded", ARCHITECTURE, BUILD_OF_NEWER)
            return self._changed(good, place.with_suffix(".mpy").as_posix(), target.read_bytes(), BUILD_OF_NEWER)

    def broken(self, good: Path) -> Path:
        """A bundle whose application raises as it starts."""
        with tempfile.TemporaryDirectory() as scratch:
            source, target = Path(scratch) / "main.py", Path(scratch) / "main.mpy"
            source.write_text('raise ValueError("not today")\n', "utf-8")
            compile_module(source, target, "firmware/tag/main.py", ARCHITECTURE)
            return self._changed(good, "firmware/tag/main.mpy", target.read_bytes(), BUILD_OF_BROKEN)

    def _changed(self, good: Path, path: str, data: bytes, build: str) -> Path:
        keys = self.folder / "release-keys"
        bundle = read_bundle(good, load_trusted(keys / "release.pub"))
        contents = bundle.contents | {path: data}
        files = describe({path: data for path, data in contents.items() if path in bundle.manifest.files})
        manifest = replace(bundle.manifest, build=build, number=2, files=files)
        write_bundle(good.with_name(f"{build}.hwr"), manifest, contents, load_signer(keys / "release.key"))
        return good.with_name(f"{build}.hwr")

    # The scheme

    def wear(self, conditions: Sequence[Mapping[str, object]] = ()) -> None:
        """The tag is worn, since three days, under these conditions of a scheme's; it has not been told yet."""
        since = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
        wearer = {"id": "w1", "name": "W", "tag": TAG, "home_unit": UNIT, "from": since, "conditions": list(conditions)}
        scheme = {"timezone": "Europe/London", "wearers": [wearer], "policy": {"rest_interval_s": 1800}}
        path = self.folder / "state" / "scheme.yaml"
        path.write_text(yaml.safe_dump(scheme), "utf-8")
        apply_scheme(open_store(str(self.folder / "state" / "store.db")), load_scheme(path))

    def stored(self, kind: int) -> list[tuple[int, bytes]]:
        """(sequence, bytes) of the tag's records of a kind (record.FIX, record.EVENT) that the store holds."""
        query = "select seq, raw from record where device_id = :id and kind = :kind order by seq"
        return [(row.seq, row.raw) for row in self._rows(query, id=TAG_ID, kind=kind)]

    def records(self, device: int = TAG_ID) -> list[bytes]:
        """All of a device's, in order of sequence."""
        return [row.raw for row in self._rows("select raw from record where device_id = :id order by seq", id=device)]

    def orders(self) -> dict[int, str]:
        """kind (message.ORDER_*) → state of what the bridge has asked of the tag."""
        return {row.kind: row.state for row in self._rows("select kind, state from orders where device_id = :id", id=TAG_ID)}

    def _rows(self, query: str, **given: int) -> list:
        engine = create_engine(f"sqlite:///{self.folder / 'state' / 'store.db'}")
        with engine.connect() as connection:
            found = connection.execute(text(query), given).all()
        engine.dispose()
        return list(found)


def fill(board: EmulatedBoard, fixes: int) -> list[tuple[int, bytes]]:
    """A fix each minute until a minute ago, put into the journal of a board that is off. (sequence, bytes) of each."""
    made = []
    with board.partition("journal") as device:
        journal = Journal(device)
        assert journal.mount()
        began = int(time.time()) - 60 * fixes
        for minute in range(fixes):
            raw = bytearray(record.SIZE)
            where = (507_154_000 + 50 * minute, -24_367_000)
            record.pack_fix(raw, journal.next_seq, began + 60 * minute, record.MODE_GPS, 0, *where, 120, 50, 90, 9, 8, 80)
            assert journal.append(raw)
            made.append((record.seq_of(raw), bytes(raw)))
        assert device.violations == 0
    return made


def owed(board: EmulatedBoard) -> int:
    """How many records its journal holds that nobody has receipted, as its flash says."""
    with board.partition("journal") as device:
        journal = Journal(device)
        assert journal.mount()
        return journal.pending
