"""A day on the bench: all that a day holds, and at its end every record is there, once and in order. In virtual time where the
rig has it; elsewhere it takes a day."""

import random
import zlib

import pytest

from firmware.core import record
from hil_tests.asking import HERE_E7, events, fixes, settle, track
from hil_tests.rigs.capabilities import FAR_DB

_HOUR_MS = 3_600_000


@pytest.mark.slow
@pytest.mark.needs("clock", "store", "gnss", "radio", "strap", "network", "power", "flash", "mains", "zone")
def test_a_day_of_everything_loses_nothing(rig, request):
    seed = zlib.crc32(request.node.nodeid.encode())
    print(f"seed {seed}")
    rng = random.Random(seed)
    track(rig)
    cuts = closes = power_cuts = 0
    end_ms = rig.clock.now_ms + 24 * _HOUR_MS
    is_away, has_network, has_mains, is_cut = True, True, True, False
    while rig.clock.now_ms < end_ms:
        rig.clock.advance(rng.randrange(1_000, 1_200_000))
        what = rng.choice(("move", "move", "home", "strap", "network", "power", "mains", "zone"))
        if what == "move":
            rig.gnss.inject(HERE_E7[0] + rng.randrange(-40_000, 40_000), HERE_E7[1] + rng.randrange(-40_000, 40_000))
        elif what == "zone":
            rig.gnss.inject(rig.zone.lat_e7, rig.zone.lon_e7)
        elif what == "home":
            is_away = not is_away
            rig.radio.attenuate(FAR_DB if is_away else 0.0)
        elif what == "strap":
            is_cut = not is_cut
            (rig.strap.cut if is_cut else rig.strap.close)()
            rig.clock.advance(5_000)  # longer than it is debounced, and without a power cut
            cuts, closes = cuts + is_cut, closes + (not is_cut)
        elif what == "network":
            has_network = not has_network
            (rig.network.restore if has_network else rig.network.lose)()
        elif what == "mains":
            has_mains = not has_mains
            (rig.mains.restore if has_mains else rig.mains.lose)()
        else:
            rig.power.cut()
            power_cuts += 1
    rig.network.restore()
    rig.mains.restore()
    rig.clock.advance(60_000)
    stored = settle(rig)
    print(f"{len(stored)} records, {len(fixes(rig))} fixes, {power_cuts} power cuts, {cuts} strap cuts")
    assert len(events(rig, record.STRAP_CUT)) >= cuts and len(events(rig, record.STRAP_CLOSED)) >= closes
    assert len(events(rig, record.BOOT)) <= power_cuts + 1
    assert not events(rig, record.CRASH) and not events(rig, record.FAULT) and not events(rig, record.JOURNAL_FULL)
    assert len(fixes(rig)) > 100
