"""When the receiver is on, and which of its epochs become fixes.

Duty-cycled: the receiver is woken for each fix, the first epochs after a fix are let pass, and it sleeps again; its hot
start takes a second. What no receiver under an open sky would say never becomes a fix. With `every_fix` the receiver stays
on and each valid epoch is recorded: for replaying recorded receivers and for bench work.

In a building the receiver is not left to seek for most of each interval. After a search in vain the next ones, as often as
before, are *glances* of a sixth of the time: under the sky a hot start has its fix in one. A glance becomes a search when there
is any sign of sky, that is a signal clearly stronger than the last search had; when a detector suspects something; when the
receiver says nothing at all; when somebody asks; and after a pause that doubles from 1 to 15 min. The pause begins anew when the
interval becomes shorter: the wearer moves after rest, or is where he must not be.
"""

import asyncio

from ..core.gnss import Receiver
from ..core.nmea import ACCEPTED
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.wake import FOREVER_MS, Wake

_LULL_MS = const(120)  # no byte for this long: the epoch's sentences are all there (one takes 75 ms at 9600 baud)
_GLANCE_MS = const(7000)  # at least: a detector goes by what is heard from 5 s after the start on
_PAUSE_MS = const(60_000)
_PAUSE_MAX_MS = const(900_000)
_STRONGER_DBHZ = const(5)  # a roof takes 15-20; what comes and goes by itself is about 6 (our own choice)
_SIGNALS = const(4)  # a fix needs as many
_ASKED_MS = const(100_000)  # requirements.md: an answer within 180 s; an order comes to a tag at home after up to 70
_RADIUS_MAX_DM = const(3000)  # beyond 300 m a position says nothing that a zone could use (our own choice)


def is_plausible(fix):
    """Whether a valid epoch may become a fix: dated, from satellites, not 0,0 and not without accuracy (requirements.md
    section 3, "Sentinels")."""
    if not fix.valid or not fix.has_date or fix.date_doubtful or fix.estimated:
        return False
    if fix.pos[0] == 0 and fix.pos[1] == 0:
        return False
    return 0 < fix.radius_dm <= _RADIUS_MAX_DM


