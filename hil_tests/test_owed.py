"""Random sequences of all that can be done to a tag, against a model of what it owes its records.

The model knows nothing of how the firmware works. It knows what was done, when, and what is owed for it: that what is stored
stays as it is and has no gaps; that a strap which was open for two seconds has been recorded as cut, and one closed for
half a minute as closed; that a device that lost its power says that it started; that, once all is well again, the store has
every record of the flash, and a position while one was to be had.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from firmware.core import record
from hil_tests.asking import HERE_E7, START_MS, events, fixes, settle, unit_events, until
from hil_tests.rigs import RigSpec
from hil_tests.rigs.capabilities import FAR_DB
from hil_tests.steps import Steps

NEEDS = ("clock", "store", "gnss", "radio", "strap", "mains", "network", "power", "flash")
_DEBOUNCE_MS = 2_000  # what a strap must be open for, at most, to be recorded as cut (the field's two seconds)
_CLOSED_MS = 30_000  # a closing hurries nobody: until then it is recorded (our judgement)
_EXAMPLES = int(os.environ.get("HOMEWARD_EXAMPLES", "20"))
_SHRINKS = bool(os.environ.get("HOMEWARD_SHRINK"))
_EXAMPLE_S = 30  # on the wall clock, of a machine that has more to do (our judgement)
_SHRINKING_S = 600  # hypothesis itself ends it after five minutes
_FIX_OWED_MS = 600_000  # away from home under an open sky for so long, with power: a fix is owed (first fix, search and interval)


def _up_to(ms: int) -> st.SearchStrategy[int]:
    """One of these milliseconds, put together from small numbers: among larger ones hypothesis prefers those that stand in
    whatever modules happen to be loaded, so that a seed would not repeat elsewhere what it found here."""
    return st.tuples(*[st.integers(0, 99)] * 3).map(lambda d: (d[0] * 10_000 + d[1] * 100 + d[2]) * ms // 1_000_000 + 1)


class Owed(RuleBasedStateMachine):
    """`spec` and `folder` are set by the test. One rig an example."""

    spec: RigSpec
    folder: Path

    @initialize()
    def switched_on(self) -> None:
        self._temporary = TemporaryDirectory(dir=self.folder)
        self._steps = Steps(Path(self._temporary.name) / "hil")
        self._opening = self.spec.open(Path(self._temporary.name), self._steps, frozenset(NEEDS))
        self.rig = self._opening.__enter__()
        self.rig.radio.attenuate(FAR_DB)
        self.rig.gnss.inject(*HERE_E7)
        until(self.rig, lambda: fixes(self.rig), 400_000, 5_000)
        self.strap_is_cut, self.has_network, self.has_mains, self.has_sky, self.is_home = False, True, True, True, False
        self.cuts_owed = self.closes_owed = self.mains_owed = 0
        self.power_cuts = 0
        self.started_ms = 0
        self.undisturbed_ms = 0  # since when a fix was to be had
        self.seen: dict[int, bytes] = {}

    def teardown(self) -> None:
        if not hasattr(self, "rig"):
            return
        try:
            if sys.exc_info()[1] is None:  # after a failure its own words count
                self.all_is_well_again()
        finally:
            self._opening.__exit__(None, None, None)
            self._steps.__exit__()
            self._temporary.cleanup()

    # What is done

    @rule(ms=st.one_of(_up_to(3_000), _up_to(400_000)))
    def time_passes(self, ms: int) -> None:
        before = len(fixes(self.rig)) if self.has_network and not self.is_home and self.has_sky else -1
        self.rig.clock.advance(ms)
        self.undisturbed_ms += ms
        if before >= 0 and self.undisturbed_ms >= _FIX_OWED_MS:
            assert fixes(self.rig), "a fix was to be had, and there is none"

    @rule(for_ms=st.sampled_from((50, 100, _DEBOUNCE_MS, 10_000)))
    def strap_changes(self, for_ms: int) -> None:
        if self.strap_is_cut:
            self.rig.strap.close()
            self.strap_is_cut = False
            has_run_ms = self.rig.clock.now_ms - self.started_ms
            self.rig.clock.advance(_CLOSED_MS)
            self.closes_owed += has_run_ms >= START_MS  # one that starts with a closed strap has nothing to tell
            return
        self.rig.strap.cut()
        self.rig.clock.advance(for_ms + 1)
        self.undisturbed_ms += for_ms
        if for_ms < _DEBOUNCE_MS:
            self.rig.strap.close()  # a bounce: nothing is owed
            self.rig.clock.advance(_DEBOUNCE_MS)
        else:
            self.strap_is_cut = True
            self.cuts_owed += 1

    @rule(after_ms=_up_to(2_000))
    def power_fails(self, after_ms: int) -> None:
        self.rig.clock.advance(after_ms)
        self.rig.power.cut()
        self.power_cuts += 1
        self.started_ms = self.rig.clock.now_ms
        self.undisturbed_ms = 0

    @rule()
    def network_changes(self) -> None:
        self.has_network = not self.has_network
        (self.rig.network.restore if self.has_network else self.rig.network.lose)()

    @rule()
    def mains_change(self) -> None:
        self.has_mains = not self.has_mains
        (self.rig.mains.restore if self.has_mains else self.rig.mains.lose)()
        self.rig.clock.advance(10_000)
        self.mains_owed += not self.has_mains

    @rule()
    def sky_changes(self) -> None:
        self.has_sky = not self.has_sky
        if self.has_sky:
            self.rig.gnss.inject(*HERE_E7)
        else:
            self.rig.gnss.no_fix()
        self.undisturbed_ms = 0

    @rule()
    def wearer_comes_or_goes(self) -> None:
        self.is_home = not self.is_home
        self.rig.radio.attenuate(0.0 if self.is_home else FAR_DB)
        self.undisturbed_ms = 0

    # What is owed

    @invariant()
    def what_is_stored_stays_and_has_no_gaps(self) -> None:
        if not hasattr(self, "rig"):
            return
        now = {r.seq: r.raw for r in self.rig.store.stored()}
        assert {seq: now.get(seq) for seq in self.seen} == self.seen
        assert sorted(now) == list(range(min(now), max(now) + 1))
        self.seen = now

    def all_is_well_again(self) -> None:
        if not self.has_network:
            self.rig.network.restore()
        if not self.has_mains:
            self.rig.mains.restore()
        self.rig.clock.advance(60_000)
        settle(self.rig)
        self.what_is_stored_stays_and_has_no_gaps()
        assert len(events(self.rig, record.STRAP_CUT)) >= self.cuts_owed
        assert len(events(self.rig, record.STRAP_CLOSED)) >= self.closes_owed
        if not self.power_cuts:  # a tag that starts with an open strap says so again
            assert len(events(self.rig, record.STRAP_CUT)) == self.cuts_owed
        assert len(events(self.rig, record.BOOT)) <= self.power_cuts + 1
        if self.power_cuts:
            until(self.rig, lambda: len(events(self.rig, record.BOOT)) >= 2, 300_000, 5_000)
        until(self.rig, lambda: len(unit_events(self.rig, record.MAINS_LOST)) >= self.mains_owed, 900_000, 5_000)
        assert not events(self.rig, record.CRASH) and not events(self.rig, record.FAULT)


def _run(spec: RigSpec, folder: Path, examples: int, steps: int, number: int) -> None:
    class Machine(Owed):
        pass

    Machine.spec, Machine.folder = spec, folder
    print(f"HOMEWARD_SEED={number} HOMEWARD_EXAMPLES={examples} repeats this run")
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=False,  # a run is repeated by its seed
        suppress_health_check=slow,
        phases=(Phase.generate, Phase.shrink) if _SHRINKS else (Phase.generate,),
    )
    run_state_machine_as_test(seed(number)(Machine), settings=chosen)


@pytest.mark.needs(*NEEDS)
def test_a_few_random_events_leave_nothing_owed(rig_spec, tmp_path):
    _run(rig_spec, tmp_path, 2, 12, 1)


@pytest.mark.slow
@pytest.mark.timeout(120 + _EXAMPLE_S * _EXAMPLES + (_SHRINKING_S if _SHRINKS else 0))
@pytest.mark.needs(*NEEDS, "virtual")
def test_many_random_events_leave_nothing_owed(rig_spec, tmp_path):
    """HOMEWARD_EXAMPLES and HOMEWARD_SEED in the environment for more and for others; a failure prints what repeats it.
    HOMEWARD_SHRINK=1 looks for the shortest sequence that fails too: that takes minutes."""
    _run(rig_spec, tmp_path, _EXAMPLES, 40, int(os.environ.get("HOMEWARD_SEED", "1")))
