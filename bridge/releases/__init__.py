"""Releases of the firmware: what one consists of, who vouches for it, and how it gets to the devices.

`manifest` is what a release says of itself, `bundle` the file that carries it, `signing` the keys; `shelf` keeps releases in the
store, `rollout` hands one to a device. Who builds them is `tools.release`; docs/releases.md says why the bridge verifies.
"""

from .bundle import Bundle, read_bundle, write_bundle
from .manifest import File, Manifest
from .signing import load_signer, load_trusted, make_keys

__all__ = ("Bundle", "File", "Manifest", "load_signer", "load_trusted", "make_keys", "read_bundle", "write_bundle")
