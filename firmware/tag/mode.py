"""GPS or RF: whether the tag finds its own position and carries its own records, or its home unit does both.

A small machine fed with beacons, with time and with what a fix said; it touches nothing.

To RF mode: `entry_beacons` different authentic beacons at or above `entry_dbm` within `entry_window_s`.

Out of it by way of *doubt*: for `exit_s` no beacon at or above `exit_dbm`. The mode stays RF in name, and `in_doubt` asks the
application for a fix and for the direct way. Then
- beacons at or above the exit level again: RF goes on, nothing is told;
- `located(True)`, the fix is at home: GPS mode by UNIT_SILENT when no beacon at all was heard for `exit_s`; weak ones mean a
  wearer in the garden, and RF goes on. Of one who walks silence says nothing: he may be on his way out, where no beacon
  reaches and home has not ended yet. Then other fixes are wanted (`looks_again`), as long as the doubt lasts;
- `located(False)`: GPS mode by SILENCE or, when weak beacons were heard, by WEAK;
- `located(None)` or nothing for `doubt_s`: GPS mode by DOUBT.

No flapping at the edge of range: for an hour after each leaving, `_DEEPER_DB` more are asked of the beacons that
lead back, or else a run of `_RUN_S` with every beacon above the exit level and its last at the entry level; and for an
hour after such a return, beacons that are weak, but heard, must stay so for `_WEAK_TIMES` exit times. Silence is never waited
for longer than `exit_s`: a real leaving is told within `exit_s` + `doubt_s`.

Without a valid lease it is OFF, whatever is heard.
"""

from ..core.port import const, ticks_add, ticks_diff
from ..core.record import (
    MODE_BY_BEACON,
    MODE_BY_BOOT,
    MODE_BY_DOUBT,
    MODE_BY_LEASE,
    MODE_BY_SILENCE,
    MODE_BY_UNIT_SILENT,
    MODE_BY_WEAK,
    MODE_GPS,
    MODE_OFF,
    MODE_RF,
)

_DEEPER_DB = const(8)  # a wall is 12 dB, fading 2-3 dB: what is not reached at the gate is reached in the house
_RUN_S = const(300)
_RUN_BEACONS = const(10)  # away, it listens each 20 s
_WEAK_TIMES = const(6)
_SETTLE_MS = const(3600_000)
_AGAIN_MS = const(15_000)  # a walker is out of a house and its garden by then, or back


class ModeMachine:
    """`mode` and `reason` (record.MODE_*), `in_doubt`. Times are ticks in ms; call `tick` at least every few days."""

    def __init__(self, settings, now):
        self._settings = settings
        self.mode = MODE_GPS
        self.reason = MODE_BY_BOOT
        self.in_doubt = False  # a fix is wanted, and the direct way; `located` takes the answer
        self._near = 0  # beacons counted towards RF mode
        self._near_since = now
        self._run = 0  # beacons of a run that none broke by being weak
        self._run_since = now
        self._strong_at = now  # the last beacon that keeps RF mode
        self._any_at = now
        self._doubt_at = now
        self._again_at = now  # when another fix is wanted, if so
        self._again = False
        self._changed_at = now
        self._left = False  # within the last hour it left RF mode, or came back after that
        self._counter = -1  # of the last beacon: one beacon is repeated many times

    def heard(self, now, counter, rssi_dbm):
        """An authentic beacon. True when the mode changed."""
        settings = self._settings
        if self.mode == MODE_OFF:
            return False
        changed = self.tick(now)  # what was due before this beacon
        self._any_at = now
        if rssi_dbm >= settings.exit_dbm:
            self._strong_at = now
            if self.in_doubt:
                self.in_doubt = False
        if changed or self.mode == MODE_RF or counter == self._counter:
            return changed
        self._counter = counter
        if rssi_dbm < settings.exit_dbm:
            self._run = 0
            return False
        if not self._run:
            self._run_since = now
        self._run += 1
        if rssi_dbm < settings.entry_dbm:
            return False
        if rssi_dbm < settings.entry_dbm + _DEEPER_DB and self._left:
            if self._run < _RUN_BEACONS or ticks_diff(now, self._run_since) < _RUN_S * 1000:
                return False
            return self._change(now, MODE_RF, MODE_BY_BEACON)
        if not self._near or ticks_diff(now, self._near_since) > settings.entry_window_s * 1000:
            self._near = 0
            self._near_since = now
        self._near += 1
        if self._near < settings.entry_beacons:
            return False
        return self._change(now, MODE_RF, MODE_BY_BEACON)

    def tick(self, now):
        """Time passes. True when the mode changed."""
        settings = self._settings
        if self._left and ticks_diff(now, self._changed_at) >= _SETTLE_MS:
            self._left = False
        exit_ms = settings.exit_s * 1000
        if self.mode != MODE_RF:
            # Forgotten now: in a week the ticks have wrapped, and it would look recent.
            if self._near and ticks_diff(now, self._near_since) > settings.entry_window_s * 1000:
                self._near = 0
            if self._run and ticks_diff(now, self._any_at) > exit_ms:
                self._run = 0
            return False
        if self.in_doubt:
            if ticks_diff(now, self._doubt_at) < settings.doubt_s * 1000:
                return False
            return self._change(now, MODE_GPS, MODE_BY_DOUBT)
        weak_ms = ticks_diff(now, self._strong_at)
        silent = ticks_diff(now, self._any_at) >= exit_ms
        if silent or weak_ms >= (exit_ms * _WEAK_TIMES if self._left else exit_ms):
            self.in_doubt = True
            self._again = False
            self._doubt_at = now
        return False

    def looks_again(self, now):
        """Whether another fix is wanted now; once for each."""
        if not (self.in_doubt and self._again) or ticks_diff(now, self._again_at) < 0:
            return False
        self._again = False
        return True

    def located(self, at_home, now, walks=False):
        """What the fix that `in_doubt` asks for said: True at home, False away, None no telling. True when the mode changed."""
        if not self.in_doubt:
            return False
        silent = ticks_diff(now, self._any_at) >= self._settings.exit_s * 1000
        if at_home is None:
            return self._change(now, MODE_GPS, MODE_BY_DOUBT)
        if not at_home:
            return self._change(now, MODE_GPS, MODE_BY_SILENCE if silent else MODE_BY_WEAK)
        if silent and walks:
            self._again = True
            self._again_at = ticks_add(now, _AGAIN_MS)
            return False
        if silent:
            return self._change(now, MODE_GPS, MODE_BY_UNIT_SILENT)
        self.in_doubt = False
        self._left = True  # asked again after the longer time: a fix each minute of an afternoon in the garden is too many
        self._strong_at = self._changed_at = now
        return False

    def lease(self, valid, now):
        """Whether there is a valid lease. True when the mode changed."""
        if valid == (self.mode != MODE_OFF):
            return False
        self._left = False
        self._change(now, MODE_GPS if valid else MODE_OFF, MODE_BY_LEASE)
        self._left = False
        return True

    def _change(self, now, mode, reason):
        if self.mode == MODE_RF:
            self._left = True  # and it stays so when it comes back within the hour
        self.mode = mode
        self.reason = reason
        self.in_doubt = False
        self._near = self._run = 0
        self._strong_at = self._any_at = self._changed_at = now
        return True
