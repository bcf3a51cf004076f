"""GPS or RF: whether the tag finds its own position and carries its own records, or its home unit does both.

A small machine fed with beacons and with time; it touches nothing. To RF mode: `entry_beacons` different authentic beacons
at or above `entry_dbm` within `entry_window_s`. Back to GPS mode: for `exit_s` no beacon at or above `exit_dbm`. Between
the two levels nothing changes, so that a wearer at the edge of range does not flap.
"""

from ..core.port import ticks_diff
from ..core.record import (
    MODE_BY_BEACON,
    MODE_BY_BOOT,
    MODE_BY_SILENCE,
    MODE_BY_WEAK,
    MODE_GPS,
    MODE_RF,
)


class ModeMachine:
    """`mode` and `reason` (record.MODE_*). Times are ticks in ms; call `tick` at least every few minutes."""

    def __init__(self, settings, now):
        self._settings = settings
        self.mode = MODE_GPS
        self.reason = MODE_BY_BOOT
        self._near = 0  # beacons counted towards RF mode
        self._near_since = now
        self._strong_at = now  # the last beacon that keeps RF mode
        self._any_at = now
        self._counter = -1  # of the last beacon: one beacon is repeated many times

    def heard(self, now, counter, rssi_dbm):
        """An authentic beacon. True when the mode changed."""
        settings = self._settings
        self._any_at = now
        if rssi_dbm >= settings.exit_dbm:
            self._strong_at = now
        if self.mode == MODE_RF or counter == self._counter or rssi_dbm < settings.entry_dbm:
            return self.tick(now)
        self._counter = counter
        if not self._near or ticks_diff(now, self._near_since) > settings.entry_window_s * 1000:
            self._near = 0
            self._near_since = now
        self._near += 1
        if self._near < settings.entry_beacons:
            return False
        self._near = 0
        return self._change(MODE_RF, MODE_BY_BEACON)

    def tick(self, now):
        """Time passes. True when the mode changed."""
        if self.mode != MODE_RF:
            if self._near and ticks_diff(now, self._near_since) > self._settings.entry_window_s * 1000:
                self._near = 0  # forgotten now: in a week the ticks have wrapped, and it would look recent
            return False
        exit_ms = self._settings.exit_s * 1000
        if ticks_diff(now, self._strong_at) < exit_ms:
            return False
        return self._change(MODE_GPS, MODE_BY_SILENCE if ticks_diff(now, self._any_at) >= exit_ms else MODE_BY_WEAK)

    def _change(self, mode, reason):
        self.mode = mode
        self.reason = reason
        return True
