"""A release over the air: real broker, real bridge, devices that run out of their own files. One household's morning, in which
its tag and its home unit are sent good releases and bad ones, and things die in between."""

import json
import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import insert

import sim.engine.run
from bridge.orders import asking
from bridge.orders.payloads import update_payload
from bridge.releases import Bundle
from bridge.store import schema
from bridge.store.opening import open_store
from firmware.core import ident, message, record
from sim.engine.device import Device
from sim.engine.flashed import FILES, running
from sim.engine.image import build, compile_module
from sim.engine.run import Run
from sim.scenario import load
from sim.silicon import _channels as ch
from tests.end_to_end.releases import BOARDS, VERSION, Contents, Factory, flashed_run, live, order, send
from tests.end_to_end.runs import flash_records
from tests.tools.commands import homeward

SCENARIO = load(Path(__file__).parent / "errand.yaml")
TAG, UNIT = "tag-000003", "hmu-000003"
BIG = [f"firmware/core/large_{i}.mpy" for i in range(3)]


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Factory:
    return Factory(tmp_path_factory.mktemp("factory"))


@pytest.fixture(scope="module")
def first(factory: Factory) -> dict[str, Bundle]:
    return {kind: factory.release(kind, 1000) for kind in BOARDS}


@pytest.fixture(scope="module", autouse=True)
def one_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is not flashed is compiled once for all runs."""
    image = build(tmp_path_factory.mktemp("image"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim.engine.run, "build", lambda folder: image)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, factory: Factory, first: dict[str, Bundle]) -> Iterator[Run]:
    """One morning for all: each test finds its devices as the one before left them."""
    with flashed_run(tmp_path_factory.mktemp("morning") / "run", SCENARIO, factory, first) as run:
        live(run, 2)
        yield run
        for each in run.kernel.devices:
            assert not each.crashes, each.crashes


def module(folder: Path, text: str) -> bytes:
    """A module of MicroPython, compiled."""
    source, target = folder / "m.py", folder / "m.mpy"
    source.write_text(text)
    compile_module(source, target, "m.py", "")
    return target.read_bytes()


def large(contents: Contents) -> None:
    """Some tens of windows more than before."""
    for i, path in enumerate(BIG):
        contents[path] = b"".join(struct.pack("<I", i << 16 | k) for k in range(12_000))


def device(run: Run, name: str) -> Device:
    return next(each for each in run.kernel.devices if each.name == name)


def folder_of(run: Run, name: str) -> Path:
    return run.folder.path / "devices" / name


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def holds(folder: Path, bundle: Bundle) -> bool:
    """Whether a folder holds this release and nothing else."""
    wanted = {path: bundle.contents[path] for path in bundle.manifest.files}
    return content(folder) == wanted | {"manifest.json": bundle.manifest.to_bytes()}


def is_over(run: Run, order_id: int):
    return lambda: order(run, order_id).state not in ("queued", "sent")


def answer_of(run: Run, order_id: int):
    assert run.engine is not None
    with run.engine.connect() as connection:
        return asking.order_of(connection, order_id)


def events(run: Run, name: str, code: int) -> list[record.Record]:
    """What the device's own flash says."""
    records = [record.Record(raw) for _, raw in sorted(flash_records(folder_of(run, name)).items())]
    return [each for each in records if each.kind == record.EVENT and each.code == code]


