"""From satellite to store: what simulated wearers do is what the store says they did, over each broker."""

from pathlib import Path

import pytest

from firmware.core import record
from sim.scenario import load
from tests.brokers import missing_reason, wait_for
from tests.end_to_end.runs import ERRAND, Outcome, make_run, run_scenario

CUT_MS = (31 * 60 + 7) * 1000
LEAVES_MS = 6 * 60_000
HOME_AGAIN_MS = 2_288_000


@pytest.fixture(scope="module", params=["nats", pytest.param("mosquitto", marks=pytest.mark.slow)])
def errand(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    reason = missing_reason(request.param)
    if reason:
        pytest.skip(reason)
    return run_scenario(tmp_path_factory.mktemp(request.param) / "run", kind=request.param)


def test_everything_that_was_recorded_is_stored_once_and_nothing_fails(errand: Outcome):
    summary = errand.summary
    assert summary.records_made == summary.records_stored > 60
    assert summary.crashes == [] and summary.holds_expired == 0 and summary.unmet == []
    assert summary.is_good
    assert summary.simulated_s == 4500


def test_the_store_holds_the_very_bytes_of_each_devices_flash(errand: Outcome):
    stored, flash = errand.stored(), errand.flash()
    assert set(stored) == set(flash) and len(flash) == 4
    for device, made in errand.made_by.items():
        assert list(range(1, made + 1)) == [seq for seq in sorted(stored[device]) if seq <= made]
        assert all(flash[device][seq] == raw for seq, raw in stored[device].items())


def test_a_cut_strap_is_dated_within_two_seconds_of_the_cut(errand: Outcome):
    (at_ms,) = errand.times_ms("jory", "strap_cut")
    assert abs(at_ms - CUT_MS) <= 2000
    assert errand.times_ms("tamsin", "strap_cut") == []


def test_the_way_through_the_exclusion_zone_is_found(errand: Outcome):
    (entered_ms,) = errand.times_ms("tamsin", "zone_entered")
    (left_ms,) = errand.times_ms("tamsin", "zone_left")
    world = errand.run.world
    centre = world.town.plane.to_xy(*world.town.latlon(world.place("27 Friars Street")))

    def inside(t_ms: int) -> bool:
        truth = world.truth("tamsin", t_ms)
        x, y = world.town.plane.to_xy(truth.lat, truth.lon)
        return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 150**2

    really = [t for t in range(0, 75 * 60_000, 1000) if inside(t)]
    assert really, "the scenario leads through the zone"
    # Two fixes at a fix a minute, and the whole circle of error must be within; 4 minutes: requirements, section 2.
    assert really[0] <= entered_ms <= really[0] + 240_000
    assert really[-1] <= left_ms <= really[-1] + 240_000


def test_presence_and_mode_follow_the_wearer_out_and_home_again(errand: Outcome):
    modes = [r for r in errand.records_of("tag-000004") if r.kind == record.EVENT and r.code == record.MODE]
    assert [r.value_a for r in modes] == [record.MODE_RF, record.MODE_GPS, record.MODE_RF]
    _, away, back = errand.times_ms("tamsin", "mode")
    assert LEAVES_MS < away < LEAVES_MS + 240_000
    assert HOME_AGAIN_MS - 60_000 < back < HOME_AGAIN_MS + 120_000
    states = errand.rows(
        "select detail ->> 'presence' from event where wearer_id = 'tamsin' and kind = 'presence' and not superseded"
        " order by at_ms"
    )
    assert [state for (state,) in states] == ["home", "not_home", "home"]
    assert errand.rows("select presence, strap from live where wearer_id = 'jory'") == [(record.PRESENCE_NOT_HOME, "cut")]
    assert errand.rows("select presence, strap from live where wearer_id = 'tamsin'")[0][0] == record.PRESENCE_HOME


def test_at_home_the_receiver_sleeps_and_the_home_unit_carries_the_records(errand: Outcome):
    fixes = [r for r in errand.records_of("tag-000004") if r.kind == record.FIX]
    start_s = errand.run.world.start_utc_ms // 1000
    assert len(fixes) > 20
    assert all(360 <= r.time_s - start_s < (HOME_AGAIN_MS + 120_000) // 1000 for r in fixes)
    (charging,) = [r.seq for r in errand.records_of("tag-000004") if r.kind == record.EVENT and r.code == record.CHARGER_ON]
    carried = errand.rows("select relayed_by from record where device_id = ? and seq = ?", 0x01000004, charging)
    assert carried == [(0x02000004,)]


def test_fixes_lie_where_the_wearer_was(errand: Outcome):
    world = errand.run.world
    misses = []
    for r in errand.records_of("tag-000004"):
        if r.kind == record.FIX and r.radius_dm:
            truth = world.truth("tamsin", r.time_s * 1000 + r.millis - world.start_utc_ms)
            ax, ay = world.town.plane.to_xy(truth.lat, truth.lon)
            bx, by = world.town.plane.to_xy(r.lat_e7 / 1e7, r.lon_e7 / 1e7)
            misses.append(((ax - bx) ** 2 + (ay - by) ** 2) ** 0.5 / (r.radius_dm / 10))
    assert sum(miss <= 1 for miss in misses) >= 0.85 * len(misses), sorted(misses)


def test_a_cut_strap_is_in_the_store_within_ten_seconds_and_found_at_once(broker_kind: str, tmp_path: Path):
    # Virtual time waits for the bridge's receipt, and the bridge commits first: a step that is over has been stored.
    with make_run(tmp_path / "run", load(ERRAND), kind=broker_kind) as run:
        run.kernel.run_to(CUT_MS - 1000)
        assert run.engine is not None

        def cuts(table: str, where: str) -> int:
            assert run.engine is not None
            with run.engine.connect() as connection:
                return connection.exec_driver_sql(f"select count(*) from {table} where {where}").scalar_one()  # noqa: S608

        stored = f"kind = {record.EVENT} and code = {record.STRAP_CUT}"
        assert cuts("record", stored) == 0
        t_ms = CUT_MS
        while not cuts("record", stored):
            t_ms += 500
            assert t_ms <= CUT_MS + 10_000, "no record of the cut in the store"
            run.kernel.run_to(t_ms)
        wait_for(lambda: cuts("event", "kind = 'strap_cut'"), "the finding", 10)


def test_another_seed_is_another_world_and_is_stored_as_well(tmp_path: Path, seed: int):
    from tests.end_to_end.runs import with_seed

    outcome = run_scenario(tmp_path / "run", scenario=with_seed(load(ERRAND), seed))
    assert outcome.summary.records_made == outcome.summary.records_stored
    assert outcome.summary.crashes == []
    assert len(outcome.times_ms("jory", "strap_cut")) == 1
