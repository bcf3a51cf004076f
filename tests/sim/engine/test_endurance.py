"""How long the devices last, by the energy model: requirements.md section 2, by the firmware that is flashed."""

import pytest

from sim.engine.endurance import FIGURES, hmu_hours_on_battery, tag_days_home_14h, tag_hours_open_sky_60s


def test_a_tag_lasts_forty_hours_of_a_fix_a_minute_under_an_open_sky():
    found = tag_hours_open_sky_60s()
    assert found.unit == "h" and found.value >= 40 * 1.5, found.lines
    assert found.mean_ma["modem.sleep"] > found.mean_ma["modem.idle"] > 0, "its modem sleeps between reports"


@pytest.mark.slow
def test_a_tag_lasts_seven_days_of_which_its_wearer_is_at_home_for_fourteen_hours():
    found = tag_days_home_14h()
    assert found.unit == "days" and found.value >= 7, found.lines
    assert sum(found.mean_ma.values()) <= 15.2


def test_a_home_unit_lasts_a_day_without_mains_with_a_margin():
    found = hmu_hours_on_battery()
    assert found.unit == "h" and found.value >= 26, found.lines


def test_each_figure_is_there_by_its_name():
    assert set(FIGURES) == {"tag.hours_open_sky_60s", "tag.days_home_14h", "hmu.hours_on_battery"}
