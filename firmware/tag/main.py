"""The ankle tag's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import record
from ..core.carrier import Carrier
from ..core.latch import Contact
from ..core.node import Node
from ..core.port import ticks_diff, ticks_ms
from .home import HomeLink
from .mode import ModeMachine
from .tracker import Tracker


class Tag(Node):
    """What the tag knows of itself, and what happens when that changes."""

    def __init__(self, board):
        super().__init__(board)
        provision, settings = self._provision, self._settings
        now = ticks_ms()
        self.charging = board.is_charging()
        self.moving = board.is_moving()
        self._heartbeat_at = now
        self._strap = Contact(board.strap_is_closed(), now)
        self._modes = ModeMachine(settings, now)
        self._carrier = Carrier(board.modem, provision, board.name, self._uplink)
        counter = self._frame_counter()
        self._home = HomeLink(board.ble, provision, counter, self._modes, self._uplink, self._journal, self)
        self._tracker = Tracker(board.gnss, settings, self._recorder, self._clock)

    async def run(self):
        """Never returns."""
        self._begin()
        if self._strap.is_open:
            self._recorder.event(record.STRAP_CUT)
        self._apply_mode()
        await asyncio.gather(
            self._tracker.run(),
            self._tracker.read(),
            self._carrier.run(),
            self._carrier.stream.run(),
            self._home.run(),
            self._watch_inputs(),
        )

    # What others ask

    @property
    def mode(self):
        return self._modes.mode

    @property
    def strap_is_cut(self):
        return self._strap.is_open

    @property
    def may_relay(self):
        """Whether the home unit's way is the one to use: one way at a time."""
        return self._carrier.is_off

    # What others tell

    def mode_changed(self):
        """The mode machine has decided."""
        self._recorder.event(record.MODE, self._modes.mode, self._modes.reason)
        self._apply_mode()

    def heard_time(self, utc_s):
        """The home unit's time, for a tag that has none of its own: within a beacon's repetition. A fix corrects it later."""
        if utc_s and not self._clock.is_set and self._clock.set(utc_s, 0, self._settings.beacon_s * 500):
            self._recorder.clock_set()

    def attend(self):
        """Every radio round: the tag's slow duties, and proof that it lives."""
        now = ticks_ms()
        self._attend(now)
        if ticks_diff(now, self._heartbeat_at) >= self._settings.heartbeat_s * 1000:
            self._recorder.event(record.STATUS, self._clock.uptime_s, self._gauge.millivolts, False)

    def _apply_mode(self):
        tracking = self._modes.mode != record.MODE_RF
        if tracking:
            self._uplink.recut(self._settings.batch_records, ticks_ms())
        self._tracker.follow(tracking)
        self._carrier.want(tracking)

    def _recorded(self, urgent):
        self._heartbeat_at = ticks_ms()
        if urgent:
            self._uplink.urgent = True
        self._carrier.notify()
        if urgent:
            self._home.notify()

    async def _watch_inputs(self):
        # Strap, charger and motion: told by interrupt, looked at again when the contact has settled.
        strap, board = self._strap, self._board
        while True:
            await self._changed.wait()
            while True:
                change = strap.update(board.strap_is_closed(), ticks_ms())
                if change:
                    self._recorder.event(record.STRAP_CUT if change > 0 else record.STRAP_CLOSED)
                    self._home.status_due()
                if not strap.wait_ms:
                    break
                await asyncio.sleep_ms(strap.wait_ms)
            self.moving = board.is_moving()
            if board.is_charging() != self.charging:
                self.charging = not self.charging
                self._recorder.event(record.CHARGER_ON if self.charging else record.CHARGER_OFF, self._gauge.millivolts, 0, False)


def build():
    """The application on this board, built and not yet running."""
    return Tag(this_board("tag"))


def start(application):
    """Run it; never returns."""
    asyncio.run(application.run())
