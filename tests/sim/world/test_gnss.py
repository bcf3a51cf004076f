"""The simulated receiver: its sentences parse, its errors have the documented size and memory, and its first fix takes as
long as it should."""

import math
import random
import statistics
from itertools import pairwise
from typing import Any

import pynmea2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import gnss as firmware
from sim.world.gnss import BOOT_MS, HOT_MS, Receiver
from sim.world.plane import distance_m
from sim.world.wearer import Truth

START = 1_780_290_000_000
HOUR = 3_600_000
TAG = 0x01000001


def truth(indoors=False, canyon=0.0, sky_for_ms=24 * HOUR, speed=0.0, course=0.0, lat=50.7154, lon=-2.4367):
    return Truth(lat, lon, speed, course, indoors, canyon, None, sky_for_ms, "still")


def parse(data: bytes) -> list[Any]:
    """The messages of an epoch by type, each checked by pynmea2 (checksum included)."""
    assert data.endswith(b"\r\n")
    return [pynmea2.parse(line, check=True) for line in data.decode("ascii").split("\r\n") if line]


def of_type(messages: list[Any], kind: str) -> list[Any]:
    return [m for m in messages if m.sentence_type == kind]


truths = st.builds(
    truth,
    indoors=st.booleans(),
    canyon=st.sampled_from([0.0, 0.5, 1.0]),
    sky_for_ms=st.integers(0, 48 * HOUR),
    speed=st.floats(0, 14),
    course=st.floats(0, 359.99),
    lat=st.floats(-75, 75),
    lon=st.floats(-179.9, 179.9),
)
ages = st.none() | st.integers(0, 48 * HOUR)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 5), st.integers(0, 10 * 24 * 3600), truths, st.integers(0, 3 * HOUR), ages)
def test_every_epoch_parses_with_pynmea2_and_agrees_with_itself(seed, second, where, on_for_ms, age):
    t = START + second * 1000
    receiver = Receiver(seed, TAG)
    receiver.rates["VTG"] = 1
    data = receiver.epoch(t, where, t - on_for_ms, age)
    if on_for_ms < BOOT_MS:
        assert data == b""
        return
    messages = parse(data)
    assert all(len(line) <= 80 for line in data.split(b"\r\n"))
    (rmc,), (gga,), (vtg,) = (of_type(messages, k) for k in ("RMC", "GGA", "VTG"))
    gsa, gsv = of_type(messages, "GSA"), of_type(messages, "GSV")
    assert len(gsa) == 2 and gsv
    assert {m.talker for m in (rmc, gga, vtg, *gsa)} == {"GN"} and {m.talker for m in gsv} == {"GP", "BD"}
    if receiver.has_fix(t, where, t - on_for_ms, age):
        assert rmc.status == "A" and gga.gps_qual == 1 and {m.mode_fix_type for m in gsa} == {"3"}
        assert (rmc.latitude, rmc.longitude) == (gga.latitude, gga.longitude)
        assert distance_m(rmc.latitude, rmc.longitude, where.lat, where.lon) < 150
        assert int(gga.num_sats) >= 4
        assert rmc.datetime.timestamp() * 1000 == t
        assert gga.timestamp.replace(tzinfo=None) == rmc.datetime.time().replace(tzinfo=None)
        assert float(vtg.spd_over_grnd_kts) == pytest.approx(rmc.spd_over_grnd)
    else:
        assert rmc.status == "V" and gga.gps_qual == 0 and {m.mode_fix_type for m in gsa} == {"1"}
        assert not rmc.lat and not gga.lat
        assert bool(rmc.data[0]) == (age is not None)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.randoms(use_true_random=False))
def test_an_epoch_depends_on_its_arguments_alone(seed, order):
    receiver = Receiver(seed, TAG)
    draw = random.Random(seed)
    asked = [(START + draw.randrange(86_400) * 1000, truth(canyon=draw.random())) for _ in range(20)]
    first = [receiver.epoch(t, where, START - 60_000, 1000) for t, where in asked]
    numbers = list(range(20))
    order.shuffle(numbers)
    for i in numbers:
        t, where = asked[i]
        assert receiver.epoch(t, where, START - 60_000, 1000) == first[i]
        assert Receiver(seed, TAG).epoch(t, where, START - 60_000, 1000) == first[i]


