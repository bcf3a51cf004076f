"""The tag's end of the household's radio: listens for the home unit's beacons, and at home hands it the records.

Each interval it listens for a short window. In RF mode it then makes itself heard (status), fetches what waits for it, and
passes on what the journal holds, a few records a message. After each message it listens on: the bridge's receipt comes back
the same way, mostly within a second or two. A home unit that has no way to the bridge keeps what it is handed: the tag goes
on to the next records, and hands over again what is still without a receipt an hour after the way is there again.

A tag without UTC asks for a beacon, whose time is then exact to half a second: one that is just repeated may have been sealed
ten seconds ago.

While the beacons are loud it listens less often (`scan_calm_s`); a beacon that is missed or no longer loud ends that, so
leaving is told as soon. During a range test it is heard every two seconds, for ten minutes at the longest.
"""

import asyncio

from ..core.frame import (
    ASKS,
    BEACON,
    CHARGING,
    MOVING,
    ONLINE,
    RANGE_TEST,
    SIZE,
    STATUS,
    STRAP_OK,
    beacon_time,
    counter_of,
    pack_status,
    parse_beacon,
)
from ..core.link import RECORDS_PER_RELAY
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.radio import Radio
from ..core.record import MODE_OFF, MODE_RF
from ..core.uplink import token_of
from ..core.wake import Wake

_STATUS_MS = const(200)  # six advertisements or seven: a home unit on its battery listens for three quarters of the time
_RECEIPT_MS = const(4000)  # listening for the receipt: home unit to broker to bridge and back takes well under a second
_FETCH_MS = const(2500)
_ROUND_MS = const(60_000)  # of handing over at a stretch
_AGAIN_MS = const(3600_000)  # for what was handed to a home unit that could not pass it on
_LOUD_DB = const(10)  # above the entry level
_CALM_ROUNDS = const(3)  # loud ones in a row
_STILL_MS = const(120_000)
_RANGE_MS = const(2000)
_RANGE_ROUNDS = const(300)  # ten minutes: a home unit that never ends its test does not empty the cell


