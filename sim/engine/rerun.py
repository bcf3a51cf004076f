"""A device run again from its recording: alone, without engine, broker, bridge or world.

It is handed the very RUNs that it was handed then; each YIELD is compared with the one recorded, and the flash with what it was
at the start of each life. The first difference is named. After it, what the device says is no longer what the world answered:
`goes_on` hands it the recorded inputs at their times all the same, for who wants to see what follows.

A recording's inputs are all that a device knows: nothing in silicon or firmware asks the host's clock or for chance, but for the
C module `tls`, whose handshake is made of it. A recording of a run with TLS is told from one in clear, and not run again.
"""

import select
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from sim.engine.image import build
from sim.engine.process import DeviceProcess, Zygote
from sim.engine.recording import (
    BLOCK,
    END,
    LIFE,
    RUN,
    YIELD,
    KeptFolder,
    Life,
    Reader,
    RecordingError,
    Run,
    parse_life,
    parse_run,
)
from sim.engine.telling import moment, tell
from sim.engine.wire import ITEM_HEAD, RUN_HEAD, Item, Yield, pack_run, parse_yield
from sim.silicon import _channels as ch

_PATIENCE_S = 10.0  # of wall time, until it is told that the device computes and computes


@dataclass(frozen=True)
class Wish:
    """`until_ms` None is to the recording's end. `waits_at_ms`: before it lives through that, `Watcher.pause` is called."""

    until_ms: int | None = None
    from_life: int = 1
    goes_on: bool = False
    waits_at_ms: int | None = None


@dataclass
class Watcher:
    """What is told on the way, each with the virtual time in ms: what it printed, what it heard and said, and what else there
    is. `pause` gets the id of the device's process, and returns when the device may live on."""

    printed: Callable[[int, str], None] = lambda t_ms, text: None
    traced: Callable[[int, str], None] | None = None
    noted: Callable[[int, str], None] = lambda t_ms, text: None
    pause: Callable[[int], None] = lambda pid: None


@dataclass
class Outcome:
    """How far it got, and what was not as recorded: nothing, or the first difference in words."""

    lives: int = 0
    runs: int = 0
    t_ms: int = 0
    difference: str = ""


@dataclass
class _Open:
    """Once it has parted from its recording: inputs that it has yet to take, and how many it took before their time."""

    pending: list[Item] = field(default_factory=list)
    ahead: int = 0


class _Gone(Exception):
    """Its process ended; how, in words."""


