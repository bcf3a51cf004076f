"""The home unit's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import record, sntp
from ..core.carrier import Carrier
from ..core.node import Node
from ..core.port import const, ticks_diff, ticks_ms
from .household import Household
from .relay import Downward, Upward

_NTP_HOST = "pool.ntp.org"
_NTP_TIMEOUT_MS = const(5000)
_NTP_RETRY_S = const(30)
_MOVED_MS = const(3000)  # requirements.md: debounced 3 s


class HomeUnit(Node):
    """What the home unit knows of itself, and what happens when that changes."""

    def __init__(self, board):
        super().__init__(board)
        provision = self._provision
        self.has_mains = board.has_mains()
        self._status_at = ticks_ms()
        upward = Upward(self._uplink.topic, provision.device)
        self._downward = Downward(provision.partners)
        self._carrier = Carrier(board.modem, provision, board.name, self._uplink, (upward,), self._on_relay_down)
        counter = self._frame_counter()
        self._household = Household(
            board.ble, provision, counter, self._recorder, upward, self._downward, self, self._carrier.notify
        )

    async def run(self):
        """Never returns."""
        self._begin()
        self._carrier.want(True)
        await asyncio.gather(
            self._carrier.run(),
            self._carrier.stream.run(),
            self._household.run(),
            self._watch_inputs(),
            self._keep_time(),
        )

    @property
    def utc_s(self):
        self._clock.read()
        return self._clock.utc_s if self._clock.is_set else 0

    @property
    def is_online(self):
        return self._carrier.stream.connected

    def attend(self):
        """Every beacon: the unit's slow duties, and proof that it lives."""
        now = ticks_ms()
        self._attend(now)
        if ticks_diff(now, self._status_at) >= self._settings.unit_status_s * 1000:
            self._status_at = now
            self._recorder.event(record.STATUS, self._clock.uptime_s, self._gauge.millivolts)

    def _recorded(self, urgent):
        if urgent:
            self._uplink.urgent = True
        self._carrier.notify()

    def _on_relay_down(self, view, n):
        if not self._downward.take(view, n):
            return False
        self._household.came_down()
        return True

    async def _watch_inputs(self):
        # Mains and tilt, by interrupt.
        board = self._board
        while True:
            tilt = board.tilt()
            await self._changed.wait()
            if board.has_mains() != self.has_mains:
                self.has_mains = not self.has_mains
                self._recorder.event(record.MAINS_BACK if self.has_mains else record.MAINS_LOST, self._gauge.millivolts)
            if board.tilt() != tilt:
                await asyncio.sleep_ms(_MOVED_MS)
                self._recorder.event(record.MOVED, _MOVED_MS)

    async def _keep_time(self):
        # There is no receiver here: UTC comes from the network.
        import socket

        clock = self._clock
        while True:
            while not self.is_online:
                await asyncio.sleep_ms(1000)
            answer = None
            sock = None
            try:
                address = socket.getaddrinfo(_NTP_HOST, sntp.PORT)[0][-1]
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sock.setblocking(False)
                stamp = b"hmu %04x" % (ticks_ms() & 0xFFFF)
                answer = await sntp.ask(sock, address, stamp, _NTP_TIMEOUT_MS)
            except OSError:
                pass
            finally:
                if sock is not None:
                    sock.close()
            if answer is None:
                await asyncio.sleep(_NTP_RETRY_S)
                continue
            if clock.set(answer[0], answer[1]):
                self._recorder.clock_set()
            await asyncio.sleep(self._settings.ntp_s)


def build():
    """The application on this board, built and not yet running."""
    return HomeUnit(this_board("hmu"))


def start(application):
    """Run it; never returns."""
    asyncio.run(application.run())
