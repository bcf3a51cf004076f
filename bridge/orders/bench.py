"""What a device on the bench is to be given at once, so that it needs no order for it: its lease and its config, as they follow
from the scheme in the store. Write them to the device, then `note` them with the numbers under which they were written.
"""

from sqlalchemy import Engine

from firmware.core import ident, message

from .asking import device_called, note_provisioned
from .payloads import lease_payload
from .scheme import SchemeView


def scheme_of(engine: Engine) -> SchemeView:
    """The scheme in the store as it is now, for any number of devices."""
    scheme = SchemeView()
    with engine.begin() as connection:
        scheme.load(connection)
    return scheme


def wanted(engine: Engine, name: str, now_ms: int, scheme: SchemeView | None = None) -> dict[int, bytes]:
    """ORDER_LEASE and ORDER_CONFIG with their payloads: a tag that is worn has both, a home unit the config.

    ConfigError when the device is not in the store. One whose zones fit no tag has no config, as the bridge has none for it.
    Without a `scheme` it is read from the store.
    """
    scheme = scheme or scheme_of(engine)
    with engine.begin() as connection:
        device_id = device_called(connection, name).device_id
    found: dict[int, bytes] = {}
    if ident.device_class(device_id) == ident.TAG:
        lease = scheme.lease(device_id, None, now_ms)
        if lease is not None:
            found[message.ORDER_LEASE] = lease_payload(*lease)
    config = scheme.config(device_id, now_ms)
    if config is not None:
        found[message.ORDER_CONFIG] = config
    return found


def note(engine: Engine, name: str, written: dict[int, tuple[int, bytes]]) -> None:
    """Kind → (number, payload) of what was written to the device."""
    for kind, (number, payload) in written.items():
        note_provisioned(engine, name, kind, payload, number)
