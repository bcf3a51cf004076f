"""The firmware's pure core gives the same on what the rig is as on CPython: digest by digest, over a virtual hour."""

import pytest

from hil_tests.emulated.core import on_cpython


@pytest.mark.needs("core")
def test_two_virtual_minutes_are_the_same_as_on_cpython(rig):
    assert rig.core.hour(120) == on_cpython(120)


@pytest.mark.slow
@pytest.mark.needs("core")
def test_a_virtual_hour_is_the_same_as_on_cpython(rig):
    found = rig.core.hour(3600)
    assert found == on_cpython(3600)
    assert len(set(found.values())) > 3
