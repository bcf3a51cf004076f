"""What the product can do, measured: `run_bench(json_path)` prints a table and writes a list of `{name, value, unit}`.

On the interpreter of a simulated device, with a device's heap and the modules compiled as they are flashed:
    nmea.*      one second of a two-system receiver's sentences, fed again; bytes are `gc.mem_alloc`, collector off
    seal.*      32 records sealed as one message, and one record alone
    journal.*   records appended to a ring in RAM, sectors opened and erased on the way
    tag.steady_bytes_per_fix    `tools.steady`
In the simulator:
    tag.heap_*, hmu.heap_*  what lives on the heap after a collection, the most at any moment at which a device hands over to
                the engine, in the demonstration's first three hours (at home, and out), by the interpreter's own `gc`; 64-bit
                bytes are halved, which is what a 32-bit word takes. `peak`: less what the simulator's own modules held before
                the application was imported, for no board carries them; `with_simulator`: all of it.
    tag.hours_*, tag.days_*, hmu.hours_*    `sim.engine.endurance`, with what they assume; not with `quick`
    sim.*       `tools.bench_sim`; and the demonstration's day on `--speed max`, without a console, with whose CPU it took: the
                engine's process, the devices', or the services' (broker and bridge)
By itself:
    mpy.bytes.* every module that a board is flashed with, compiled by mpy-cross for Xtensa
    mcu.*       `tools.bench_mcu`: instructions and bytes on an emulated Cortex-M3, where its programs are installed
    bridge.*    `bridge.bench`, on one core
    flash.*     `tools.bench_flash`
    dock.*      `tools.bench_dock`

Nothing is asserted. Numbers of a shared machine vary by a third; bytes do not.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

import psutil

from firmware.core import message, record
from tools.steady import steady_bytes_per_fix

if TYPE_CHECKING:
    from sim.engine.image import Image
    from sim.engine.run import Run


class Row(TypedDict):
    name: str
    value: float
    unit: str
    assumes: NotRequired[list[str]]


_HEAP = "128wK"
_HOUR_MS = 3_600_000
_BOARDS = {"tag_t_a7670_l76k": "tag", "hmu_esp32_poe": "hmu", "hmu_t_a7670": "hmu"}
_BOARD_ARCHITECTURE = "xtensawin"  # ESP32

_PRELUDE = """
import sys, gc, time
sys.path.insert(0, sys.argv[1])
n = int(sys.argv[2])
def us(function, times):
    start = time.ticks_us()
    for _ in range(times):
        function()
    return time.ticks_diff(time.ticks_us(), start) / times
def say(name, value):
    print(name, value)
"""

_NMEA = (
    _PRELUDE
    + """
from firmware.core import gnss
fixes = 0
def on_epoch(fix):
    global fixes
    fixes += 1
receiver = gnss.Receiver(on_epoch)
def checked(body):
    total = 0
    for byte in body.encode():
        total ^= byte
    return "$%s*%02X\\r\\n" % (body, total)
data = bytearray("".join(checked(body) for body in (
    "GNRMC,120000.000,A,5043.0000,N,00226.0000,W,0.02,35.55,010126,,,A,V",
    "GNGGA,120000.000,5043.0000,N,00226.0000,W,1,17,0.8,77.5,M,-21.6,M,,",
    "GNGSA,A,3,01,02,03,04,05,06,,,,,,,1.5,0.9,1.2,1",
    "GNGSA,A,3,65,66,,,,,,,,,,,1.5,0.9,1.2,2",
    "GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1",
    "GPGSV,2,2,08,15,40,083,46,16,17,308,41,17,07,344,39,18,22,228,45,1",
)).encode())
SENTENCES = 6
size = len(data)
def second():
    receiver.feed(data, size)
    receiver.idle()
second()
before = after = _ = 0  # the names' own room is taken before it is measured
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(20):
    receiver.feed(data, size)
    receiver.idle()
after = gc.mem_alloc()
say("nmea.bytes_per_sentence", (after - before) / 20 / SENTENCES)
gc.enable()
say("nmea.us_per_sentence", us(second, n) / SENTENCES)
"""
)

# The constants are the host's: a device's modules have theirs folded in.
_SEAL_AND_JOURNAL = (
    _PRELUDE
    + f"""
HEADER, TAG_LENGTH, RECORDS = {message.HEADER}, {message.TAG_LENGTH}, {message.RECORDS}
SIZE, MODE_GPS, STATUS = {record.SIZE}, {record.MODE_GPS}, {record.STATUS}
"""
    + """
from firmware.core import blockdev, journal, message, record, seal
ccm = seal.Ccm(bytes(range(16)))
def sealing(count):
    buf = bytearray(HEADER + count * SIZE + TAG_LENGTH)
    message.pack_header(buf, RECORDS, 1, count, 0x01000001, 1)
    return lambda: ccm.seal(buf, count * SIZE)
