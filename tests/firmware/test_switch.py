"""The switch between two folders, against a model of what must hold: what starts is whole, what was good stays good until another
has proved itself, and a release that never proves itself is left after its starts. Power fails between any two writes."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware import switch


class TwoFolders(RuleBasedStateMachine):
    """`whole[folder]` is the release that stands there whole, None while it is being written."""

    @initialize(good=st.sampled_from((0, 1)))
    def fresh(self, good: int) -> None:
        self.value = good
        self.whole: list[int | None] = [None, None]
        self.whole[good] = 1
        self.proved = {1}  # releases that were good once
        self.starts: dict[int, int] = {}  # of a release on trial, since it was put there
        self.next = 2
        self.running: int | None = None  # the folder that runs; None: no power

    @rule(cut=st.sampled_from(("no", "before", "after")))
    def power_up(self, cut: str) -> None:
        """`cut`: the power fails before or after what `start` says is kept, and nothing of the folder is run."""
        was = self.value
        folder, kept = switch.start(self.value, lambda folder: self.whole[folder] is not None)
        assert folder is not None and self.whole[folder] is not None
        if cut == "before":
            self.running = None
            return
        self.value = kept
        release = self.whole[folder]
        assert release is not None
        if release not in self.proved:
            self.starts[release] = self.starts.get(release, 0) + 1
            assert self.starts[release] <= switch.STARTS
            assert switch.on_trial(self.value)
            assert switch.changes(was, kept) == (self.starts[release] == 1)
        else:
            assert switch.changes(was, kept) == switch.on_trial(was)  # which it has lost
            assert switch.has_failed(kept) == (switch.on_trial(was) or switch.has_failed(was))
        self.running = folder if cut == "no" else None

    @precondition(lambda self: self.running is not None)
    @rule()
    def power_fails(self) -> None:
        self.running = None

    @precondition(lambda self: self.running is not None)
    @rule()
    def proves_itself(self) -> None:
        assert self.running is not None
        release = self.whole[self.running]
        assert release is not None
        self.value = switch.confirmed(self.value)
        self.proved.add(release)
        assert not switch.on_trial(self.value) and self.value & 1 == self.running

    @precondition(lambda self: self.running is not None and switch.on_trial(self.value))
    @rule()
    def takes_too_long(self) -> None:
        self.value = switch.given_up(self.value)
        assert switch.has_failed(self.value) and not switch.on_trial(self.value)
        self.running = None

    @precondition(lambda self: self.running is not None and not switch.on_trial(self.value))
    @rule(cut=st.integers(0, 4), is_easy=st.booleans())
    def is_sent_a_release(self, cut: int, is_easy: bool) -> None:
        """Five writes, and the power fails after `cut` of them; after all of them the device starts anew."""
        assert self.running is not None
        other = 1 - self.running
        release = self.next
        self.next += 1
        for write in range(cut + 1):
            if write == 0:
                self.value = switch.busy(self.value)
            elif write == 1:
                self.whole[other] = None  # manifest.json goes first
            elif write == 3:
                self.whole[other] = release  # and comes last
            elif write == 4:
                self.value = switch.trial(self.value, is_easy)
                assert switch.is_easy(self.value) == is_easy and switch.is_busy(self.value) != is_easy
        self.running = None

    @precondition(lambda self: self.running is not None)
    @rule()
    def tells(self) -> None:
        if not switch.on_trial(self.value):
            self.value = switch.told(self.value)
            assert not switch.has_failed(self.value) and not switch.is_busy(self.value)

    @invariant()
    def a_good_release_is_there(self) -> None:
        if hasattr(self, "value"):
            assert self.whole[self.value & 1] in self.proved
            assert 0 <= self.value < 128

    @invariant()
    def it_runs_in_the_end_though_nobody_proves_anything(self) -> None:
        if not hasattr(self, "value"):
            return
        value, folder = self.value, None
        for _ in range(switch.STARTS + 1):
            folder, value = switch.start(value, lambda folder: self.whole[folder] is not None)
        assert folder == self.value & 1


TwoFolders.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
test_the_switch = TwoFolders.TestCase


def test_a_folder_that_is_not_whole_never_runs():
    for value in range(128):
        folder, kept = switch.start(value, lambda folder: False)
        assert folder is None and not switch.on_trial(kept)
        for only in (0, 1):
            folder, kept = switch.start(value, lambda folder, only=only: folder == only)
            assert folder == only
