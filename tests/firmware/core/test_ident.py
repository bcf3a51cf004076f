"""Names, ids and topics: one spelling each, and nothing else is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import ident

classes = st.sampled_from([ident.TAG, ident.HMU])
serials = st.integers(1, ident.SERIAL_MAX)


@given(classes, serials)
def test_every_id_has_one_name_and_every_name_one_id(device_class: int, serial: int):
    device = ident.device_id(device_class, serial)
    assert ident.device_class(device) == device_class
    assert ident.parse_device_name(ident.device_name(device)) == device


def test_the_name_is_what_stands_on_the_label():
    assert ident.device_name(0x01000001) == "tag-000001"
    assert ident.device_name(ident.device_id(ident.HMU, 13)) == "hmu-000013"
    assert ident.device_name(ident.device_id(ident.TAG, ident.SERIAL_MAX)) == "tag-16777215"


NO_NAMES = """
tag
tag-
tag-1
tag-0000001
tag-000000
tag-16777216
TAG-000001
tag_000001
tag-00000a
tag-٠٠٠٠٠١
cat-000001
tag--00001
hmu-000001/up
 tag-000001
"""


@pytest.mark.parametrize("name", NO_NAMES.split("\n"))
def test_a_name_that_is_not_exactly_a_devices_is_refused(name: str):
    with pytest.raises(ValueError, match=r"device (name|class)"):
        ident.parse_device_name(name)


@given(st.text(max_size=20))
def test_any_text_is_a_name_or_refused(text: str):
    try:
        assert ident.device_name(ident.parse_device_name(text)) == text
    except ValueError:
        pass


@pytest.mark.parametrize(("device_class", "serial"), [(0, 1), (3, 1), (1, 0), (1, 1 << 24), (2, -1)])
def test_an_impossible_device_has_no_id(device_class: int, serial: int):
    with pytest.raises(ValueError, match="device class"):
        ident.device_id(device_class, serial)


@pytest.mark.parametrize("device", [0, 1, 0x01000000, 0x03000001, 0xFFFFFFFF])
def test_a_number_that_is_no_id_has_no_name(device: int):
    with pytest.raises(ValueError, match="device id"):
        ident.device_name(device)


@given(classes, serials, st.sampled_from([ident.UP, ident.DOWN, ident.STATE]))
def test_a_topic_comes_apart_again(device_class: int, serial: int, leaf: str):
    name = ident.device_name(ident.device_id(device_class, serial))
    assert ident.parse_topic(ident.topic("s0", name, leaf)) == ("s0", name, leaf)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hw/s0/tag-000001",
        "hw/s0/tag-000001/up/x",
        "hw//tag-000001/up",
        "xx/s0/tag-000001/up",
        "hw/s0/tag-1/up",
        "hw/s0/tag-000001/sideways",
    ],
)
def test_a_topic_of_nobody_is_refused(text: str):
    with pytest.raises(ValueError, match=r"topic|device name"):
        ident.parse_topic(text)
