"""The receiver model beside logs of real receivers: the figures of one epoch, their spread, and how fast a position wanders.

The logs are few and short, of receivers on desks and window sills; so a figure of the model must lie within what the real ones
span, not hit one of them. What they cannot tell (canyons, an ankle) is in docs/simulator-world.md as our judgement.
"""

import math
import re
import statistics
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pynmea2
import pytest

from sim.world.gnss import Receiver
from sim.world.wearer import Truth

LOGS = Path(__file__).parents[4] / "shared" / "data" / "receivers"
L76K = ("quectel-l76k-dual", "quectel-l76k-nmea")
START = 1_780_300_800_000  # 2026-06-01T08:00:00Z
PLACE = Truth(50.7154, -2.4367, 0.0, 0.0, False, 0.0, "Priory Gardens", 3_600_000, "still")
pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="the logs of real receivers (shared/data/receivers) are not here")


@dataclass
class Figures:
    strengths: list[int] = field(default_factory=list)  # dB-Hz of each satellite that has any
    used: list[int] = field(default_factory=list)
    hdop: list[float] = field(default_factory=list)
    at: list[tuple[float, float]] = field(default_factory=list)  # metres, of each epoch with a fix
    in_view: list[int] = field(default_factory=list)  # of each talker's GSV
    talkers: set[str] = field(default_factory=set)


def read(data: bytes) -> Figures:
    """What pynmea2 makes of the good sentences in it."""
    out = Figures()
    clock = ""
    for found in re.finditer(rb"\$(?:G[PNLABQ]|BD|GB)[A-Z]{3},[^\r\n$]*", data):
        text = found.group().decode("latin-1").strip()
        try:
            s = pynmea2.parse(text, check=True)
        except (pynmea2.ParseError, ValueError):
            continue
        fields = text.partition("*")[0].split(",")
        out.talkers.add(fields[0][1:])
        if s.sentence_type == "GSV":
            if fields[2] == "1":
                out.in_view.append(int(fields[3]))
            out.strengths += [int(c) for c in fields[7::4] if c.isdigit() and int(c) > 0]
        elif s.sentence_type == "GGA" and fields[6] not in ("", "0") and fields[1] != clock:
            clock = fields[1]
            out.used.append(int(fields[7]))
            out.hdop.append(float(fields[8]))
            lat, lon = float(s.latitude), float(s.longitude)  # pyright: ignore[reportArgumentType]
            out.at.append((lon * 111_320 * math.cos(math.radians(lat)), lat * 111_195))
    return out


def log(name):
    return read((LOGS / f"{name}.log").read_bytes())


@pytest.fixture(scope="module")
def real():
    """Logs with enough in them to have a distribution."""
    found = {path.stem: read(path.read_bytes()) for path in sorted(LOGS.glob("*.log"))}
    return {name: f for name, f in found.items() if len(f.strengths) >= 80 and len(f.used) >= 5}


def model(seconds=150, seed=0, **sky):
    receiver = Receiver(seed, 5)
    truth = PLACE._replace(**sky)
    return read(b"".join(receiver.epoch(START + t * 1000, truth, START - 600_000, 1000) for t in range(seconds)))


def deciles(values):
    q = statistics.quantiles(values, n=10)
    return q[0], q[4], q[8]


def wander_m(points):
    """Root mean square distance from the mean position."""
    x, y = (statistics.mean(p[i] for p in points) for i in (0, 1))
    return math.sqrt(statistics.mean((px - x) ** 2 + (py - y) ** 2 for px, py in points))


def test_signal_strengths_are_within_what_real_receivers_show(real):
    ours = [deciles(model(600, seed).strengths) for seed in range(5)]
    theirs = [deciles(f.strengths) for f in real.values()]
    assert len(theirs) >= 10
    for i in range(3):
        low, high = min(q[i] for q in theirs), max(q[i] for q in theirs)
        assert all(low <= q[i] <= high for q in ours), (i, ours, low, high)
    spread = [high - low for low, _, high in theirs]
    assert all(min(spread) <= high - low <= max(spread) for low, _, high in ours)


def test_satellites_used_and_dilution_are_within_what_real_receivers_show(real):
    ours = [model(600, seed) for seed in range(5)]
    medians = [statistics.median(f.hdop) for f in real.values()]
    assert all(min(medians) <= statistics.median(f.hdop) <= max(medians) for f in ours), sorted(medians)
    # Used: an L76K's own logs show 14 to 17 of GPS and BeiDou; other makers' cap what GGA tells at 12.
    theirs = [n for name in L76K for n in log(name).used]
    mean = statistics.mean(n for f in ours for n in f.used)
    assert min(theirs) - 3 <= mean <= max(theirs), (mean, min(theirs), max(theirs))
    assert max(n for f in ours for n in f.used) <= max(theirs) + 4


def test_the_sentences_are_those_of_an_l76k():
    """Its talkers; GGA, GSA one a system, GSV of four satellites each, as the log has them."""
    ours = model()
    theirs = log("quectel-l76k-nmea")
    assert {"GNGGA", "GNGSA", "GPGSV", "GNRMC"} <= ours.talkers & theirs.talkers
    assert {t for t in ours.talkers if t.endswith("GSV")} == {"GPGSV", "BDGSV"}
    printed = b"".join(Receiver(0, 5).epoch(START + t * 1000, PLACE, START - 600_000, 1000) for t in range(60))
    shape = {}
    for name, data in (("ours", printed), ("theirs", (LOGS / "quectel-l76k-nmea.log").read_bytes())):
        lines = [m.group().decode("latin-1") for m in re.finditer(rb"\$G[NPB]G(?:SA|GA|SV),[^\r\n$]*\*[0-9A-F]{2}", data)]
        shape[name] = {
            "GSA fields": {len(line.split(",")) for line in lines if "GSA" in line[:7]},
            "GGA fields": {len(line.split(",")) for line in lines if "GGA" in line[:7]},
            "whole GSV fields": max(len(line.split(",")) for line in lines if line.startswith("$GPGSV")),
            "clock decimals": {len(line.split(",")[1].partition(".")[2]) for line in lines if "GGA" in line[:7]},
        }
    assert shape["ours"] == shape["theirs"]


def test_a_position_at_rest_wanders_as_far_and_as_slowly_as_real_ones(real):
    """Over two minutes; a receiver that holds its position when it stands shows less, none shows much more."""
    still = {
        name: f.at[:120] for name, f in real.items()
        if len(f.at) >= 90 and wander_m(f.at[:120]) < 50
    }  # fmt: skip
    assert len(still) >= 3, list(still)
    ours = [model(120, seed).at for seed in range(12)]
    theirs = [wander_m(points) for points in still.values()]
    assert statistics.median(wander_m(points) for points in ours) <= 3 * max(theirs)
    assert max(wander_m(points) for points in ours) < 10

    def step_m(points):
        return statistics.median(math.dist(p, q) for p, q in pairwise(points))

    assert statistics.median(step_m(points) for points in ours) <= 2 * max(step_m(points) for points in still.values()) + 0.1
    # Errors are correlated: a step of a second is small beside the wander, in the logs that wander at all, and in ours.
    for points in [*ours, *(p for p in still.values() if wander_m(p) > 0.5)]:
        assert step_m(points) < 0.5 * wander_m(points)


def test_indoors_is_weaker_than_outdoors_as_a_window_sill_is_weaker_than_a_roof(real):
    inside, outside = (statistics.median(model(600, 1, indoors=where).strengths) for where in (True, False))
    medians = sorted(statistics.median(f.strengths) for f in real.values())
    assert inside < medians[len(medians) // 2] and outside - inside >= 5
