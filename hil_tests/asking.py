"""How tests ask a rig: what is in the store, and when."""

import math
from collections.abc import Callable

from firmware.core import record
from firmware.core.record import Record
from hil_tests.rigs.capabilities import FAR_DB
from hil_tests.rigs.rig import Rig

HERE_E7 = (507_151_234, -24_368_765)
START_MS = 10_000  # from power to an application that looks at its strap, at most (our judgement)
_M_PER_E7 = 0.0111195  # of latitude


def events(rig: Rig, code: int) -> list[Record]:
    return [r for r in rig.store.stored() if r.kind == record.EVENT and r.code == code]


def unit_events(rig: Rig, code: int) -> list[Record]:
    return [r for r in rig.store.of_unit() if r.kind == record.EVENT and r.code == code]


def fixes(rig: Rig) -> list[Record]:
    return [r for r in rig.store.stored() if r.kind == record.FIX]


def utc_ms_of(r: Record) -> int:
    return r.time_s * 1000 + r.millis


def away_m(fix: Record, lat_e7: int, lon_e7: int) -> float:
    north = (fix.lat_e7 - lat_e7) * _M_PER_E7
    east = (fix.lon_e7 - lon_e7) * _M_PER_E7 * math.cos(math.radians(lat_e7 / 1e7))
    return math.hypot(north, east)


def mode(rig: Rig) -> int:
    return ([record.MODE_GPS] + [r.value_a for r in events(rig, record.MODE)])[-1]


def until(rig: Rig, what: Callable[[], object], within_ms: int, step_ms: int = 500, words: Callable[[], str] = str) -> int:
    """Let time pass until `what()`; how long it took. AssertionError when it takes longer, and `words()` say what is wrong."""
    began_ms = rig.clock.now_ms
    while not what():
        assert rig.clock.now_ms - began_ms < within_ms, f"not within {within_ms} ms {words()}"
        rig.clock.advance(step_ms)
    took_ms = rig.clock.now_ms - began_ms
    rig.note("came to pass", waited_ms=took_ms)
    return took_ms


def track(rig: Rig) -> None:
    """Away from home, under an open sky, with a first fix in the store."""
    rig.radio.attenuate(FAR_DB)
    rig.gnss.inject(*HERE_E7)
    until(rig, lambda: fixes(rig), 400_000, 5_000)


def settle(rig: Rig, within_ms: int = 1_800_000) -> dict[int, bytes]:
    """Wait until all that the flash holds is stored, and hold the store to it; sequence → record, of the store."""
    held = rig.flash.held()
    last = max(held, default=0)

    def lacking() -> str:
        return f"of the tag's records 1 to {last} the store lacks {sorted(set(held) - {r.seq for r in rig.store.stored()})}"

    until(rig, lambda: len(rig.store.stored()) >= last, within_ms, 5_000, lacking)
    stored = {r.seq: r.raw for r in rig.store.stored()}
    assert {seq: stored.get(seq) for seq in held} == held, "what the flash holds and what was stored differ"
    assert sorted(stored) == list(range(1, len(stored) + 1)), "a gap in the store"
    return stored
