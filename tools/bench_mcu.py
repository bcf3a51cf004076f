"""The microcontroller's rows of the bench, on the emulated Cortex-M3 (`hil_tests/emulated`): exact, on every machine the same.

mcu.nmea_instructions_per_sentence  bytes in, checked and decoded numbers out: mean of RMC, GGA, GSA and GSV; mcu.nmea_bytes_… of
                                    heap; mcu.fix_… the same with the receiver that makes one fix of an epoch's sentences
mcu.zones64_instructions            a fix checked against 64 polygons of 16 points, all of them near, read from flash; …_far: none
                                    is near; …_circles: 64 circles, near
mcu.seal_*, mcu.journal_append_*, mcu.frame_*, mcu.mode_tick_*   one call; seal by the image's own AES, where a chip has hardware
mcu.heap_of_64_bit_percent          what the core's modules take of a 32-bit heap, of what they take on the unix port
mcu.hour_realtime_factor            the pure core's virtual hour, on one core of this machine
mcu.image_build_s                   the image from its sources, when there was none yet

Without QEMU and the cross compiler there are none of these, and the bench says so. `peers` is the table beside other parsers.
"""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tools.bench_sim import Measured

if TYPE_CHECKING:
    from rich.table import Table

_ROWS = (
    ("nmea.parser", "nmea", "_per_sentence"),
    ("nmea.receiver", "fix", "_per_sentence"),
    ("zones.near", "zones64", ""),
    ("zones.far", "zones64_far", ""),
    ("zones.circles_near", "zones64_circles", ""),
    ("seal.1_records", "seal_one_record", ""),
    ("seal.32_records", "seal_32_records", ""),
    ("journal.append", "journal_append", ""),
    ("recorder.event", "event", ""),
    ("frame.seal", "frame_seal", ""),
    ("frame.open", "frame_open", ""),
    ("mode.tick", "mode_tick", ""),
)

# Measured on MicroPython 1.29 on the same emulated machine, with a GGA+RMC+GSA+GSV stream; their manuals name no such figures.
_PEERS = (
    ("micropyGPS", 807_000, 1446, "IndexError on a short sentence"),
    ("as_GPS (checked)", 557_000, 1481, "IndexError; drops lines of more than 76 characters"),
    ("adafruit_gps", 707_000, 2780, "ValueError on a checksum that is no hexadecimal number"),
    ("integers, bytecode (a sketch)", 79_000, 0, "takes minute 60 and no hemisphere"),
    ("integers, viper (a sketch)", 6_400, 0, "the same"),
)


def rows(quick: bool) -> Iterator[Measured]:
    """All of them; `quick`: a virtual minute instead of the hour."""
    from hil_tests.emulated import build, core, counts, heap

    if lacking := build.missing():
        print(f"mcu: left out, {lacking}", file=sys.stderr, flush=True)
        return
    began = time.monotonic()
    is_new = not build.is_built()
    build.image()
    if is_new:
        yield Measured("mcu.image_build_s", time.monotonic() - began, "s", "with what pip fetches")
    found = counts.measure()
    for of, name, each in _ROWS:
        yield Measured(f"mcu.{name}_instructions{each}", found[f"{of}.instructions"], "instructions", "")
        yield Measured(f"mcu.{name}_bytes{each}", found[f"{of}.bytes"], "bytes", "")
    taken = heap.bytes_of_modules()
    yield Measured("mcu.heap_of_64_bit_percent", 100 * heap.share(taken), "%", f"{len(taken)} modules, machine code left out")
    seconds = 60 if quick else 3600
    core.modules(core.MCU)
    began = time.monotonic()
    here = core.on_mcu(seconds)
    took_s = time.monotonic() - began
    same = here == core.on_unix(seconds)
    yield Measured(
        "mcu.hour_realtime_factor", seconds / took_s, "x", f"{seconds} s; output {'as' if same else 'NOT as'} on the unix port"
    )


def peers(found: dict[str, float]) -> "Table | None":
    """NMEA parsers on a microcontroller, ours among them; None when ours was not measured."""
    from rich.table import Table

    instructions = found.get("mcu.nmea_instructions_per_sentence")
    if instructions is None:
        return None
    table = Table(title="NMEA parsers on a Cortex-M3 with MicroPython, a sentence (GGA, RMC, GSA, GSV)")
    for column in ("parser", "instructions", "bytes of heap", "on malformed input"):
        table.add_column(column, justify="right" if column in ("instructions", "bytes of heap") else "left")
    for name, count, size, malformed in _PEERS:
        table.add_row(name, f"{count:,}", f"{size:,}", malformed)
    ours = found["mcu.nmea_bytes_per_sentence"]
    table.add_row("Homeward", f"{instructions:,.0f}", f"{ours:,.0f}", "refuses the sentence, goes on")
    return table