class Rerun:
    """One device, once. A context manager: its process has ended when it is left. `folder` becomes the device's."""

    def __init__(self, reader: Reader, image: Path, folder: Path, watcher: Watcher) -> None:
        if reader.head.tls:
            raise RecordingError("its run was one with --tls, whose handshakes are made of chance")
        self._reader = reader
        self._folder = folder
        self._watcher = watcher
        # The build that the firmware tells of itself is the recorded one: another would seal other bytes from its first message.
        self._zygote = Zygote(build(image, reader.head.build))
        self._process: DeviceProcess | None = None
        self._handed: Run | None = None
        self._open: _Open | None = None
        self._wake_ms = 0
        self._is_torn = False  # its last life was ended from outside
        self._console = 0  # bytes of it that are told
        self.outcome = Outcome()

    def __enter__(self) -> "Rerun":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._zygote.close()

    def run(self, wish: Wish) -> Outcome:
        """To the end, the first difference, or `wish.until_ms`. RecordingError when there is no such life."""
        kept = KeptFolder()
        life = 0
        waits_at_ms = wish.waits_at_ms
        until_ms = ch.NEVER if wish.until_ms is None else wish.until_ms
        for kind, body in self._reader.frames:
            if self.outcome.difference and not wish.goes_on:
                break
            if kind == BLOCK:
                kept.block(body)
            elif kind == LIFE:
                life += 1
                began = parse_life(body)
                kept.life(began)
                if began.t_ms > until_ms:
                    break
                if life >= wish.from_life:
                    self._begin(began, kept, life > wish.from_life)
            elif life < wish.from_life:
                continue
            elif kind == RUN:
                self._handed = parse_run(body)
                if self._handed.base_ms > until_ms:
                    break
                if waits_at_ms is not None and self._handed.horizon_ms >= waits_at_ms and self._process is not None:
                    waits_at_ms = None
                    self._watcher.pause(self._process.pid)
                if self._open is None and self._process is not None:
                    self._send(body)
            elif kind == YIELD:
                self._answered(parse_yield(body))
            elif kind == END:
                self._ended(body.decode("utf-8", "replace"))
        if life < wish.from_life:
            raise RecordingError(f"it holds {life} lives, and none of number {wish.from_life}")
        return self.outcome

    # Inside.

    def _begin(self, life: Life, kept: KeptFolder, is_next: bool) -> None:
        self._end()
        if is_next and self._open is None and not self._is_torn and (differences := kept.differences(self._folder)):
            self._part(life.t_ms, "the flash that its next life finds: " + ", ".join(differences))
        if self._open is None:
            kept.write(self._folder)
        self._is_torn = False
        self._handed = None
        self.outcome.lives += 1
        self.outcome.t_ms = life.t_ms
        self._process = self._zygote.spawn(self._folder, life.unique_id, life.cause, self._reader.head.application)

    def _send(self, run: bytes) -> None:
        assert self._process is not None
        self.outcome.runs += 1
        try:
            self._process.send(run)
        except BrokenPipeError:
            pass  # what it has said before is still to be read; its end comes behind

    def _answered(self, recorded: Yield) -> None:
        """There it answered: what does it answer now?"""
        handed = self._handed
        items = handed.items if handed is not None else []
        if self._open is not None and handed is not None:
            self._live_on(self._open, handed, recorded)
            return
        if self._process is None:
            return
        try:
            own = self._receive(items)
        except _Gone as error:
            self._end()
            self._part(recorded.now_ms, f"its process ended, {error}, where it answered then")
            return
        if self._open is None and (where := _first_difference(recorded, own)):
            self._part(*where)
            left = items[own.consumed : recorded.consumed]
            self._open = _Open(left, max(0, own.consumed - recorded.consumed))

    def _live_on(self, open_: _Open, handed: Run, recorded: Yield) -> None:
        """The inputs that it took then, at their times, up to where its world could answer."""
        taken = handed.items[: recorded.consumed]
        skipped = min(open_.ahead, len(taken))
        open_.ahead -= skipped
        open_.pending += taken[skipped:]
        limit_ms = recorded.now_ms if recorded.items else handed.horizon_ms
        while self._process is not None:
            due = [item for item in open_.pending if item.t_ms <= limit_ms]
            if not due and self._wake_ms > limit_ms:
                return
            fitting = self._fitting(due)
            upto_ms = limit_ms if len(fitting) == len(due) else due[len(fitting)].t_ms
            self._send(pack_run(self.outcome.t_ms, upto_ms, fitting))
            try:
                del open_.pending[: self._receive(fitting).consumed]
            except _Gone as error:
                self._watcher.noted(self.outcome.t_ms, f"its process ended, {error}")
                self._end()

    def _fitting(self, items: list[Item]) -> list[Item]:
        left = ch.RUN_MAX - RUN_HEAD
        for n, item in enumerate(items):
            left -= ITEM_HEAD + len(item.payload)
            if left < 0:
                return items[:n]
        return [item._replace(t_ms=max(item.t_ms, self.outcome.t_ms)) for item in items]

    def _ended(self, words: str) -> None:
        """There its process ended without having said why."""
        self._is_torn = True
        self._watcher.noted(self.outcome.t_ms, f"here it ended: {words}")
        if self._process is None or self._open is not None or self._handed is None:
            return
        try:
            self._receive(self._handed.items)
            self._watcher.noted(self.outcome.t_ms, "now it lives on: somebody may have killed it then")
        except _Gone as error:
            self._watcher.noted(self.outcome.t_ms, f"and so it does now, {error}")

    def _receive(self, items: list[Item]) -> Yield:
        assert self._process is not None
        own = None
        patience_s = _PATIENCE_S
        try:
            while own is None:
                if not select.select([self._process], [], [], patience_s)[0]:
                    self._watcher.noted(self.outcome.t_ms, f"it computes and computes; its process is {self._process.pid}")
                    patience_s = 6 * _PATIENCE_S
                    continue
                own = self._process.receive()
        except (EOFError, ValueError):
            self._tell_console()
            raise _Gone(self._zygote.fate(self._process.pid)) from None
        self.outcome.t_ms = max(self.outcome.t_ms, own.now_ms)
        self._wake_ms = own.wake_ms
        if self._watcher.traced is not None:
            both = [(item.t_ms, "in ", item) for item in items[: own.consumed]] + [(item.t_ms, "out", item) for item in own.items]
            for t_ms, way, item in sorted(both, key=lambda each: each[:2]):
                self._watcher.traced(t_ms, f"{way} {tell(item)}")
        self._tell_console()
        if any(item.channel == ch.RESET for item in own.items):
            self._end()
        return own

    def _tell_console(self) -> None:
        path = self._folder / "console.log"
        if not path.exists() or path.stat().st_size == self._console:
            return
        with open(path, "rb") as file:
            file.seek(self._console)
            data = file.read()
        self._console += len(data)
        for line in data.decode("utf-8", "replace").splitlines():
            self._watcher.printed(self.outcome.t_ms, line)

    def _part(self, t_ms: int, words: str) -> None:
        if not self.outcome.difference:
            self.outcome.difference = f"{moment(t_ms)} {words}"
            self._watcher.noted(t_ms, f"here it parts from its recording: {words}")
        if self._open is None:
            self._open = _Open()

    def _end(self) -> None:
        if self._process is not None:
            self._process.close()
            self._zygote.fate(self._process.pid)  # whatever it still writes stands in its flash
            self._process = None


