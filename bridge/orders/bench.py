"""What a device on the bench is to be given at once, so that it needs no order for it: its lease and its config, as they follow
from the scheme in the store. Write them to the device, then `note` them with the numbers under which they were written.
"""

from collections.abc import Mapping
from itertools import islice

from sqlalchemy import Engine

from firmware.core import ident, message

from .asking import device_called, put_provisioned
from .payloads import Lease, lease_payload
from .scheme import SchemeView

_AT_ONCE = 100


def scheme_of(engine: Engine) -> SchemeView:
    """The scheme in the store as it is now, for any number of devices."""
    scheme = SchemeView()
    with engine.begin() as connection:
        scheme.load(connection)
    return scheme


def wanted(
    engine: Engine, name: str, now_ms: int, scheme: SchemeView | None = None, known: Lease | None = None
) -> dict[int, bytes]:
    """ORDER_LEASE and ORDER_CONFIG with their payloads: a tag that is worn has both, a home unit the config.

    `known`: the lease that it has; it needs none when that one will do, and one that ends it when it holds too long.
    ConfigError when the device is not in the store. One whose zones fit no tag has no config, as the bridge has none for it.
    Without a `scheme` it is read from the store.
    """
    scheme = scheme or scheme_of(engine)
    with engine.begin() as connection:
        device_id = device_called(connection, name).device_id
    found: dict[int, bytes] = {}
    if ident.device_class(device_id) == ident.TAG:
        lease = scheme.lease(device_id, known, now_ms)
        if lease is not None and lease != known:
            found[message.ORDER_LEASE] = lease_payload(*lease)
    config = scheme.config(device_id, now_ms)
    if config is not None:
        found[message.ORDER_CONFIG] = config
    return found


def note(engine: Engine, name: str, written: dict[int, tuple[int, bytes]]) -> None:
    """Kind → (number, payload) of what was written to the device."""
    note_all(engine, {name: written})


def note_all(engine: Engine, written_to: Mapping[str, Mapping[int, tuple[int, bytes]]]) -> None:
    """`note` for many devices, by name. Each transaction waits for the disk, and a long one would keep the bridge waiting."""
    rest = iter(written_to)
    while names := list(islice(rest, _AT_ONCE)):
        with engine.begin() as connection:
            for name in names:
                for kind, (number, payload) in written_to[name].items():
                    put_provisioned(connection, name, kind, payload, number)
