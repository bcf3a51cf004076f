"""A wearer under everything at once, for as many days as wanted: 63 exclusion zones of 64 points beside the home zone, curfew,
a household, faults of every kind and all orders on the last day, the whole configuration and a new key among them.

The device never loses its supply and no crash is asked for: it is one long life of one heap.
"""

import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import sim.engine.run
from sim.engine.image import Image, build
from sim.engine.run import Run
from sim.scenario import Scenario, load

TAG, UNIT = "tag-000003", "hmu-000003"
ZONES, POINTS = 63, 64  # and the home: as many as a map may hold
_CENTRE = (50.7154, -2.4367)
_SPACING_M, _RADIUS_M = 260.0, 110.0
_M_PER_DEG = 111_320.0

# What happens each day besides the routine: (kind, from, until, more)
_FAULTS = (
    ("coverage_lost", "10:05", "10:40", {}),
    ("jam", "10:50", "11:05", {"fall_db": 30, "ramp_s": 20}),
    ("spoof", "11:10", "11:20", {"jump_m": 4000, "bearing_deg": 40}),
    ("shield", "11:30", "11:50", {}),
    ("receiver_dead", "12:00", "12:10", {"how": "silent"}),
    ("receiver_dead", "12:20", "12:30", {"how": "garbage"}),
    ("receiver_says", "12:40", "12:45", {"how": "future"}),
    ("modem_dead", "13:00", "13:30", {}),
    ("motion_stuck", "13:40", "14:00", {"how": "moving"}),
    ("broker_down", "14:10", "14:40", {}),
    ("bridge_down", "20:00", "21:30", {}),
)
_EVENTS = (
    ("09:40", "case_opened"), ("09:41", "case_closed"), ("14:05", "strap_cut"), ("14:06", "strap_closed"),
    ("19:00", "mains_off"), ("19:30", "mains_on"), ("19:40", "unit_moved"), ("19:45", "unit_opened"), ("19:46", "unit_closed"),
)  # fmt: skip
_ORDERS = (
    (TAG, "locate", "10:30", {}),
    (TAG, "vibrate", "10:45", {"pattern": "thrice"}),
    (TAG, "config", "13:50", {}),
    (TAG, "rotate_key", "14:02", {}),
    (UNIT, "config", "14:04", {}),
    (UNIT, "rotate_key", "14:07", {}),
    (TAG, "locate", "18:30", {}),
    (TAG, "config", "18:40", {}),  # by way of the home unit
    (UNIT, "range_test", "19:10", {"room": "kitchen", "seconds": 120}),
)


def _star(n: int) -> list[list[float]]:
    """A polygon whose edges do not cross, in its place of a grid around the town's centre."""
    north_m = (n // 8 - 3.5) * _SPACING_M
    east_m = (n % 8 - 3.5) * _SPACING_M
    east_per_deg = _M_PER_DEG * math.cos(math.radians(_CENTRE[0]))
    points = []
    for i in range(POINTS):
        radius_m = _RADIUS_M * (1.0 if i % 2 else 0.7)
        angle = 2 * math.pi * i / POINTS
        lat = _CENTRE[0] + (north_m + radius_m * math.sin(angle)) / _M_PER_DEG
        lon = _CENTRE[1] + (east_m + radius_m * math.cos(angle)) / east_per_deg
        points.append([round(lat, 7), round(lon, 7)])
    return points


def burdened(folder: Path, days: int) -> Scenario:
    """The scenario of `days` days, with the orders on the first and the last of them; a one-day one ends at its evening."""
    zones = [{"kind": "exclusion", "name": f"Zone {n}", "polygon": _star(n)} for n in range(ZONES)]
    curfew = {"kind": "curfew", "name": "Nights", "from": "21:00", "until": "06:30"}
    person = {
        "id": "jory",
        "name": "Jory Penhale",
        "tag": TAG,
        "home_unit": UNIT,
        "home": "26 Pheasant Terrace",
        "conditions": [curfew, *zones],
        "routine": [
            {"name": "out", "leave": "09:30", "to": "Town Library", "via": [{"place": "Fairlea Common", "pause_min": 90}]},
            {"name": "on", "leave": "13:10", "to": "The Millwheel"},
            {"name": "home", "leave": "15:00", "to": "home", "by": "bus"},
        ],
        "charging": {"at": "16:30", "minutes": 60},
        "events": [{"at": f"day {day} {at}", "what": what} for day in range(1, days + 1) for at, what in _EVENTS],
    }
    faults = [
        {"kind": kind, "from": f"day {day} {start}", "until": f"day {day} {end}", **more}
        for day in range(1, days + 1)
        for kind, start, end, more in _FAULTS
    ]
    orders = [
        {"device": device, "kind": kind, "at": f"day {day} {at}", **more}
        for day in sorted({1, days})
        for device, kind, at, more in _ORDERS
    ]
    file = {
        "name": "burdened",
        "seed": 11,
        "start": "2026-06-01T09:15:00",
        "timezone": "Europe/London",
        "until": f"{days * 24 - 11}h",
        "people": [person],
        "faults": faults,
        "orders": orders,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "burdened.yaml"
    path.write_text(yaml.safe_dump(file, sort_keys=False))
    return load(path)


# A look at the heap at every so many handings over to the engine: what lives, and the largest piece that is free then. Else the
# collector comes when it comes on a device.
_WATCH = """
import gc
_turns = 0
_most = 0
_least = 1 << 30
_hand_over = _hw._hand_over
def _largest():
    low, high = 0, gc.mem_free()
    while high - low > 256:
        middle = (low + high) // 2
        try:
            bytearray(middle)
            low = middle
        except MemoryError:
            high = middle
    return low
def _watched(wake):
    global _turns, _most, _least
    _turns += 1
    if not _turns % %EVERY%:
        gc.collect()
        used = gc.mem_alloc()
        free = _largest()
        gc.collect()
        if used > _most or free < _least:
            _most = max(used, _most)
            _least = min(free, _least)
            with open(_hw.folder + "/heap", "w") as file:
                file.write("%d %d" % (_most, _least))
    _hand_over(wake)
_hw._hand_over = _watched
"""


@contextmanager
def watched_heap(patch: pytest.MonkeyPatch, every: int):
    """Devices that start meanwhile note what their heap held at most."""

    def watched(folder: Path) -> Image:
        image = build(folder)
        boot = image.boot.read_text("utf-8")
        assert boot.count("\n\n\ndef start(") == 1
        image.boot.write_text(boot.replace("\n\n\ndef start(", _WATCH.replace("%EVERY%", str(every)) + "\n\ndef start("), "utf-8")
        return replace(image, starts_cold=True)

    with patch.context() as inner:
        inner.setattr(sim.engine.run, "build", watched)
        yield


def heap_kib(run: Run, name: str) -> tuple[float, float]:
    """(most that lived, least that was free in one piece) in KiB as a 32-bit word counts; simulator included."""
    most, least = (run.folder.path / "devices" / name / "heap").read_text("ascii").split()
    return int(most) / 2 / 1024, int(least) / 2 / 1024
