"""When the receiver is on, and which of its epochs become fixes.

Duty-cycled: the receiver is woken for each fix, the first epochs after a fix are let pass, and it sleeps again; its hot
start takes a second. What no receiver under an open sky would say never becomes a fix. With `every_fix` the receiver stays
on and each valid epoch is recorded: for replaying recorded receivers and for bench work.
"""

import asyncio

from ..core.gnss import Receiver
from ..core.nmea import ACCEPTED
from ..core.port import const, ticks_add, ticks_diff, ticks_ms
from ..core.wake import FOREVER_MS, Wake

_LULL_MS = const(120)  # no byte for this long: the epoch's sentences are all there (one takes 75 ms at 9600 baud)
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
    `time(fix, age_ms)`, `fixed(fix)` for each that may be recorded, `sought()` when there was none, `gnss_lost(s)` and
    `gnss_back()`, `receiver_on()`, and `epoch(fix)` for each epoch before anything is made of it.
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
            self._wake.set()

    def ask(self, now=True):
        """A fix at once; or only look again when the next one is due."""
        self._asked = self._asked or now
        self._wake.set()

    async def run(self):
        """A fix each interval while following; never returns."""
        settings = self._settings
        while True:
            while not self._following:
                await self._wake.wait(FOREVER_MS)
            began = ticks_ms()
            timeout_s = settings.fix_timeout_s if self._ever else settings.first_fix_timeout_s
            if not await self._seek(timeout_s * 1000):
                self._tag.sought()
            while self._following and not self._asked and not settings.every_fix:
                rest = self._tag.fix_interval_s() * 1000 - ticks_diff(ticks_ms(), began)
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
        self._good = 0
        if not self._gnss.is_on:
            self._receiver.forget()
            self._gnss.on()
            self._tag.receiver_on()
        self._seeking = True
        began = ticks_ms()
        while self._seeking and self._following:
            if self._asked:
                # Whoever asks waits as long as for a first fix.
                self._asked = False
                began = ticks_ms()
                timeout_ms = self._settings.first_fix_timeout_s * 1000
            left = timeout_ms - ticks_diff(ticks_ms(), began)
            if left <= 0:
                break
            await self._wake.wait(left)
        in_vain = self._seeking and self._following
        if in_vain and not self._lost:
            self._lost = True
            self._tag.gnss_lost(timeout_ms // 1000)
        self._seeking = False
        if not (self._settings.every_fix and self._following):
            self._gnss.off()
        return not in_vain

    def _on_epoch(self, fix):
        every = self._settings.every_fix
        if every:
            if self._following and fix.valid:
                self._take_time(fix)
                self._take(fix)
            return
        self._tag.epoch(fix)
        if not self._seeking or not is_plausible(fix):
            return
        self._take_time(fix)
        self._good += 1
        if self._good >= self._settings.settle_epochs:
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