def test_two_receivers_err_differently_under_the_same_sky():
    a, b = Receiver(1, TAG), Receiver(1, TAG + 1)
    assert a.error_m(START, False, 0.0) != b.error_m(START, False, 0.0)
    seen = [{m.sv_prn_num_1 for m in of_type(parse(r.epoch(START, truth(), START - 60_000, 1000)), "GSV")} for r in (a, b)]
    assert seen[0] == seen[1]


def errors(canyon, seeds=60, times=120, every_ms=30_000):
    return [
        Receiver(seed, TAG).error_m(START + seed * 7 * HOUR + i * every_ms, False, canyon)
        for seed in range(seeds)
        for i in range(times)
    ]


def test_open_sky_error_has_sigma_2_m_on_a_bias_of_1_m():
    for axis in zip(*errors(0.0), strict=True):
        assert abs(statistics.fmean(axis)) < 0.25
        assert statistics.pstdev(axis) == pytest.approx(math.hypot(2.0, 1.0), rel=0.08)


def test_95_percent_of_open_sky_fixes_are_within_10_m_as_the_sentences_say_it():
    far = []
    for seed in range(40):
        receiver = Receiver(seed, TAG)
        for i in range(50):
            t = START + i * 60_000 + seed * HOUR
            rmc = of_type(parse(receiver.epoch(t, truth(), t - HOUR, 1000)), "RMC")[0]
            far.append(distance_m(rmc.latitude, rmc.longitude, 50.7154, -2.4367))
    far.sort()
    assert far[int(0.95 * len(far))] <= 10.0
    assert far[len(far) // 2] > 1.0


def autocorrelation(canyon, lag_ms):
    """Of the east error about each receiver's slow bias, over many receivers."""
    up = down = 0.0
    for seed in range(150):
        receiver = Receiver(seed, TAG)
        for i in range(60):
            t = START + i * 41_000 + seed * HOUR
            bias = receiver._bias.at(t)[0], receiver._bias.at(t + lag_ms)[0]
            a = receiver.error_m(t, False, canyon)[0] - bias[0]
            b = receiver.error_m(t + lag_ms, False, canyon)[0] - bias[1]
            up += a * b
            down += (a * a + b * b) / 2
    return up / down


def test_open_sky_error_is_remembered_for_a_minute():
    assert autocorrelation(0.0, 1_000) > 0.97
    assert autocorrelation(0.0, 60_000) == pytest.approx(1 / math.e, abs=0.06)
    assert abs(autocorrelation(0.0, 300_000)) < 0.06


@pytest.mark.slow
def test_canyon_error_is_8_to_15_m_with_jumps_of_20_to_50():
    spread = [statistics.pstdev(axis) for axis in zip(*errors(1.0, seeds=100), strict=True)]
    assert all(11.0 < s < 16.5 for s in spread)  # 8-15 m and the jumps together
    assert 0.15 < autocorrelation(1.0, 60_000) < 0.55
    jumps = [math.hypot(*Receiver(seed, TAG)._jump(START + i * 5_000)) for seed in range(20) for i in range(720)]
    sizes = [j for j in jumps if j]
    assert min(sizes) >= 19.9 and max(sizes) <= 50.1
    assert 0.05 < len(sizes) / len(jumps) < 0.11


def test_a_standing_receiver_does_not_jump_under_an_open_sky():
    receiver = Receiver(3, TAG)
    before = receiver.error_m(START, False, 0.0)
    for i in range(1, 3600):
        now = receiver.error_m(START + i * 1000, False, 0.0)
        assert math.dist(before, now) < 0.6
        before = now


@pytest.mark.parametrize(
    ("age_ms", "least_s", "most_s"), [(None, 23, 29), (HOT_MS + 1, 15, 22), (HOT_MS, 1, 1.9), (60_000, 1, 1.9), (1, 1, 1.9)]
)
def test_time_to_first_fix(age_ms, least_s, most_s):
    took = [Receiver(1, TAG).ttff_ms(START + i * 1000, age_ms) / 1000 for i in range(2000)]
    assert least_s <= min(took) < least_s + 0.2 * (most_s - least_s)
    assert most_s - 0.2 * (most_s - least_s) < max(took) <= most_s


def first_fix_s(age_ms, where, seed=1) -> Any:
    """Seconds from switching on to the first valid epoch of a receiver that prints each second."""
    receiver = Receiver(seed, TAG)
    for s in range(1, 200):
        age = None if age_ms is None else age_ms + s * 1000
        if receiver.has_fix(START + s * 1000, where(s), START, age):
            return s
    return None


def test_the_first_fix_waits_for_the_open_sky():
    assert 23 <= first_fix_s(None, lambda s: truth()) <= 30
    out_at = 100
    came_out = lambda s: truth(indoors=s < out_at, sky_for_ms=(s - out_at) * 1000 if s >= out_at else HOUR)  # noqa: E731
    assert out_at + 23 <= first_fix_s(None, came_out) <= out_at + 30
    hot = [first_fix_s(10_000, lambda s: truth(sky_for_ms=s * 1000), seed) for seed in range(20)]
    assert set(hot) <= {1, 2}


def test_once_fixed_it_stays_fixed():
    receiver = Receiver(1, TAG)
    age = None
    valid = []
    for s in range(1, 300):
        age = age + 1000 if age is not None else None
        valid.append(receiver.has_fix(START + s * 1000, truth(), START, age))
        if valid[-1]:
            age = 0
    assert valid == sorted(valid)
    assert sum(valid) > 260


def test_indoors_it_is_mostly_lost_and_otherwise_20_to_80_m_off():
    had, far = 0, []
    for seed in range(60):
        receiver = Receiver(seed, TAG)
        for i in range(60):
            t = START + i * 97_000
            if receiver.has_fix(t, truth(indoors=True), START - HOUR, 60_000):
                had += 1
                far.append(math.hypot(*receiver.error_m(t, True, 0.0)))
        assert not receiver.has_fix(START + 900_000, truth(indoors=True), START, None)
    assert 0.1 < had / 3600 < 0.3
    assert min(far) > 16 and max(far) < 84


def test_the_canyon_shows_in_satellites_and_dilution():
    def mean(canyon, field):
        values = []
        for i in range(100):
            t = START + i * 600_000
            gga = of_type(parse(Receiver(1, TAG).epoch(t, truth(canyon=canyon), t - HOUR, 1000)), "GGA")[0]
            values.append(float(getattr(gga, field)))
        return statistics.fmean(values)

    assert 0.6 < mean(0.0, "horizontal_dil") < 1.3 < mean(1.0, "horizontal_dil") < 4
    assert mean(0.0, "num_sats") > mean(1.0, "num_sats") + 3


def test_the_narrower_a_street_the_less_of_the_sky_is_heard():
    def heard(canyon):
        strengths = [
            field
            for i in range(60)
            for m in of_type(parse(Receiver(1, TAG).epoch(START + i * 600_000, truth(canyon=canyon), START - HOUR, 1000)), "GSV")
            for field in m.data[6::4]
        ]
        return sum(field.isdigit() and int(field) >= 20 for field in strengths) / len(strengths)

    shares = [heard(canyon) for canyon in (0.0, 0.2, 0.4, 0.7, 1.0)]
    assert all(later < earlier - 0.02 for earlier, later in pairwise(shares)), shares
    assert shares[0] > 0.85 and 0.5 < shares[-1] < 0.7


@pytest.mark.parametrize("canyon", [0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
def test_the_radius_that_the_firmware_makes_of_the_sentences_holds_the_truth_in_any_street(canyon):
    """requirements.md: a radius of 95 %. Under the open sky it must not be had by saying little."""
    draw = random.Random(7)
    within, radii = [], []
    for seed in range(80):
        receiver = Receiver(seed, TAG + seed)
        for _ in range(12):
            t = START + draw.randrange(24 * 3600) * 1000
            fixes = []
            reader = firmware.Receiver(lambda fix, fixes=fixes: fixes.append(fix.radius_dm / 10))
            data = receiver.epoch(t, truth(canyon=canyon), t - HOUR, 1000)
            reader.feed(data, len(data))
            reader.idle()
            within.append(math.hypot(*receiver.error_m(t, False, canyon)) <= fixes[-1])
            radii.append(fixes[-1])
    assert sum(within) >= 0.95 * len(within)
    assert statistics.median(radii) < (8 if canyon == 0 else 60)


def test_rates_choose_the_sentences():
    receiver = Receiver(1, TAG)
    receiver.rates.update(GSA=0, GSV=5)
    kinds = [{m.sentence_type for m in parse(receiver.epoch(START + s * 1000, truth(), START - HOUR, 1000))} for s in range(10)]
    assert [("GSV" in k) for k in kinds] == [True, False, False, False, False] * 2
    assert all("GSA" not in k and {"RMC", "GGA"} <= k for k in kinds)
