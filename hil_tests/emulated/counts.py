"""Instructions and heap bytes a function, on the emulated Cortex-M3: `measure()` → {name: number}.

The counter is checked first: a loop of 2 n instructions must count as that, or EmulatedError.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from bridge.orders.zonemap import Circle, Zone, pack
from hil_tests.emulated import board
from hil_tests.emulated.build import EmulatedError
from hil_tests.emulated.core import MCU, NUMBERS, modules

_LAT, _LON = 50.7167, -2.4333
_E7 = 10_000_000


def _checked(body: str) -> bytes:
    total = 0
    for byte in body.encode():
        total ^= byte
    return f"${body}*{total:02X}\r\n".encode()


SENTENCES = {
    "rmc": _checked("GNRMC,120000.000,A,5043.0000,N,00226.0000,W,0.02,35.55,010126,,,A,V"),
    "gga": _checked("GNGGA,120000.000,5043.0000,N,00226.0000,W,1,17,0.8,77.5,M,-21.6,M,,"),
    "gsa": _checked("GNGSA,A,3,01,02,03,04,05,06,,,,,,,1.5,0.9,1.2,1"),
    "gsv": _checked("GPGSV,2,1,08,01,40,083,46,02,17,308,41,12,07,344,39,14,22,228,45,1"),
}
"""One of each, as the peers' figures were taken on (GGA+RMC+GSA+GSV)."""


def zones64() -> bytes:
    """64 polygons of 16 points, stars around the place with edges near and far, so that none of them is passed over."""
    import math

    found = []
    for n in range(64):
        size = 0.0005 + n * 0.00008
        lat, lon = _LAT + 0.0004 * math.sin(n), _LON + 0.0006 * math.cos(n)
        star = []
        for i in range(16):
            far = size * (1.0 if i % 2 else 0.6)
            angle = 2 * math.pi * i / 16
            star.append((lat + far * math.sin(angle), lon + 1.5 * far * math.cos(angle)))
        found.append(Zone(n + 1, ("exclusion", "inclusion")[n % 2], star))
    return pack(found)


def circles64() -> bytes:
    return pack([Zone(n + 1, "exclusion", Circle(_LAT + 0.0001 * n, _LON, 150.0)) for n in range(64)])


def measure(firmware: Path | None = None) -> Mapping[str, float]:
    """All of it. `NAME.instructions` and `NAME.bytes`, means a call (nmea.*: a sentence)."""
    places = (("near", int(_LAT * _E7), int(_LON * _E7)), ("far", int(52.2 * _E7), int(0.1 * _E7)))
    circles = (("circles_near", *places[0][1:]),)
    parts = (
        "counts.loop()",
        f"counts.nmea({tuple(SENTENCES.items())!r})",
        f"counts.zones({zones64()!r}, {places!r})",
        f"counts.zones({circles64()!r}, {circles!r})",
        f"counts.rest({NUMBERS!r})",
    )
    found: dict[str, float] = {}
    for part in parts:  # each on a fresh machine: the heap is small, and what one leaves is in the next one's way
        found |= board.figures(board.run(modules(MCU), f"import counts\n{part}\n", firmware=firmware))
    for n in (100_000, 300_000):
        counted = found[f"loop.{n}.instructions"]
        if not 2 * n <= counted <= 2 * n + 1000:
            raise EmulatedError(f"a loop of {2 * n} instructions counted as {counted:.0f}")
    return found


if __name__ == "__main__":
    try:
        for name, value in measure().items():
            print(f"{name:32} {value:12,.0f}")
    except EmulatedError as error:
        sys.exit(f"emulated: {error}")
