"""Faults at random rates: as often as asked, as long as asked, the same for the same seed; and what does not go together."""

import itertools
from pathlib import Path

import pytest
import yaml

from bridge.errors import ConfigError
from sim.scenario import Scenario, load

DAY_MS = 86_400_000


def scenario(folder: Path, *faults: dict, seed: int = 3, until: str = "100d") -> Scenario:
    file = {
        "name": "faulty", "seed": seed, "start": "2026-06-01T00:00:00", "timezone": "Europe/London", "until": until,
        "people": [{"id": "jory", "name": "Jory", "tag": "tag-000003", "home": "26 Pheasant Terrace"}],
        "faults": list(faults),
    }  # fmt: skip
    path = folder / "faulty.yaml"
    path.write_text(yaml.safe_dump(file))
    return load(path)


def test_they_come_as_often_and_last_as_long_as_asked(tmp_path: Path):
    faults = scenario(tmp_path, {"kind": "bridge_down", "per_day": 3, "minutes": [1, 10]}).faults
    # 100 days of a Poisson process of 3 a day, each 5.5 minutes longer: 297 ± 17; four standard deviations.
    assert 229 < len(faults) < 365
    lengths = [fault.until_ms - fault.from_ms for fault in faults]
    assert min(lengths) >= 60_000 and max(lengths) <= 600_000
    assert 4.8 < sum(lengths) / len(lengths) / 60_000 < 6.2
    assert all(one.until_ms < other.from_ms for one, other in itertools.pairwise(faults)), "one at a time"


def test_the_same_seed_draws_the_same_and_another_others(tmp_path: Path):
    fault = {"kind": "broker_down", "per_day": 2, "minutes": [1, 2]}
    first = scenario(tmp_path, fault).faults
    assert scenario(tmp_path, fault).faults == first
    assert scenario(tmp_path, fault, seed=4).faults != first
    both = scenario(tmp_path, {"kind": "bridge_down", "from": "01:00", "until": "02:00"}, fault).faults
    assert [f.from_ms for f in both[1:]] != [f.from_ms for f in first], "each fault of a scenario has moments of its own"


def test_they_come_within_a_time_only(tmp_path: Path):
    faults = scenario(
        tmp_path, {"kind": "bridge_down", "per_day": 300, "minutes": [1, 9], "from": "06:00", "until": "day 2 06:00"}
    ).faults
    assert len(faults) > 50
    assert all(6 * 3_600_000 <= fault.from_ms < fault.until_ms <= DAY_MS + 6 * 3_600_000 for fault in faults)


def test_what_is_done_to_tags_comes_at_random_too(tmp_path: Path):
    spec = scenario(
        tmp_path,
        {"kind": "shield", "wearer": "jory", "per_day": 2, "minutes": [5, 5]},
        {"kind": "coverage_lost", "per_day": 1, "minutes": [3, 4]},
    ).world_spec()
    assert len(spec.troubles) > 120 and len(spec.coverage_losses) > 60
    assert {trouble.until_ms - trouble.from_ms for trouble in spec.troubles[:-1]} == {300_000}


def test_each_kind_takes_what_it_needs(tmp_path: Path):
    times = {"from": "01:00", "until": "02:00"}
    slow, net, parted = scenario(
        tmp_path,
        {"kind": "bridge_slow", "delay_s": 11.5, **times},
        {"kind": "network_slow", "kbit_s": 2, "latency_ms": 300, "wearer": "jory", **times},
        {"kind": "network_partition", "between": "bridge", **times},
    ).faults
    assert slow.delay_ms == 11_500
    assert (net.kbit_s, net.latency_ms, net.wearer_id) == (2, 300, "jory")
    assert parted.between == "bridge"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "bridge_down", "from": "01:00"}, '"from" and "until", or "per_day" and "minutes"'),
        ({"kind": "bridge_down", "per_day": 3}, "[at least, at most]"),
        ({"kind": "bridge_down", "per_day": 3, "minutes": [9, 2]}, "[at least, at most]"),
        ({"kind": "bridge_down", "from": "01:00", "until": "02:00", "minutes": [1, 2]}, 'only with "per_day"'),
        ({"kind": "bridge_slow", "per_day": 3, "minutes": [1, 2]}, '"delay_s" with "bridge_slow"'),
        ({"kind": "network_slow", "from": "01:00", "until": "02:00"}, '"kbit_s", "latency_ms" or both'),
        ({"kind": "bridge_down", "delay_s": 3, "from": "01:00", "until": "02:00"}, '"delay_s" only with'),
        ({"kind": "network_partition", "between": "bridge", "wearer": "jory", "from": "01:00", "until": "02:00"}, 'no "wearer"'),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_line(fault: dict, expected: str, tmp_path: Path):
    with pytest.raises(ConfigError) as refused:
        scenario(tmp_path, fault)
    assert expected in refused.value.expected
    assert ":" in refused.value.file
