"""Zones on the device's interpreter: they tell there what they tell here, allocate nothing, and fit the heap."""

import math
import random
from array import array
from pathlib import Path

from bridge.orders.zonemap import Zone, pack
from firmware.tag.zones import Zones
from sim.engine.image import compile_firmware, firmware_sources, host_architecture
from tests.firmware.core.interpreter import run
from tests.firmware.core.receivers import needs_micropython, run_micropython
from tests.firmware.tag.zone_field import START, Flash, circle, place, square

pytestmark = needs_micropython

HEAP_MAX = 11_000  # bytes of the 64-bit interpreter for geo and zones, room for 64 zones included; pointers are half on a device

# Both interpreters run this: fixes of five words (lat, lon, radius in dm, UTC after START, 0 check, 1 tick or 2 forget).
RUN = """
def run(Zones, read, start, size, fixes, START, say):
    zones = Zones(read, start, size, 15, 200, 60, say)
    pos = fixes[0:2]
    for i in range(0, len(fixes), 5):
        pos[0] = fixes[i]
        pos[1] = fixes[i + 1]
        now = START + fixes[i + 3]
        if fixes[i + 4] == 0:
            zones.check(pos, fixes[i + 2], now)
        elif fixes[i + 4] == 1:
            zones.tick(now)
        else:
            zones.forget()
        say(zones.interval_s(), zones.in_violation, zones.is_home(pos, fixes[i + 2]), zones.refused)
"""
ON_DEVICE = (
    RUN
    + """
from array import array
if sys.argv[1] == "plain":
    import firmware.core._geo_plain, firmware.tag._zones_plain
    sys.modules["firmware.core._geo_viper"] = firmware.core._geo_plain
    sys.modules["firmware.tag._zones_viper"] = firmware.tag._zones_plain
from firmware.tag.zones import Zones
with open(sys.argv[2], "rb") as file:
    raw = file.read()
with open(sys.argv[3], "rb") as file:
    fixes = array("i", file.read())
def read(offset, buf):
    buf[:] = raw[offset : offset + len(buf)]
run(Zones, read, 0, len(raw), fixes, int(sys.argv[4]), print)
"""
)


def many_zones() -> list[Zone]:
    rng = random.Random(9)
    zones = [circle(0, "home", 60, confirm=1)]
    for k in range(1, 20):
        north, east, size = rng.uniform(-3000, 3000), rng.uniform(-3000, 3000), rng.uniform(50, 900)
        corners = sorted(rng.uniform(0, 2 * math.pi) for _ in range(rng.randint(3, 20)))
        shape = [place(north + size * math.sin(a), east + size * math.cos(a)) for a in corners]
        times = [(START + 3000 * j, START + 3000 * j + rng.randint(300, 2900)) for j in range(rng.choice((0, 0, 6)))]
        zones.append(Zone(k * 3000, rng.choice(("exclusion", "inclusion")), shape, rng.choice((0, 30)), rng.randint(1, 4), times))
    return zones


def walk(steps: int) -> array:
    rng = random.Random(10)
    out = array("i")
    north = east = 0.0
    now = 0
    for _ in range(steps):
        north, east = north * 0.999 + rng.gauss(0, 60), east * 0.999 + rng.gauss(0, 60)
        now += rng.choice((1, 15, 60))
        lat, lon = place(north, east)
        what = rng.choices((0, 1, 2), (20, 3, 1))[0]
        out.extend((round(lat * 1e7), round(lon * 1e7), rng.choice((30, 80, 200, 1000, 30_000)), now, what))
    return out


def test_machine_code_bytecode_and_cpython_tell_the_same(tmp_path):
    raw, fixes = pack(many_zones()), walk(1000)
    (tmp_path / "map").write_bytes(raw)
    (tmp_path / "fixes").write_bytes(fixes)
    here: list[str] = []
    scope: dict = {}
    exec(RUN, scope)
    flash = Flash(raw)
    scope["run"](Zones, flash.read, flash.start, len(raw), fixes, START, lambda *said: here.append(" ".join(map(str, said))))
    assert len({line for line in here}) > 50
    for how in ("native", "plain"):
        there = run_micropython(ON_DEVICE, how, tmp_path / "map", tmp_path / "fixes", START, heap="4M").splitlines()
        assert there == here, how


MEASURE = """
import gc
from array import array
import firmware.core.port
def used():
    gc.collect()
    return gc.mem_alloc()
def read(offset, buf):
    file.seek(offset)
    file.readinto(buf)
def change(ident, kind, inside, radius_dm):
    pass
file = open(MAP, "rb")
before = used()
from firmware.tag.zones import Zones
zones = Zones(read, 0, SIZE, 15, 200, 60, change)
heap = used() - before
pos = array("i", POS)
now = START
for _ in range(5):
    zones.check(pos, 100, now)
    zones.tick(now)
    now += 60
states = zones.interval_s(), zones.in_violation, zones.is_home(pos, 100)
gc.collect()
gc.disable()
start = gc.mem_alloc()
for _ in range(100):
    zones.check(pos, 100, now)
    zones.tick(now)
    zones.is_home(pos, 100)
    zones.interval_s()
    zones.in_violation
    now += 60
print(heap, gc.mem_alloc() - start, states)
"""


def test_eight_zones_fit_the_heap_and_no_byte_is_allocated_a_check(tmp_path: Path):
    image = tmp_path / "image"
    for source, target in firmware_sources():
        if target.parts[1] in ("__init__.py", "core", "tag"):
            compile_firmware(source, (image / target).with_suffix(".mpy"), target, tmp_path / "folded", host_architecture())
    rim = [2 * math.pi * k / 16 for k in range(16)]
    shape = [place(300 * math.sin(a), 300 * math.cos(a)) for a in rim]
    zones = [circle(k, "inclusion", north_m=50_000 * (k % 2)) for k in range(4)]
    zones += [Zone(4 + k, "exclusion", shape, intervals=[(START, START + 10**6)]) for k in range(3)] + [circle(9, "home")]
    raw = pack(zones)
    (tmp_path / "map").write_bytes(raw)
    lat, lon = place(20)
    script = f"sys.path[:] = [{str(image)!r}, '.frozen']\nMAP = {str(tmp_path / 'map')!r}\nSIZE = {len(raw)}\nSTART = {START}\n"
    script += f"POS = ({round(lat * 1e7)}, {round(lon * 1e7)})\n{MEASURE}"
    (line,) = run(script)
    heap, allocated, states = line.split(" ", 2)
    print(f"geo and zones: {heap} B of heap")
    assert states == "(15, True, True)"
    assert int(allocated) == 0
    assert int(heap) <= HEAP_MAX


def test_a_zone_at_the_date_line_is_the_same_on_the_device(tmp_path):
    box = [(lat, (179.999 + east + 180) % 360 - 180) for lat, east in ((-0.01, 0), (-0.01, 0.01), (0.01, 0.01), (0.01, 0))]
    raw = pack([Zone(1, "exclusion", box, confirm=1), Zone(2, "home", square(50))])
    (tmp_path / "map").write_bytes(raw)
    (tmp_path / "fixes").write_bytes(
        array("i", (0, -1_799_980_000, 50, 0, 0, 0, 1_799_995_000, 50, 15, 0, 0, 1_799_900_000, 50, 30, 0))
    )
    said = run_micropython(ON_DEVICE, "native", tmp_path / "map", tmp_path / "fixes", START).splitlines()
    here = ["1 1 True 50", "15 True False None"], ["15 True False None"], ["1 1 False 50", "2 3 False 50", "0 False False None"]
    assert said == [line for lines in here for line in lines]
