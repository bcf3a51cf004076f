"""Parts of the tag that are dead, a clock that is gone, and motion without a fix. What cannot be had is none of these: no sky
is no dead receiver, no coverage no dead modem.

Motion without a fix is information, not an alert: who works on his feet in a building makes it too. What it asks for, motion
for most of the time and never a fix in `motion_no_fix_s`, is once for a bus in a long tunnel, a warehouse shift, or a tag whose
sky is taken away; the next one needs a fix first. Nothing is told twice.

Each call gives a record code, with `value_a` and `value_b`, or 0. Times are ticks in ms.
"""

from ..core.port import const, ticks_diff
from ..core.record import CLOCK_GONE, MODEM_BACK, MODEM_DEAD, MOTION_NO_FIX, RECEIVER_BACK, RECEIVER_DEAD

_MUTE_MS = const(30_000)  # on for so long, and no sentence
_MUTES = const(3)
_ATTEMPTS = const(3)  # power-ups of the modem without an answer
_SHARE = const(60)  # percent of the time
_STEP_MAX_MS = const(60_000)  # a longer pause between two calls is not counted


class Health:
    """Built once. `receiver` and `motion` are called every round (10-20 s), `modem` after each power-up."""

    def __init__(self, settings, now):
        self.value_a = self.value_b = 0
        self.receiver_dead = False
        self.modem_dead = False
        self._settings = settings
        self._accepted = 0
        self._bytes = 0
        self._mute_ms = 0
        self.suspects = False  # the receiver: it should be listened to for longer
        self._on_at = now
        self._was_on = False
        self._attempts = 0
        self._clock_told = False
        self._at = now
        self._no_fix_ms = 0
        self._moving_ms = 0
        self._motion_told = False

    def receiver(self, is_on, accepted, n_bytes, now):
        """`accepted`: sentences so far (nmea.ACCEPTED of the state); `n_bytes`: bytes so far. Both may wrap."""
        if accepted != self._accepted:
            self._accepted = accepted
            self._bytes = n_bytes
            self._mute_ms = 0
            self._was_on = self.suspects = False
            if self.receiver_dead:
                self.receiver_dead = False
                self.value_a = self.value_b = 0
                return RECEIVER_BACK
        passed = ticks_diff(now, self._on_at)
        self._on_at = now
        # Counted in time that it was on: three times 30 s, in one go or in three short ones.
        if is_on and self._was_on and 0 < passed <= _STEP_MAX_MS:
            self._mute_ms = min(self._mute_ms + passed, 10 * _MUTES * _MUTE_MS)
        self._was_on = is_on
        if self.receiver_dead or self._mute_ms < _MUTES * _MUTE_MS:
            self.suspects = self._mute_ms > 0 and not self.receiver_dead
            return 0
        self.receiver_dead = True
        self.suspects = False
        self.value_a = (n_bytes - self._bytes) & 0x3FFFFFFF
        self.value_b = self._mute_ms // 1000
        return RECEIVER_DEAD

    def modem(self, answered):
        """After a power-up: whether it answered to anything at all."""
        if answered:
            self._attempts = 0
            if not self.modem_dead:
                return 0
            self.modem_dead = False
            self.value_a = self.value_b = 0
            return MODEM_BACK
        self._attempts = min(self._attempts + 1, 1000)
        if self.modem_dead or self._attempts < _ATTEMPTS:
            return 0
        self.modem_dead = True
        self.value_a = self._attempts
        self.value_b = 0
        return MODEM_DEAD

    def clock(self, is_set, uptime_s, was_to_be_had):
        """`was_to_be_had`: a home unit or a network has been heard since the start, or the receiver has had a fix."""
        if is_set or self._clock_told or not was_to_be_had or uptime_s < self._settings.clock_gone_s:
            return 0
        self._clock_told = True
        self.value_a = uptime_s
        self.value_b = 0
        return CLOCK_GONE

    def fixed(self):
        """There was a fix."""
        self._no_fix_ms = self._moving_ms = 0
        self._motion_told = False

    def motion(self, moving, seeking, now):
        """`seeking`: in GPS mode, under a lease."""
        passed = ticks_diff(now, self._at)
        self._at = now
        if not seeking or self.receiver_dead:
            self._no_fix_ms = self._moving_ms = 0
            return 0
        if self._motion_told or not 0 < passed <= _STEP_MAX_MS:
            return 0
        self._no_fix_ms += passed
        if moving:
            self._moving_ms += passed
        limit_ms = self._settings.motion_no_fix_s * 1000
        if self._no_fix_ms < limit_ms:
            return 0
        if self._moving_ms * 100 < self._no_fix_ms * _SHARE:
            # The older half is forgotten: a wearer who was at rest and then goes is told as late as one who went at once.
            self._no_fix_ms //= 2
            self._moving_ms //= 2
            return 0
        self._motion_told = True
        self.value_a = self._no_fix_ms // 1000
        self.value_b = self._moving_ms // 1000
        return MOTION_NO_FIX
