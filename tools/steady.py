"""What a tag's steady loop leaves behind: bytes a pass of NMEA epoch → fix → clock → journal → zones, collector off.

On the interpreter of a simulated device, with its heap and the modules compiled as they are flashed; 20 passes near a circle
and a polygon whose points are read from flash each time. These are the 64-bit interpreter's bytes: pointers take half of that
on a microcontroller, but there a number of 31 bits and more (UTC, a CRC, a longitude beyond 107 degrees) is an object of
16 bytes where here it is none.
"""

import subprocess
import sys
from pathlib import Path

from bridge.orders.zonemap import Circle, Zone, pack

_PASSES = 20
_SCRIPT = """
import gc, sys
sys.path.insert(0, DEVICE)
from firmware.core import gnss
from firmware.core.blockdev import RamDevice
from firmware.core.clock import Clock
from firmware.core.journal import Journal
from firmware.core.recorder import Recorder
from firmware.core.slots import Slots
from firmware.tag.zones import Zones
passes = PASSES
class State:
    mode = 1
    charging = False
    moving = True
    battery = 80
journal = Journal(RamDevice(8))
journal.mount()
data = bytes.fromhex(ZONES)
slots = Slots(RamDevice(4))
slots.mount()
slots.begin(len(data))
slots.write(0, data)
slots.keep(1, len(data))
zones = Zones(slots.readinto, 0, slots.size, 15, 200, 60, lambda *what: None)
clock = Clock()
recorder = Recorder(journal, clock, 1, State(), lambda urgent: None)
def on_epoch(fix):
    clock.set(fix.utc_s, fix.millis, 0)
    recorder.fix(fix)
    zones.check(fix.pos, fix.radius_dm, clock.utc_s)
receiver = gnss.Receiver(on_epoch)
def checked(body):
    total = 0
    for byte in body.encode():
        total ^= byte
    return "$%s*%02X\\r\\n" % (body, total)
epoch = bytearray("".join(checked(body) for body in (
    "GNRMC,120000.000,A,5043.0000,N,00226.0000,W,0.02,35.55,010126,,,A,V",
    "GNGGA,120000.000,5043.0000,N,00226.0000,W,1,17,0.8,77.5,M,-21.6,M,,",
    "GNGSA,A,3,01,02,03,04,05,06,,,,,,,1.5,0.9,1.2,1",
    "GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1",
)).encode())
size = len(epoch)
def once():
    receiver.feed(epoch, size)
    receiver.idle()
for _ in range(5):
    once()
before = after = 0  # the names' own room is taken before it is measured
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(passes):
    once()
after = gc.mem_alloc()
assert zones.interval_s() == 15 and journal.next_seq == passes + 6
print((after - before) / passes)
"""


def steady_bytes_per_fix(device: Path) -> float:
    """Bytes a pass, for the modules in the folder `device` (`sim.engine.image`'s). RuntimeError with the interpreter's words."""
    home = (50.7167, -2.4333)
    corners = [(50.7160, -2.4340), (50.7160, -2.4320), (50.7175, -2.4320), (50.7175, -2.4340)]
    zones = pack(
        [Zone(1, "exclusion", Circle(*home, 300.0)), Zone(2, "home", corners), Zone(3, "exclusion", Circle(51.5, 0.0, 900.0))]
    )
    given = f"DEVICE = {str(device)!r}\nZONES = {zones.hex()!r}\nPASSES = {_PASSES}\n"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("micropython")), "-X", "heapsize=128wK", "-c", given + _SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"the interpreter ended with {done.returncode}: {done.stderr or done.stdout}")
    return float(done.stdout)
