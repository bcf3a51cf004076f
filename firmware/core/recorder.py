"""Turns what happens into records: gives them their number, time, mode and battery, and puts them into the journal.

The one place in a device where records are made. `on_record(urgent)` tells the uplink that there is something to carry.
What the flash had to give up unreceipted is told by a JOURNAL_FULL, after a reset too until the bridge has receipted it.
"""

from . import record
from .port import const

_REFUSED_MAX = const(0x7FFFFFFF)
_TRIES = const(3)  # the flash may answer again, and then hold a record that it could not confirm, under this number


class Recorder:
    """`state` is the application's: it has `mode` (record.MODE_*), `charging`, `moving` and `battery` (percent or None)."""

    def __init__(self, journal, clock, boot_count, state, on_record):
        self._journal = journal
        self._clock = clock
        self._boot = boot_count & 0xFFFF
        self._state = state
        self._on_record = on_record
        self._buf = bytearray(record.SIZE)
        # What is told already of the records that are lost: all but the gap that the bridge does not know of.
        self._lost = journal.lost - (journal.first_unreleased - journal.released - 1)
        self.refused = 0  # records that the flash did not take

    def event(self, code, value_a=0, value_b=0, urgent=True):
        """An EVENT, dated now, or with uptime and boot count while UTC is not known."""
        clock = self._clock
        clock.read()
        if clock.is_set:
            time_s, millis, flags = clock.utc_s, clock.millis, self._flags()
        else:
            time_s, millis, flags = clock.uptime_s, self._boot, self._flags() | record.UNDATED
        seq = self._journal.next_seq
        record.pack_event(self._buf, seq, time_s, flags, millis, code, value_a, value_b, self._state.battery)
        self._append(urgent)

    def fix(self, fix, urgent=False):
        """A FIX, dated by the receiver. A fix without a date keeps its time of day, and says so."""
        if fix.has_date:
            time_s = fix.utc_s
            flags = self._flags() | (record.DATE_DOUBTFUL if fix.date_doubtful else 0)
        else:
            time_s = fix.tod_s
            flags = self._flags() | record.TIME_OF_DAY
        record.pack_fix(
            self._buf,
            self._journal.next_seq,
            time_s,
            flags,
            fix.millis,
            fix.pos[0],
            fix.pos[1],
            fix.speed_cms,
            fix.radius_dm,
            fix.course_deg,
            fix.satellites,
            fix.hdop_tenths,
            self._state.battery,
        )
        self._append(urgent)

    def clock_set(self):
        """UTC became known: the record that dates this life's undated ones."""
        self._clock.read()
        self.event(record.CLOCK_SET, self._clock.uptime_s, self._boot)

    def _flags(self):
        state = self._state
        flags = state.mode
        if state.charging:
            flags |= record.CHARGING
        if state.moving:
            flags |= record.MOVING
        return flags

    def skip_beyond(self, through):
        """The bridge holds records up to `through` that this flash has lost: none of their numbers is given again, and what
        was made under them since gets numbers of its own."""
        journal = self._journal
        seq = journal.first_unreleased
        end = journal.next_seq
        if through < end:
            return
        journal.skip_to(through + 1)
        self.event(record.FAULT, record.FAULT_FLASH_LOST, through)
        while seq < end:
            if journal.read_into(seq, self._buf, 0, 1):
                record.renumber(self._buf, journal.next_seq)
                self._append(True)
            seq += 1
        journal.release(through)

    def _append(self, urgent):
        journal = self._journal
        for _ in range(_TRIES):
            if journal.append(self._buf):
                break
            record.renumber(self._buf, journal.next_seq)
        else:
            self.refused = min(self.refused + 1, _REFUSED_MAX)
            return
        self._on_record(urgent)
        if journal.lost != self._lost:
            gone = journal.lost - self._lost
            self._lost = journal.lost
            self.event(record.JOURNAL_FULL, gone, journal.first_from(1))
