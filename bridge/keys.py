"""Keys: every device's, derived from one fleet key, and the sealing and opening that is done with them.

HKDF-SHA256 (RFC 5869) and AES-CCM (RFC 3610, 8-byte tag, 13-byte nonce) by `cryptography`; the device side is
`firmware.core.seal`, and both give the same bytes. Nothing here is ever logged.
"""

import os
import stat
import struct
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.errors import ConfigError
from firmware.core import message

FLEET_KEY = 32  # bytes
_SALT = b"homeward"
_CACHED = 20_000  # devices' ciphers kept: about 1 kB each


def device_key(fleet_key: bytes, device_id: int, key_id: int) -> bytes:
    """16 bytes that seal what a device sends and receives."""
    return _derive(fleet_key, b"device" + struct.pack("<IB", device_id, key_id))


def rf_key(fleet_key: bytes, hmu_id: int, key_id: int) -> bytes:
    """16 bytes that a home unit and its tags authenticate their frames with."""
    return _derive(fleet_key, b"rf" + struct.pack("<IB", hmu_id, key_id))


def broker_password(fleet_key: bytes, device_id: int) -> str:
    """A device's password at the broker, in hex."""
    return _derive(fleet_key, b"mqtt" + struct.pack("<I", device_id)).hex()


def load_fleet_key(path: Path) -> bytes:
    """The 32 bytes in a file of 64 hex digits. ConfigError when it is anything else, or when others may read it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise ConfigError(path, "mode", f"{mode:04o}", "0600: nobody else may read a key")
            text = file.read(1024).strip()
    except OSError as error:
        raise ConfigError(path, "fleet key", str(path), f"a file that can be read ({error.strerror})") from None
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != FLEET_KEY:
        raise ConfigError(path, "fleet key", f"{len(text)} bytes", f"{2 * FLEET_KEY} hex digits")  # never the value itself
    return key


class Keyring:
    """Opens what devices sealed and seals what goes down to them."""

    def __init__(self, fleet_key: bytes) -> None:
        if len(fleet_key) != FLEET_KEY:
            raise ValueError("a fleet key has 32 bytes")
        self._fleet_key = fleet_key
        self._ciphers: dict[tuple[int, int], AESCCM] = {}
        self._nonce = bytearray(message.NONCE)

    def open(self, sealed: bytes) -> bytes | None:
        """The plaintext of one whole sealed message (RECORDS or DOWN), or None when it is not authentic."""
        header = message.parse_header(sealed)
        if header is None or len(sealed) != message.sealed_length(sealed):
            return None
        _, key_id, _, device, _ = header
        cipher = self._ciphers.get((device, key_id)) or self._cipher(device, key_id)
        message.nonce_into(self._nonce, sealed)
        try:
            plain = cipher.decrypt(bytes(self._nonce), sealed[message.HEADER :], sealed[: message.HEADER])
        except InvalidTag:
            return None
        self._keep(device, key_id, cipher)
        return plain

    def seal(self, kind: int, device: int, key_id: int, number: int, count: int, plain: bytes) -> bytes:
        """A whole sealed message. The caller answers for never using (kind, device, key_id, number, count) for two plaintexts."""
        header = bytearray(message.HEADER)
        message.pack_header(header, kind, key_id, count, device, number)
        message.nonce_into(self._nonce, header)
        cipher = self._ciphers.get((device, key_id)) or self._cipher(device, key_id)
        return bytes(header) + cipher.encrypt(bytes(self._nonce), plain, bytes(header))

    def seal_down(self, device: int, key_id: int, counter: int, body: bytes) -> bytes:
        return self.seal(message.DOWN, device, key_id, counter, len(body), body)

    def device_key(self, device: int, key_id: int) -> bytes:
        """The device's own key, for an order that gives it to the device."""
        return device_key(self._fleet_key, device, key_id)

    def _cipher(self, device: int, key_id: int) -> AESCCM:
        return AESCCM(device_key(self._fleet_key, device, key_id), tag_length=message.TAG_LENGTH)

    def _keep(self, device: int, key_id: int, cipher: AESCCM) -> None:
        # Only what has opened something is kept: headers made up by a stranger fill no memory.
        if (device, key_id) not in self._ciphers:
            if len(self._ciphers) >= _CACHED:
                self._ciphers.clear()
            self._ciphers[device, key_id] = cipher


def _derive(fleet_key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 16, _SALT, info).derive(fleet_key)
