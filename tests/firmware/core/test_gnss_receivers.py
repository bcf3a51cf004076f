"""Logs of 50 real receivers through the parser: what gpsd found comes out, and nothing that the log does not say."""

import random
from datetime import date, timedelta

import pytest

from firmware.core.gnss import Receiver
from tests.firmware.core.receivers import Sight, gpsd_fixes, log, names, needs_logs, pynmea2_fixes

pytestmark = needs_logs

E7 = 1.01e-7  # degrees: half a unit of rounding on either side, and the floats of the oracles
GPSD = 1e-6


def epochs(data: bytes, seed: int) -> list[tuple[Sight, bool]]:
    """Every valid epoch of the bytes, fed in pieces of random size; with whether its date is doubtful."""
    found: list[tuple[Sight, bool]] = []

    def on_epoch(fix):
        if fix.valid:
            day = (date(1970, 1, 1) + timedelta(days=fix.day)).isoformat() if fix.has_date else None
            sight = Sight(fix.tod_s * 1000 + fix.millis, fix.pos[0] / 1e7, fix.pos[1] / 1e7, day)
            found.append((sight, fix.date_doubtful))

    receiver = Receiver(on_epoch)
    pieces = random.Random(seed)
    at = 0
    while at < len(data):
        size = pieces.choice((1, 2, 7, 64, 80, 256, 1024))
        piece = bytearray(data[at : at + size])
        receiver.feed(piece, len(piece))
        at += size
    receiver.idle()
    return found


@pytest.mark.parametrize("name", names())
def test_every_fix_that_gpsd_found_comes_out(name):
    data = log(name)
    ours = [sight for sight, _ in epochs(data, seed=1)]
    sound_times = {sight.tod_ms for sight in pynmea2_fixes(data)}
    for theirs in gpsd_fixes(name):
        if theirs.tod_ms in sound_times:
            assert any(sight.is_near(theirs, GPSD) for sight in ours), theirs


@pytest.mark.parametrize("name", names())
def test_nothing_is_invented(name):
    data = log(name)
    sound = pynmea2_fixes(data)
    for sight, _ in epochs(data, seed=2):
        assert any(sight.is_near(known, E7) for known in sound), sight


@pytest.mark.parametrize("name", names())
def test_no_time_with_a_sound_fix_is_left_out(name):
    data = log(name)
    ours = {sight.tod_ms for sight, _ in epochs(data, seed=3)}
    assert {sight.tod_ms for sight in pynmea2_fixes(data)} == ours


@pytest.mark.parametrize("name", names())
def test_the_size_of_the_pieces_changes_nothing(name):
    data = log(name)
    assert epochs(data, seed=4) == epochs(data, seed=5)


@pytest.mark.parametrize("name", names())
def test_a_date_is_the_logs_own_and_gpsds_where_it_is_plausible(name):
    data = log(name)
    said = {(sight.tod_ms, sight.date) for sight in pynmea2_fixes(data) if sight.kind == "RMC"}
    gpsd = {(sight.tod_ms, sight.date) for sight in gpsd_fixes(name)}
    for sight, doubtful in epochs(data, seed=6):
        if sight.tod_ms in {tod_ms for tod_ms, _ in said}:
            assert (sight.tod_ms, sight.date) in said
        if sight.date and not doubtful and sight.tod_ms in {tod_ms for tod_ms, _ in gpsd}:
            assert (sight.tod_ms, sight.date) in gpsd
