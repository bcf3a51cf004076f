"""The engine's end of a device's pipe. The format's home is `sim/silicon/_channels.py`."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from sim.silicon import _channels as ch

_RUN = struct.Struct("<IQQQH")
_YIELD = struct.Struct("<QQHH")
_ITEM = struct.Struct("<IBBH")
RUN_HEAD = _RUN.size - 4
ITEM_HEAD = _ITEM.size


class Item(NamedTuple):
    """One input or output: virtual time in ms, channel, sub-address (pin, UART, socket …), payload."""

    t_ms: int
    channel: int
    sub: int
    payload: bytes


class Yield(NamedTuple):
    """What a device hands back: its clock, when it acts next if nothing comes, inputs taken, and what it said."""

    now_ms: int
    wake_ms: int
    consumed: int
    items: list[Item]


def pack_run(base_ms: int, horizon_ms: int, items: Iterable[Item], clear_ms: int = 0) -> bytes:
    """A RUN. Every item lies in base_ms .. base_ms + 2**32 - 1; the caller keeps the body within RUN_MAX."""
    parts = [b""]
    n = 0
    for t_ms, channel, sub, payload in items:
        parts.append(_ITEM.pack(t_ms - base_ms, channel, sub, len(payload)))
        parts.append(payload)
        n += 1
    length = RUN_HEAD + sum(map(len, parts))
    parts[0] = _RUN.pack(length, base_ms, horizon_ms, clear_ms, n)
    return b"".join(parts)


def parse_yield(body: bytes) -> Yield:
    """A YIELD's body. ValueError when it is not one: the device has gone wrong."""
    try:
        base_ms, wake_ms, consumed, n = _YIELD.unpack_from(body)
        at = _YIELD.size
        now_ms = base_ms
        items = []
        for _ in range(n):
            dt, channel, sub, length = _ITEM.unpack_from(body, at)
            at += ITEM_HEAD
            if channel == ch.NOW:
                now_ms = base_ms + dt
            else:
                items.append(Item(base_ms + dt, channel, sub, body[at : at + length]))
            at += length
    except struct.error as error:
        raise ValueError(f"a YIELD of {len(body)} bytes: {error}") from None
    if at != len(body):
        raise ValueError(f"a YIELD of {len(body)} bytes, of which {at} make sense")
    return Yield(now_ms, wake_ms, consumed, items)
