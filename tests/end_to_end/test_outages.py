"""Long outages: hours and ten days without coverage, a home unit without its network, broker and bridge killed in the catch-up.

Everything arrives once and in order of sequence, the window stays bounded, and the virtual time from the outage's end until the
store holds the last record is stated: CATCH_UP_MAX_MS. Most of it is a modem's or a home unit's pause before it tries again. It
is measured in steps of a quarter of a minute; `-s` prints it.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import sim.engine.net
from firmware.core import ident, record
from sim.engine.net import Network
from sim.engine.run import Run
from sim.scenario import load
from tests.end_to_end.runs import Outcome, run_scenario

TAG, UNIT = "tag-000003", "hmu-000003"
DAY_MIN = 24 * 60
CATCH_UP_MAX_MS = 12 * 60_000  # a modem tries again after ten minutes at the latest; a home unit's broker after one
WINDOW = 4  # messages of records that a device has under way
RELAYED_WINDOW = 16  # beside them, what a home unit passes on

# A fix a minute, at rest as well: what the journal is laid out for.
AWAY = {"fix_interval_s": 60, "rest_interval_s": 60}
# At home nobody takes fixes: a heartbeat a minute makes as many records. The rest saves the test's time, not the device's.
HOME = {
    "heartbeat_s": 60, "unit_status_s": 60, "status_s": 600, "absent_s": 1800,
    "scan_home_s": 60, "scan_calm_s": 60, "scan_away_s": 60, "exit_s": 180, "entry_window_s": 600, "beacon_s": 60,
}  # fmt: skip


class Watched:
    """How many messages were ever without an answer, by device; `at_message(n)` is called at each one."""

    def __init__(self) -> None:
        self.most: Counter[str] = Counter()
        self.messages = 0
        self.at_message: Callable[[int], None] = lambda n: None

    @contextmanager
    def on(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        original = Network._await

        def awaits(network, connection, key, due_ms):
            original(network, connection, key, due_ms)
            if key[0] == "receipt":
                here = sum(waiting.key[0] == "receipt" for waiting in connection.awaited)
                name = connection.device.name
                self.most[name] = max(self.most[name], here)
                self.messages += 1
                self.at_message(self.messages)

        with patch.context() as inner:
            inner.setattr(Network, "_await", awaits)
            yield


def out_of_reach(
    folder: Path, patch: pytest.MonkeyPatch, policy: dict, minutes: int, watched: Watched, around: Callable | None = None
) -> Outcome:
    """The wearer stays where he is, ten minutes with everything, and then without a way to the bridge until the end."""
    at_home = policy is HOME
    end_min = 8 * 60 + 10 + minutes
    end = f"day {end_min // DAY_MIN + 1} {end_min // 60 % 24:02d}:{end_min % 60:02d}"
    kinds = ("home_network_lost", "coverage_lost") if at_home else ("coverage_lost",)
    person = {
        "id": "jory",
        "name": "Jory Penhale",
        "tag": TAG,
        "home": "26 Pheasant Terrace" if at_home else {"lat": 50.7154, "lon": -2.4367},
        "battery": 100,
        "events": [{"at": "08:01", "what": "charger_on"}],
    }
    if at_home:
        person["home_unit"] = UNIT
    file = {
        "name": "out of reach",
        "seed": 5,
        "start": "2026-06-01T08:00:00",
        "timezone": "Europe/London",
        "until": f"{minutes + 10}m",
        "people": [person],
        "faults": [{"kind": kind, "from": "08:10", "until": end} for kind in kinds],
    }
    path = folder / "outage.yaml"
    path.write_text(yaml.safe_dump(file))
    with watched.on(patch):
        outcome = run_scenario(folder / "run", scenario=load(path), policy=policy, around=around)
    print(
        f"{minutes} min {'at home' if at_home else 'away'}: {outcome.summary.records_made} records, caught up in "
        f"{catch_up_ms(outcome) / 1000:.0f} s of virtual time; at most {dict(watched.most)} messages without an answer; "
        f"{outcome.summary.wall_s:.0f} s"
    )
    return outcome


def catch_up_ms(outcome: Outcome) -> int:
    return outcome.run.kernel.time_ms - outcome.run.options.until_ms


def assert_all_is_stored_once(outcome: Outcome) -> None:
    summary = outcome.summary
    assert summary.crashes == [] and summary.records_stored == summary.records_made == sum(outcome.made_by.values())
    stored, flash = outcome.stored(), outcome.flash()
    for device, made in outcome.made_by.items():
        assert sorted(stored[device])[:made] == list(range(1, made + 1)), "a gap"
        assert all(flash[device][seq] == raw for seq, raw in stored[device].items()), "not what was recorded"
    assert outcome.rows("select count(*) from record_conflict") == [(0,)]
    assert not [
        r for name in names(outcome) for r in outcome.records_of(name) if r.kind == record.EVENT and r.code == record.JOURNAL_FULL
    ]


def names(outcome: Outcome) -> list[str]:
    return [ident.device_name(device) for device in outcome.made_by]


def assert_in_order(outcome: Outcome) -> None:
    for device, records in outcome.stored().items():
        assert list(records) == sorted(records), ident.device_name(device)


def assert_the_window_held(watched: Watched) -> None:
    assert 0 < watched.most[TAG] <= WINDOW
    assert watched.most[UNIT] <= WINDOW + RELAYED_WINDOW


def assert_caught_up(outcome: Outcome, watched: Watched) -> None:
    assert_all_is_stored_once(outcome)
    assert_in_order(outcome)
    assert_the_window_held(watched)
    assert catch_up_ms(outcome) <= CATCH_UP_MAX_MS


def test_six_hours_without_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    outcome = out_of_reach(tmp_path, monkeypatch, AWAY, 6 * 60, watched := Watched())
    assert_caught_up(outcome, watched)
    assert outcome.summary.fixes >= 6 * 60


def test_two_hours_of_a_home_without_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    outcome = out_of_reach(tmp_path, monkeypatch, HOME, 2 * 60, watched := Watched())
    assert_caught_up(outcome, watched)
    assert all(made >= 2 * 60 for made in outcome.made_by.values())


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["broker", "bridge"])
def test_a_kill_in_the_catch_up_loses_nothing(victim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sim.engine.net, "HOLD_S", 5.0)
    watched = Watched()
    killed = []

    @contextmanager
    def killing(run: Run) -> Iterator[None]:
        services = run.services
        assert services is not None
        last = 0

        def at_message(n: int) -> None:
            # In the catch-up no more than the backlog is under way: its third message, and its thirteenth.
            nonlocal last
            if run.now_ms < run.options.until_ms:
                last = n
            elif n - last in (3, 13):
                pid = services.broker.pid if victim == "broker" else services.bridge.pid
                assert pid
                os.kill(pid, signal.SIGKILL)
                killed.append(n)

        watched.at_message = at_message
        yield

    outcome = out_of_reach(tmp_path, monkeypatch, AWAY, 12 * 60, watched, killing)
    assert len(killed) == 2, "in the catch-up"
    assert_all_is_stored_once(outcome)
    assert_the_window_held(watched)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_days_without_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    outcome = out_of_reach(tmp_path, monkeypatch, AWAY, 10 * DAY_MIN, watched := Watched())
    assert_caught_up(outcome, watched)
    assert outcome.summary.fixes >= 14_400


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_days_of_a_home_without_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    outcome = out_of_reach(tmp_path, monkeypatch, HOME, 10 * DAY_MIN, watched := Watched())
    assert_caught_up(outcome, watched)
    assert all(made >= 14_400 for made in outcome.made_by.values())
