"""The seal against the RFCs' own vectors and against `cryptography`, on CPython and on the device's interpreter."""

import random
from binascii import hexlify, unhexlify
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.core import message, seal
from tests.firmware.core.interpreter import run

RFC_3610 = [line.split() for line in Path(__file__).with_name("rfc3610.txt").read_text().splitlines() if line[0] != "#"]

# RFC 5869 appendix A, tests 1-3: ikm, salt, info, okm.
RFC_5869 = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x00, 0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]

keys = st.binary(min_size=16, max_size=16)
headers = st.binary(min_size=12, max_size=12)


def nonce_of(header: bytes) -> bytes:
    nonce = bytearray(13)
    message.nonce_into(nonce, header)
    return bytes(nonce)


def sealed_by_oracle(key: bytes, header: bytes, payload: bytes) -> bytes:
    return header + AESCCM(key, tag_length=8).encrypt(nonce_of(header), payload, header)


def sealed(ccm: seal.Ccm, header: bytes, payload: bytes) -> bytes:
    out = bytearray(len(payload) + 20)
    assert ccm.seal_into(out, header, payload, len(payload)) == len(out)
    return bytes(out)


def opened(ccm: seal.Ccm, sealed_message: bytes) -> bytes | None:
    out = bytearray(max(8, len(sealed_message)))
    n = ccm.open_into(out, sealed_message, len(sealed_message))
    return None if n == seal.REFUSED else bytes(out[:n])


@pytest.mark.parametrize("vector", RFC_3610, ids=[f"vector {i + 1}" for i in range(24)])
def test_every_packet_vector_of_rfc_3610_comes_out(vector: list[str]):
    key, nonce, aad, text, expected = map(unhexlify, vector[:5])
    tag_n = int(vector[5])
    assert AESCCM(key, tag_length=tag_n).encrypt(nonce, text, aad) == expected, "the vector itself"
    data = bytearray(text + bytes(tag_n))
    ccm = seal.Ccm(key)
    ccm.encrypt(nonce, aad, len(aad), data, 0, len(text), tag_n)
    assert data == expected
    assert ccm.decrypt(nonce, aad, len(aad), data, 0, len(text), tag_n)
    assert data[: len(text)] == text


def test_all_24_vectors_are_there():
    assert len(RFC_3610) == 24


@pytest.mark.parametrize(("ikm", "salt", "info", "okm"), RFC_5869)
def test_hkdf_gives_the_vectors_of_rfc_5869(ikm: str, salt: str, info: str, okm: str):
    assert seal.hkdf_sha256(unhexlify(ikm), unhexlify(salt), unhexlify(info), len(okm) // 2) == unhexlify(okm)


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=40), st.integers(1, 200))
def test_hkdf_agrees_with_cryptography(ikm: bytes, salt: bytes, info: bytes, length: int):
    assert seal.hkdf_sha256(ikm, salt, info, length) == HKDF(hashes.SHA256(), length, salt, info).derive(ikm)


def test_a_message_of_every_length_to_2100_is_what_cryptography_seals():
    rng = random.Random(1)
    key = rng.randbytes(16)
    ccm = seal.Ccm(key)
    for n in range(2101):
        header, payload = rng.randbytes(12), rng.randbytes(n)
        expected = sealed_by_oracle(key, header, payload)
        assert sealed(ccm, header, payload) == expected, n
        assert opened(ccm, expected) == payload, n


@given(keys, headers, st.binary(max_size=2100))
@settings(max_examples=60)
def test_sealing_in_place_is_the_same(key: bytes, header: bytes, payload: bytes):
    ccm = seal.Ccm(key)
    buf = bytearray(header + payload + bytes(8 + 5))
    total = ccm.seal(buf, len(payload))
    assert buf[:total] == sealed_by_oracle(key, header, payload)
    assert ccm.open(buf, total) == len(payload)
    assert buf[12 : 12 + len(payload)] == payload


