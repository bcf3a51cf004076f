"""Expectations against what was found and when it came, each in a made-up store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware.core import record
from sim.engine.expecting import Came, seconds
from tests.sim.report.made_up import MINUTE_MS, MadeUp

BETWEEN = {"wearer": "jory", "event": "strap_cut", "between": ["14:19", "14:22"]}
SOON = {"wearer": "jory", "event": "strap_cut", "of": "14:20:00", "within": "10s"}


class Made:
    """Makes made-up runs that are closed at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.all: list[MadeUp] = []

    def __call__(self, *expected: dict[str, Any], **changes: Any) -> MadeUp:
        folder = self._folder / str(len(self.all))
        folder.mkdir()
        self.all.append(MadeUp(folder, expect=list(expected), **changes))
        return self.all[-1]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Made]:
    made = Made(tmp_path)
    yield made
    for one in made.all:
        one.close()


def cut(made: MadeUp, after_ms: int = 0, lag_ms: int = 1_000) -> None:
    """The strap is found cut so long after 14:20, and known so long after that."""
    t_ms = made.ms("14:20") + after_ms
    seq = made.told(t_ms, record.STRAP_CUT)
    made.went(seq, seq, t_ms + lag_ms - 50)
    made.found("strap_cut", t_ms, seq)


def met(made: MadeUp, **more: Any) -> list[bool | None]:
    return [outcome.met for outcome in made.outcomes(**more)]


def test_what_must_be_found_is_looked_for_between_its_moments_by_its_own_time(make: Made):
    made = make(BETWEEN)
    cut(made, 3 * MINUTE_MS)
    assert met(made) == [False]
    assert made.outcomes()[0].why == "jory: strap_cut must be found between 14:19:00 and 14:22:00, but was not"
    cut(made, 2 * MINUTE_MS)
    assert met(made) == [True]


@pytest.mark.parametrize(("after_ms", "lag_ms", "held"), [(2_000, 8_000, True), (2_000, 8_001, False), (-1, 50, False)])
def test_within_counts_from_the_moment_to_the_arrival(make: Made, after_ms: int, lag_ms: int, held: bool):
    made = make(SOON)
    cut(made, after_ms, lag_ms)
    assert met(made) == [held]


def test_a_finding_that_came_too_late_is_told_as_that(make: Made):
    made = make(SOON)
    cut(made, 0, 12_000)
    assert made.outcomes()[0].why == (
        "jory: strap_cut known within 10 s of 14:20:00: it was found, but known after 12 s at the soonest"
    )


def test_without_a_moment_within_counts_from_the_findings_own_time(make: Made):
    made = make(BETWEEN | {"within": "5s"}, BETWEEN | {"within": "4s"})
    cut(made, MINUTE_MS, 5_000)
    assert met(made) == [True, False]


def test_it_may_be_said_how_often(make: Made):
    made = make(*(BETWEEN | often for often in ({"count": 1}, {"count": 2}, {"count": 3}, {"at_most": 1}, {"at_most": 2})))
    assert met(made) == [False] * 5
    cut(made, 0)
    cut(made, 1_000)
    assert met(made) == [False, True, False, False, True]
    assert made.outcomes()[0].why.endswith("exactly 1: it was found 2 times")


def test_only_what_came_in_time_is_counted(make: Made):
    made = make(SOON | {"count": 1})
    cut(made, 0, 1_000)
    cut(made, 5_000, 60_000)
    assert met(made) == [True]


def test_what_a_later_record_took_back_is_not_found(make: Made):
    made = make(BETWEEN, {"wearer": "jory", "never": "strap_cut"})
    made.found("strap_cut", made.ms("14:20"), 1, superseded=True)
    assert met(made) == [False, True]


def test_what_must_not_be_found_is_told_with_how_often_it_was(make: Made):
    made = make({"wearer": "jory", "never": "strap_cut"}, {"wearer": "jory", "never": "strap_cut", "between": ["15:00", "16:00"]})
    cut(made)
    assert met(made) == [False, True]
    assert made.outcomes()[0].why == "jory: strap_cut must not be found, but was, 1 times"


def test_what_lies_beyond_what_was_simulated_is_not_judged(make: Made):
    made = make(BETWEEN, SOON, {"wearer": "jory", "never": "strap_cut"})
    assert met(made, ended_ms=made.ms("14:20")) == [None, None, True]


def test_a_finding_that_follows_from_no_record_is_known_with_the_record_that_moved_the_clock(make: Made):
    late = {"wearer": "jory", "event": "late_home", "between": ["21:00", "21:10"]}
    made = make(late | {"within": "2m"}, late | {"within": "9m"})
    made.told(made.ms("21:00"), record.STATUS)
    made.told(made.ms("21:10"), record.STATUS)
    made.went(1, 1, made.ms("21:00"))
    made.went(2, 2, made.ms("21:10") + 30_000)
    made.found("late_home", made.ms("21:05"))
    assert met(made) == [False, True]


def came(made: MadeUp, seq: int = 1) -> int | None:
    return Came(made.folder, made.scenario).record_ms(0x01000003, seq)


def test_a_record_is_there_a_latency_after_it_left_and_the_first_time_counts(make: Made):
    made = make()
    made.went(1, 3, 10_000, 70)
    made.went(2, 5, 20_000, 40)
    assert [came(made, seq) for seq in range(7)] == [None, 10_070, 10_070, 10_070, 20_040, 20_040, None]


DOWN = {"from": "07:00", "until": "07:10"}


@pytest.mark.parametrize(
    ("fault", "at", "expected"),
    [
        ({"kind": "bridge_down", **DOWN}, "07:05", "07:10"),  # it waits at the broker
        ({"kind": "network_partition", "between": "bridge", **DOWN}, "07:05", "07:10"),
        ({"kind": "bridge_slow", "delay_s": 3, **DOWN}, "07:05", "07:05:03"),
        ({"kind": "broker_slow", "delay_s": 3, **DOWN}, "07:05", "07:05:03"),
        ({"kind": "bridge_slow", "delay_s": 3, **DOWN}, "07:15", "07:15"),
        ({"kind": "broker_down", **DOWN}, "07:05", "07:20"),  # lost with the connection, and sent again
    ],
)
def test_what_the_scenario_does_in_between_counts(make: Made, fault: dict[str, Any], at: str, expected: str):
    made = make(faults=[fault])
    made.went(1, 1, made.ms(at) - 50)
    made.went(1, 1, made.ms("07:20") - 50)
    assert came(made) == made.ms(expected)


def test_what_was_written_into_a_parted_network_came_after_it_unless_it_was_sent_again(make: Made):
    made = make(faults=[{"kind": "network_partition", **DOWN}])
    made.went(1, 2, made.ms("07:05"), None)
    made.went(2, 2, made.ms("07:12") - 50)
    assert came(made, 1) == made.ms("07:10") and came(made, 2) == made.ms("07:12")


def test_what_left_without_any_network_came_nobody_knows_when(make: Made):
    made = make(SOON)
    made.went(1, 1, made.ms("14:20"), None)
    made.told(made.ms("14:20"), record.STRAP_CUT)
    made.found("strap_cut", made.ms("14:20"), 1)
    assert came(made) is None
    assert "nobody knows when" in made.outcomes()[0].why


@pytest.mark.parametrize(
    ("ms", "words"), [(90, "0.1 s"), (9_949, "9.9 s"), (12_000, "12 s"), (600_000, "10 min"), (3_661_000, "1 h 1 min 1 s")]
)
def test_lengths_of_time_are_told(ms: int, words: str):
    assert seconds(ms) == words
