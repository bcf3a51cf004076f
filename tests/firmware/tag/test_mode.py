"""GPS or RF: no flapping at the edge of range, whatever the beacons do and wherever the ticks wrap."""

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from firmware.core.record import MODE_BY_BEACON, MODE_BY_BOOT, MODE_BY_SILENCE, MODE_BY_WEAK, MODE_GPS, MODE_RF
from firmware.core.settings import Settings
from firmware.tag.mode import ModeMachine

WRAP = 1 << 30
SETTINGS = Settings({})
ENTRY, EXIT = SETTINGS.entry_dbm, SETTINGS.exit_dbm
WINDOW_MS, EXIT_MS, BEACONS = SETTINGS.entry_window_s * 1000, SETTINGS.exit_s * 1000, SETTINGS.entry_beacons
NEAR, EDGE, FAR = ENTRY + 5, (ENTRY + EXIT) // 2, EXIT - 5


class Bench:
    """A machine under a clock that wraps soon; the test's own clock does not."""

    def __init__(self, start: int = WRAP - 7000) -> None:
        self.now = start
        self.counter = 0
        self.machine = ModeMachine(SETTINGS, start % WRAP)

    def wait(self, ms: int) -> bool:
        """Time passes as on the tag, which looks every ten seconds."""
        changed = False
        end = self.now + ms
        while self.now < end:
            self.now = min(end, self.now + (10_000 if ms < 1_000_000 else 60_000))
            changed |= self.machine.tick(self.now % WRAP)
        return changed

    def hear(self, rssi: int, *, again: bool = False) -> bool:
        self.counter += not again
        return self.machine.heard(self.now % WRAP, self.counter, rssi)

    def come_home(self) -> None:
        for _ in range(BEACONS):
            self.wait(10_000)
            self.hear(NEAR)
        assert self.machine.mode == MODE_RF


def test_a_tag_begins_in_gps_mode():
    machine = Bench().machine
    assert (machine.mode, machine.reason) == (MODE_GPS, MODE_BY_BOOT)


def test_enough_different_near_beacons_lead_to_rf_mode_once():
    bench = Bench()
    told = []
    for _ in range(2 * BEACONS):
        bench.wait(10_000)
        told.append(bench.hear(NEAR))
    assert told == [i == BEACONS - 1 for i in range(2 * BEACONS)]
    assert bench.machine.reason == MODE_BY_BEACON


def test_one_beacon_heard_many_times_is_one():
    bench = Bench()
    bench.hear(NEAR)
    assert not any(bench.hear(NEAR, again=True) for _ in range(50)) and bench.machine.mode == MODE_GPS


def test_passing_by_outside_the_entry_level_is_not_coming_home():
    bench = Bench()
    for _ in range(500):
        bench.wait(10_000)
        assert not bench.hear(ENTRY - 1)


def test_beacons_too_far_apart_in_time_do_not_add_up_not_even_after_the_ticks_wrapped():
    for pause_ms in (WINDOW_MS + 1, 3600_000, WRAP // 2 + 5000, WRAP - 1000, WRAP + 1000):
        bench = Bench()
        for _ in range(BEACONS - 1):
            bench.hear(NEAR)
        bench.wait(pause_ms)
        assert not bench.hear(NEAR) and bench.machine.mode == MODE_GPS, pause_ms


def test_at_the_edge_of_range_nothing_changes_whichever_mode_it_is():
    away = Bench()
    home = Bench()
    home.come_home()
    for _ in range(2000):
        for bench in (away, home):
            bench.wait(10_000)
            assert not bench.hear(EDGE)
    assert away.machine.mode == MODE_GPS and home.machine.mode == MODE_RF


def test_silence_and_weak_beacons_lead_back_to_gps_mode_and_are_told_apart():
    silent, weak = Bench(), Bench()
    silent.come_home()
    assert not silent.wait(EXIT_MS - 1) and silent.wait(1)
    assert silent.machine.reason == MODE_BY_SILENCE
    weak.come_home()
    for _ in range(EXIT_MS // 10_000 - 1):
        assert not weak.wait(10_000) and not weak.hear(FAR)
    assert weak.wait(10_000) and weak.machine.reason == MODE_BY_WEAK


def test_one_good_beacon_in_time_keeps_rf_mode():
    bench = Bench()
    bench.come_home()
    for _ in range(300):
        assert not bench.wait(EXIT_MS - 1)
        assert not bench.hear(EXIT)


class AnyWalk(RuleBasedStateMachine):
    """Against the log of everything heard."""

    @initialize(start=st.integers(0, WRAP))
    def begin(self, start: int) -> None:
        self.bench = Bench(start)
        self.log: list[tuple[int, int, int]] = []  # time, counter, rssi
        self.mode = MODE_GPS
        self.changed_at = -1 << 60

    @rule(ms=st.integers(1, 2 * EXIT_MS) | st.sampled_from([EXIT_MS - 1, EXIT_MS, WINDOW_MS, WRAP // 2, WRAP]))
    def wait(self, ms: int) -> None:
        self._judge(self.bench.wait(ms), by_time=True)

    @rule(rssi=st.integers(-120, -30) | st.sampled_from([ENTRY - 1, ENTRY, EXIT, EXIT - 1]), again=st.booleans())
    def hear(self, rssi: int, again: bool) -> None:
        changed = self.bench.hear(rssi, again=again)
        self.log.append((self.bench.now, self.bench.counter, rssi))
        self._judge(changed, by_time=False)

    def _judge(self, changed: bool, by_time: bool) -> None:
        machine, now = self.bench.machine, self.bench.now
        assert changed == (machine.mode != self.mode), "a change is told, and nothing else is"
        if not changed:
            return
        self.mode = machine.mode
        if machine.mode == MODE_RF:
            assert not by_time
            near = {counter for t, counter, rssi in self.log if rssi >= ENTRY and now - t <= WINDOW_MS}
            assert len(near) >= BEACONS and machine.reason == MODE_BY_BEACON
        else:
            assert not [t for t, _, rssi in self.log if rssi >= EXIT and now - t < EXIT_MS - 10_000]
            # It looks every ten seconds of a wait, so by then it was at least this long.
            assert self.log and max(t for t, _, rssi in self.log if rssi >= EXIT) <= now - EXIT_MS
        self.changed_at = now

    @invariant()
    def never_in_rf_mode_without_a_beacon_for_long(self) -> None:
        if self.mode == MODE_RF:
            assert max(t for t, _, rssi in self.log if rssi >= EXIT) > self.bench.now - EXIT_MS


TestAnyWalk = AnyWalk.TestCase
TestAnyWalk.settings = hypothesis_settings(deadline=None, derandomize=True, max_examples=150, stateful_step_count=40)
