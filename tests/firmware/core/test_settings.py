"""Every setting has a range, and what lies outside is refused whole, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.settings import Settings, SettingsError, ranges


def test_every_default_lies_in_its_range_and_together_they_make_a_configuration():
    settings = Settings({})
    for name, (default, low, high) in ranges().items():
        assert low <= default <= high, name
        assert getattr(settings, name) == default


@pytest.mark.parametrize("name", sorted(ranges()))
def test_a_value_beyond_either_end_is_refused_by_name(name: str):
    _, low, high = ranges()[name]
    for value in (low - 1, high + 1, 1.5, "7", None):
        with pytest.raises(SettingsError, match=f"^{name}: got .*, expected {low} to {high}$"):
            Settings({name: value})


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError, match="fix_interval: no such setting"):
        Settings({"fix_interval": 60})


@pytest.mark.parametrize(
    "values",
    [
        {"exit_dbm": -84},
        {"entry_dbm": -95},
        {"exit_s": 30, "scan_home_s": 16},
        {"absent_s": 100},
        {"status_s": 151},
    ],
)
def test_settings_between_which_modes_or_presence_would_flap_are_refused(values: dict[str, int]):
    with pytest.raises(SettingsError, match="too much for"):
        Settings(values)


def test_the_ranges_cannot_be_changed_from_outside():
    ranges()["fix_interval_s"] = (0, 0, 0)
    assert Settings({}).fix_interval_s == 60


def values_of(settings: Settings) -> dict[str, int]:
    return {name: getattr(settings, name) for name in ranges()}


names = st.sampled_from(sorted(ranges()))
anything = st.integers(-200, 100_000) | st.none() | st.text(max_size=3) | st.floats() | st.lists(st.integers(), max_size=2)


@given(
    st.dictionaries(names, st.integers(-130, 20_000), max_size=4),
    st.dictionaries(names | st.text(max_size=4), anything, max_size=4),
)
def test_replacing_takes_all_of_it_or_nothing(first: dict[str, int], second: dict[str, object]):
    settings = Settings({})
    for values in (first, second):
        before = values_of(settings)
        try:
            settings.replace(values)
        except SettingsError:
            assert values_of(settings) == before
        else:
            assert values_of(settings) == {name: values.get(name, ranges()[name][0]) for name in ranges()}
            assert values_of(settings) == values_of(Settings(values))


def test_what_a_configuration_leaves_out_is_the_default_again():
    settings = Settings({"fix_interval_s": 30, "report_interval_s": 10})
    settings.replace({"fix_interval_s": 20})
    assert settings.fix_interval_s == 20 and settings.report_interval_s == ranges()["report_interval_s"][0]
