"""What a bench does before a tag is fitted: lease and configuration, just as the bridge would give them, go on the devices, and
the store is told that they have them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from bridge.orders import bench
from bridge.store.opening import open_store

Given = dict[int, tuple[int, bytes]]  # ORDER_* kind → (number, payload), carried out by hand


def equip(store: Path, names: Iterable[str], fitted_ms: Callable[[str], int]) -> dict[str, Given]:
    """By name, what each of these devices is given at the time of its fitting."""
    engine = open_store(store)
    try:
        given: dict[str, Given] = {}
        scheme = bench.scheme_of(engine)
        for name in names:
            wanted = bench.wanted(engine, name, fitted_ms(name), scheme)
            given[name] = {kind: (kind, payload) for kind, payload in wanted.items()}
        bench.note_all(engine, given)
        return given
    finally:
        engine.dispose()