def test_a_release_survives_whatever_dies_and_nobody_waits_for_it(run: Run, factory: Factory):
    """Power, bridge and broker each fail once; the tag vibrates in the meantime."""
    assert run.services is not None
    bundle = factory.release("tag", 2000, large)
    tag = device(run, TAG)
    update = send(run, TAG, bundle)

    def has(share: float):
        return lambda: (order(run, update).result or {"at": 0})["at"] > share * len(bundle.image)

    assert live(run, 15, has(0.1), step_ms=500)
    engine = open_store(run.folder.store)
    shake = asking.ask(engine, TAG, message.ORDER_VIBRATE, by_whom="test")
    engine.dispose()
    while answer_of(run, shake).state == "queued":
        run.kernel.idle(0.05)
    assert live(run, 15, lambda: answer_of(run, shake).state == "done", step_ms=500)
    assert order(run, update).state == "sent"
    assert live(run, 15, has(0.2), step_ms=500)
    tag.push(tag.horizon_ms + 1, ch.POWER, 0, b"\x00")
    tag.push(tag.horizon_ms + 3000, ch.POWER, 0, b"\x01")
    assert live(run, 15, has(0.4), step_ms=500)
    run.services.bridge.kill()
    assert live(run, 15, has(0.6), step_ms=500)
    run.services.broker.kill()
    assert live(run, 15, is_over(run, update))
    assert order(run, update).state == "done"
    assert live(run, 15, lambda: order(run, update).running == bundle.manifest.build)  # by its own word, a little later
    assert running(folder_of(run, TAG)) == "b" and holds(folder_of(run, TAG) / FILES / "b", bundle)
    assert tag.lives == 3  # the power failed, and then the new release
    # What had come before the power failed was not asked for again: at most a window twice for each thing that died.
    window = 32 * message.UPDATE_DATA_MAX
    asked = sum(each.value_b >> 24 & 0xFF for each in events(run, TAG, record.UPDATE)) * message.UPDATE_DATA_MAX
    assert asked <= sum(len(bundle.contents[path]) for path in BIG) + len(bundle.manifest.to_bytes()) + 8 * window


def test_a_home_unit_fetches_only_what_differs(run: Run, factory: Factory):
    changed = "firmware/core/zonemap.mpy"

    def change(contents: Contents) -> None:
        contents[changed] = contents[changed] + b"\0"  # what follows the code is not looked at

    bundle = factory.release("hmu", 2000, change)
    sent = homeward("release", "send", UNIT, "--release", factory.path("hmu", 2000), "--no-wait", cwd=run.folder.path)
    assert sent.returncode == 0 and UNIT in sent.stdout, sent
    told, *_ = json.loads(homeward("release", "status", "--json", cwd=run.folder.path).stdout)
    assert (told["device"], told["runs"]) == (UNIT, f"{1000:012x}")
    update = told["order"]
    assert live(run, 15, is_over(run, update))
    assert "runs it" in homeward("release", "status", cwd=run.folder.path).stdout
    assert order(run, update).state == "done"
    assert running(folder_of(run, UNIT)) == "b" and holds(folder_of(run, UNIT) / FILES / "b", bundle)
    asked = sum(each.value_b >> 24 & 0xFF for each in events(run, UNIT, record.UPDATE)) * message.UPDATE_DATA_MAX
    differs = sum(len(bundle.contents[path]) for path in (changed, VERSION))
    assert asked <= len(bundle.manifest.to_bytes()) + differs + 4 * message.UPDATE_DATA_MAX
    # … and back again, which has to be allowed; there is nothing to be fetched for it but the manifest.
    before = factory.release("hmu", 1000)
    update = send(run, UNIT, before)
    assert live(run, 15, is_over(run, update))
    assert (order(run, update).state, order(run, update).status) == ("refused", message.OLDER)
    update = send(run, UNIT, before, allow_older=True)
    assert live(run, 15, is_over(run, update))
    assert order(run, update).state == "done" and running(folder_of(run, UNIT)) == "a"


def test_a_release_that_crashes_is_rolled_back_and_told(run: Run, factory: Factory, tmp_path: Path):
    runs, lives = running(folder_of(run, TAG)), device(run, TAG).lives
    before = content(folder_of(run, TAG) / FILES / runs)

    def crash(contents: Contents) -> None:
        contents["firmware/tag/main.mpy"] = module(tmp_path, "raise RuntimeError('this release is broken')")

    update = send(run, TAG, factory.release("tag", 3000, crash))
    assert live(run, 15, is_over(run, update))
    assert (order(run, update).state, order(run, update).status) == ("refused", message.ROLLED_BACK)
    assert running(folder_of(run, TAG)) == runs and content(folder_of(run, TAG) / FILES / runs) == before
    assert device(run, TAG).lives == lives + 3 + 1
    assert len(events(run, TAG, record.CRASH)) == 1 and not events(run, TAG, record.SAFE_MODE)
    # It is none the worse for it: the next release is taken as if nothing had been.
    update = send(run, TAG, factory.release("tag", 3001))
    assert live(run, 15, is_over(run, update))
    assert order(run, update).state == "done" and running(folder_of(run, TAG)) != runs