say("seal.us_per_record", us(sealing(32), n // 10) / 32)
say("seal.us_single_record", us(sealing(1), n))
device = blockdev.RamDevice(8)
ring = journal.Journal(device)
ring.mount()
raw = bytearray(SIZE)
def append():
    record.pack_event(raw, ring.next_seq, 1780290000, MODE_GPS, 0, STATUS, 1, 2, 80)
    ring.append(raw)
append()
say("journal.append_us", us(append, n))
"""
)


def run_bench(json_path: Path | None = None, quick: bool = False, long: bool = False) -> list[Row]:
    """Measure all, print the table, and write the list when a path is given. `quick`: shorter, the day is two hours; `long`: the
    simulated year and week as they are, not from a part of them."""
    rows: list[Row] = []
    parts: list[tuple[str, Callable[[bool], Iterator[Row]]]] = [
        ("device", device_rows),
        ("heap", heap_rows),
        ("endurance", energy_rows),
        ("mpy", mpy_rows),
        ("mcu", mcu_rows),
        ("sim", sim_rows),
        ("fleet", partial(fleet_rows, long=long)),
        ("bridge", bridge_rows),
        ("flash", flash_rows),
        ("dock", dock_rows),
    ]
    for name, part in parts:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += part(quick)
    show(rows)
    if json_path is not None:
        json_path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def show(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    from tools import bench_mcu

    table = Table(title="Homeward: measured")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(row["name"], f"{row['value']:,.10g}", row["unit"])
    out = Console()
    out.print(table)
    beside = bench_mcu.peers({row["name"]: row["value"] for row in rows})
    if beside is not None:
        out.print(beside)
    for row in rows:
        if "assumes" in row:
            out.print(f"{row['name']}: {row['assumes'][0]}")
            for line in row["assumes"][1:]:
                out.print(f"    {line}", highlight=False, soft_wrap=True)
    memory_gib = psutil.virtual_memory().total / 2**30
    out.print(
        f"{os.cpu_count()} cores ({platform.machine()}), {memory_gib:.0f} GiB, Python {platform.python_version()}. "
        + _what_limits(rows),
        highlight=False,
    )


def _what_limits(rows: list[Row]) -> str:
    """Where the time of a run goes: the engine is one process, the devices and the services are many."""
    found = {row["name"].rpartition(".")[2]: row["value"] for row in rows if row["name"].startswith("sim.cpu_s.")}
    if not found:
        return ""
    most = max(found, key=lambda name: found[name])
    return "A run is limited by CPU: " + ", ".join(f"{name} {found[name]:.3g} s" for name in found) + f"; most of it {most}."


def _row(name: str, value: float, unit: str) -> Row:
    return {"name": name, "value": float(f"{value:.4g}") if abs(value) < 1000 else round(value), "unit": unit}


# On the interpreter


def _interpret(script: str, image: Path, n: int) -> dict[str, float]:
    """What a script says, on the interpreter with a device's heap and the firmware as compiled."""
    interpreter = Path(sys.executable).with_name("micropython")
    done = subprocess.run(
        [str(interpreter), "-X", f"heapsize={_HEAP}", "-c", script, str(image), str(n)], capture_output=True, text=True
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"the bench failed on the device's interpreter: {done.stderr or done.stdout}")
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def device_rows(quick: bool) -> Iterator[Row]:
    from sim.engine.image import build

    units = {"nmea.bytes_per_sentence": "bytes"}
    with tempfile.TemporaryDirectory() as folder:
        image = build(Path(folder)).firmware
        for script in (_NMEA, _SEAL_AND_JOURNAL):
            for name, value in _interpret(script, image, 500 if quick else 5000).items():
                yield _row(name, value, units.get(name, "us"))
        yield _row("tag.steady_bytes_per_fix", steady_bytes_per_fix(image), "bytes")


def mpy_rows(quick: bool) -> Iterator[Row]:
    from sim.engine.image import compile_firmware, firmware_sources

    other = {"tag": "hmu", "hmu": "tag"}
    with tempfile.TemporaryDirectory() as folder:
        sizes: dict[Path, int] = {}
        for source, place in firmware_sources():
            target = Path(folder) / place.with_suffix(".mpy")
            compile_firmware(source, target, place, Path(folder) / "folded", _BOARD_ARCHITECTURE)
            sizes[place] = target.stat().st_size
    for board, application in _BOARDS.items():
        boards = [name for name in _BOARDS if name != board]
        carried = [
            size
            for place, size in sizes.items()
            if not set(place.parts) & {other[application], *boards} and not place.stem.endswith("_plain")
        ]
        yield _row(f"mpy.bytes.{board}", sum(carried), "bytes")


def mcu_rows(quick: bool) -> Iterator[Row]:
    from tools import bench_mcu

    for found in bench_mcu.rows(quick):
        row = _row(found.name, found.value, found.unit)
        if found.note:
            row["assumes"] = [found.note]
        yield row


# In the simulator


_HEAP_WATCH = """
import gc
_most = _before = 0
_settle = _hw.settle
def _settled():
    global _before
    _settle()
    gc.collect()
    _before = gc.mem_alloc()
    _hw.settle = _settle
_hw.settle = _settled
_hand_over = _hw._hand_over
def _watched(wake):
    global _most
    gc.collect()
    used = gc.mem_alloc()
    if used > _most:
        _most = used
        with open(_hw.folder + "/heap", "w") as file:
            file.write("%d %d" % (used, _before))
    _hand_over(wake)
_hw._hand_over = _watched
"""


@contextmanager
def _demo(until_ms: int | None = None) -> "Iterator[Run]":
    import sim.scenarios
    from sim.engine.folder import RunFolder
    from sim.engine.run import Options, Run
    from sim.scenario import load

    scenario = load(Path(str(sim.scenarios.__file__)).with_name("demo.yaml"))
    options = Options(until_ms=until_ms or scenario.until_ms)
    with tempfile.TemporaryDirectory() as folder, Run(scenario, RunFolder(Path(folder) / "run"), options) as run:
        yield run


def heap_rows(quick: bool) -> Iterator[Row]:
    import sim.engine.run as engine

    build = engine.build

    def watched(folder: Path) -> "Image":
        image = build(folder)
        boot = image.boot.read_text("utf-8")
        image.boot.write_text(boot.replace("\n\n\ndef start(", _HEAP_WATCH + "\n\ndef start(", 1), "utf-8")
        return replace(image, starts_cold=True)

    engine.build = watched
    try:
        with _demo(_HOUR_MS if quick else 3 * _HOUR_MS) as run:
            run.live()
            noted = [(device.name, (device.folder / "heap").read_text("ascii").split()) for device in run.kernel.devices]
    finally:
        engine.build = build
    for kind in ("tag", "hmu"):
        used = [(int(most), int(before)) for name, (most, before) in noted if name.startswith(kind)]
        yield _row(f"{kind}.heap_peak_kib", max(most - before for most, before in used) / 2 / 1024, "KiB")
        yield _row(f"{kind}.heap_with_simulator_kib", max(most for most, _ in used) / 2 / 1024, "KiB")


def energy_rows(quick: bool) -> Iterator[Row]:
    if quick:
        return
    from sim.engine.endurance import FIGURES

    for name, figure in FIGURES.items():
        found = figure()
        row = _row(name, found.value, found.unit)
        row["assumes"] = list(found.lines)
        yield row


def sim_rows(quick: bool) -> Iterator[Row]:
    from sim.engine import usage

    with _demo(2 * _HOUR_MS if quick else None) as run:
        began_s = time.process_time()
        run.live()
        summary = run.finish()
        engine_s = time.process_time() - began_s
        devices_s = usage.cpu_s(device.process.pid for device in run.kernel.devices)
        services_s = usage.cpu_s(run.services.pids() if run.services else [])
    yield _row("sim.demo_two_hours_s" if quick else "sim.demo_day_s", summary.wall_s, "s")
    cores = min(2, os.cpu_count() or 1)
    yield _row("sim.demo_realtime_factor_per_core", summary.simulated_s / summary.wall_s / cores, "x")
    yield _row("sim.cpu_s.engine", engine_s, "s")
    yield _row("sim.cpu_s.devices", devices_s, "s")
    yield _row("sim.cpu_s.services", services_s, "s")
    yield _row("sim.peak_memory_mb", summary.peak_memory_mb, "MiB")


def fleet_rows(quick: bool, long: bool = False) -> Iterator[Row]:
    from tools import bench_sim

    for found in bench_sim.rows(quick, long):
        row = _row(found.name, found.value, found.unit)
        row["assumes"] = [found.note]
        yield row


def flash_rows(quick: bool) -> Iterator[Row]:
    from tools import bench_flash

    for found in bench_flash.rows(quick):
        row = _row(found.name, found.value, found.unit)
        row["assumes"] = [found.note]
        yield row


def dock_rows(quick: bool) -> Iterator[Row]:
    from tools import bench_dock

    for found in bench_dock.rows(quick):
        row = _row(found.name, found.value, found.unit)
        row["assumes"] = [found.note]
        yield row


def bridge_rows(quick: bool) -> Iterator[Row]:
    from bridge.bench import bench

    names = {
        "bridge: records ingested": "bridge.ingest_records_per_s",
        "bridge: records judged by the rules": "bridge.rules_records_per_s",
        "bridge: one message to its receipt, median": "bridge.receipt_ms",
    }
    for row in bench(5_000 if quick else 50_000):
        name = str(row["name"])
        yield _row(names.get(name, name), float(str(row["value"])), str(row["unit"]))


def main() -> None:
    import argparse

    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measures what the product can do.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a list of {name, value, unit}")
    parser.add_argument("--quick", action="store_true", help="less of everything, for CI")
    arguments = parser.parse_args()
    run_bench(arguments.json, arguments.quick)


if __name__ == "__main__":
    main()