@given(keys, headers, st.binary(max_size=200), st.data())
def test_one_flipped_bit_is_refused_and_the_plaintext_wiped(key: bytes, header: bytes, payload: bytes, data: st.DataObject):
    message_bytes = bytearray(sealed_by_oracle(key, header, payload))
    bit = data.draw(st.integers(0, len(message_bytes) * 8 - 1))
    message_bytes[bit // 8] ^= 1 << bit % 8
    ccm = seal.Ccm(key)
    out = bytearray(b"\xaa" * len(message_bytes))
    assert ccm.open_into(out, message_bytes, len(message_bytes)) == seal.REFUSED
    assert not any(out[: len(payload)])
    assert opened(ccm, sealed_by_oracle(key, header, payload)) == payload, "a refusal leaves the key usable"


@given(keys, headers, st.binary(max_size=200), st.data())
def test_a_cut_message_is_refused(key: bytes, header: bytes, payload: bytes, data: st.DataObject):
    message_bytes = sealed_by_oracle(key, header, payload)
    cut = message_bytes[: data.draw(st.integers(0, len(message_bytes) - 1))]
    assert opened(seal.Ccm(key), cut) is None
    assert seal.Ccm(key).open(bytearray(cut), len(message_bytes)) == seal.REFUSED


@given(keys, keys, headers, headers, st.binary(max_size=200))
def test_another_key_or_another_header_is_refused(key: bytes, other: bytes, header: bytes, foreign: bytes, payload: bytes):
    message_bytes = sealed_by_oracle(key, header, payload)
    if other != key:
        assert opened(seal.Ccm(other), message_bytes) is None
    if foreign != header:
        assert opened(seal.Ccm(key), foreign + message_bytes[12:]) is None


@given(st.binary(max_size=300), st.integers(-5, 400))
def test_garbage_is_refused_and_never_raises(garbage: bytes, claimed: int):
    ccm = seal.Ccm(bytes(16))
    assert ccm.open_into(bytearray(100), garbage, claimed) == seal.REFUSED
    assert ccm.open(bytearray(garbage), claimed) == seal.REFUSED


@given(keys, st.binary(min_size=13, max_size=13), st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4))
def test_a_mac_is_the_tag_of_associated_data_alone(key: bytes, nonce: bytes, texts: list[bytes]):
    ccm = seal.Ccm(key)
    for aad in texts:  # with messages between them: all share one CBC chain
        mac = bytes(ccm.mac(b"\1" + nonce + bytes(2), aad, len(aad))[:4])
        assert mac == AESCCM(key, tag_length=4).encrypt(nonce, b"", aad)
        assert sealed(ccm, b"a header 12b", aad) == sealed_by_oracle(key, b"a header 12b", aad)


@pytest.mark.parametrize("counter, n", [(15, 20), (17, 20), (16, 31), (16, 0)])
def test_a_mac_of_too_much_is_refused(counter: int, n: int):
    with pytest.raises(ValueError, match="CCM"):
        seal.Ccm(bytes(16)).mac(bytes(counter), bytes(40), n)
    with pytest.raises(ValueError, match="aad 20 of 19"):
        seal.Ccm(bytes(16)).mac(bytes(16), bytes(19), 20)


def test_a_key_of_the_wrong_length_is_named():
    with pytest.raises(ValueError, match="15 bytes, expected 16"):
        seal.Ccm(bytes(15))
    with pytest.raises(ValueError, match="fleet key of 16 bytes, expected 32"):
        seal.device_key(bytes(16), 0x01000001, 1)


