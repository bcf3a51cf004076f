"""State messages: whether a device is connected, and which firmware runs on which board. Hints, and nobody's evidence.

They are retained at the broker and not sealed; whoever controls the broker can say anything here. So they are kept beside the
device, never among its records, and no rule reads them. A device that never sent a record has no row, and gets none from this.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, select, update

from bridge.counts import Counts
from bridge.store.schema import device
from firmware.core import ident

SIZE_MAX = 512
WAITING_MAX = 10_000  # devices that have a certificate and never sent a record
AGAIN_S = 2.0
_TEXT_MAX = 64
_TEXTS = ("version", "build", "board")


def parse_state(payload: bytes) -> dict[str, Any] | None:
    """The fields of a state message; None when it is none. A last will has `online` alone."""
    if len(payload) > SIZE_MAX:
        return None
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not isinstance(fields.get("online"), bool):
        return None
    found: dict[str, Any] = {"online": fields["online"]}
    for name in _TEXTS:
        text = fields.get(name)
        if text is None:
            continue
        if not isinstance(text, str) or len(text) > _TEXT_MAX or not text.isascii() or not text.isprintable():
            return None
        found[name] = text
    return found


class States:
    """Keeps what comes. A device connects before its first record comes: what it said waits until the store knows it."""

    def __init__(self, engine: Engine, counts: Counts) -> None:
        self._engine = engine
        self._counts = counts
        self._waiting: dict[int, dict[str, Any]] = {}
        self._again = 0.0

    def keep(self, states: Mapping[str, bytes]) -> None:
        """The newest message of each topic. SQLAlchemyError: tried again with the next call."""
        for topic, payload in states.items():
            fields = parse_state(payload)
            try:
                device_id = ident.parse_device_name(ident.parse_topic(topic)[1])
            except ValueError:
                device_id = 0
            if fields is None or not device_id:
                self._counts.add("refused", "state")
            elif device_id in self._waiting or len(self._waiting) < WAITING_MAX:
                self._waiting[device_id] = fields
        if not self._waiting or (not states and time.monotonic() < self._again):
            return
        self._again = time.monotonic() + AGAIN_S
        now_ms = time.time_ns() // 1_000_000
        with self._engine.begin() as connection:
            known = connection.execute(select(device.c.device_id).where(device.c.device_id.in_(self._waiting))).scalars().all()
            for device_id in known:
                values = {**self._waiting[device_id], "state_ms": now_ms}
                connection.execute(update(device).where(device.c.device_id == device_id).values(**values))
        for device_id in known:
            del self._waiting[device_id]