def _first_difference(recorded: Yield, own: Yield) -> tuple[int, str] | None:
    """When, and in words."""
    for then, now in zip_longest(recorded.items, own.items):
        if then is None:
            return now.t_ms, f"it now {tell(now)}, which it did not then"
        if now is None:
            return then.t_ms, f"then it {tell(then)}, which it now does not"
        if then != now:
            return min(then.t_ms, now.t_ms), _apart(then, now)
    if recorded.now_ms != own.now_ms:
        return min(recorded.now_ms, own.now_ms), f"its clock stood at {moment(recorded.now_ms)}, and is at {moment(own.now_ms)}"
    if recorded.consumed != own.consumed:
        return own.now_ms, f"it had taken {recorded.consumed} of its inputs, and has now taken {own.consumed}"
    if recorded.wake_ms != own.wake_ms:
        return own.now_ms, f"it was to act next at {_wake(recorded.wake_ms)}, and is now at {_wake(own.wake_ms)}"
    return None


def _apart(then: Item, now: Item) -> str:
    if now.t_ms < then.t_ms:
        return f"it now {tell(now)}; then it came to do something at {moment(then.t_ms)} only: it {tell(then)}"
    if then.t_ms < now.t_ms:
        return f"then it {tell(then)}; now it comes to do something at {moment(now.t_ms)} only: it {tell(now)}"
    words = f"then it {tell(then)}, and now it {tell(now)}"
    if then.channel == now.channel and len(then.payload) == len(now.payload) and then.payload != now.payload:
        at = next(i for i, (old, new) in enumerate(zip(then.payload, now.payload, strict=True)) if old != new)
        words += f"; its bytes differ from number {at} on"
    return words


def _wake(t_ms: int) -> str:
    return "no time" if t_ms == ch.NEVER else moment(t_ms)
