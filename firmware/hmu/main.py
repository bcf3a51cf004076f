"""The home unit's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import ident, record, sntp
from ..core.battery import Gauge
from ..core.carrier import Carrier
from ..core.clock import Clock
from ..core.frame import Counter
from ..core.journal import Journal
from ..core.port import const, ticks_diff, ticks_ms
from ..core.provision import Provision
from ..core.recorder import Recorder
from ..core.seal import Ccm
from ..core.uplink import Uplink
from .household import Household
from .relay import Downward, Upward

_PROVISION_MAX = const(1024)
_NTP_HOST = "pool.ntp.org"
_NTP_TIMEOUT_MS = const(5000)
_NTP_RETRY_S = const(30)
_MOVED_MS = const(3000)  # requirements.md: debounced 3 s


class HomeUnit:
    """What the home unit knows of itself, and what happens when that changes."""

    mode = record.MODE_UNKNOWN
    moving = False
    charging = False

    def __init__(self, board):
        provision = Provision(board.store.blob("provision", _PROVISION_MAX))
        settings = provision.settings
        self._board = board
        self._settings = settings
        self._boots = board.store.number("boots") + 1
        board.store.keep_number("boots", self._boots)
        now = ticks_ms()

        self.has_mains = board.has_mains()
        self._gauge = Gauge(board.battery, settings.battery_check_s)
        self._status_at = now

        self._clock = Clock()
        self._journal = Journal(board.journal_device())
        if not self._journal.mount():
            raise OSError("the journal's partition cannot be used")
        up = ident.topic(provision.shard, provision.name, ident.UP).encode()
        self._uplink = Uplink(
            self._journal,
            Ccm(provision.key),
            provision.device,
            provision.key_id,
            topic=up,
            batch=settings.batch_records,
            receipt_timeout_ms=settings.receipt_timeout_s * 1000,
            report_interval_ms=settings.report_interval_s * 1000,
        )
        self._recorder = Recorder(self._journal, self._clock, self._boots, self, self._recorded)
        upward = Upward(up, provision.device)
        self._downward = Downward(provision.partners)
        self._carrier = Carrier(board.modem, provision, board.name, self._uplink, (upward,), self._on_relay_down)
        counter = Counter(lambda: board.store.number("rf"), lambda limit: board.store.keep_number("rf", limit))
        self._household = Household(
            board.ble, provision, counter, self._recorder, upward, self._downward, self, self._carrier.notify
        )

    async def run(self):
        """Never returns."""
        self._read_battery(ticks_ms())
        self._recorder.event(record.BOOT, self._board.reset_cause, self._boots)
        self._changed = asyncio.ThreadSafeFlag()
        self._board.on_change(lambda pin: self._changed.set())
        self._watchdog = self._board.watchdog(self._settings.watchdog_s)
        self._carrier.want(True)
        await asyncio.gather(
            self._carrier.run(),
            self._carrier.stream.run(),
            self._household.run(),
            self._watch_inputs(),
            self._keep_time(),
        )

    @property
    def battery(self):
        return self._gauge.percent

    @property
    def utc_s(self):
        self._clock.read()
        return self._clock.utc_s if self._clock.is_set else 0

    @property
    def is_online(self):
        return self._carrier.stream.connected

    def attend(self):
        """Every beacon: the unit's slow duties, and proof that it lives."""
        self._watchdog.feed()
        self._clock.read()
        now = ticks_ms()
        if self._uplink.ahead:
            self._recorder.skip_beyond(self._uplink.take_ahead(now))
        self._read_battery(now)
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

    def _read_battery(self, now):
        if self._gauge.read(now):
            self._recorder.event(record.BATTERY, self._gauge.percent, self._gauge.millivolts)

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