def test_a_release_that_never_gets_to_the_bridge_is_rolled_back_within_its_time(run: Run, factory: Factory, tmp_path: Path):
    runs, lives, boots = running(folder_of(run, TAG)), device(run, TAG).lives, len(events(run, TAG, record.BOOT))
    deaf = "def tcp_opener(host, port):\n def opener():\n  raise OSError(113)\n return opener\ntls_opener = None"

    def change(contents: Contents) -> None:
        contents["firmware/core/mqtt/opener.mpy"] = module(tmp_path, deaf)

    update = send(run, TAG, factory.release("tag", 4000, change))
    assert live(run, 90, is_over(run, update), step_ms=30_000)
    assert (order(run, update).state, order(run, update).status) == ("refused", message.ROLLED_BACK)
    assert running(folder_of(run, TAG)) == runs and device(run, TAG).lives == lives + 2
    assert len(events(run, TAG, record.BOOT)) == boots + 2


def test_what_is_for_another_board_or_was_tampered_with_is_refused(run: Run, factory: Factory, first: dict[str, Bundle]):
    """By the device where the bridge's own look was got round, and by the bridge where the store was."""
    assert run.services is not None
    runs, lives = running(folder_of(run, TAG)), device(run, TAG).lives
    device_id = ident.parse_device_name(TAG)

    def put(payload: bytes, release: str) -> int:
        engine = open_store(run.folder.store)
        values = {
            "device_id": device_id, "kind": message.ORDER_UPDATE, "payload": payload, "by_whom": "test", "reason": "",
            "detail": {"release": release, "version": "", "build": "", "size": 1}, "created_ms": 0, "state": "queued",
        }  # fmt: skip
        with engine.begin() as connection:
            order_id = connection.execute(insert(schema.orders).values(values)).inserted_primary_key[0]  # pyright: ignore
        engine.dispose()
        return order_id

    other = first["hmu"]
    update = put(update_payload(other.manifest.to_bytes(), 5000, other.manifest.board), other.sha256)
    assert live(run, 15, is_over(run, update))
    assert (order(run, update).state, order(run, update).status) == ("refused", message.WRONG_BOARD)

    # A release in the store with a byte changed: nothing of it leaves the bridge.
    bundle = factory.release("tag", 5001, large)
    damaged = bytearray(bundle.data)
    damaged[damaged.find(struct.pack("<I", 1 << 16 | 7000))] ^= 1
    engine = open_store(run.folder.store)
    values = {
        "sha256": bundle.sha256, "version": "0.1.0", "build": bundle.manifest.build, "number": 5001,
        "board": bundle.manifest.board, "bundle": bytes(damaged), "added_ms": 0, "by_whom": "nobody",
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(schema.release).values(values))
    engine.dispose()
    update = put(update_payload(bundle.manifest.to_bytes(), 5001, bundle.manifest.board), bundle.sha256)
    live(run, 3)
    assert order(run, update).state == "sent" and order(run, update).result["at"] == 0
    assert "no release to be sent" in (run.folder.path / "bridge.log").read_text()

    # An order that announces another hash than what comes: the device holds everything against the order.
    good = factory.release("tag", 5002)
    payload = bytearray(update_payload(good.manifest.to_bytes(), 5002, good.manifest.board))
    assert payload[7:39] == sha256(good.manifest.to_bytes()).digest()
    payload[7] ^= 1
    send(run, TAG, good)  # on the shelf, and replaced at once
    update = put(bytes(payload), good.sha256)
    assert live(run, 15, is_over(run, update))
    assert (order(run, update).state, order(run, update).status) == ("refused", message.BAD_RELEASE)
    assert running(folder_of(run, TAG)) == runs and device(run, TAG).lives == lives
