"""UTC on a device: a reference (a GNSS fix, NTP) carried on by the ticks, which wrap every 12 days.

A reference that is a quarter of an hour and more off is not believed at once (`offer`): a receiver that is lied to, or lies
itself, must not end a lease. The same other time has to come five times, over ten minutes.

Call `read` at least once in six days; the radio's loop does so every few seconds. Resolution 1 ms; the drift between two
references is that of the crystal (ESP32: 10 ppm, 0.9 s a day), and `drift_ms` holds what the last reference corrected.
"""

from .port import const, ticks_diff, ticks_ms

_OFF_S = const(900)  # no crystal drifts so far between two references
_TIMES = const(5)
_LONG_S = const(600)
_SAME_S = const(2)


class Clock:
    """`uptime_s` counts from the start of this life. `is_set` says whether UTC is known."""

    def __init__(self):
        self.uptime_s = 0
        self.is_set = False
        self.utc_s = 0  # as of the last `read`
        self.millis = 0
        self.drift_ms = 0
        self._up_ms = 0  # 0-999, the rest of the uptime
        self._ticks = ticks_ms()
        self._shift_s = 0  # UTC minus uptime
        self._shift_ms = 0
        self._other_s = 0  # of another time that was offered
        self._other_since = 0
        self._others = 0

    def read(self):
        """Bring `uptime_s`, `utc_s` and `millis` up to now."""
        now = ticks_ms()
        elapsed = ticks_diff(now, self._ticks) + self._up_ms
        self._ticks = now
        self.uptime_s += elapsed // 1000
        self._up_ms = elapsed % 1000
        if self.is_set:
            millis = self._up_ms + self._shift_ms
            self.utc_s = self.uptime_s + self._shift_s + millis // 1000
            self.millis = millis % 1000

    def doubt(self):
        """UTC is not known any more: the next reference is taken as it comes."""
        self.is_set = False
        self._others = 0

    def agrees(self, utc_s):
        """Whether this time may be the right one; True while none is known."""
        self.read()
        return not self.is_set or -_OFF_S < utc_s - self.utc_s < _OFF_S

    def offer(self, utc_s, millis, age_ms=0):
        """`set`, unless it is so far off that it has to be said again. True when UTC was not known before."""
        if not self.agrees(utc_s):
            shift_s = utc_s - self.uptime_s
            if not self._others or not -_SAME_S <= shift_s - self._other_s <= _SAME_S:
                self._others = 0
                self._other_s = shift_s
                self._other_since = self.uptime_s
            self._others += 1
            if self._others < _TIMES or self.uptime_s - self._other_since < _LONG_S:
                return False
        self._others = 0
        return self.set(utc_s, millis, age_ms)

    def set(self, utc_s, millis, age_ms=0):
        """UTC was `utc_s` seconds since 1970 and `millis`, `age_ms` ago. True when it was not known before."""
        millis += age_ms
        utc_s += millis // 1000
        millis %= 1000
        self.read()
        first = not self.is_set
        if not first:
            off_s = utc_s - self.utc_s
            # Beyond a quarter of an hour it is no drift but another time.
            self.drift_ms = off_s * 1000 + millis - self.millis if -_OFF_S < off_s < _OFF_S else 900_000
        self._shift_s = utc_s - self.uptime_s
        self._shift_ms = millis - self._up_ms
        self.is_set = True
        self.read()
        return first
