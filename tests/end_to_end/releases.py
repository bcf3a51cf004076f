"""Runs whose devices were flashed: a household out of signed releases, and a bridge that knows who signs."""

from collections.abc import Callable
from pathlib import Path

from bridge.releases import Bundle, Manifest, load_signer, make_keys, rollout, write_bundle
from bridge.releases.bundle import describe
from bridge.store.opening import open_store
from sim.engine.flashed import flash
from sim.engine.folder import RunFolder
from sim.engine.image import compile_firmware, firmware_sources, host_architecture
from sim.engine.run import Options, Run
from sim.scenario import Scenario
from tools.release.build import compile_release

BOARDS = {"tag": "tag_t_a7670_l76k", "hmu": "hmu_esp32_poe"}
VERSION = "firmware/core/version.mpy"
Contents = dict[str, bytes]


class Factory:
    """Builds and signs releases for tests. `compiled`: by kind, the firmware as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.public = make_keys(folder / "keys")
        self.compiled = {kind: compile_release(board, 1000, host_architecture()) for kind, board in BOARDS.items()}

    def release(self, kind: str, number: int, change: Callable[[Contents], None] = lambda contents: None) -> Bundle:
        """The firmware with a number, and with some of its files changed."""
        manifest, contents = self.compiled[kind]
        contents = {**contents, VERSION: self._version(f"{number:012x}")}
        change(contents)
        fields = {name: getattr(manifest, name) for name in ("version", "kind", "board", "arch", "mpy")}
        files = describe({path: data for path, data in contents.items() if path not in manifest.root})
        root = describe({path: contents[path] for path in manifest.root})
        new = Manifest(build=f"{number:012x}", number=number, files=files, root=root, **fields)
        return write_bundle(self.path(kind, number), new, contents, load_signer(self.key))

    def path(self, kind: str, number: int) -> Path:
        """The file of a release."""
        return self.folder / f"{kind}-{number}.hwr"

    def _version(self, build: str) -> bytes:
        """The module that says which build it is."""
        place, target = Path(VERSION).with_suffix(".py"), self.folder / "version.mpy"
        source = next(source for source, each in firmware_sources() if each == place)
        compile_firmware(source, target, place, self.folder / "folded", host_architecture(), build)
        return target.read_bytes()


class FlashedFolder(RunFolder):
    """Every device that is provisioned in it is flashed with the release of its kind."""

    def __init__(self, path: Path, public: Path, releases: dict[str, Bundle]) -> None:
        super().__init__(path)
        (self.path / "release.pub").write_bytes(public.read_bytes())
        self._releases = releases

    def write_bridge_settings(self, broker_port: int, clock: str) -> None:
        super().write_bridge_settings(broker_port, clock)
        with (self.path / "bridge.toml").open("a") as file:
            file.write('release_keys_file = "release.pub"\n')

    def provision(self, name: str, *arguments, **more) -> Path:
        folder = super().provision(name, *arguments, **more)
        flash(folder, self._releases[name.partition("-")[0]])
        return folder


def flashed_run(folder: Path, scenario: Scenario, factory: Factory, releases: dict[str, Bundle]) -> Run:
    return Run(scenario, FlashedFolder(folder, factory.public, releases), Options(until_ms=scenario.until_ms))


def send(run: Run, name: str, bundle: Bundle, **more) -> int:
    """Ask for it, now; the order's id."""
    engine = open_store(run.folder.store)
    try:
        return rollout.ask(engine, [name], bundle, by_whom="test", **more)[0]
    finally:
        engine.dispose()


def order(run: Run, order_id: int):
    assert run.engine is not None
    with run.engine.connect() as connection:
        return rollout.progress(connection, [order_id])[0]


def live(run: Run, most_min: float, is_over: Callable[[], bool] = lambda: False, step_ms: int = 5000) -> bool:
    """Let time pass in steps, with a moment of real time between them for what the bridge does by itself. Whether it was over
    before so many minutes had passed."""
    assert run.services is not None
    t_ms = run.now_ms
    until_ms = t_ms + most_min * 60_000
    while not is_over():
        if t_ms >= until_ms:
            return False
        t_ms += step_ms
        run.kernel.run_to(t_ms, run.services.watch)
        run.kernel.idle(0.02)
    return True
