"""A tag on a bench: what it records of what is done to it, as it comes out of the bridge's store."""

import pytest

from firmware.core import record
from hil_tests.asking import HERE_E7, away_m, events, fixes, mode, track, unit_events, until, utc_ms_of
from hil_tests.rigs.capabilities import FAR_DB

# mV at rest and what is left of a lithium cell in percent: read off typical data-sheet curves, to five percent.
_CURVE = ((3815, 46), (3735, 29))
_LOW_MV = 3675  # just under a fifth


@pytest.mark.needs("clock", "store")
def test_it_records_its_boot_within_five_seconds(rig):
    until(rig, lambda: events(rig, record.BOOT), 300_000, 1_000)
    boot = events(rig, record.BOOT)[0]
    assert boot.seq == rig.store.stored()[0].seq and boot.value_b >= 1
    assert not boot.is_dated and boot.time_s <= 5  # before its clock is known a record is dated with the uptime


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_an_injected_position_comes_out_of_the_store(rig):
    track(rig)
    fix = fixes(rig)[-1]
    assert fix.radius_dm is not None and fix.radius_dm <= 250
    assert away_m(fix, *HERE_E7) <= 2 * fix.radius_dm / 10  # its radius holds the truth 95 times in 100
    assert 0 <= rig.clock.utc_ms(rig.clock.now_ms) - utc_ms_of(fix) < 120_000


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_without_a_fix_there_is_none_in_the_store(rig):
    rig.radio.attenuate(FAR_DB)
    rig.gnss.no_fix()
    until(rig, lambda: events(rig, record.GNSS_LOST), 900_000, 5_000)
    assert fixes(rig) == []


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_cut_strap_is_recorded_within_two_seconds_and_stored_within_ten(rig):
    track(rig)
    at_ms = rig.strap.cut()
    took_ms = until(rig, lambda: events(rig, record.STRAP_CUT), 10_000)
    (cut,) = events(rig, record.STRAP_CUT)
    assert abs(utc_ms_of(cut) - rig.clock.utc_ms(at_ms)) <= 2_000
    assert took_ms <= 10_000


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_strap_that_closes_again_adds_a_record_and_takes_none_away(rig):
    track(rig)
    rig.strap.cut()
    rig.clock.advance(5_000)
    rig.strap.close()
    until(rig, lambda: events(rig, record.STRAP_CLOSED), 10_000)
    assert len(events(rig, record.STRAP_CUT)) == 1


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_loop_that_bounces_is_no_cut(rig):
    track(rig)
    rig.strap.cut()
    rig.clock.advance(100)
    rig.strap.close()
    rig.clock.advance(60_000)
    assert events(rig, record.STRAP_CUT) == []


@pytest.mark.needs("clock", "store", "gnss", "radio", "case")
def test_an_opened_case_is_recorded_and_so_is_its_closing(rig):
    track(rig)
    rig.case.open()
    until(rig, lambda: events(rig, record.CASE_OPENED), 30_000)
    rig.case.close()
    until(rig, lambda: events(rig, record.CASE_CLOSED), 30_000)
    assert len(events(rig, record.CASE_OPENED)) == 1


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_beacons_decide_between_gps_and_rf(rig):
    rig.gnss.inject(*HERE_E7)
    until(rig, lambda: mode(rig) == record.MODE_RF, 240_000, 5_000)
    rig.radio.attenuate(FAR_DB)
    until(rig, lambda: mode(rig) == record.MODE_GPS, 240_000, 5_000)
    assert events(rig, record.MODE)[-1].value_b in (record.MODE_BY_SILENCE, record.MODE_BY_DOUBT)
    rig.radio.attenuate(0.0)
    until(rig, lambda: mode(rig) == record.MODE_RF, 240_000, 5_000)


@pytest.mark.needs("clock", "store", "gnss", "radio", "wake")
def test_at_home_the_receiver_sleeps(rig):
    rig.gnss.inject(*HERE_E7)
    until(rig, lambda: mode(rig) == record.MODE_RF, 240_000, 5_000)
    assert not rig.wake.receiver_is_on
    rig.radio.attenuate(FAR_DB)
    until(rig, lambda: rig.wake.receiver_is_on, 240_000, 1_000)


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_a_beacon_that_grows_weaker_ends_the_mode_once_and_does_not_flap(rig):
    rig.gnss.inject(*HERE_E7)
    until(rig, lambda: mode(rig) == record.MODE_RF, 240_000, 5_000)
    for db in range(0, 100, 5):
        rig.radio.attenuate(float(db))
        rig.clock.advance(20_000)
    until(rig, lambda: mode(rig) == record.MODE_GPS, 300_000, 5_000)
    rig.clock.advance(120_000)
    changes = [r.value_a for r in events(rig, record.MODE)]
    assert changes[-1] == record.MODE_GPS and changes.count(record.MODE_RF) == 1


