"""The `sim` rig's tag with releases on its file system, sent and tried over the air (`rig.releases`)."""

import tempfile
from pathlib import Path

from bridge.releases import Bundle, Manifest, load_signer, make_keys, rollout, write_bundle
from bridge.releases.bundle import describe
from bridge.releases.manifest import parse_manifest
from bridge.store.opening import open_store
from firmware.core import message
from sim.engine.flashed import FILES, flash, running
from sim.engine.folder import RunFolder
from sim.engine.image import compile_module, host_architecture
from sim.engine.run import Run
from tools.release.build import compile_release

_BOARDS = {"tag": "tag_t_a7670_l76k", "hmu": "hmu_esp32_poe"}
_TAG = "tag-000001"
_FIRST = 1000


class FlashedTag:
    """`run_folder` before the run, `run` as soon as it is there."""

    run: Run

    def __init__(self, folder: Path) -> None:
        self._folder = folder.with_name("releases")
        self._key, self._public = make_keys(self._folder / "keys")
        self._compiled = {kind: compile_release(board, _FIRST, host_architecture()) for kind, board in _BOARDS.items()}
        self._number = _FIRST

    def run_folder(self, folder: Path) -> RunFolder:
        first = {kind: self._bundle(kind, _FIRST, {}) for kind in _BOARDS}
        return _Folder(folder, self._public, first)

    def send(self, change: str) -> int:
        self._number += 1
        changed = {} if change == "good" else {"firmware/tag/main.mpy": _broken()}
        engine = open_store(self.run.folder.store)
        try:
            return rollout.ask(engine, [_TAG], self._bundle("tag", self._number, changed), by_whom="hil_tests")[0]
        finally:
            engine.dispose()

    def state(self, order: int) -> str:
        row = self._row(order)
        return "rolled back" if row.state == "refused" and row.status == message.ROLLED_BACK else row.state

    def runs(self) -> str:
        folder = self.run.folder.path / "devices" / _TAG
        manifest = folder / FILES / running(folder).rstrip("?") / "manifest.json"
        return str(parse_manifest(manifest.read_bytes(), manifest).number)

    def _row(self, order: int):
        assert self.run.engine is not None
        with self.run.engine.connect() as connection:
            return rollout.progress(connection, [order])[0]

    def _bundle(self, kind: str, number: int, changed: dict[str, bytes]) -> Bundle:
        manifest, contents = self._compiled[kind]
        contents = contents | changed
        fields = {name: getattr(manifest, name) for name in ("version", "kind", "board", "arch", "mpy")}
        files = describe({path: data for path, data in contents.items() if path not in manifest.root})
        root = describe({path: contents[path] for path in manifest.root})
        new = Manifest(build=f"{number:012}", number=number, files=files, root=root, **fields)
        return write_bundle(self._folder / f"{kind}-{number}.hwr", new, contents, load_signer(self._key))


def _broken() -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "m.py", Path(scratch) / "m.mpy"
        source.write_text("raise RuntimeError('this release is broken')\n")
        compile_module(source, target, "m.py", host_architecture())
        return target.read_bytes()


class _Folder(RunFolder):
    """A run's folder whose devices are flashed as they are provisioned, and whose bridge knows who signs."""

    def __init__(self, path: Path, public: Path, first: dict[str, Bundle]) -> None:
        super().__init__(path)
        self._public, self._first = public, first

    def write_bridge_settings(self, broker_port: int, clock: str) -> None:
        super().write_bridge_settings(broker_port, clock)
        with (self.path / "bridge.toml").open("a") as file:
            file.write(f'release_keys_file = "{self._public}"\n')

    def provision(self, name: str, *arguments, **more) -> Path:
        folder = super().provision(name, *arguments, **more)
        flash(folder, self._first[name.partition("-")[0]])
        return folder
