"""What tag and home unit have alike: journal, uplink, clock, recorder and battery, and the duties that go with them.

An application derives from `Node`, adds its own parts, and gives what a recorder asks (`mode`, `charging`, `moving`) and
`_recorded(urgent)`, which is called for every record made.
"""

import asyncio

from . import ident, record
from .battery import Gauge
from .clock import Clock
from .frame import Counter
from .journal import Journal
from .port import const, ticks_ms
from .provision import Provision
from .recorder import Recorder
from .seal import Ccm
from .uplink import Uplink

_PROVISION_MAX = const(1024)


class Node:
    """Built on a board. ProvisionError when the key slot is empty or wrong, OSError when the journal cannot be used."""

    mode = record.MODE_UNKNOWN
    moving = False
    charging = False

    def __init__(self, board):
        self._provision = provision = Provision(board.store.blob("provision", _PROVISION_MAX))
        self._settings = settings = provision.settings
        self._board = board
        self._boots = board.store.number("boots") + 1
        board.store.keep_number("boots", self._boots)
        self._gauge = Gauge(board.battery, settings.battery_check_s)
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
        self._recorder = Recorder(self._journal, self._clock, self._boots, self, self._recorded)

    @property
    def battery(self):
        return self._gauge.percent

    def _frame_counter(self):
        """The counter of this device's radio frames, which no power cut repeats."""
        store = self._board.store
        return Counter(lambda: store.number("rf"), lambda limit: store.keep_number("rf", limit))

    def _recorded(self, urgent):
        """There is a record more."""
        raise NotImplementedError

    def _begin(self):
        """The first records of this life; from now on interrupts are heard and the watchdog must be fed."""
        self._read_battery(ticks_ms())
        self._recorder.event(record.BOOT, self._board.reset_cause, self._boots)
        self._changed = asyncio.ThreadSafeFlag()
        self._board.on_change(lambda pin: self._changed.set())
        self._watchdog = self._board.watchdog(self._settings.watchdog_s)

    def _attend(self, now):
        """Proof that the application lives, and what both kinds do every round."""
        self._watchdog.feed()
        self._clock.read()
        if self._uplink.ahead:
            self._recorder.skip_beyond(self._uplink.take_ahead(now))
        self._read_battery(now)

    def _read_battery(self, now):
        if self._gauge.read(now):
            self._recorder.event(record.BATTERY, self._gauge.percent, self._gauge.millivolts)