@pytest.mark.needs("clock", "store", "mains")
def test_mains_that_fail_are_recorded_within_thirty_seconds_and_so_is_their_return(rig):
    until(rig, lambda: unit_events(rig, record.CLOCK_SET), 300_000, 1_000)
    at_ms = rig.mains.lose()
    until(rig, lambda: unit_events(rig, record.MAINS_LOST), 30_000)
    assert abs(utc_ms_of(unit_events(rig, record.MAINS_LOST)[-1]) - rig.clock.utc_ms(at_ms)) <= 5_000
    rig.mains.restore()
    until(rig, lambda: unit_events(rig, record.MAINS_BACK), 30_000)


@pytest.mark.needs("clock", "store", "gnss", "radio", "battery")
def test_a_cell_that_runs_down_tells_each_stage_once_with_its_voltage(rig):
    track(rig)
    rig.battery.set_millivolts(4100)
    rig.clock.advance(700_000)
    before = len(events(rig, record.BATTERY))
    for n, (millivolts, percent) in enumerate(_CURVE, 1):
        rig.battery.set_millivolts(millivolts)
        until(rig, lambda n=n: len(events(rig, record.BATTERY)) >= before + n, 1_200_000, 5_000)
        told = events(rig, record.BATTERY)[-1]
        assert abs(told.value_b - millivolts) <= 30 and abs(told.value_a - percent) <= 5
    rig.clock.advance(700_000)
    assert len(events(rig, record.BATTERY)) == before + len(_CURVE)


@pytest.mark.needs("clock", "store", "gnss", "radio", "battery", "virtual")
def test_the_wearer_is_warned_half_an_hour_before_an_officer_hears_of_a_low_cell(rig):
    track(rig)
    rig.battery.set_millivolts(_LOW_MV)
    until(rig, lambda: events(rig, record.WARNED), 700_000, 5_000)
    until(rig, lambda: [r for r in events(rig, record.BATTERY) if r.value_a <= 20], 2_700_000, 5_000)
    warned, told = events(rig, record.WARNED)[0], events(rig, record.BATTERY)[-1]
    assert 1_500_000 <= utc_ms_of(told) - utc_ms_of(warned) <= 2_400_000


@pytest.mark.needs("clock", "store", "gnss", "radio", "charger")
def test_the_charger_is_recorded_on_and_off(rig):
    rig.charger.unplug()  # a bench at rest has it plugged in
    track(rig)
    on, off = (len(events(rig, code)) for code in (record.CHARGER_ON, record.CHARGER_OFF))
    rig.charger.plug()
    until(rig, lambda: len(events(rig, record.CHARGER_ON)) > on, 60_000, 1_000)
    rig.charger.unplug()
    until(rig, lambda: len(events(rig, record.CHARGER_OFF)) > off, 400_000, 1_000)


@pytest.mark.needs("clock", "store", "gnss", "radio", "zone")
def test_a_zone_that_is_entered_and_left_is_told_both_times(rig):
    track(rig)

    def sides() -> list[int]:
        return [r.value_a >> 16 for r in events(rig, record.ZONE)]

    rig.gnss.inject(rig.zone.lat_e7, rig.zone.lon_e7)
    until(rig, lambda: sides()[-1:] == [record.ZONE_INSIDE], 300_000, 5_000)
    rig.gnss.inject(*HERE_E7)
    until(rig, lambda: sides()[-1:] == [record.ZONE_OUTSIDE], 300_000, 5_000)
    assert sides().count(record.ZONE_INSIDE) == 1


@pytest.mark.needs("clock", "store", "gnss", "radio", "network")
def test_what_happens_without_a_network_arrives_afterwards_once_and_in_order(rig):
    track(rig)
    rig.network.lose()
    rig.clock.advance(600_000)  # what was on its way as the network went may still arrive
    before = len(rig.store.stored())
    rig.clock.advance(1_800_000)
    assert len(rig.store.stored()) == before
    rig.network.restore()
    until(rig, lambda: len(rig.store.stored()) >= before + 4, 1_500_000, 5_000)
    records = rig.store.stored()
    assert [r.seq for r in records] == list(range(records[0].seq, records[-1].seq + 1))
    dated = [utc_ms_of(r) for r in records if r.is_dated and r.kind == record.FIX]
    assert dated == sorted(dated)