class Tracker:
    """`run` and `read` are tasks. `follow(True)` while positions are wanted. `tag` is the application: `fix_interval_s()`,
    `suspects` (a detector wants more of the receiver), `time(fix, age_ms)`, `fixed(fix)` for each that may be recorded,
    `sought()` when there was none, `gnss_lost(s)` and `gnss_back()`, `receiver_on()`, and `epoch(fix)` for each epoch before
    anything is made of it.
    """

    def __init__(self, gnss, settings, tag):
        self._gnss = gnss
        self._settings = settings
        self._tag = tag
        self._receiver = Receiver(self._on_epoch)
        self._buf = bytearray(256)
        self._following = False
        self._seeking = False
        self._asked = False
        self._good = 0
        self._wake = Wake()
        self._ever = False
        self._lost = False
        self._pause_ms = 0  # from the last whole search in vain, which ended at `_searched_at`, to the next
        self._searched_at = 0
        self._suspected = False
        self._cn0 = 0  # the strongest signal of this search
        self._stronger = 0  # would be a sign of sky
        self._epoch_began = ticks_ms()
        self.fixes = 0
        self.heard = 0  # bytes, modulo 2**30

    @property
    def accepted(self):
        """Sentences that made sense, so far."""
        return self._receiver.state[ACCEPTED]

    def follow(self, on):
        """Begin or end tracking."""
        if on != self._following:
            self._following = on
            self._pause_ms = 0
            self._wake.set()

    def ask(self, now=True):
        """A fix at once; or only look again when the next one is due."""
        self._asked = self._asked or now
        self._wake.set()

    async def run(self):
        """A fix each interval while following; never returns."""
        settings = self._settings
        last_s = 0
        while True:
            while not self._following:
                await self._wake.wait(FOREVER_MS)
            began = ticks_ms()
            timeout_s = settings.fix_timeout_s if self._ever else settings.first_fix_timeout_s
            if not await self._seek(timeout_s * 1000):
                self._tag.sought()
            while self._following and not self._asked and not settings.every_fix:
                interval_s = self._tag.fix_interval_s()
                if interval_s < last_s:
                    self._pause_ms = 0
                last_s = interval_s
                rest = interval_s * 1000 - ticks_diff(ticks_ms(), began)
                if rest <= 0:
                    break
                await self._wake.wait(rest)

    async def read(self):
        """Takes what the receiver sends; never returns."""
        gnss = self._gnss
        quiet = True
        while True:
            n = await gnss.readinto(self._buf)
            if quiet:
                # What waits has taken its time on the line: the epoch began that much earlier.
                quiet = False
                self._epoch_began = ticks_add(ticks_ms(), -gnss.age_ms((n or 0) + gnss.any()))
            if n:
                self.heard = (self.heard + n) & 0x3FFFFFFF
                self._receiver.feed(self._buf, n)
            if gnss.any() == 0:
                await asyncio.sleep_ms(_LULL_MS)
                if gnss.any() == 0:
                    self._receiver.idle()
                    quiet = True

    async def _seek(self, timeout_ms):
        # Receiver on until there is a fix, the time is up, or tracking ends. False when the time was up.
        self._good = self._cn0 = 0
        heard = self.heard
        if not self._gnss.is_on:
            self._receiver.forget()
            self._gnss.on()
            self._tag.receiver_on()
        self._seeking = True
        began = ticks_ms()
        glances = self._lost and 0 <= ticks_diff(began, self._searched_at) < self._pause_ms
        while self._seeking and self._following:
            if self._asked:
                self._asked = glances = False
                began = ticks_ms()
                timeout_ms = _ASKED_MS
            left = (max(timeout_ms // 6, _GLANCE_MS) if glances else timeout_ms) - ticks_diff(ticks_ms(), began)
            if left > 0:
                await self._wake.wait(left)
            elif glances and self._is_promising(heard):
                glances = False
            else:
                break
        in_vain = self._seeking and self._following
        if in_vain and not glances:
            self._pause_ms = min(max(2 * self._pause_ms, _PAUSE_MS), _PAUSE_MAX_MS)
            self._searched_at = ticks_ms()
            self._stronger = self._cn0 + _STRONGER_DBHZ
            if not self._lost:
                self._lost = True
                self._tag.gnss_lost(timeout_ms // 1000)
        self._seeking = False
        if not (self._settings.every_fix and self._following):
            self._gnss.off()
        return not in_vain

    def _is_promising(self, heard):
        # Whether to seek on after a glance. A suspicion, or a receiver without a word, has the searches of its first minutes:
        # five, until the pause is at its longest.
        if self._tag.suspects != self._suspected:
            self._suspected = not self._suspected
            if self._suspected:
                self._pause_ms = 0
        if self._cn0 >= self._stronger:
            return True
        return (self._suspected or heard == self.heard) and self._pause_ms < _PAUSE_MAX_MS

    def _on_epoch(self, fix):
        every = self._settings.every_fix
        if every:
            if self._following and fix.valid:
                self._take_time(fix)
                self._take(fix)
            return
        self._tag.epoch(fix)
        if fix.heard >= _SIGNALS:
            self._cn0 = max(self._cn0, fix.cn0_max)
        if not self._seeking or not is_plausible(fix):
            return
        self._good += 1
        if self._good >= self._settings.settle_epochs:
            self._take_time(fix)
            self._take(fix)

    def _take_time(self, fix):
        if fix.has_date and not fix.date_doubtful:
            self._tag.time(fix, ticks_diff(ticks_ms(), self._epoch_began))

    def _take(self, fix):
        self._ever = True
        self._seeking = False
        self._wake.set()
        if self._lost:
            self._lost = False
            self._tag.gnss_back()
        self.fixes += 1
        self._tag.fixed(fix)
