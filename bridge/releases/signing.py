"""Who vouches for a release: Ed25519 (RFC 8032) over the bytes of its manifest, by `cryptography`.

A key is two files: `release.key` (PKCS #8 in PEM, mode 0600), which stays where releases are built, and `release.pub` (PEM),
which every bridge has. The file of those that a bridge trusts may hold several, one after the other: so keys are changed without
a day on which nothing is accepted. Nothing here logs.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bridge.broker.process import write_secret
from bridge.errors import ConfigError
from bridge.settings import read_secret

KEY_FILE = "release.key"
PUBLIC_FILE = "release.pub"
SIGNATURE = 64  # bytes

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)


def make_keys(folder: Path) -> tuple[Path, Path]:
    """A new pair in a folder: (release.key, release.pub). ConfigError when there is one already: a key is never overwritten."""
    paths = folder / KEY_FILE, folder / PUBLIC_FILE
    for path in paths:
        if path.exists():
            raise ConfigError(path, "key", "a key is there", "a folder without one: a key that is lost signs nothing more")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = Ed25519PrivateKey.generate()
        write_secret(paths[0], key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())
        paths[1].write_bytes(_public_pem(key.public_key()))
    except OSError as error:
        raise ConfigError(folder, "folder", str(folder), f"a folder that can be written ({error.strerror})") from None
    return paths


def load_signer(path: Path) -> Ed25519PrivateKey:
    """ConfigError when it is no Ed25519 key, or when others may read it."""
    text = read_secret(path, "signing key", 16_384)
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(path, "signing key", "(hidden)", "an Ed25519 key in PEM, as `homeward release keys` makes it")
    return key


def load_trusted(path: Path) -> tuple[Ed25519PublicKey, ...]:
    """The public keys in a file, one at least. ConfigError when one of them is no Ed25519 key."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(path, "release keys", str(path), f"a file that can be read ({error.strerror})") from None
    keys = []
    for block in _PUBLIC.findall(data):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError(path, f"release key {len(keys) + 1}", block[27:60], "an Ed25519 public key in PEM")
        keys.append(key)
    if not keys:
        raise ConfigError(path, "release keys", f"{len(data)} bytes", "one Ed25519 public key in PEM, or several")
    return tuple(keys)


def fingerprint(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of SHA-256 over the 32 bytes of the key: what people compare."""
    digest = Hash(SHA256())
    digest.update(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    return digest.finalize().hex()[:16]


def signed_by(data: bytes, signature: bytes, trusted: Sequence[Ed25519PublicKey]) -> Ed25519PublicKey | None:
    """Which of the keys has signed, if any."""
    for key in trusted:
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return key
    return None


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
