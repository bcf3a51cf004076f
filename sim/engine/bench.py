"""What a bench does before a tag is fitted: lease and configuration, just as the bridge would give them, go on the devices, and
the store is told that they have them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.orders.asking import note_provisioned
from bridge.orders.payloads import NO_CONFIG, lease_payload
from bridge.orders.scheme import SchemeView
from bridge.store.opening import open_store
from bridge.store.settings import put_settings
from firmware.core import ident, message

_NUMBER = {message.ORDER_LEASE: 1, message.ORDER_CONFIG: 2}


class Given(NamedTuple):
    """Payloads of orders that the bench carries out by hand; None where there is nothing to tell."""

    lease: bytes | None = None
    config: bytes | None = None


def equip(store: Path, start_utc_ms: int, policy: Mapping[str, int]) -> dict[str, Given]:
    """By device name, what each device of the scheme in the store is given at that time; `policy` becomes the store's."""
    engine = open_store(store)
    try:
        put_settings(engine, policy=json.dumps(dict(policy), sort_keys=True))
        view = SchemeView()
        with engine.connect() as connection:
            view.load(connection)
        given: dict[str, Given] = {}
        for device in sorted(view.devices):
            worn = view.period(device, start_utc_ms)
            lease = view.lease(device, None, start_utc_ms) if worn is not None and worn.tag_id == device else None
            config = view.config(device, start_utc_ms)
            each = Given(None if lease is None else lease_payload(*lease), None if config == NO_CONFIG else config)
            name = ident.device_name(device)
            given[name] = each
            for kind, payload in ((message.ORDER_LEASE, each.lease), (message.ORDER_CONFIG, each.config)):
                if payload is not None:
                    note_provisioned(engine, name, kind, payload, _NUMBER[kind])
        return given
    finally:
        engine.dispose()
