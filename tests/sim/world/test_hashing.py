"""Randomness that is a function: repeatable, in any order, and distributed as its names say."""

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from sim.world.hashing import Noise, bits, gauss_pair, stream, uniform

KEY = stream(1, "test")


def test_splitmix64_agrees_with_its_published_first_outputs():
    # The generator's outputs for seed 0 are its finaliser on multiples of the golden gamma.
    assert [bits(0, i) for i in range(3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_streams_of_different_names_and_seeds_differ():
    keys = {stream(seed, *names) for seed in (1, 2) for names in (("a",), ("b",), ("a", "b"), ("ab",), ("a", 1))}
    assert len(keys) == 10


@given(st.integers(-(1 << 70), 1 << 70), st.floats(-1e6, 1e6), st.floats(0.001, 1e6))
def test_uniform_stays_in_its_bounds(index, low, width):
    assert low <= uniform(KEY, index, low, low + width) <= low + width


def test_normal_numbers_have_mean_0_and_variance_1_and_are_independent():
    pairs = [gauss_pair(KEY, i) for i in range(20_000)]
    for axis in zip(*pairs, strict=True):
        assert abs(statistics.fmean(axis)) < 0.03
        assert abs(statistics.pvariance(axis) - 1) < 0.05
    assert abs(statistics.fmean(x * y for x, y in pairs)) < 0.03


@given(st.lists(st.integers(-(10**12), 10**13), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_noise_gives_the_same_answers_in_any_order(times, random):
    noise = Noise(KEY, 60_000)
    first = {t: noise.at(t) for t in times}
    random.shuffle(times)
    assert all(noise.at(t) == first[t] for t in times)
    assert all(Noise(KEY, 60_000).at(t) == first[t] for t in times)


def test_noise_keeps_variance_1_between_its_grid_points():
    noise = Noise(KEY, 60_000)
    for phase in (0.0, 0.25, 0.5, 0.75):
        values = [noise.at(round((k + phase) * noise.step_ms))[0] for k in range(8_000)]
        assert abs(statistics.pvariance(values) - 1) < 0.08


def test_autocorrelation_is_as_documented():
    noise = Noise(KEY, 60_000)
    step = noise.step_ms

    def correlation(lag_ms):
        times = [i * 7_919 for i in range(40_000)]
        return statistics.fmean(noise.at(t)[0] * noise.at(t + lag_ms)[0] for t in times)

    assert abs(correlation(60_000) - 1 / math.e) < 0.05
    assert abs(correlation(step) - (math.pi / 4 - 0.5)) < 0.05
    assert abs(correlation(2 * step)) < 0.05
    assert correlation(1_000) > 0.97
