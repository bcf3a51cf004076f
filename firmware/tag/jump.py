"""Positions that jump: what no vehicle makes, and what is made while the tag lies still.

`Jump` judges each fix of ordinary tracking before it becomes a record. A fix that is further from the last good one than
70 m/s and both radii allow is kept back; so is the next one, unless it denies the jump (it is where the last good one was) or
the third in a row confirms it: a plane, a ferry with the tag asleep, or a first fix that was wrong itself.

`Spoof` wants every plausible fix, those kept back as well. While the motion input says that the tag has gone nowhere, fixes
that are `_FAR_M` and both radii away from where it came to rest, and say that they stand still or got there faster than any
vehicle, are false. `_CONFIRM` of them in a row over `_CONFIRM_MS` are told; a slow drag-off is as well once it is that far.
Street canyons jump by 20-50 m, indoor fixes are 20-80 m off and drift goes to 100 m (requirements.md section 3,
firmware.md): two of them are within 200 m of each other.

Positions are array('i') of latitude and longitude in 1e-7 degrees, radii are in decimetres, times are ticks in ms. A fix after
more than six days of no call may be judged by a wrong time: the third in a row decides.
"""

from array import array

from ..core.geo import scale, separation
from ..core.port import const, ticks_diff
from ..core.record import SPOOF_ENDED, SPOOFED

_FASTEST_MPS = const(70)  # 250 km/h: trains here, and no road vehicle (our own choice)
_MARGIN_DM = const(500)  # a canyon's jump on top of the radii
_REACH_DM = const(2_000_000)  # further than this is a jump however long it took: geo cannot say more, and it is rare
_AGREE = const(3)

_REST_MS = const(120_000)  # of no motion before a place of rest is taken
_FAR_M = const(200)
_MOVED_MAX_MS = const(20_000)  # of motion since then, and the place is given up; until then each second allows _STRAY_MPS
_STRAY_MPS = const(30)
_STANDS_CMS = const(150)
_SAID_DM = const(200_000)  # a false position further away is told as 20 km
_CONFIRM = const(5)
_CONFIRM_MS = const(120_000)
_BACK = const(3)
_DAY_MS = const(86_400_000)


class Jump:
    """`accepts` says whether a plausible fix may become a record; `held` counts those that may not, in a row."""

    def __init__(self):
        self.held = 0
        self._scale = array("i", (0, 0, 0, 0))
        self._good = array("i", (0, 0))
        self._good_dm = -1  # its radius; -1: there is none yet
        self._good_at = 0
        self._last = array("i", (0, 0))  # the last one held back
        self._last_dm = 0
        self._last_at = 0

    def accepts(self, pos, radius_dm, now):
        if self._good_dm >= 0 and not self._can(self._good, self._good_dm, self._good_at, pos, radius_dm, now):
            if not self.held or not self._can(self._last, self._last_dm, self._last_at, pos, radius_dm, now):
                self.held = 0  # it agrees with neither: evidence begins with it
            self.held += 1
            if self.held < _AGREE:
                self._last[0] = pos[0]
                self._last[1] = pos[1]
                self._last_dm = radius_dm
                self._last_at = now
                return False
        self.held = 0
        self._good[0] = pos[0]
        self._good[1] = pos[1]
        self._good_dm = radius_dm
        self._good_at = now
        return True

    def _can(self, a, a_dm, a_at, b, b_dm, now):
        passed_s = min(max(0, ticks_diff(now, a_at)) // 1000 + 1, 10_000)
        limit_dm = min(a_dm + b_dm + _MARGIN_DM + passed_s * 10 * _FASTEST_MPS, _REACH_DM)
        scale(self._scale, a, b, 0)
        return separation(self._scale, a, b, 0, limit_dm + 10) <= limit_dm


class Spoof:
    """`fix` gives SPOOFED, SPOOF_ENDED or 0, with `value_a`, `value_b`. `suspects`: more fixes would decide something."""

    def __init__(self, motion):
        self.state = 0  # SPOOFED while it lasts
        self.value_a = self.value_b = 0
        self.suspects = False
        self._motion = motion
        self._scale = array("i", (0, 0, 0, 0))
        self._rest = array("i", (0, 0))
        self._rest_dm = -1  # -1: the tag does not rest
        self._moved = 0  # motion.moved_ms at that time
        self._at = 0  # the last fix near the place
        self._since = 0  # the first far one, then the telling
        self._far = 0
        self._near = 0
        self._leapt = False  # the first far one came faster than any vehicle

    def fix(self, pos, radius_dm, speed_cms, now):
        motion = self._motion
        moved_ms = motion.moved_since(self._moved)
        if self._rest_dm >= 0 and moved_ms > _MOVED_MAX_MS:
            self._rest_dm = -1
            self._far = 0
            self.suspects = False
            if self.state:
                return self._end(now)  # it has gone somewhere: nobody can tell any more
        if self._rest_dm < 0:
            if motion.still_ms >= _REST_MS:
                self._rest[0] = pos[0]
                self._rest[1] = pos[1]
                self._rest_dm = radius_dm
                self._moved = motion.moved_ms
                self._at = now
            return 0
        scale(self._scale, self._rest, pos, 0)
        metres = separation(self._scale, self._rest, pos, 0, _SAID_DM) // 10
        beyond_m = metres - (self._rest_dm + radius_dm) // 10 - _FAR_M - moved_ms * _STRAY_MPS // 1000
        if beyond_m <= 0:
            self._far = 0
            self.suspects = False
            self._at = now
            self._near += 1
            return self._end(now) if self.state and self._near >= _BACK else 0
        self._near = 0
        if self.state:
            if ticks_diff(now, self._since) > _DAY_MS:
                return self._end(now)  # as a place it is as good as the other; ticks wrap after six days
            return 0
        if not self._far:
            self._since = now
            passed_s = min(max(0, ticks_diff(now, self._at)) // 1000 + 1, 300_000)
            self._leapt = beyond_m > passed_s * _FASTEST_MPS
        if speed_cms > _STANDS_CMS and not self._leapt:
            # A ferry or a train may be so smooth that nothing moves, but it says that it goes.
            self._rest_dm = -1
            self._far = 0
            self.suspects = False
            return 0
        self._far += 1
        self.suspects = True
        if self._far < _CONFIRM or ticks_diff(now, self._since) < _CONFIRM_MS:
            return 0
        self.state = SPOOFED
        self.suspects = False
        self.value_a = metres
        self.value_b = ticks_diff(now, self._since) // 1000
        self._since = now
        return SPOOFED

    def _end(self, now):
        self.state = 0
        self._rest_dm = -1
        self.value_a = max(0, ticks_diff(now, self._since)) // 1000
        self.value_b = 0
        return SPOOF_ENDED
