"""The whole tag on 32 bits: what is done to its receiver, its strap and its power comes out of the store, by the cable."""

import pytest

from firmware.core import record
from hil_tests.asking import HERE_E7, away_m, events, fixes, settle, until
from hil_tests.emulated.build import missing
from hil_tests.rigs.emulated import emulated
from hil_tests.steps import Steps

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"the emulated microcontroller: {missing()}"),
    pytest.mark.slow,
]
WITHIN_MS = 120_000  # on a machine that has much else to do


@pytest.fixture
def tag(tmp_path):
    with Steps(tmp_path / "steps") as steps, emulated(None).open(tmp_path, steps, frozenset({"store"})) as rig:
        rig.gnss.inject(*HERE_E7)
        until(rig, lambda: fixes(rig), WITHIN_MS, 1_000)
        yield rig


def test_a_fix_and_a_cut_strap_come_out_of_the_store_and_outlive_a_power_cut(tag):
    fix = fixes(tag)[0]
    assert fix.radius_dm is not None and away_m(fix, *HERE_E7) <= 2 * fix.radius_dm / 10
    tag.strap.cut()
    tag.clock.advance(1_000)
    tag.power.cut()
    until(tag, lambda: events(tag, record.STRAP_CUT), WITHIN_MS)
    until(tag, lambda: len(events(tag, record.BOOT)) == 2, WITHIN_MS)
    assert not events(tag, record.CRASH)
    settle(tag, WITHIN_MS)
    tag.strap.close()
    until(tag, lambda: events(tag, record.STRAP_CLOSED), WITHIN_MS)


def test_what_becomes_of_its_charger_and_its_cell_comes_out_of_the_store(tag):
    tag.charger.unplug()
    until(tag, lambda: events(tag, record.CHARGER_OFF), WITHIN_MS)
    tag.battery.set_millivolts(3_735)
    tag.charger.plug()
    until(tag, lambda: events(tag, record.CHARGER_ON), WITHIN_MS)
    settle(tag, WITHIN_MS)
