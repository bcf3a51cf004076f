"""What is due to be done to a run, and what was done: read from a file before it begins, or wished for while it goes on.

An act takes effect at a virtual time; it is done at the millisecond before, when every device has lived up to there and none
beyond. What is wished for on a page is given the next whole second that nobody has lived yet, and so lies there in the log
that repeats the run.
"""

import queue
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sim.control.acts import PACE, Act, checked, head, line
from sim.scenario import Scenario

LOG = "acts.yaml"


class Hand:
    """`wish` is for any thread; all else for the one that the run lives in."""

    def __init__(self, scenario: Scenario, folder: Path, acts: Iterable[Act] = ()) -> None:
        self._scenario = scenario
        self._log = folder / LOG
        self._due = sorted((act for act in acts if act.what not in PACE), key=lambda act: act.at_ms)
        self._wishes: queue.SimpleQueue[tuple[str, str | None, Mapping[str, Any]]] = queue.SimpleQueue()
        self.done: list[Act] = []

    def wish(self, what: str, wearer: str | None = None, values: Mapping[str, Any] | None = None) -> None:
        """To be done as soon as may be. `acts.Wrong` when it makes no sense."""
        act = checked(self._scenario, 1, what, wearer, values or {})
        self._wishes.put((act.what, act.wearer, act.values))

    def take(self, lived_ms: int) -> None:
        """Give what was wished for its time: every device has lived up to `lived_ms`."""
        at_ms = (lived_ms // 1000 + 1) * 1000
        while True:
            try:
                self._due.append(Act(at_ms, *self._wishes.get_nowait()))
            except queue.Empty:
                break
        self._due.sort(key=lambda act: act.at_ms)

    def note(self, at_ms: int, what: str, values: Mapping[str, Any]) -> None:
        """How fast time goes, for who reads the log."""
        self._keep(Act(at_ms, what, None, values))

    @property
    def next_ms(self) -> int | None:
        """When something is to be done: just before it takes effect."""
        return self._due[0].at_ms - 1 if self._due else None

    @property
    def waiting(self) -> list[Act]:
        return list(self._due)

    def due(self, t_ms: int) -> list[Act]:
        """What is to be done now that everybody has lived up to t_ms. It is in the log before it is done."""
        out = []
        while self._due and self._due[0].at_ms - 1 <= t_ms:
            out.append(self._due.pop(0))
            self._keep(out[-1])
        return out

    def _keep(self, act: Act) -> None:
        self.done.append(act)
        is_new = not self._log.exists()
        with self._log.open("a", encoding="utf-8") as file:
            if is_new:
                file.write(head(self._scenario))
            file.write(line(act, self._scenario.start_utc_ms, self._scenario.zone))
