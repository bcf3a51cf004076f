"""What a device is told on the bench; and that no error, whatever is wrong, shows a secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.provision import Provision, ProvisionError
from firmware.core.settings import SettingsError

KEY = "00112233445566778899aabbccddeeff"
RF_KEY = "ffeeddccbbaa99887766554433221100"
PASSWORD = "correct horse battery staple"
GOOD = {
    "device": 0x01000001,
    "shard": "0",
    "broker": ["broker.example", 8883],
    "password": PASSWORD,
    "key_id": 1,
    "key": KEY,
    "rf_key": RF_KEY,
    "partners": [0x02000001],
    "slot": 3,
    "policy": {"fix_interval_s": 30},
}


def made(**changes: object) -> Provision:
    return Provision(json.dumps({**GOOD, **changes}).encode())


def test_a_provisioned_device_knows_who_it_is():
    one = made()
    assert (one.name, one.shard, one.host, one.port, one.slot) == ("tag-000001", "0", "broker.example", 8883, 3)
    assert one.key == bytes.fromhex(KEY) and one.rf_key == bytes.fromhex(RF_KEY) and one.partners == [0x02000001]
    assert one.settings.fix_interval_s == 30 and one.settings.report_interval_s == 300


def test_a_policy_may_be_left_out():
    for policy in (None, {}):
        assert made(policy=policy).settings.fix_interval_s == 60


@pytest.mark.parametrize("field", [name for name in GOOD if name != "policy"])
def test_a_missing_field_is_named(field: str):
    blob = json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()
    with pytest.raises(ProvisionError, match=f"^{field}: "):
        Provision(blob)


WRONG = [
    ("device", 0x03000001), ("device", 0x01000000), ("device", "1"), ("device", -1),
    ("broker", ["broker.example"]), ("broker", [1883, "x"]), ("broker", ["x", 0]), ("broker", ["x", 65536]),
    ("key", KEY[:-2]), ("key", KEY + "00"), ("key", KEY[:-1] + "g"), ("key", KEY[:-1]), ("key", 5),
    ("rf_key", RF_KEY[:-2]), ("rf_key", RF_KEY[:-1] + "ü"), ("key_id", 256), ("key_id", -1),
    ("slot", 16), ("slot", -1), ("slot", None), ("partners", ["tag-000001"]), ("partners", [1] * 17), ("partners", [0]),
    ("policy", [1]), ("policy", 5), ("policy", "fix_interval_s"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_named_and_no_secret_is_shown(field: str, value: object):
    with pytest.raises(ProvisionError, match=f"^{field}: ") as refused:
        made(**{field: value})
    shown = str(refused.value) + repr(refused.value)
    for secret in (KEY[:12], RF_KEY[:12], PASSWORD):
        assert secret not in shown


def test_a_policy_out_of_range_is_refused():
    with pytest.raises(SettingsError, match="fix_interval_s"):
        made(policy={"fix_interval_s": 1})


@pytest.mark.parametrize("blob", [b"", b"\xff" * 40, b"null", b"[]", b"7", b'"x"', b"{", b"{}", b"\x00"])
def test_an_empty_or_foreign_slot_says_so(blob: bytes):
    with pytest.raises(ProvisionError):
        Provision(blob)


@given(st.data())
def test_a_damaged_slot_never_shows_a_secret(data: st.DataObject):
    raw = bytearray(json.dumps(GOOD).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        Provision(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    except (ProvisionError, SettingsError) as error:
        assert KEY[4:16] not in str(error) and RF_KEY[4:16] not in str(error) and PASSWORD[4:16] not in str(error)
