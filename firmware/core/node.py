"""What tag and home unit have alike: journal, uplink, orders, clock, recorder and battery, and the duties that go with them.

An application derives from `Node`, adds its own parts, and gives what a recorder asks (`mode`, `charging`, `moving`),
`_recorded(urgent)`, which is called for every record made, and `_obey(kind, number, data)` for the orders that are its own.
"""

import asyncio
import sys

from . import message, record
from .battery import TELL, WARN, Gauge
from .clock import Clock
from .frame import Counter
from .journal import Journal
from .lease import Lease
from .orders import Orders
from .port import MICROPYTHON, const, ticks_ms
from .recorder import Recorder
from .seal import Ccm
from .slots import Slots
from .uplink import Uplink

_PROVISION_MAX = const(1024)
_PWRON = const(1)  # machine.PWRON_RESET: of a device that had started before, its supply had failed, or was switched off
_STEADY_S = const(660)  # longer than a run of crashes (`crash.WINDOW_S`)


def _drop(name):
    # A module of this package that is needed at the start, or seldom: its memory is another's until it is imported again.
    package = __name__[: __name__.rindex(".")]
    if MICROPYTHON and package + "." + name in sys.modules:
        del sys.modules[package + "." + name]
        delattr(sys.modules[package], name)


class Node:
    """Built on a board. ProvisionError when the key slot is empty or wrong, OSError when the journal cannot be used."""

    mode = record.MODE_UNKNOWN
    moving = False
    charging = False
    _locating = 0  # the number of the order for a fix, while one is sought
    docked = False  # a cable has the uplink
    _crashed = False  # of late

    def __init__(self, board):
        from . import ident, obey
        from .provision import Provision

        store = board.store
        self._provision = provision = Provision(store.blob("provision", _PROVISION_MAX))
        provision.store = store
        self._base = provision.policy
        self._settings = settings = provision.settings
        self._board = board
        self._boots = store.number("boots") + 1
        store.keep_number("boots", self._boots)
        self._slots = slots = Slots(board.config_device())
        slots.mount()
        found = obey.policy(slots.readinto, slots.size)
        self._zones_at = slots.size
        if found is not None:
            settings.replace(obey.with_policy(self._base, found[0]))
            self._zones_at = found[1]
        key = obey.kept_key(store) or (0, provision.key_id, provision.key)
        self._lease = Lease(store)
        self._orders = Orders(store, slots, max(slots.number, key[0], self._lease.number), self)
        self._gauge = Gauge(board.battery, settings.battery_check_s, self._warn_lead_s())
        self._clock = Clock()
        self._journal = Journal(board.journal_device())
        if not self._journal.mount():
            raise OSError("the journal's partition cannot be used")
        self._uplink = Uplink(
            self._journal,
            Ccm(key[2]),
            provision.device,
            key[1],
            topic=ident.topic(provision.shard, provision.name, ident.UP).encode(),
            batch=settings.batch_records,
            receipt_timeout_ms=settings.receipt_timeout_s * 1000,
            report_interval_ms=settings.report_interval_s * 1000,
            on_body=self._orders.take,
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

    def _warn_lead_s(self):
        """How long before a battery stage is told the wearer is warned; 0 where nobody can be."""
        return 0

    def _warn(self):
        """Warn the wearer of the battery."""

    # Life

    def _begin(self):
        """The first records of this life; from now on interrupts are heard and the watchdog must be fed."""
        self._provision = None  # built is built: what it told, the keys with it, is needed no more
        for name in ("provision", "obey", "limits", "ident"):
            _drop(name)
        self._read_battery(ticks_ms())
        self._recorder.event(record.BOOT, self._board.reset_cause, self._boots)
        if self._board.reset_cause == _PWRON and self._boots > 1:
            self._recorder.event(record.BROWN_OUT, self._gauge.millivolts)
        self._tell_crash()
        if self._board.store.number("release") > 1:
            from . import update

            update.resume(self)
        self._changed = asyncio.ThreadSafeFlag()
        self._board.on_change(lambda pin: self._changed.set())
        self._watchdog = self._board.watchdog(self._settings.watchdog_s)

    def _tell_crash(self):
        store = self._board.store
        if not len(store.blob("crash", 12)):
            return
        self._crashed = True
        from . import crash

        _, is_new, _, path, line, kind = crash.read(store)
        if is_new:
            self._recorder.event(record.CRASH, path, kind << 16 | line)
            crash.told(store)
        _drop("crash")

    def _attend(self, now):
        """Proof that the application lives, and what both kinds do every round."""
        self._watchdog.feed()
        self._clock.read()
        if self._uplink.ahead:
            self._recorder.skip_beyond(self._uplink.take_ahead(now))
        self._read_battery(now)
        if self._crashed and self._clock.uptime_s > _STEADY_S:
            self._crashed = False
            from . import crash

            crash.forget(self._board.store)
            _drop("crash")

    def _read_battery(self, now):
        due = self._gauge.read(now, self.charging)
        if due & WARN:
            self._warn()
        if due & TELL:
            self._recorder.event(record.BATTERY, self._gauge.percent, self._gauge.millivolts)

    async def _console(self):
        """Serves whoever types, or speaks on the cable: the code for it is fetched only then."""
        stream = asyncio.StreamReader(sys.stdin.buffer)
        got = await stream.read(1)
        if got:
            from . import line

            await line.serve(self, stream, got)

    # Orders

    def obey(self, kind, number, data):
        """What `orders` calls. A message.* status, or None when `finished` tells it later. MemoryError when there is no room."""
        try:
            return self._obeyed(kind, number, data)
        finally:
            _drop("obey")
            _drop("limits")

    def _obeyed(self, kind, number, data):
        if kind == message.ORDER_CONFIG:
            from . import obey

            status = obey.configure(self._slots, self._settings, self._base, self._refusal, number, data)
            if status == message.DONE:
                found = obey.policy(self._slots.readinto, data)
                self._zones_at = found[1] if found else self._slots.size
                self._configured()
            return status
        if kind == message.ORDER_KEY:
            from . import obey

            taken = obey.take_key(self._board.store, number, data)
            if not taken:
                return message.BAD_FORM
            self._uplink.rekey(Ccm(taken[1]), taken[0], ticks_ms())
            return message.DONE
        if kind == message.ORDER_UPDATE:
            try:
                from . import update

                return update.order(self, number, data)
            except MemoryError:
                _drop("update")
                raise
        return self._obey(kind, number, data)

    def ordered(self, number, status):
        """An order is done, or will not be."""
        self._recorder.event(record.ORDER_DONE, number, status)

    def _obey(self, kind, number, data):
        return message.NOT_HERE

    def _refusal(self, read, start, size):
        """Why a zone map cannot be used, or None. Who has no zones looks at none."""
        return None

    def _configured(self):
        """The settings have changed, and the zone map."""
        settings = self._settings
        self._uplink.report_interval_ms = settings.report_interval_s * 1000
        self._uplink.receipt_timeout_ms = settings.receipt_timeout_s * 1000
        self._gauge.every_ms = settings.battery_check_s * 1000
