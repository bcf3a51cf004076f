"""Keys and seals: the standard's vectors, and the same bytes on the device's side."""

import os
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.keys import Keyring, broker_password, device_key, load_fleet_key, rf_key
from firmware.core import message, seal
from tests.bridge.bridges import write_secret
from tests.bridge.devices import FLEET_KEY, Device


def test_hkdf_is_rfc_5869() -> None:
    okm = HKDF(SHA256(), 42, bytes(range(13)), bytes(range(0xF0, 0xFA))).derive(b"\x0b" * 22)  # appendix A.1
    assert okm.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
    assert seal.hkdf_sha256(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42) == okm


@given(st.binary(min_size=32, max_size=32), st.integers(0x01000001, 0x02FFFFFF), st.integers(0, 255))
def test_device_and_bridge_derive_the_same_keys(fleet_key: bytes, device: int, key_id: int) -> None:
    assert device_key(fleet_key, device, key_id) == seal.device_key(fleet_key, device, key_id)
    assert rf_key(fleet_key, device, key_id) == seal.rf_key(fleet_key, device, key_id)
    assert broker_password(fleet_key, device) == seal.mqtt_password(fleet_key, device)


def test_keys_of_devices_key_ids_and_uses_all_differ() -> None:
    keys = {device_key(FLEET_KEY, device, key_id) for device in range(0x01000001, 0x01000021) for key_id in range(4)}
    keys |= {rf_key(FLEET_KEY, device, 0) for device in range(0x02000001, 0x02000021)}
    assert len(keys) == 32 * 4 + 32


def test_what_is_sealed_opens_and_nothing_else_does() -> None:
    tag = Device("tag-000001")
    tag.fix()
    tag.fix()
    sealed = tag.messages()[0]
    ring = Keyring(FLEET_KEY)
    assert ring.open(sealed) == tag.journal[1] + tag.journal[2]
    for bit in range(len(sealed) * 8):
        broken = bytearray(sealed)
        broken[bit // 8] ^= 1 << bit % 8
        assert ring.open(bytes(broken)) is None
    for length in range(len(sealed)):
        assert ring.open(sealed[:length]) is None
    assert ring.open(sealed + b"\0") is None
    assert Keyring(bytes(32)).open(sealed) is None


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_without_an_error(data: bytes) -> None:
    assert Keyring(FLEET_KEY).open(data) is None
    header = bytearray(12)
    message.pack_header(header, message.RECORDS, 1, len(data) // 32, 0x01000001, 1)
    assert Keyring(FLEET_KEY).open(bytes(header) + data) is None


def test_what_strangers_send_fills_no_memory() -> None:
    ring = Keyring(FLEET_KEY)
    for device in range(0x01000001, 0x01000101):
        assert ring.open(struct.pack("<BBBBII", 0x11, 1, 1, 0, device, 1) + bytes(40)) is None
    assert not ring._ciphers


def test_a_fleet_key_is_64_hex_digits_that_nobody_else_may_read(tmp_path: Path) -> None:
    good = write_secret(tmp_path / "good", FLEET_KEY.hex() + "\n")
    assert load_fleet_key(good) == FLEET_KEY
    os.chmod(good, 0o640)
    with pytest.raises(ConfigError, match=r"good: mode: got '0640', expected 0600"):
        load_fleet_key(good)
    secret = "ab" * 31
    with pytest.raises(ConfigError, match="64 hex digits") as refused:
        load_fleet_key(write_secret(tmp_path / "short", secret))
    assert secret not in str(refused.value)
    with pytest.raises(ConfigError, match="No such file"):
        load_fleet_key(tmp_path / "none")
