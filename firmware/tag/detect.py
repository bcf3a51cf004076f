"""Shielding and jamming told from ordinary loss of signal, and how much the tag has moved of late.

What is ordinary: a roof, a street, a lift, a cellar, a tunnel, foil-backed walls, a bus; a network that is not there. All of them
take C/N0 away, some of them the network too. What they have in common is that one has to *go* there. So:

- Jamming: C/N0 is 10 dB and more below what it was, on every satellite (the best one fell so far), a good part of the signals is
  gone, the modem has been on the network since, and either the tag has not moved, not before nor since (`_TWITCH_MS`), or,
  within one time of listening, nearly all satellites in view went within seconds (a building leaves them in view by the
  almanac). For `_JAM_MS` and `_JAM_EPOCHS` epochs without a better one.
- Shielding: receiver and network, and the home unit if it was heard, fall silent together, with nothing of any of them left,
  while the tag neither walks nor rides (`_WALKS_MS`), and stay so for `_SHIELD_MS`. At home, where receiver and modem sleep,
  the home unit's silence is the moment, and the modem must have worked there before.

What this can see: a receiver that is on for some seconds a minute shows a fall within two of its intervals; once there is no fix
it listens longer by itself. `suspects` asks for the moving interval at rest. Jamming and foil that
begin while the wearer walks or rides, or that he walks away with within two or three minutes, look like a building and are not
told (MOTION_NO_FIX may be); nor is jamming in a room that leaves some signals, when an hour has passed since the last look.

All thresholds are our own choice, tried on sim/world (tests/firmware/tag/test_detect_days.py); falls of 10-25 dB: firmware.md.
Fed with epochs, the modem's state, beacons and ticks in ms; `tick` at least every few days. Allocates nothing.
"""

from ..core.port import const, ticks_add, ticks_diff
from ..core.record import JAM_ENDED, JAMMED, SHIELD_ENDED, SHIELDED

_WALKS_MS = const(15_000)  # of the last minute or two: on foot, or carried by something
_WALK_MAX_MS = const(60_000)
_STILL_MAX_MS = const(0x1FFFFFFF)

_TWITCH_MS = const(3000)  # a leg turns over; nobody goes anywhere in this
_FALL = const(80)  # 10 dB; C/N0 and signals are kept in eighths
_OPEN = const(38 * 8)  # dBHz: there is sky above, and nothing but a fall of everything takes 10 dB from the best signal
_MANY = const(7 * 8)  # signals
_WEAK = const(26 * 8)  # a room: what falls from less proves nothing
_ROOM = const(30 * 8)
_OLD_MS = const(150_000)  # a room's sky of longer ago is another one: then nothing at all must be left
_STALE_MS = const(4_500_000)  # the interval at rest and a quarter
_SUDDEN_MS = const(10_000)
_START_MS = const(5000)
_MUTE_DBHZ = const(20)
_JAM_MS = const(120_000)
_JAM_EPOCHS = const(8)
_BACK_EPOCHS = const(4)
_GIVE_UP_MS = const(300_000)  # a fall that was not told by then is where the wearer is now

_TOGETHER_MS = const(60_000)
_SHIELD_MS = const(180_000)
_SHIELD_EPOCHS = const(20)
_UNIT_MS = const(45_000)  # four beacons: the home unit is silent
_UNIT_NEAR_DBM = const(-80)  # and did not fade away
_HOME_MS = const(300_000)  # receiver and modem are asked within this of its silence
_RIDES_CMS = const(300)
_PAST_MS = const(86_400_000)

# Moments, in `_at`.
_GOOD = const(0)  # the last epoch that was as before
_DARK = const(1)  # the first that was not
_LINK = const(2)  # the modem was on the network last
_LOST = const(3)  # and first was not
_UNIT = const(4)  # the last beacon
_SINCE = const(5)  # what was told began
_WOKE = const(6)  # the receiver was switched on


