"""The shelf: releases in the store, from which devices are sent them. Nothing is taken from it unverified.

Who can write to the store can put anything there; the signature says what a device may be given, and the keys that it is held
against are not in the store.
"""

import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from bridge.store.schema import release as _table
from bridge.store.writing import insert_of

from .bundle import Bundle, parse_bundle

_KEPT = 8  # images in memory: one a board, and the release before


class Shelf:
    """Reads releases, verified by the trusted keys."""

    def __init__(self, trusted: Sequence[Ed25519PublicKey]) -> None:
        self._trusted = trusted
        self._bundles: dict[str, Bundle] = {}

    def take(self, connection: Connection, sha256: str) -> Bundle:
        """The release whose manifest has this hash. KeyError when there is none, ConfigError when it is not what was signed."""
        if sha256 not in self._bundles:
            data = connection.execute(select(_table.c.bundle).where(_table.c.sha256 == sha256)).scalar()
            if data is None:
                raise KeyError(sha256)
            bundle = parse_bundle(data, f"release {sha256[:16]}", self._trusted)
            if bundle.sha256 != sha256:
                raise KeyError(sha256)
            while len(self._bundles) >= _KEPT:
                self._bundles.pop(next(iter(self._bundles)))
            self._bundles[sha256] = bundle
        return self._bundles[sha256]


def put(connection: Connection, bundle: Bundle, by_whom: str) -> None:
    """A verified release goes on the shelf; it may be there already."""
    manifest = bundle.manifest
    values = {
        "sha256": bundle.sha256,
        "version": manifest.version,
        "build": manifest.build,
        "number": manifest.number,
        "board": manifest.board,
        "bundle": bundle.data,
        "added_ms": time.time_ns() // 1_000_000,
        "by_whom": by_whom,
    }
    connection.execute(insert_of(connection.engine)(_table).values(values).on_conflict_do_nothing())
