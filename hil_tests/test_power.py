"""Power that is cut, at random and at chosen moments: the device comes back, and no record that it held is lost or doubled."""

import random
import zlib

import pytest

from firmware.core import record
from hil_tests.asking import START_MS, events, settle, track, until, utc_ms_of

# ms after an event has happened: it is debounced, recorded, sealed, sent, stored and receipted within these (a coarse comb over
# all of the way, and a fine one over its first half second, in which it is written to flash).
_COARSE = (600, 800, 1_000, 1_300, 1_700, 2_200, 3_000, 4_500, 7_000)
_FINE = tuple(range(0, 500, 25))


@pytest.mark.needs("clock", "store", "gnss", "radio", "power", "flash")
def test_power_cuts_at_random_moments_lose_no_record(rig, request):
    seed = zlib.crc32(request.node.nodeid.encode())
    print(f"seed {seed}")
    rng = random.Random(seed)
    track(rig)
    cuts = 12
    for _ in range(cuts):
        rig.clock.advance(rng.randrange(200, 90_000))
        rig.power.cut()
    held = rig.flash.held()
    assert len(held) > cuts
    until(rig, lambda: len(rig.store.stored()) >= len(held), 900_000, 5_000)
    rig.clock.advance(60_000)
    settle(rig)
    # A tag that loses power while it starts may not get to say so.
    assert 2 <= len(events(rig, record.BOOT)) <= cuts + 1


@pytest.mark.needs("clock", "store", "gnss", "radio", "strap", "power", "flash")
def test_power_cut_while_a_cut_strap_is_recorded(rig):
    at_moments(rig, (*_COARSE[::3], *_FINE[::5]))


@pytest.mark.slow
@pytest.mark.needs("clock", "store", "gnss", "radio", "strap", "power", "flash", "virtual")
def test_power_cut_at_every_moment_of_a_strap_cuts_way(rig):
    at_moments(rig, (*_COARSE, *_FINE))


def at_moments(rig, moments_ms: tuple[int, ...]) -> None:
    for after_ms in moments_ms:
        closed = len(events(rig, record.STRAP_CLOSED))
        cut_during_a_strap_cut(rig, after_ms)
        rig.clock.advance(START_MS)  # one that starts with a closed strap has nothing to tell
        rig.strap.close()
        until(rig, lambda closed=closed: len(events(rig, record.STRAP_CLOSED)) > closed, 120_000, 1_000)
        rig.clock.advance(30_000)


def cut_during_a_strap_cut(rig, after_ms: int) -> None:
    """The strap is cut, the power fails so long after; the cut stays known, whatever the moment."""
    if not any(r.kind == record.FIX for r in rig.store.stored()):
        track(rig)
    before = len(events(rig, record.STRAP_CUT))
    at_ms = rig.strap.cut()
    rig.clock.advance(1 + after_ms)
    rig.power.cut()
    until(rig, lambda: len(events(rig, record.STRAP_CUT)) > before, 600_000, 1_000)
    settle(rig)
    told = events(rig, record.STRAP_CUT)[before:]
    # Before the cut was recorded the power may have failed; then it is recorded as the device finds it after the start.
    assert 1 <= len(told) <= 2
    assert not told[0].is_dated or abs(utc_ms_of(told[0]) - rig.clock.utc_ms(at_ms)) <= after_ms + 20_000


@pytest.mark.needs("clock", "store", "gnss", "radio", "network", "power", "flash", "strap")
def test_what_was_recorded_without_a_network_outlives_power_cuts(rig):
    track(rig)
    rig.network.lose()
    rig.clock.advance(700_000)
    rig.strap.cut()
    rig.clock.advance(5_000)
    for pause_ms in (1, 300, 2_500, 40_000):
        rig.power.cut()
        rig.clock.advance(pause_ms)
    held = rig.flash.held()
    rig.network.restore()
    stored = settle(rig)
    assert set(held) <= set(stored)
    assert events(rig, record.STRAP_CUT)


@pytest.mark.needs("clock", "store", "gnss", "radio", "power", "flash")
def test_a_device_whose_power_fails_again_and_again_as_it_starts_still_starts(rig):
    track(rig)
    before = len(rig.store.stored())
    for pause_ms in range(0, 2_000, 100):
        rig.power.cut()
        rig.clock.advance(1 + pause_ms)
    until(rig, lambda: len(rig.store.stored()) > before, 600_000, 1_000)
    settle(rig)
