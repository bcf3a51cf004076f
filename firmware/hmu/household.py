"""The home unit's end of the household's radio: beacons, presence, and the sealed messages of its tags in both directions.

It listens all the time and shows a beacon all the time, with a new counter every `beacon_s`. A tag listens only after it has
spoken, so what waits for a tag goes out when the tag has just been heard.
"""

import asyncio

from ..core.frame import ACK, BEACON, DOWNLINK, FRAGMENT, MAINS, ONLINE, SIZE, pack_beacon
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.radio import Radio
from ..core.record import PRESENCE
from .presence import Presence

_BEACON_INTERVAL_MS = const(250)  # advertising interval of the beacon: two within a tag's listening window
_LISTENS_MS = const(3500)  # a tag that spoke listens on for about this long
_MAKE_READY_MS = const(400)  # a tag's own acknowledgement ends before we begin


class Household:
    """`run` is a task. `unit` is the application: `battery`, `has_mains`, `is_online`, `utc_s` (0: not known) and
    `attend()` (called each round)."""

    def __init__(self, ble, provision, counter, recorder, upward, downward, unit, on_relay):
        self._ble = ble
        self._settings = provision.settings
        self._tags = provision.partners
        self._recorder = recorder
        self._upward = upward
        self._downward = downward
        self._unit = unit
        self._on_relay = on_relay
        self._radio = Radio(ble, provision.rf_key, provision.device, counter, self._on_frame, self._on_message, self._is_ours)
        self._frame = bytearray(SIZE)
        now = ticks_ms()
        self._presence = {}
        for tag in self._tags:
            self._presence[tag] = Presence(now, self._settings.absent_s)
        self._rssi = 0
        self._listener = 0  # the tag that spoke last
        self._spoke_at = now

    async def run(self):
        """Never returns."""
        beacon_ms = self._settings.beacon_s * 1000
        self._ble.listen(0)
        while True:
            self._show_beacon()
            self._unit.attend()
            now = ticks_ms()
            for tag, presence in self._presence.items():
                if presence.tick(now):
                    self._tell(tag, presence)
            until = ticks_add(now, beacon_ms)
            while True:
                left = ticks_diff(until, ticks_ms())
                if left <= 0:
                    break
                await self._hear(left)
                await self._hand_down()

    def _show_beacon(self):
        unit = self._unit
        pending = self._downward.pending()
        flags = (DOWNLINK if pending else 0) | (MAINS if unit.has_mains else 0) | (ONLINE if unit.is_online else 0)
        pack_beacon(self._frame, flags, 255 if unit.battery is None else unit.battery, pending, unit.utc_s)
        self._radio.show(self._frame, BEACON, _BEACON_INTERVAL_MS)

    async def _hear(self, ms):
        if await self._radio.hear(ms):
            self._show_beacon()

    async def _hand_down(self):
        # What waits for the tag that is listening now.
        tag = self._listener
        if not tag or ticks_diff(ticks_ms(), self._spoke_at) > _LISTENS_MS:
            self._listener = 0
            return
        data = self._downward.peek(tag)
        if data is None:
            return
        await asyncio.sleep_ms(_MAKE_READY_MS)
        if await self._radio.send(data, len(data), self._tags.index(tag), self._hear):
            if self._downward.peek(tag) is data:
                self._downward.done(tag)
        else:
            self._listener = 0
        self._show_beacon()

    def came_down(self):
        """Something came from the bridge for a tag: look whether it listens."""
        self._ble.heard.set()

    def _is_ours(self, sender):
        return sender in self._presence

    def _on_frame(self, kind, sender, frame, rssi, is_new):
        if not is_new:
            return
        self._rssi = rssi
        now = ticks_ms()
        presence = self._presence[sender]
        if presence.heard(now):
            self._tell(sender, presence)
        if kind != ACK and kind != FRAGMENT or not self._listener:
            self._listener = sender
        self._spoke_at = now

    def _on_message(self, sender, data, n, slot):
        self._listener = sender
        self._upward.put(self._rssi, data)
        self._on_relay()

    def _tell(self, tag, presence):
        self._recorder.event(PRESENCE, presence.state, tag)
