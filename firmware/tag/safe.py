"""The safe tracker: what still runs on a tag whose application has crashed three times in ten minutes.

A fix a minute under the lease, the strap, the battery, and the direct way to the bridge; no home unit, no zones, no detectors, no
sleep. It stands on `Node` as the application does, for journal, lease and orders have to be the same; everything else is as
simple as it can be. After an hour the device starts its whole application again.
"""

import asyncio

from ..boards import this_board
from ..core import crash, message, record
from ..core.carrier import Carrier
from ..core.gnss import Receiver
from ..core.node import Node
from ..core.port import const, ticks_diff, ticks_ms
from .tracker import is_plausible

_ROUND_MS = const(1000)
_FIX_MS = const(60_000)
_SEEK_MS = const(45_000)
_AGAIN_S = const(3600)


class SafeTag(Node):
    """One loop, a round a second."""

    def __init__(self, board):
        super().__init__(board)
        self.mode = record.MODE_OFF
        self.charging = board.is_charging()
        self._cut = False
        self._receiver = Receiver(self._on_epoch)
        self._buf = bytearray(256)
        self._wanted = False
        self._locating = 0
        self._carrier = Carrier(board.modem, self._provision, board.name, self._uplink)

    async def run(self):
        """An hour, then a reset."""
        self._begin()
        self._recorder.event(record.SAFE_MODE, 1)
        self._carrier.want(True)
        parts = (self._carrier.run(), self._carrier.stream.run(), self._read(), self._console())
        tasks = [asyncio.create_task(each) for each in parts]
        began = sought = ticks_ms()
        gnss = self._board.gnss
        while self._clock.uptime_s < _AGAIN_S:
            now = ticks_ms()
            self._attend(now)
            self.charging = self._board.is_charging()
            self._check_strap()
            self._check_lease()
            if self.mode == record.MODE_GPS:
                if not self._wanted and (self._locating or ticks_diff(now, began) >= _FIX_MS or not self._clock.is_set):
                    self._wanted = True
                    began = sought = now
                    if not gnss.is_on:
                        self._receiver.forget()
                        gnss.on()
                elif self._wanted and ticks_diff(now, sought) >= _SEEK_MS and self._clock.is_set:
                    self._wanted = False
                    self._located(message.NO_FIX)
            if gnss.is_on and not self._wanted:
                gnss.off()
            await asyncio.sleep_ms(_ROUND_MS)
        crash.forget(self._board.store)
        self._recorder.event(record.SAFE_MODE, 0)
        for task in tasks:
            task.cancel()

    async def _read(self):
        gnss = self._board.gnss
        while True:
            n = await gnss.readinto(self._buf)
            if n:
                self._receiver.feed(self._buf, n)

    def _on_epoch(self, fix):
        if not self._wanted or not is_plausible(fix):
            return
        if self._clock.set(fix.utc_s, fix.millis, 0):
            self._recorder.clock_set()
        self._check_lease()
        if self.mode != record.MODE_GPS:
            return
        self._recorder.fix(fix)
        self._wanted = False
        self._located(message.DONE)

    def _check_strap(self):
        # Twice the same, a second apart.
        closed = self._board.strap_is_closed()
        if closed == self._cut and closed != self._was_closed:
            self._was_closed = closed
        elif closed == self._cut:
            self._cut = not closed
            self._recorder.event(record.STRAP_CUT if self._cut else record.STRAP_CLOSED)
        else:
            self._was_closed = closed

    _was_closed = True

    def _check_lease(self):
        lease = self._lease
        self._clock.read()
        if self._clock.is_set:
            valid = lease.holds(self._clock.utc_s)
        else:
            valid = bool(lease.number) and not lease.is_withdrawn  # the first fix tells the time
        mode = record.MODE_GPS if valid else record.MODE_OFF
        if mode != self.mode:
            self.mode = mode
            self._wanted = False
            self._recorder.event(record.MODE, mode, record.MODE_BY_LEASE)

    def _obey(self, kind, number, data):
        if kind == message.ORDER_LEASE:
            return self._lease.take(number, data)
        if kind == message.ORDER_LOCATE:
            if self.mode != record.MODE_GPS:
                return message.NO_LEASE
            self._orders.begun(number)
            self._located(message.INTERRUPTED)
            self._locating = number
            return None
        return message.NOT_HERE

    def _located(self, status):
        number = self._locating
        if number:
            self._locating = 0
            self._orders.finished(number, status)

    def _recorded(self, urgent):
        self._uplink.urgent = self._uplink.urgent or urgent
        self._carrier.notify()


def build():
    """The application on this board, built and not yet running."""
    return SafeTag(this_board("tag"))


def start(application):
    """Run it; returns after an hour, and the device starts anew."""
    asyncio.run(application.run())