class Motion:
    """From the motion input: `still_ms` since it moved last, `walk_ms` of moving in the last minute or two (60,000 at most,
    fading at a third of the pace), `moved_ms` altogether (wraps at 2**30)."""

    def __init__(self, moving, now):
        self.moving = moving
        self.still_ms = self.walk_ms = self.moved_ms = 0
        self._at = now

    def update(self, moving, now):
        """At each change of the input, and at least every few days."""
        passed = max(0, ticks_diff(now, self._at))
        self._at = now
        if self.moving:
            self.still_ms = 0
            self.walk_ms = min(_WALK_MAX_MS, self.walk_ms + passed)
            self.moved_ms = (self.moved_ms + passed) & 0x3FFFFFFF
        else:
            self.still_ms = min(_STILL_MAX_MS, self.still_ms + passed)
            self.walk_ms = max(0, self.walk_ms - passed // 3)
        self.moving = moving

    @property
    def walks(self):
        """On foot, or carried by something, and not just turning over."""
        return self.walk_ms >= _WALKS_MS

    def moved_since(self, moved_ms):
        """Milliseconds of motion since `moved_ms` was this."""
        return (self.moved_ms - moved_ms) & 0x3FFFFFFF


class Blocked:
    """`epoch`, `link` and `tick` give a record code (JAMMED, SHIELDED or their ends) with `value_a`, `value_b`, or 0.

    `suspects`: epochs at the interval of a moving wearer would decide something.
    """

    def __init__(self, motion, now):
        self.state = 0  # JAMMED or SHIELDED while it lasts
        self.value_a = self.value_b = 0
        self.suspects = False
        self._motion = motion
        self._at = [now] * 7
        self._cn0 = 0  # as it was, in eighths; 0: not known
        self._heard = 0
        self._in_view = 0
        self._moved = 0  # motion.moved_ms at _GOOD
        self._speed_cms = 0
        self._dark = 0  # epochs since _DARK
        self._back = 0
        self._went = False  # at _DARK: it had moved, or nobody knows
        self._walked = False  # at _DARK, or when the network went
        self._mute = False  # since _DARK: nothing at all
        self._sudden = False
        self._old = False
        self._is_lost = True
        self._linked = False  # the modem was on the network since _DARK
        self._unit_dbm = -128
        self._at_home = 0  # 1: the home unit is heard, 2: and the modem has worked there
        self._unit_walked = False
        self._is_silent = True  # the home unit

    def woke(self, now):
        """The receiver was switched on: it hears nothing yet."""
        self._at[_WOKE] = now

    def beacon(self, rssi_dbm, now):
        """The home unit is heard."""
        if self._is_silent:
            self._is_silent = False
            self._at_home = 1
            self._unit_dbm = rssi_dbm
        self._unit_dbm += (rssi_dbm - self._unit_dbm) // 4
        self._at[_UNIT] = now

    def link(self, is_up, now):
        """True: the network has just answered. False: it was tried in vain, or is lost. Not called while off by choice."""
        if is_up:
            self._at[_LINK] = now
            self._is_lost = False
            self._linked = True
            if not self._is_silent and ticks_diff(now, self._at[_UNIT]) < _UNIT_MS:
                self._at_home = 2
        elif not self._is_lost:
            self._is_lost = True
            self._linked = False
            self._at[_LOST] = now
            if self._motion.walk_ms >= _WALKS_MS:
                self._walked = True
            elif not self._dark:
                self._walked = False
        return self.tick(now)

    def epoch(self, cn0, heard, in_view, speed_cms, now):
        """An epoch: best C/N0 in dBHz, signals heard, satellites in view (-1: nothing is said of them), speed or -1."""
        at = self._at
        if cn0 < 0 or (heard <= 0 and ticks_diff(now, at[_WOKE]) < _START_MS):
            return 0
        if self.state:
            self._back = max(0, self._back - 1) if self._is_dark(cn0, heard, 48) else self._back + 1
            self.suspects = self._back > 0
            return self._end(now) if self._back >= _BACK_EPOCHS else 0
        if not self._is_dark(cn0, heard, _FALL):
            self._dark = 0
            cn0 <<= 3
            heard <<= 3
            if not self._cn0:
                self._cn0, self._heard = cn0, heard
            # Slowly up, less slowly down: what a window lets in for a minute is no standard to fall from.
            self._cn0 += (cn0 - self._cn0 + 31) >> 5 if cn0 > self._cn0 else (cn0 - self._cn0) >> 3
            self._heard += (heard - self._heard + 31) >> 5 if heard > self._heard else (heard - self._heard) >> 3
            self._in_view = in_view
            self._moved = self._motion.moved_ms
            self._speed_cms = speed_cms
            at[_GOOD] = now
            return 0
        if not self._dark:
            at[_DARK] = now
            age_ms = ticks_diff(now, at[_GOOD])
            self._sudden = age_ms <= _SUDDEN_MS
            self._old = age_ms > _OLD_MS and self._cn0 < _OPEN
            self._went = (
                self._motion.walk_ms > _TWITCH_MS
                or self._speed_cms >= _RIDES_CMS // 2
                or self._cn0 < (_WEAK if age_ms <= _OLD_MS else _ROOM if age_ms <= _STALE_MS else _OPEN)
            )
            moved_ms = max(self._motion.walk_ms, self._motion.moved_since(self._moved))
            if moved_ms >= _WALKS_MS or self._speed_cms >= _RIDES_CMS:
                self._walked = True
            elif not self._is_lost:
                self._walked = False
            self._linked = False
            self._mute = True
        self._dark += 1
        self.suspects = True
        if heard > 0 or cn0 > _MUTE_DBHZ:
            self._mute = False
        for_ms = ticks_diff(now, at[_DARK])
        if self._linked and for_ms >= _JAM_MS and self._dark >= _JAM_EPOCHS:
            moved = self._went or (self._old and not self._mute) or self._motion.moved_since(self._moved) > _TWITCH_MS
            if not moved or (self._sudden and in_view * 3 <= self._in_view):
                return self._begin(JAMMED, (self._cn0 >> 3) - cn0, self._in_view << 16 | max(0, in_view), now)
        if for_ms >= _GIVE_UP_MS and (self._linked or not self._is_lost):
            self._dark = self._cn0 = 0
        return 0

    def tick(self, now):
        """Every round."""
        at = self._at
        for i in range(7):
            if ticks_diff(now, at[i]) > _PAST_MS:
                at[i] = ticks_add(now, -_PAST_MS)  # ticks wrap after six days
        unit_ms = ticks_diff(now, at[_UNIT])
        if self.state == SHIELDED:
            return 0 if self._is_lost and unit_ms > _UNIT_MS else self._end(now)
        if not self._is_silent and unit_ms >= _UNIT_MS:
            self._is_silent = True
            self._unit_walked = self._motion.walk_ms >= _WALKS_MS or self._unit_dbm < _UNIT_NEAR_DBM
        if unit_ms > _HOME_MS and not (self._dark or self.state):
            self._at_home = 0  # what falls silent from now on does not fall silent with it: a cellar elsewhere is no suspicion
        dark_ms = ticks_diff(now, at[_DARK])
        lost_ms = ticks_diff(now, at[_LOST])
        if not self.state:
            self.suspects = (self._dark > 0 and dark_ms < _GIVE_UP_MS) or (self._is_lost and lost_ms < _GIVE_UP_MS)
        if self.state or not self._is_lost or not self._mute or self._dark < _SHIELD_EPOCHS or not self._is_silent:
            return 0
        if min(dark_ms, lost_ms) < _SHIELD_MS:
            return 0
        if self._at_home and 0 <= unit_ms - max(dark_ms, lost_ms) < _HOME_MS:
            together = self._at_home == 2 and not self._unit_walked
        else:
            good_ms = ticks_diff(now, at[_GOOD])
            link_ms = ticks_diff(now, at[_LINK])
            walked = self._walked or self._motion.moved_since(self._moved) >= _WALKS_MS
            together = not walked and self._cn0 >= _WEAK and max(dark_ms, lost_ms) - min(good_ms, link_ms) <= _TOGETHER_MS
        if not together:
            return 0
        return self._begin(SHIELDED, self._cn0 >> 3, max(dark_ms, lost_ms) // 1000, now)

    def _is_dark(self, cn0, heard, fall):
        if not self._cn0:
            return self._at_home and not heard and cn0 <= _MUTE_DBHZ
        left = heard * 24  # a room keeps some: two thirds must go there, under the sky one third
        return cn0 * 8 <= self._cn0 - fall and left <= (
            2 * self._heard if self._cn0 >= _OPEN and self._heard >= _MANY else self._heard
        )

    def _begin(self, code, value_a, value_b, now):
        self.state = code
        self.value_a = value_a
        self.value_b = value_b
        self._back = 0
        self._at[_SINCE] = now
        return code

    def _end(self, now):
        code = JAM_ENDED if self.state == JAMMED else SHIELD_ENDED
        self.value_a = ticks_diff(now, self._at[_SINCE]) // 1000
        self.value_b = self.state = self._dark = self._cn0 = 0
        return code