def test_each_device_purpose_and_key_id_has_its_own_key():
    fleet = bytes(range(32))
    derived = {
        seal.device_key(fleet, 0x01000001, 1),
        seal.device_key(fleet, 0x01000001, 2),
        seal.device_key(fleet, 0x01000002, 1),
        seal.rf_key(fleet, 0x01000001, 1),
        seal.rf_key(fleet, 0x02000001, 1),
        unhexlify(seal.mqtt_password(fleet, 0x01000001)),
        seal.device_key(bytes(32), 0x01000001, 1),
    }
    assert len(derived) == 7 and all(len(key) == 16 for key in derived)
    by_oracle = HKDF(hashes.SHA256(), 16, b"homeward", b"device" + (0x01000001).to_bytes(4, "little") + b"\x02").derive(fleet)
    assert seal.device_key(fleet, 0x01000001, 2) == by_oracle


ON_DEVICE = """
from binascii import hexlify, unhexlify
from firmware.core import seal
import micropython
out = bytearray(2200)
while True:
    line = sys.stdin.readline().split()
    if not line:
        break
    key, header, payload = (unhexlify(part[1:]) for part in line)
    ccm = seal.Ccm(key)
    n = ccm.seal_into(out, header, payload, len(payload))
    text = hexlify(memoryview(out)[:n]).decode()
    good = ccm.open(out, n) == len(payload) and out[12:12 + len(payload)] == payload
    ccm.seal(out, len(payload))
    out[n // 2] ^= 16
    micropython.heap_lock()
    bad = ccm.open(out, n)
    micropython.heap_unlock()
    print(text, good, bad)
"""


def test_the_device_seals_the_same_bytes():
    rng = random.Random(2)
    cases = [(rng.randbytes(16), rng.randbytes(12), rng.randbytes(n)) for n in [*range(0, 150), *range(150, 2101, 37), 2100]]
    printed = run(ON_DEVICE, [" ".join("x" + hexlify(part).decode() for part in case) for case in cases])
    assert len(printed) == len(cases)
    for case, line in zip(cases, printed, strict=True):
        assert line == f"{sealed_by_oracle(*case).hex()} True -1", len(case[2])


def test_the_device_derives_the_same_keys():
    fleet = random.Random(3).randbytes(32)
    script = f"from firmware.core import seal\nfleet = {fleet!r}\n" + (
        "print(seal.device_key(fleet, 0x01000007, 3).hex(), seal.rf_key(fleet, 0x02000009, 1).hex())\n"
        "print(seal.mqtt_password(fleet, 0x0100ABCD))\n"
    )
    assert run(script) == [
        f"{seal.device_key(fleet, 0x01000007, 3).hex()} {seal.rf_key(fleet, 0x02000009, 1).hex()}",
        seal.mqtt_password(fleet, 0x0100ABCD),
    ]


def test_sealing_and_opening_allocate_nothing_on_the_device():
    script = """
import micropython
from firmware.core import message, seal
ccm = seal.Ccm(bytes(range(16)))
buf = bytearray(2100)
out = bytearray(2100)
message.pack_header(buf, message.RECORDS, 1, 64, 0x01000001, 1)
payload = bytes(2048)
header = bytes(12)
total = ok = n = 0
micropython.heap_lock()
for n in (0, 32, 100, 2048):
    total = ccm.seal(buf, n)
    ok = ccm.open_into(out, buf, total) == n and ccm.open(buf, total) == n and ccm.seal_into(out, header, payload, n) == total
micropython.heap_unlock()
print(ok)
"""
    assert run(script) == ["True"]


def test_the_loops_without_native_code_do_the_same():
    from firmware.core import _seal_bytes, _seal_cpython

    rng = random.Random(4)
    for _ in range(50):
        to, source = rng.randbytes(64), rng.randbytes(64)
        to_at, at, n = rng.randrange(32), rng.randrange(32), rng.randrange(33)
        for name in ("copy_bytes", "xor_bytes"):
            one, two = bytearray(to), bytearray(to)
            getattr(_seal_bytes, name)(one, to_at, source, at, n)
            getattr(_seal_cpython, name)(two, to_at, source, at, n)
            assert one == two and len(one) == 64
