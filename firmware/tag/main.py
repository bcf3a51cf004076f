"""The ankle tag's composition root: builds the parts, wires them, and starts their tasks."""

import asyncio

from ..boards import this_board
from ..core import ident, record
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
from .home import HomeLink
from .mode import ModeMachine
from .strap import Strap
from .tracker import Tracker

_PROVISION_MAX = const(1024)


class Tag:
    """What the tag knows of itself, and what happens when that changes."""

    def __init__(self, board):
        provision = Provision(board.store.blob("provision", _PROVISION_MAX))
        settings = provision.settings
        self._board = board
        self._settings = settings
        boots = board.store.number("boots") + 1
        board.store.keep_number("boots", boots)
        now = ticks_ms()

        self.charging = board.is_charging()
        self.moving = board.is_moving()
        self._gauge = Gauge(board.battery, settings.battery_check_s)
        self._heartbeat_at = now
        self._strap = Strap(board.strap_is_closed(), now)

        self._modes = ModeMachine(settings, now)
        self._clock = Clock()
        self._journal = Journal(board.journal_device())
        if not self._journal.mount():
            raise OSError("the journal's partition cannot be used")
        self._uplink = Uplink(
            self._journal,
            Ccm(provision.key),
            provision.device,
            provision.key_id,
            topic=ident.topic(provision.shard, provision.name, ident.UP).encode(),
            batch=settings.batch_records,
            receipt_timeout_ms=settings.receipt_timeout_s * 1000,
            report_interval_ms=settings.report_interval_s * 1000,
        )
        self._recorder = Recorder(self._journal, self._clock, boots, self, self._recorded)
        self._carrier = Carrier(board.modem, provision, board.name, self._uplink)
        counter = Counter(lambda: board.store.number("rf"), lambda limit: board.store.keep_number("rf", limit))
        self._home = HomeLink(board.ble, provision, counter, self._modes, self._uplink, self._journal, self)
        self._tracker = Tracker(board.gnss, settings, self._recorder, self._clock)
        self._boots = boots

    async def run(self):
        """Never returns."""
        self._read_battery(ticks_ms())
        self._recorder.event(record.BOOT, self._board.reset_cause, self._boots)
        if self._strap.is_cut:
            self._recorder.event(record.STRAP_CUT)
        self._changed = asyncio.ThreadSafeFlag()
        self._board.on_change(lambda pin: self._changed.set())
        self._watchdog = self._board.watchdog(self._settings.watchdog_s)
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
    def battery(self):
        return self._gauge.percent

    @property
    def mode(self):
        return self._modes.mode

    @property
    def strap_is_cut(self):
        return self._strap.is_cut

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
        self._watchdog.feed()
        self._clock.read()
        now = ticks_ms()
        if self._uplink.ahead:
            self._recorder.skip_beyond(self._uplink.take_ahead(now))
        self._read_battery(now)
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

    def _read_battery(self, now):
        if self._gauge.read(now):
            self._recorder.event(record.BATTERY, self._gauge.percent, self._gauge.millivolts)

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
