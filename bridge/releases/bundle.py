"""A release as one file, `NAME-VERSION-BOARD.hwr`: a plain zip of stored entries that `unzip` opens.

    manifest.json    what it is (`manifest`)
    manifest.sig     64 bytes: Ed25519 over the bytes of manifest.json
    main.py, switch.mpy, firmware/…    the files

The same release is the same file, byte for byte: entries in the order of their names and dated 1980, which is where zip's time
begins. Nothing of one is used before the signature and every hash have been checked; it is read into memory, so that what was
checked is what is used.
"""

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bridge.errors import ConfigError

from .manifest import TOTAL_MAX, File, Manifest, parse_manifest
from .signing import SIGNATURE, signed_by

MANIFEST = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
SUFFIX = ".hwr"
BUNDLE_MAX = 2 * TOTAL_MAX
_DATED = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Bundle:
    """A release whose files are what its manifest says: path → bytes of `files` and `root`. `data` is the whole bundle."""

    manifest: Manifest
    contents: dict[str, bytes] = field(repr=False)
    signature: bytes
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the manifest, in hex: this release and no other."""
        return hashlib.sha256(self.manifest.to_bytes()).hexdigest()

    @cached_property
    def image(self) -> bytes:
        """What a device asks for by offset: the manifest, then `files` one after the other in its order."""
        return self.manifest.to_bytes() + b"".join(self.contents[path] for path in sorted(self.manifest.files))


def describe(contents: dict[str, bytes]) -> dict[str, File]:
    """What a manifest says of files."""
    return {path: File(len(data), hashlib.sha256(data).hexdigest()) for path, data in contents.items()}


def write_bundle(path: Path, manifest: Manifest, contents: dict[str, bytes], signer: Ed25519PrivateKey) -> Bundle:
    """Sign and write, whole or not at all. ConfigError when the files are not those of the manifest, or it cannot be written."""
    signed = manifest.to_bytes()
    parse_manifest(signed, path)
    _check_contents(path, manifest, contents)
    signature = signer.sign(signed)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, content in ((MANIFEST, signed), (SIGNATURE_FILE, signature), *sorted(contents.items())):
            entry = zipfile.ZipInfo(name, _DATED)
            entry.create_system = _UNIX
            entry.external_attr = _MODE
            file.writestr(entry, content)
    data = buffer.getvalue()
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(data)
        os.replace(new, path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigError(path, "bundle", str(path), f"a file that can be written ({error.strerror})") from None
    return Bundle(manifest, contents, signature, data)


def read_bundle(path: Path, trusted: Sequence[Ed25519PublicKey]) -> Bundle:
    """A release that one of the trusted keys has signed, with every file as it was signed. ConfigError says what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(BUNDLE_MAX + 1)
    except OSError as error:
        raise ConfigError(path, "bundle", str(path), f"a file that can be read ({error.strerror})") from None
    return parse_bundle(data, path, trusted)


def parse_bundle(data: bytes, source: object, trusted: Sequence[Ed25519PublicKey]) -> Bundle:
    """The same of a file's bytes. ConfigError names `source`."""
    if len(data) > BUNDLE_MAX:
        raise ConfigError(source, "bundle", f"more than {BUNDLE_MAX} bytes", "a release of Homeward")
    contents = _entries(source, data)
    manifest_bytes, signature = contents.pop(MANIFEST, b""), contents.pop(SIGNATURE_FILE, b"")
    if not manifest_bytes:
        raise ConfigError(source, MANIFEST, "missing", "a release of Homeward")
    if len(signature) != SIGNATURE:
        raise ConfigError(source, SIGNATURE_FILE, f"{len(signature)} bytes", f"a signature of {SIGNATURE} bytes")
    if signed_by(manifest_bytes, signature, trusted) is None:
        raise ConfigError(source, SIGNATURE_FILE, signature.hex()[:16], "a signature by one of the trusted release keys")
    manifest = parse_manifest(manifest_bytes, source)  # after the signature: nobody else's JSON is looked at
    _check_contents(source, manifest, contents)
    return Bundle(manifest, contents, signature, data)


def _entries(source: object, data: bytes) -> dict[str, bytes]:
    entries: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            for entry in file.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data) or entry.filename in entries:
                    raise ConfigError(source, entry.filename, "packed, too large or there twice", "a stored entry, once")
                entries[entry.filename] = file.read(entry)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError, OSError, OverflowError) as error:
        raise ConfigError(source, "bundle", str(error) or type(error).__name__, "a whole zip file, as it was built") from None
    return entries


def _check_contents(source: object, manifest: Manifest, contents: dict[str, bytes]) -> None:
    wanted = manifest.files | manifest.root
    if missing := sorted(wanted.keys() - contents.keys()):
        raise ConfigError(source, missing[0], "missing", "a file that the manifest names")
    if more := sorted(contents.keys() - wanted.keys()):
        raise ConfigError(source, more[0], f"{len(contents[more[0]])} bytes", "no file that the manifest does not name")
    for path, file in wanted.items():
        found = hashlib.sha256(contents[path]).hexdigest()
        size = len(contents[path])
        if size != file.size or found != file.sha256:
            raise ConfigError(source, path, f"{size} bytes, SHA-256 {found[:16]}…", f"{file.size}, {file.sha256[:16]}…")
