"""Kill -9 of the broker, of the bridge, of both and of devices at random moments of a run: at the end the store holds every
record that the devices made, each once, and what follows from them, each once.

The moments come from the test's seed (`HOMEWARD_SEED` repeats a failed run as nearly as a wall clock can).
"""

from collections import Counter
from pathlib import Path

import pytest

import sim.engine.net
from bridge.cases.scheme import apply_scheme, load_scheme
from bridge.findings import Findings
from bridge.ingest import Ingest
from bridge.keys import Keyring
from bridge.store import open_store
from firmware.core import record
from sim.scenario import load
from tests.brokers import missing_reason
from tests.end_to_end.kills import Plan
from tests.end_to_end.runs import ERRAND, Outcome, run_scenario, sealed_messages

PACE = 600.0  # the scenario's 75 minutes in seven and a half seconds


def assert_nothing_is_lost_or_doubled(outcome: Outcome) -> None:
    summary = outcome.summary
    stored, flash = outcome.stored(), outcome.flash()
    assert summary.records_made == sum(outcome.made_by.values()) == summary.records_stored
    for device, made in outcome.made_by.items():
        assert sorted(stored[device])[:made] == list(range(1, made + 1)), "a gap"
        assert all(flash[device][seq] == raw for seq, raw in stored[device].items()), "not what was recorded"
    assert outcome.rows("select count(*) from record_conflict") == [(0,)]


def judged_in_peace(outcome: Outcome, folder: Path) -> Counter:
    """The findings that the same records give in a bridge to which nothing happens."""
    engine = open_store(folder / "peace.db")
    try:
        apply_scheme(engine, load_scheme(outcome.folder / "scheme.yaml"))
        ingest = Ingest(engine, Keyring(outcome.run.folder.fleet_key), clock="records")
        ingest.handle(sealed_messages(outcome.run, outcome.stored()))
        findings = Findings(engine, clock="records")
        while findings.run():
            pass
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("select wearer_id, kind, at_ms, device_id, seq from event where not superseded")
            return Counter(tuple(row) for row in rows)
    finally:
        engine.dispose()


def assert_each_finding_once(outcome: Outcome, folder: Path) -> None:
    found = Counter(outcome.rows("select wearer_id, kind, at_ms, device_id, seq from event where not superseded"))
    assert set(found.values()) == {1}
    assert found == judged_in_peace(outcome, folder)


def attack(folder: Path, plan: Plan, kind: str = "nats", speed: float = PACE, least: int = 3) -> Outcome:
    outcome = run_scenario(folder / "run", kind=kind, speed=speed, around=plan.against)
    print(f"seed {plan.seed} over {kind}: killed {dict(Counter(plan.killed))}, stored {outcome.summary.records_stored}")
    assert len(plan.killed) >= least
    assert_nothing_is_lost_or_doubled(outcome)
    assert_each_finding_once(outcome, folder)
    assert len(outcome.summary.crashes) == plan.killed.count("device")
    return outcome


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that a killed broker had acknowledged and forgot is an outage: five seconds of waiting for it are enough."""
    monkeypatch.setattr(sim.engine.net, "HOLD_S", 5.0)


# Every victim over the broker that is ours; over the other one for `make test-slow`.
KILLED = [
    ("nats", "both"),
    pytest.param("nats", "broker", marks=pytest.mark.slow),
    pytest.param("nats", "bridge", marks=pytest.mark.slow),
    pytest.param("mosquitto", "both", marks=pytest.mark.slow),
    pytest.param("mosquitto", "broker", marks=pytest.mark.slow),
    pytest.param("mosquitto", "bridge", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("broker_kind", "victim"), KILLED, indirect=["broker_kind"])
def test_a_killed_service_loses_nothing_and_doubles_nothing(broker_kind: str, victim: str, seed: int, tmp_path: Path):
    outcome = attack(tmp_path, Plan(seed, (victim,)), broker_kind)
    assert outcome.summary.crashes == []
    assert len(outcome.times_ms("jory", "strap_cut")) == 1
    assert len(outcome.times_ms("tamsin", "zone_entered")) == len(outcome.times_ms("tamsin", "zone_left")) == 1


@pytest.mark.parametrize("broker_kind", ["nats", pytest.param("mosquitto", marks=pytest.mark.slow)], indirect=True)
def test_a_device_that_loses_power_keeps_what_it_recorded(broker_kind: str, seed: int, tmp_path: Path):
    outcome = attack(tmp_path, Plan(seed, ("device",)), broker_kind)
    boots = [r for raws in outcome.stored().values() for raw in raws.values() for r in [record.Record(raw)]]
    boots = [r for r in boots if r.kind == record.EVENT and r.code == record.BOOT]
    assert len(outcome.flash()) <= len(boots) <= len(outcome.flash()) + len(outcome.summary.crashes)
    assert len(outcome.times_ms("jory", "strap_cut")) >= 1


@pytest.mark.slow
def test_all_of_them_dying_at_once_loses_nothing(broker_kind: str, seed: int, tmp_path: Path):
    attack(tmp_path, Plan(seed, ("broker", "bridge", "both", "device")), broker_kind)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("round_", range(4))
def test_many_random_plans_of_kills(seed: int, round_: int, tmp_path: Path):
    kills = 0
    for n in range(6):
        kind = ("nats", "mosquitto")[n % 2]
        if missing_reason(kind):
            continue
        folder = tmp_path / str(n)
        folder.mkdir()
        plan = Plan(seed + 6 * round_ + n, ("broker", "bridge", "both", "device"))
        attack(folder, plan, kind, (PACE, 1200.0, 150.0)[n % 3], least=1)  # a fast run leaves time for few
        kills += len(plan.killed)
    assert kills >= 12


def test_the_scenario_is_one_that_kills_can_hurt():
    scenario = load(ERRAND)
    assert scenario.until_ms / 1000 / PACE >= 7, "seconds of wall time for kills"
