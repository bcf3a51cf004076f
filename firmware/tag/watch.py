"""The tag's watch over itself: feeds the detectors with what happens, and has what they find recorded.

What they can and cannot see is told in `detect`, `jump` and `health`. Times are ticks in ms.
"""

from .detect import Blocked, Motion
from .health import Health
from .jump import Jump, Spoof


class Watch:
    """`tell(code, value_a, value_b)` records what is found."""

    def __init__(self, settings, moving, now, tell):
        self._settings = settings
        self.motion = Motion(moving, now)
        self._blocked = Blocked(self.motion, now)
        self._jump = Jump()
        self._spoof = Spoof(self.motion)
        self._health = Health(settings, now)
        self._tell = tell
        self._had_contact = False  # with a home unit, the network or satellites, since the start

    @property
    def suspects(self):
        """Whether more fixes would decide something."""
        return bool(self._blocked.suspects or self._spoof.suspects or self._health.suspects)

    def _found(self, code, by):
        if code:
            self._tell(code, by.value_a, by.value_b)

    def receiver_on(self, now):
        self._blocked.woke(now)

    def epoch(self, fix, now):
        """Each epoch of the receiver, with a fix or without."""
        blocked = self._blocked
        self._found(blocked.epoch(fix.cn0_max, fix.heard, fix.in_view, fix.speed_cms, now), blocked)

    def accepts(self, fix, now):
        """Each fix that is to be recorded. Whether it may be: with `every_fix`, always, plausible or not."""
        self._had_contact = True
        self._health.fixed()
        if self._settings.every_fix:
            return True
        accepted = self._jump.accepts(fix.pos, fix.radius_dm, now)
        self._found(self._spoof.fix(fix.pos, fix.radius_dm, fix.speed_cms, now), self._spoof)
        return accepted

    def beacon(self, rssi_dbm, now):
        """The home unit was heard."""
        self._had_contact = True
        self._blocked.beacon(rssi_dbm, now)

    def link(self, is_up, now):
        """The network has just proved that it is there, or was tried in vain or lost."""
        self._had_contact = self._had_contact or is_up
        self._found(self._blocked.link(is_up, now), self._blocked)

    def modem(self, answered):
        """After each power-up."""
        self._found(self._health.modem(answered), self._health)

    def round(self, tag_moves, seeking, receiver_on, accepted, n_bytes, clock, now):
        """Every radio round: `seeking` positions; `accepted` sentences and bytes of the receiver so far; the `clock`."""
        health = self._health
        self.motion.update(tag_moves, now)
        self._found(self._blocked.tick(now), self._blocked)
        self._found(health.receiver(receiver_on, accepted, n_bytes, now), health)
        self._found(health.motion(tag_moves, seeking, now), health)
        self._found(health.clock(clock.is_set, clock.uptime_s, self._had_contact), health)
