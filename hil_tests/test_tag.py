"""A tag on a bench: what it records of what is done to it, as it comes out of the bridge's store."""

import random
import zlib
from collections.abc import Callable

import pytest

from firmware.core import record
from firmware.core.record import Record

HERE_E7 = (507_151_234, -24_368_765)
FAR_DB = 200.0


def events(rig, code: int) -> list[Record]:
    return [r for r in rig.stored() if r.kind == record.EVENT and r.code == code]


def fixes(rig) -> list[Record]:
    return [r for r in rig.stored() if r.kind == record.FIX]


def until(rig, what: Callable[[], object], within_ms: int, step_ms: int = 500) -> int:
    """Let time pass until `what()`; how long it took. AssertionError when it takes longer."""
    began_ms = rig.now_ms
    while not what():
        assert rig.now_ms - began_ms < within_ms, f"not within {within_ms} ms"
        rig.advance(step_ms)
    return rig.now_ms - began_ms


def track(rig) -> None:
    """Away from home, under an open sky, with a first fix in the store."""
    rig.attenuate(FAR_DB)
    rig.inject(*HERE_E7)
    until(rig, lambda: fixes(rig), 400_000, 5_000)


@pytest.mark.needs("clock", "store")
def test_it_records_its_boot_within_five_seconds(rig):
    until(rig, lambda: events(rig, record.BOOT), 300_000, 1_000)
    (boot,) = events(rig, record.BOOT)
    assert boot.seq == 1 and boot.value_b == 1
    assert not boot.is_dated and boot.time_s <= 5  # before its clock is known a record is dated with the uptime


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_an_injected_position_comes_out_of_the_store(rig):
    track(rig)
    fix = fixes(rig)[-1]
    assert abs(fix.lat_e7 - HERE_E7[0]) <= 1 and abs(fix.lon_e7 - HERE_E7[1]) <= 1
    assert 0 <= rig.utc_ms(rig.now_ms) - (fix.time_s * 1000 + fix.millis) < 120_000


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_without_a_fix_there_is_none_in_the_store(rig):
    rig.attenuate(FAR_DB)
    rig.no_fix()
    until(rig, lambda: events(rig, record.GNSS_LOST), 900_000, 5_000)
    assert fixes(rig) == []


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_cut_strap_is_recorded_within_two_seconds_and_stored_within_ten(rig):
    track(rig)
    at_ms = rig.cut_strap()
    took_ms = until(rig, lambda: events(rig, record.STRAP_CUT), 10_000)
    (cut,) = events(rig, record.STRAP_CUT)
    assert abs(cut.time_s * 1000 + cut.millis - rig.utc_ms(at_ms)) <= 2_000
    assert took_ms <= 10_000


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_strap_that_closes_again_adds_a_record_and_takes_none_away(rig):
    track(rig)
    rig.cut_strap()
    rig.advance(5_000)
    rig.close_strap()
    until(rig, lambda: events(rig, record.STRAP_CLOSED), 10_000)
    assert len(events(rig, record.STRAP_CUT)) == 1


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap")
def test_a_loop_that_bounces_is_no_cut(rig):
    track(rig)
    rig.cut_strap()
    rig.advance(100)
    rig.close_strap()
    rig.advance(60_000)
    assert events(rig, record.STRAP_CUT) == []


@pytest.mark.needs("clock", "store", "gnss", "radio")
def test_beacons_decide_between_gps_and_rf(rig):
    rig.inject(*HERE_E7)

    def mode() -> int:
        return ([record.MODE_GPS] + [r.value_a for r in events(rig, record.MODE)])[-1]

    until(rig, lambda: mode() == record.MODE_RF, 240_000, 5_000)
    assert not rig.receiver_is_on
    rig.attenuate(FAR_DB)
    until(rig, lambda: mode() == record.MODE_GPS, 240_000, 5_000)
    assert events(rig, record.MODE)[-1].value_b in (record.MODE_BY_SILENCE, record.MODE_BY_DOUBT)
    rig.attenuate(0.0)
    until(rig, lambda: mode() == record.MODE_RF, 240_000, 5_000)
    assert not rig.receiver_is_on


@pytest.mark.needs("clock", "store", "gnss", "radio", "power")
def test_power_cuts_at_random_moments_lose_no_record(rig, request):
    rng = random.Random(zlib.crc32(request.node.nodeid.encode()))
    track(rig)
    cuts = 12
    for _ in range(cuts):
        rig.advance(rng.randrange(200, 90_000))
        rig.cut_power()
    held = rig.flash()
    assert len(held) > cuts
    until(rig, lambda: len(rig.stored()) >= len(held), 900_000, 5_000)
    rig.advance(60_000)
    stored = {r.seq: r.raw for r in rig.stored()}
    assert {seq: stored.get(seq) for seq in held} == held
    assert sorted(stored) == list(range(1, len(stored) + 1))
    # A tag that loses power while it starts may not get to say so.
    assert 2 <= len(events(rig, record.BOOT)) <= cuts + 1
