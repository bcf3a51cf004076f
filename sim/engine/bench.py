"""What a bench does before a tag is fitted: lease and configuration, just as the bridge would give them, go on the devices, and
the store is told that they have them."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bridge.orders import bench
from bridge.store.opening import open_store
from bridge.store.settings import put_settings

Given = dict[int, tuple[int, bytes]]  # ORDER_* kind → (number, payload), carried out by hand


def equip(store: Path, names: Iterable[str], fitted_ms: Callable[[str], int], policy: Mapping[str, int]) -> dict[str, Given]:
    """By name, what each of these devices is given at the time of its fitting; `policy` becomes the store's."""
    engine = open_store(store)
    try:
        put_settings(engine, policy=json.dumps(dict(policy), sort_keys=True))
        given: dict[str, Given] = {}
        for name in names:
            wanted = bench.wanted(engine, name, fitted_ms(name))
            given[name] = {kind: (kind, payload) for kind, payload in wanted.items()}
            bench.note(engine, name, given[name])
        return given
    finally:
        engine.dispose()
