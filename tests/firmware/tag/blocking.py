"""A tag's life for its detectors: the receiver duty-cycled as the tracker does it, the modem, the home unit and the mode machine,
fed from any function of time that says what there is to hear."""

from collections.abc import Callable
from dataclasses import dataclass

from firmware.core.record import MODE_GPS, MODE_RF
from firmware.core.settings import Settings
from firmware.tag.detect import Blocked, Motion
from firmware.tag.mode import ModeMachine

WRAP = 1 << 30
SETTINGS = Settings({})


@dataclass(slots=True)
class Heard:
    """What there is at a moment: the sky as the receiver prints it, the network, the home unit's beacon, the motion input."""

    cn0: int = 41
    heard: int = 10
    in_view: int = 17
    valid: bool = True
    speed_cms: int = 0
    moving: bool = False
    network: bool = True
    beacon_dbm: int | None = None


class Life:
    """Rounds of ten seconds. `told` holds (seconds, code, value_a, value_b)."""

    def __init__(self, hear: Callable[[int], Heard], start: int = WRAP - 100_000, proof_s: int = 60, lost_s: int = 60) -> None:
        self.hear = hear
        self.start = start
        self.s = 0
        self.motion = Motion(False, start % WRAP)
        self.blocked = Blocked(self.motion, start % WRAP)
        self.modes = ModeMachine(SETTINGS, start % WRAP)
        self.told: list[tuple[int, int, int, int]] = []
        self.proof_s, self.lost_s = proof_s, lost_s  # between answers of the network; from its loss to its being noticed
        self.epochs = 0
        self.suspects: Callable[[], bool] = lambda: False  # another detector's wish for more fixes
        self._off_until = 0
        self._on_since = -1
        self._good = 0
        self._answered = 0
        self._network_since = 0
        self._had_network = True
        self._modem_since: int | None = 0
        self._rest_s = 0

    def tell(self, code: int) -> None:
        if code:
            self.told.append((self.s, code, self.blocked.value_a, self.blocked.value_b))

    def live(self, seconds: int) -> None:
        until = self.s + seconds
        while self.s < until:
            self._second(self.hear(self.s))

    def _second(self, h: Heard) -> None:
        now = (self.start + self.s * 1000) % WRAP
        if h.moving != self.motion.moving or self.s % 10 == 0:
            self.motion.update(h.moving, now)
        asked = self.modes.mode == MODE_GPS or self.modes.in_doubt
        self._receiver(h, now, asked)
        if self.s % 10 == 0:
            if h.beacon_dbm is not None:
                self.modes.heard(now, self.s // 10, h.beacon_dbm)
                self.blocked.beacon(h.beacon_dbm, now)
            self.modes.tick(now)
            # At home the modem drains for a minute, as the carrier does, and is switched off.
            if asked:
                self._modem_since = None
            elif self._modem_since is None:
                self._modem_since = self.s
            if asked or self._modem_since is None or self.s - self._modem_since < 60:
                self._modem(h, now)
            self.tell(self.blocked.tick(now))
        self.s += 1

    def _modem(self, h: Heard, now: int) -> None:
        if h.network != self._had_network:
            self._had_network = h.network
            self._network_since = self.s
        if h.network and (self.s - self._answered >= self.proof_s or self.s - self._network_since < 10):
            self._answered = self.s
            self.tell(self.blocked.link(True, now))
        elif not h.network and self.s - self._network_since >= self.lost_s:
            self.tell(self.blocked.link(False, now))

    def _receiver(self, h: Heard, now: int, asked: bool) -> None:
        self._rest_s = 0 if h.moving else self._rest_s + 1
        at_rest = self._rest_s >= SETTINGS.rest_after_s and not self.blocked.suspects and not self.suspects()
        if not asked:
            self._on_since = -1
            self._off_until = self.s
            return
        if self._on_since < 0:
            wait = self._off_until
            if self.s < (wait + SETTINGS.rest_interval_s - SETTINGS.fix_interval_s if at_rest else wait):
                return
            self._on_since = self.s
            self._good = 0
            self.blocked.woke(now)
        on_s = self.s - self._on_since
        if on_s >= 1:
            self.epochs += 1
            # A hot start: the first second hears nothing yet.
            code = (
                self.blocked.epoch(h.cn0, h.heard, h.in_view, h.speed_cms if h.valid else -1, now)
                if on_s >= 2
                else (self.blocked.epoch(0, 0, h.in_view, -1, now))
            )
            self.tell(code)
            self._good += h.valid and on_s >= 2
        if self._good >= SETTINGS.settle_epochs or on_s >= SETTINGS.fix_timeout_s:
            self._off_until = self._on_since + SETTINGS.fix_interval_s
            self._on_since = -1
            if self.modes.in_doubt:
                self.modes.located(None if self._good < SETTINGS.settle_epochs else False, now)

    @property
    def at_home(self) -> bool:
        return self.modes.mode == MODE_RF
