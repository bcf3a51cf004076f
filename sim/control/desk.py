"""Between the run and its control page, which live in two threads: a picture for the page, and wishes for the run.

The run calls `look` at each tick, in its own thread; the page reads `picture` and calls `wish`, `go` and `skip` from its own.
"""

import queue
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sim.control.acts import Act, Wrong, written
from sim.control.hand import Hand
from sim.scenario.moments import parse_clock, parse_duration
from sim.world.overlay import FOR_EVER_MS

if TYPE_CHECKING:
    from sim.engine.run import Run

_LOOK_S = 0.2
_ACTS_SHOWN = 200
_TURNS = {  # what an event ends; the first of each pair is what is shown while it lasts
    "strap_closed": "strap_cut", "case_closed": "case_opened", "tag_picked_up": "tag_dropped", "charger_off": "charger_on",
    "tag_on": "tag_off", "mains_on": "mains_off", "unit_closed": "unit_opened", "unit_on": "unit_off",
}  # fmt: skip
_LASTING = frozenset(_TURNS.values())
_TROUBLES = ("jam", "spoof", "shield", "receiver_dead", "receiver_says", "modem_dead", "motion_stuck", "home_network_lost")
MAX = "max"
PAUSED = "paused"


class Desk:
    """`hand` is the run's."""

    def __init__(self, hand: Hand) -> None:
        self.hand = hand
        self.picture: dict[str, Any] = {"ready": False}
        self._wishes: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._looked_at = 0.0
        self._seen_ms = 0
        self._lasting: dict[str, set[str]] = {}
        self._is_over = False

    # The page's thread.

    def wish(self, what: str, wearer: str | None, values: dict[str, Any]) -> None:
        """An act. Wrong when it makes no sense, or when the scenario is over."""
        if self._is_over:
            raise Wrong("what", what, "nothing more: the scenario has ended")
        self.hand.wish(what, wearer, values)

    def go(self, speed: float | str) -> None:
        """At this speed from now on: virtual seconds in one second, "max" or "paused". Wrong for anything else."""
        if speed in (MAX, PAUSED) or (isinstance(speed, int | float) and 0.1 <= speed <= 100_000):
            self._wishes.put(("speed", speed))
            return
        raise Wrong("speed", speed, 'a number from 0.1 to 100000, "max" or "paused"')

    def skip(self, to: str) -> None:
        """As fast as possible to a clock time ("14:20", the next there is) or by a length of time ("+1h"). Wrong for others."""
        try:
            if to.startswith("+"):
                parse_duration(to[1:].strip())
            else:
                parse_clock(to)
        except ValueError:
            raise Wrong("to", to, 'a clock time such as "14:20", or a length of time such as "+1h"') from None
        self._wishes.put(("skip", to))

    # The run's thread.

    def look(self, run: "Run", is_over: bool = False) -> None:
        """Carry out what is wished about the pace, and make a new picture when it is time."""
        while True:
            try:
                self._turn(run, *self._wishes.get_nowait())
            except queue.Empty:
                break
        self._is_over = is_over
        if is_over or time.monotonic() - self._looked_at >= _LOOK_S:
            self._looked_at = time.monotonic()
            self.picture = self._picture(run)

    def _turn(self, run: "Run", what: str, value: Any) -> None:
        now_ms = run.lived_ms
        if what == "skip":
            run.pace.skip_to(_skip_ms(run, now_ms, value))
            self.hand.note(now_ms, "skipped", {"until": value})
            return
        if value == PAUSED:
            run.pace.pause()
        else:
            run.pace.set(0.0 if value == MAX else float(value), now_ms)
        self.hand.note(now_ms, "speed", {"speed": value})

    def _picture(self, run: "Run") -> dict[str, Any]:
        scenario, pace = run.scenario, run.pace
        now_ms = min(run.now_ms, run.options.until_ms)
        now = scenario.local_time(now_ms)
        self._keep_lasting(run, now_ms)
        going_on = run.faults_going_on
        return {
            "ready": True,
            "scenario": scenario.name,
            "clock": now.strftime("%a %-d %B %Y, %H:%M:%S"),
            "zone": now.strftime("%Z"),
            "timezone": scenario.timezone,
            "now_ms": now_ms,
            "until_ms": run.options.until_ms,
            "is_over": self._is_over,
            "speed": PAUSED if pace.paused else pace.speed or MAX,
            "skips_to": None if pace.skips_to_ms is None else scenario.local_time(pace.skips_to_ms).strftime("%a %H:%M"),
            "wearers": [self._wearer(run, wearer_id, now_ms) for wearer_id in run.world.wearers],
            "everybody": sorted(
                self._of(run, None, now_ms)
                | {fault.kind for fault in going_on if fault.wearer_id is None and fault.device is None}
            ),
            "down": sorted(run.services.down) if run.services is not None else [],
            "acts": [written(act, scenario.start_utc_ms, scenario.zone) for act in self.hand.done[-_ACTS_SHOWN:]],
            "acts_done": len(self.hand.done),
            "waiting": [_waiting(act) for act in self.hand.waiting],
        }

    def _wearer(self, run: "Run", wearer_id: str, now_ms: int) -> dict[str, Any]:
        world = run.world
        wearer = world.wearers[wearer_id]
        person, tag = wearer.person(now_ms), wearer.truth(now_ms)
        lasting = self._lasting[wearer_id] | self._of(run, wearer_id, now_ms)
        lasting |= {fault.kind for fault in run.faults_going_on if fault.wearer_id == wearer_id or fault.device == wearer.tag}
        return {
            "id": wearer_id,
            "name": wearer.name,
            "tag": wearer.tag,
            "home_unit": wearer.home_unit,
            "at": [round(person.lat, 7), round(person.lon, 7)],
            "tag_at": [round(tag.lat, 7), round(tag.lon, 7)],
            "moves": person.mode,
            "place": person.place,
            "is_held": run.holds(wearer_id),
            "has_network": world.has_coverage(wearer.tag, now_ms),
            "is": sorted(lasting),
        }

    def _of(self, run: "Run", wearer_id: str | None, now_ms: int) -> set[str]:
        """What is wrong with this wearer's devices (None: with everybody's), and not with others'."""
        troubles = run.world.troubles
        found = {kind for kind in _TROUBLES if troubles.is_on(kind, wearer_id, now_ms)}
        for loss in run.world.spec.coverage_losses:
            if loss.wearer_id == wearer_id and loss.from_ms <= now_ms < loss.until_ms:
                found.add("coverage_lost")
        return found

    def _keep_lasting(self, run: "Run", now_ms: int) -> None:
        for wearer_id, wearer in run.world.wearers.items():
            lasting = self._lasting.setdefault(wearer_id, set())
            for event in wearer.events(self._seen_ms, now_ms + 1):
                if event.kind in _LASTING:
                    lasting.add(event.kind)
                elif event.kind in _TURNS:
                    lasting.discard(_TURNS[event.kind])
        self._seen_ms = now_ms + 1


def _waiting(act: Act) -> dict[str, Any]:
    return {"what": act.what, "wearer": act.wearer, **act.values}


def _skip_ms(run: "Run", now_ms: int, to: str) -> int:
    if to.startswith("+"):
        return min(FOR_EVER_MS, now_ms + parse_duration(to[1:].strip()))
    now = run.scenario.local_time(now_ms)
    second = parse_clock(to)
    then = now.replace(hour=second // 3600, minute=second // 60 % 60, second=second % 60, microsecond=0)
    if then <= now:
        then = (then.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=now.tzinfo)
    return round(then.timestamp() * 1000) - run.scenario.start_utc_ms
