"""The home unit's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import message, record, sntp
from ..core.carrier import Carrier
from ..core.latch import Contact
from ..core.node import Node
from ..core.port import const, ticks_diff, ticks_ms
from ..core.wake import FOREVER_MS, Wake
from .guard import Comms, Movement
from .household import Household
from .links import links_of
from .rangetest import SECONDS_MAX
from .relay import Downward, Upward

_NTP_HOST = "pool.ntp.org"
_NTP_TIMEOUT_MS = const(5000)
_NTP_RETRY_S = const(30)


class HomeUnit(Node):
    """What the home unit knows of itself, and what happens when that changes."""

    def __init__(self, board):
        super().__init__(board)
        provision = self._provision
        assert provision is not None
        self.has_mains = board.has_mains()
        self._status_at = ticks_ms()
        self._upward = upward = Upward(self._uplink.topic, provision.device, provision.partners, _flash(board))
        self._downward = Downward(provision.partners)
        self._links = links_of(board)
        self._carrier = Carrier(self._links, provision, board.name, self._uplink, (upward,), self._on_relay_down, self._on_link)
        self._is_linked = Wake()
        self._comms = Comms(0, self._settings.comms_lost_s)
        self._gave_up_s = 0
        self._released = self._journal.released
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
            self._console(),
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
        self._watch_comms(self._clock.uptime_s)
        if self._journal.released != self._released:
            self._released = self._journal.released
            self._upward.bridge_lives()

    def _watch_comms(self, now_s):
        told = self._comms.update(self.is_online, now_s)
        if told:
            self._recorder.event(told[0], told[1])
            self._gave_up_s = now_s if self._comms.is_lost else 0
        if self._comms.is_lost and (told or now_s - self._gave_up_s >= self._settings.comms_lost_s):
            self._gave_up_s = now_s
            self._links.give_up()
            self._carrier.notify()

    def _recorded(self, urgent):
        if urgent:
            self._uplink.urgent = True
        self._carrier.notify()

    def _on_link(self, is_up):
        if is_up:
            self._is_linked.set()

    def _on_relay_down(self, view, n):
        if not self._downward.take(view, n):
            return False
        if self._downward.answers and self._upward.answered(self._downward.answers, ticks_ms()):
            self._carrier.notify()
        self._household.came_down()
        return True

    def _obey(self, kind, number, data):
        if kind != message.ORDER_RANGE_TEST:
            return message.NOT_HERE
        if len(data) != 3:
            return message.BAD_FORM
        seconds = data[1] | data[2] << 8
        if not 0 < seconds <= SECONDS_MAX:
            return message.BAD_VALUE
        if not self._household.range_test(data[0], seconds, lambda: self._orders.finished(number, message.DONE)):
            return message.NOT_HERE
        self._orders.begun(number)
        return None

    def _configured(self):
        super()._configured()
        self._comms.lost_s = self._settings.comms_lost_s

    async def _watch_inputs(self):
        # Mains, case and tilt: told by interrupt, looked at again when a contact has settled.
        board = self._board
        event = self._recorder.event
        now = ticks_ms()
        mains = Contact(self.has_mains, now)
        case = Contact(board.case_is_closed(), now)
        tilt = Movement(board.tilt(), board.tilts)
        if mains.is_open:
            event(record.MAINS_LOST, self._gauge.millivolts)
        if case.is_open:
            event(record.CASE_OPENED)
        while True:
            now = ticks_ms()
            change = mains.update(board.has_mains(), now)
            if change:
                self.has_mains = change < 0
                event(record.MAINS_BACK if change < 0 else record.MAINS_LOST, self._gauge.millivolts)
            change = case.update(board.case_is_closed(), now)
            if change:
                event(record.CASE_CLOSED if change < 0 else record.CASE_OPENED)
            if tilt.update(board.tilt(), board.tilts, now):
                event(record.MOVED, tilt.WATCH_MS)
            wait = min([ms for ms in (mains.wait_ms, case.wait_ms, tilt.wait_ms) if ms] or [FOREVER_MS])
            try:
                await asyncio.wait_for_ms(self._changed.wait(), wait)
            except asyncio.TimeoutError:
                pass

    async def _keep_time(self):
        # There is no receiver here: UTC comes from the network.
        import socket

        clock = self._clock
        while True:
            while not self.is_online:
                await self._is_linked.wait(FOREVER_MS)
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


def _flash(board):
    # The relay store's; a unit without one still relays, out of its RAM.
    try:
        return board.relay_device()
    except (IndexError, OSError):
        return None


def build():
    """The application on this board, built and not yet running."""
    return HomeUnit(this_board("hmu"))


def start(application):
    """Run it; never returns."""
    asyncio.run(application.run())
