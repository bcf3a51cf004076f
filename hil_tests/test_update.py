"""A release over the air: taken, tried, kept when it is healthy, and taken back by the tag itself when it is not."""

import pytest

from firmware.core import record
from hil_tests.asking import events, settle, track, until


@pytest.mark.needs("clock", "store", "gnss", "radio", "releases", "flash")
def test_a_release_is_taken_and_kept_and_a_broken_one_is_taken_back(rig):
    track(rig)
    good = rig.releases.send("good")
    until(rig, lambda: rig.releases.state(good) == "done", 3_600_000, 5_000)
    assert rig.releases.runs() == "1001"
    broken = rig.releases.send("broken")
    until(rig, lambda: rig.releases.state(broken) == "rolled back", 3_600_000, 5_000)
    assert rig.releases.runs() == "1001"
    settle(rig)
    assert not events(rig, record.SAFE_MODE)


@pytest.mark.slow
@pytest.mark.needs("clock", "store", "gnss", "radio", "releases", "flash", "power")
def test_power_that_fails_while_a_release_comes_in_costs_neither_the_release_nor_the_tag(rig):
    track(rig)
    order = rig.releases.send("good")
    for pause_ms in (20_000, 35_000, 50_000, 5_000, 90_000):
        rig.clock.advance(pause_ms)
        rig.power.cut()
    until(rig, lambda: rig.releases.state(order) == "done", 7_200_000, 5_000)
    assert rig.releases.runs() == "1001"
    settle(rig)
