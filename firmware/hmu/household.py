"""The home unit's end of the household's radio: beacons, presence, and the sealed messages of its tags in both directions.

It listens all the time, on its battery for three quarters of it, and shows a beacon all the time, with a new counter every
`beacon_s`. A tag listens only after it has spoken, so what waits for a tag goes out when the tag has just been heard; of several
that listen, each gets one message in turn, and one that has gone quiet is not waited for.
"""

import asyncio

from ..core.frame import (
    ASKS,
    BEACON,
    BODY,
    DOWNLINK,
    MAINS,
    ONLINE,
    RANGE_TEST,
    SIZE,
    STATUS,
    pack_beacon,
    parse_status,
)
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.radio import Radio
from ..core.record import MODE_RF, PRESENCE, RANGE
from .presence import Presence

_BEACON_INTERVAL_MS = const(250)  # advertising interval of the beacon: two within a tag's listening window
_LISTENS_MS = const(3500)  # a tag that spoke listens on for about this long
_MAKE_READY_MS = const(400)  # a tag's own acknowledgement ends before we begin
_TRIES = const(3)  # questions to a tag that acknowledges no more: it has stopped listening, and others wait


class Household:
    """`run` is a task. `unit` is the application: `battery`, `has_mains`, `is_online`, `utc_s` (0: not known) and
    `attend()` (called each round)."""

    def __init__(self, ble, provision, counter, recorder, upward, downward, unit, on_relay):
        self._ble = ble
        self._settings = provision.settings
        self._tags = tags = provision.partners
        self._recorder = recorder
        self._upward = upward
        self._downward = downward
        self._unit = unit
        self._on_relay = on_relay
        self._radio = Radio(
            ble,
            provision.rf_key,
            provision.device,
            counter,
            self._on_frame,
            self._on_message,
            self._is_ours,
            0,
            2 * len(tags) + 1,
            _TRIES,
        )
        self._frame = bytearray(SIZE)
        now = ticks_ms()
        absent_s = self._settings.absent_s
        self._presence = [Presence(now, absent_s) for _ in tags]
        self._is_home = bytearray(len(tags))  # what each said last
        self._rssi = 0
        self._listens = 0  # bit n: the tag in slot n has just spoken
        self._spoke_at = [now] * len(tags)
        self._turn = 0  # the slot that is looked at first
        self._show_due = False
        self._range = None
        self._spares = False  # it listens as on the battery

    async def run(self):
        """Never returns."""
        heard = self._ble.heard
        radio = self._radio
        self._listen()
        while True:
            until = ticks_add(ticks_ms(), self._settings.beacon_s * 1000)
            self._round()
            while True:
                # Almost every time there is nothing to do but wait: then nothing is allocated.
                left = ticks_diff(until, ticks_ms())
                if left <= 0:
                    break
                await heard.wait(left)
                radio.attend()
                if radio.is_asked or self._show_due:
                    await radio.answer()
                    self._show_beacon()
                if self._listens:
                    await self._hand_down()

    def _round(self):
        # Each `beacon_s`.
        self._show_beacon()
        self._unit.attend()
        hears = self._ble.listening or self._listen()
        if self._spares == self._unit.has_mains:
            self._ble.deaf()
            self._listen()
        now = ticks_ms()
        for slot in range(len(self._tags)):
            if self._presence[slot].tick(now, hears):
                self._tell(slot)
        if self._range is not None and self._range.is_over(now):
            self._end_range_test()

    def _listen(self):
        # (Again.) Always False: until now nothing was heard.
        self._spares = not self._unit.has_mains
        try:
            self._ble.listen(0, self._spares)
        except OSError:
            pass  # the radio does not answer: the next round asks again
        return False

    def _show_beacon(self):
        unit = self._unit
        pending = self._downward.pending()
        flags = (DOWNLINK if pending else 0) | (MAINS if unit.has_mains else 0) | (ONLINE if unit.is_online else 0)
        if self._range is not None:
            flags |= RANGE_TEST
        pack_beacon(self._frame, flags, 255 if unit.battery is None else unit.battery, pending, unit.utc_s, self._radio.echo)
        self._radio.show(self._frame, BEACON, _BEACON_INTERVAL_MS)
        self._show_due = False

    async def _hear(self, ms):
        if ms:
            await self._ble.heard.wait(ms)
        self._radio.attend()
        if self._radio.is_asked or self._show_due:
            await self._radio.answer()
            self._show_beacon()

    async def _hand_down(self):
        # What waits for the tags that are listening now, a message for one of them.
        now = ticks_ms()
        for i in range(len(self._tags)):
            slot = (self._turn + i) % len(self._tags)
            if not self._listens >> slot & 1:
                continue
            if ticks_diff(now, self._spoke_at[slot]) > _LISTENS_MS:
                self._listens &= ~(1 << slot)
                continue
            data = self._downward.peek(slot)
            if data is not None:
                self._turn = slot + 1
                await self._send(slot, data)
                self.came_down()  # there may be more, for this tag or another
                return

    async def _send(self, slot, data):
        await asyncio.sleep_ms(_MAKE_READY_MS)
        if await self._radio.send(data, len(data), slot, self._hear):
            if self._downward.peek(slot) is data:
                self._downward.done(slot)
        else:
            self._listens &= ~(1 << slot)
        self._show_beacon()

    def came_down(self):
        """Something came from the bridge for a tag: look whether it listens."""
        self._ble.heard.set()

    def _is_ours(self, sender, slot):
        return slot < len(self._tags) and self._tags[slot] == sender

    def _on_frame(self, kind, sender, frame, rssi, is_new):
        if not is_new or kind == BEACON:
            return
        self._rssi = rssi
        slot = self._tags.index(sender)
        now = ticks_ms()
        self._spoke_at[slot] = now
        if kind == STATUS:
            self._listens |= 1 << slot
            if frame[BODY + 1] & ASKS:
                self._show_due = True
            if self._range is not None:
                self._range.heard(slot, rssi)
            self._is_home[slot] = parse_status(frame)[3] == MODE_RF
        # In another mode it only asks who is there, is carried about for a range test, or has no lease: then it is nowhere.
        if self._is_home[slot] and self._presence[slot].heard(now):
            self._tell(slot)

    def _on_message(self, sender, data, n, slot):
        self._listens |= 1 << slot
        self._upward.put(self._rssi, data)
        self._on_relay()

    def _tell(self, slot):
        self._recorder.event(PRESENCE, self._presence[slot].state, self._tags[slot])

    # Range test

    def range_test(self, room, seconds, on_end):
        """Ask the tags to be heard for so long; then the RANGE events are recorded, and `on_end()` called. False when there is
        one under way."""
        from .rangetest import RangeTest

        if self._range is not None:
            return False
        self._range = RangeTest(room, seconds, len(self._tags), ticks_ms())
        self._on_range_end = on_end
        self._show_due = True
        self.came_down()
        return True

    def _end_range_test(self):
        test, self._range = self._range, None
        if test is None:
            return
        for value_a, value_b in test.results():
            self._recorder.event(RANGE, value_a, value_b)
        self._on_range_end()
        self._show_beacon()
