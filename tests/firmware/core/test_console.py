"""The debug console tells how a device is, changes nothing, and has no way to a key."""

import asyncio
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.battery import Gauge
from firmware.core.blockdev import RamDevice
from firmware.core.clock import Clock
from firmware.core.console import Console, serve
from firmware.core.journal import Journal
from firmware.core.seal import Ccm
from firmware.core.settings import Settings
from firmware.core.uplink import Uplink
from tests.firmware.core.commanded import Device, World
from tests.firmware.core.interpreter import run
from tests.firmware.core.mqtt.test_memory import compiled  # noqa: F401

KEY, RF_KEY, PASSWORD = bytes(range(0x41, 0x51)), bytes(range(0xA0, 0xB0)), "7e57beef" * 4
SECRETS = [KEY, RF_KEY, PASSWORD.encode(), KEY.hex().encode(), RF_KEY.hex().encode(), KEY.hex().upper().encode()]
COMMANDS = ["version", "state", "settings", "journal", "uplink", "power", "crash", "net"]


class Board:
    name = "tag_t_a7670_l76k"

    def __init__(self, store: World):
        self.store = store


def node_of(world: World) -> SimpleNamespace:
    """What a Node is after its start, with every secret where the device has it."""
    world.values["provision"] = b'{"key":"%s","rf_key":"%s"}' % (KEY.hex().encode(), RF_KEY.hex().encode())
    journal = Journal(RamDevice(4))
    assert journal.mount()
    device = Device(world)
    stream = SimpleNamespace(connected=True, attempts=3, session=SimpleNamespace(_password=PASSWORD))
    return SimpleNamespace(
        _board=Board(world),
        _provision=SimpleNamespace(key=KEY, rf_key=RF_KEY, password=PASSWORD),
        _settings=Settings({}),
        _journal=journal,
        _uplink=Uplink(journal, Ccm(KEY), 1, 1, on_body=device.orders.take),
        _clock=Clock(),
        _gauge=Gauge(SimpleNamespace(millivolts=lambda: 3900), 300),
        _orders=device.orders,
        _lease=device.lease,
        _carrier=SimpleNamespace(is_off=False, stream=stream, _key=KEY),
        _sleeper=SimpleNamespace(asleep_ms=5000),
        mode=1,
        moving=False,
        charging=True,
        strap_is_cut=False,
    )


@pytest.fixture(scope="module")
def node() -> SimpleNamespace:
    return node_of(World())


def answers(console: Console) -> dict[str, str]:
    return {command: console.answer(command) for command in ["help", *COMMANDS]}


def test_every_command_is_answered_by_one_line(node):
    told = answers(Console(node))
    assert told["help"].split() == ["help", *sorted(COMMANDS)]
    assert told["version"].endswith("board tag_t_a7670_l76k")
    assert told["state"].startswith("mode 1 strap closed moving 0 charging 1 battery") and "utc unknown" in told["state"]
    assert "fix_interval_s=60" in told["settings"].split() and len(told["settings"].split()) > 30
    assert told["journal"] == "next 1 unreleased from 1 lost 0 faults 0"
    assert told["net"] == "off 0 connected 1 attempts 3" and told["crash"] == "none"
    assert told["power"].startswith("asleep 5 s of")
    assert all(text and "\n" not in text for text in told.values())


def test_a_home_unit_has_no_strap_and_never_sleeps(node):
    bare = SimpleNamespace(**vars(node))
    del bare._sleeper, bare.strap_is_cut
    console = Console(bare)
    assert "strap none" in console.answer("state") and console.answer("power") == "always awake"


@given(st.binary(max_size=200) | st.sampled_from(COMMANDS).map(str.encode))
def test_no_line_brings_a_key_to_light_or_changes_anything(node, line: bytes):
    before = (dict(node._board.store.values), vars(node._settings).copy(), node._journal.next_seq, node._orders.last)
    text = Console(node).answer(line.decode("latin-1"))
    assert not any(secret in text.encode() for secret in SECRETS)
    assert before == (node._board.store.values, vars(node._settings), node._journal.next_seq, node._orders.last)


def test_no_attribute_of_it_leads_to_a_key(node):
    seen: set[int] = set()
    console = Console(node)
    todo: list[object] = [console]
    while todo:
        thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        data = thing.encode() if isinstance(thing, str) else bytes(thing) if isinstance(thing, (bytes, bytearray)) else b""
        assert not any(secret in data for secret in SECRETS)
        assert thing is not node and thing is not node._board.store and thing is not node._carrier
        if isinstance(thing, dict):
            todo += [*thing, *thing.values()]
        elif isinstance(thing, (list, tuple)):
            todo += thing
        # Names with two underscores lead out of a function on CPython only.
        todo += [getattr(thing, name) for name in dir(thing) if not name.startswith("__")]
    assert len(seen) > 10


class Line:
    """A serial line on which someone has typed."""

    def __init__(self, typed: bytes):
        self._typed = list(typed)

    async def read(self, n: int) -> bytes:
        return bytes([self._typed.pop(0)]) if self._typed else b""


@given(st.lists(st.binary(max_size=260) | st.sampled_from([b"journal", b" net "]), max_size=6))
def test_any_bytes_typed_are_answered_and_it_ends_with_the_line(node, lines: list[bytes]):
    line = Line(b"".join(one + b"\r\n" for one in lines) + b"journal\nunfinished")
    with redirect_stdout(StringIO()) as said:
        while asyncio.run(serve(node, line)) == b"\0":
            pass  # somebody speaks on the cable, and the console has the port again when that is over
    assert not any(secret in said.getvalue().encode() for secret in SECRETS)
    assert said.getvalue().endswith("next 1 unreleased from 1 lost 0 faults 0\n"), "and what was not ended was not asked"


def test_it_answers_on_the_device_and_costs_nothing_until_somebody_types(compiled):  # noqa: F811
    script = f"""
sys.path[:] = [{str(compiled)!r}, ".frozen"]
import asyncio, gc
from firmware.core import crash, version
class Any:
    def __getattr__(self, name):
        return 7
class Node:
    def __init__(self):
        self._journal = self._uplink = self._gauge = self._orders = self._lease = self._sleeper = Any()
        self._settings = Any()
        self._clock, self._carrier, self._board = Any(), Any(), Any()
        self._clock.read = lambda: None
        self._clock.is_set = False
        self._board.store = Any()
        self._board.store.blob = lambda key, size: b""
        self._settings.fix_interval_s = 60
        self._carrier.stream = Any()
        self.mode, self.moving, self.charging, self.strap_is_cut = 1, False, True, False
node = Node()
asyncio.StreamReader(None)  # an application has that module anyway
def used():
    gc.collect()
    return gc.mem_alloc()
before = used()
async def console(node):
    stream = asyncio.StreamReader(sys.stdin.buffer)
    if await stream.read(1):
        print("imported" if "firmware.core.console" in sys.modules else "not imported")
        await __import__("firmware.core.console", None, None, ("serve",)).serve(node, stream)
async def main():
    idle = used()
    task = asyncio.create_task(console(node))
    await asyncio.sleep_ms(0)
    print(used() - idle)
    await task
    print(used() - idle)
asyncio.run(main())
"""
    idle, imported, *told, loaded = run(script, ["", *COMMANDS, "no such thing"])
    print(f"{idle} bytes on this interpreter while nobody types, {loaded} from then on")
    assert imported == "not imported" and int(idle) < 1024
    assert len(told) == len(COMMANDS) + 1 and told[2] == "fix_interval_s=60" and told[-1] == "unknown; try help"