class HomeLink:
    """`run` is a task. `tag` is the application: `mode`, `strap_is_cut`, `charging`, `moving`, `still_ms`, `battery`,
    `mode_changed()`, `attend()` (called each round), `wants_time`, `heard_time(utc_s, age_ms)`,
    `heard_beacon(rssi_dbm)`, `may_relay`. In mode OFF it neither listens nor speaks."""

    def __init__(self, ble, provision, counter, modes, uplink, journal, tag):
        self._ble = ble
        self._settings = provision.settings
        self._slot = provision.slot
        self._home_unit = provision.partners[0] if provision.partners else 0
        self._modes = modes
        self._uplink = uplink
        self._journal = journal
        self._tag = tag
        self._radio = Radio(
            ble, provision.rf_key, provision.device, counter, self._on_frame, self._on_message, self._is_ours, self._slot
        )
        self._frame = bytearray(SIZE)
        self._wake = Wake()
        self._waiting_for_us = False
        self._status_at = ticks_ms()
        self._status_due = False
        self._got_down = False
        self._has_time = False  # the home unit knows UTC
        self._asked_at = 0  # when it was asked for a beacon
        self._is_asking = False
        self._flags = 0  # of the last beacon
        self._still = False  # listening less, for the wearer has not moved for a while
        self._loud = 0  # rounds in a row with a loud beacon
        self._was_loud = False  # this round
        self._range_rounds = 0
        self._handed_at = 0
        self._handed = False  # something stands in the home unit alone

    def notify(self):
        """There is something that should not wait for the next round."""
        self._wake.set()

    async def run(self):
        """Never returns."""
        settings = self._settings
        tag = self._tag
        while True:
            began = ticks_ms()
            self._was_loud = self._has_time = False
            if tag.mode != MODE_OFF:
                await self._listen(settings.scan_window_ms)
                if self._radio.asks or (self._has_time and tag.wants_time):
                    await self._ask()
            if not self._was_loud:
                self._loud = 0
            if self._modes.tick(ticks_ms()):
                tag.mode_changed()
            tag.attend()
            self._wake.clear()  # whatever woke us is served by this round; what comes during it has another
            if tag.mode == MODE_RF:
                await self._be_home()
            if tag.mode == MODE_OFF:
                self._flags = 0
            interval_s = settings.scan_home_s if tag.mode == MODE_RF else settings.scan_away_s
            self._still = False
            if tag.mode == MODE_RF and self._loud >= _CALM_ROUNDS and self._uplink.drained and not self._waiting_for_us:
                interval_s = max(interval_s, min(settings.scan_calm_s, settings.exit_s // 3))
                if tag.still_ms >= _STILL_MS:
                    self._still = True  # nobody leaves without moving, and `moved` ends the wait
                    interval_s = max(interval_s, min(settings.scan_still_s, settings.exit_s * 2 // 3))
            await self._rest(began, _RANGE_MS if await self._is_measured() else interval_s * 1000)

    def moved(self):
        """The wearer moves after a rest, and may be leaving."""
        if self._still:
            self._wake.set()

    def status_due(self):
        """The tag's state changed: say so in the next round."""
        self._status_due = True
        self._wake.set()

    async def _ask(self):
        # Who is heard may be a recording of our home unit: only an echo of what is said now tells. It tells the time, too.
        self._radio.asks = False
        self._asked_at = ticks_ms()
        await self._say_status(ASKS)
        self._is_asking = True
        await self._listen(self._settings.scan_window_ms)
        self._is_asking = False

    async def _is_measured(self):
        # Be heard, while the home unit's beacon asks for it. Whether it does.
        if not self._flags & RANGE_TEST:
            self._range_rounds = 0
            return False
        self._range_rounds += 1
        if self._range_rounds > _RANGE_ROUNDS:
            return False
        return await self._say_status(0)

    async def _rest(self, began, interval_ms):
        while True:
            left = interval_ms - ticks_diff(ticks_ms(), began)
            if left <= 0:
                return
            await self._wake.wait(left)
            if self._tag.mode == MODE_RF:
                return

    async def _be_home(self):
        now = ticks_ms()
        settings = self._settings
        status_s = min(2 * settings.status_s, settings.absent_s // 2) if self._still else settings.status_s
        late = ticks_diff(now, self._status_at) >= status_s * 1000
        if self._status_due or late or self._waiting_for_us:
            fetch = self._waiting_for_us
            self._status_due = self._waiting_for_us = False
            self._status_at = now
            self._ble.listen(_FETCH_MS)
            if await self._say_status(0) and fetch:
                await self._hear_for(_FETCH_MS)
            self._ble.deaf()
        if self._handed and self._flags & ONLINE and ticks_diff(now, self._handed_at) > _AGAIN_MS:
            self._handed = False
            self._uplink.restart(now)
        # A long backlog in several rounds: the tag's other duties wait.
        while self._tag.may_relay and self._tag.mode == MODE_RF and ticks_diff(ticks_ms(), now) < _ROUND_MS:
            message = self._uplink.next_message(RECORDS_PER_RELAY, ticks_ms())
            if message is None:
                return
            if not await self._relay(message):
                return

    async def _relay(self, message):
        sealed, n = message
        token = token_of(sealed)
        self._ble.listen(0)
        delivered = await self._radio.send(sealed, n, self._slot, self._radio.hear)
        if not delivered:
            self._uplink.failed(token, ticks_ms())
            self._status_due = True  # a home unit that has just started hears nothing else before
        elif self._flags & ONLINE:
            self._uplink.acked(token, ticks_ms())
            await self._hear_for(_RECEIPT_MS)
        else:
            self._uplink.handed_over(token)
            self._handed = True
            self._handed_at = ticks_ms()
        self._ble.deaf()
        return delivered

    async def _say_status(self, flags):
        tag = self._tag
        flags |= (0 if tag.strap_is_cut else STRAP_OK) | (CHARGING if tag.charging else 0) | (MOVING if tag.moving else 0)
        pack_status(self._frame, self._slot, flags, tag.battery, tag.mode, self._journal.next_seq - 1, self._radio.echo)
        return await self._radio.say(self._frame, STATUS, _STATUS_MS)

    async def _listen(self, ms):
        self._ble.listen(ms)
        await asyncio.sleep_ms(ms)
        self._radio.attend()

    async def _hear_for(self, ms):
        # Until a message for us came down and was answered, or the time is up.
        deadline = ticks_add(ticks_ms(), ms)
        self._got_down = False
        while not self._got_down:
            left = ticks_diff(deadline, ticks_ms())
            if left <= 0:
                return
            await self._radio.hear(left)

    def _is_ours(self, sender, slot):
        return sender == self._home_unit and slot == self._slot

    def _on_frame(self, kind, sender, frame, rssi, is_new):
        if kind != BEACON:
            return
        self._flags, _, pending = parse_beacon(frame)
        if rssi >= self._settings.entry_dbm + _LOUD_DB and not self._was_loud:
            self._was_loud = True
            self._loud += 1
        if pending >> self._slot & 1:
            self._waiting_for_us = True
        self._tag.heard_beacon(rssi)
        if self._tag.wants_time:
            self._time(frame, is_new)
        if self._modes.heard(ticks_ms(), counter_of(frame), rssi):
            self._tag.mode_changed()
            self._status_due = True

    def _time(self, frame, is_new):
        utc_s = beacon_time(frame)
        self._has_time = utc_s > 0
        if self._is_asking and is_new and utc_s and self._radio.is_answer(frame):
            # Sealed while it was asked for; and its seconds are cut off, half of one on average.
            self._tag.heard_time(utc_s, ticks_diff(ticks_ms(), self._asked_at) - _STATUS_MS // 2 + 500)

    def _on_message(self, sender, data, n, slot):
        self._got_down = True
        # A copy, for it is opened in place: fragments that come again must find what they brought the first time.
        self._uplink.on_down(bytearray(data), n, ticks_ms())
