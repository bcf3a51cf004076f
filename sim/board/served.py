"""A port on a pseudo-terminal and the thread that serves it, whatever machine is behind: what boards without hardware share."""

import json
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sim.board.line import TO_BOARD, TO_HOST, Fault, Line

_LOOK_S = 0.01  # how often a port that nobody has open is looked at
_IDLE_S = 0.5
_LOG_MAX = 1 << 20


class Served:
    """A context manager: powered and plugged in from `__enter__` to `__exit__`. All methods may be called from any thread.

    `folder` keeps its flash, and outlives it: another one on the same folder is the same board, later. `port` is what to give to
    a program. `serial_number` is what its USB interface says; `registry` is a folder where boards on pseudo-terminals make
    themselves known to those who look for boards by that number. `baud` 0 is a line that takes no time; `seed` is of the faults'
    noise.

    A kind of board says what its machine does in the methods under "What a kind of board has", which the thread calls.
    """

    description = ""
    ended: type[Exception]
    """Raised when the thread is at its end."""

    def __init__(self, folder: Path, serial_number: str, *, registry: Path | None, seed: int, baud: int) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serial_number = serial_number
        self.line = Line(self.folder / "port", seed, baud)
        self.boots = 0
        """Starts of the processor, soft ones included."""
        self._registry = registry
        self._log = bytearray()
        self._at: list[tuple[float, Callable[[], None]]] = []
        self._asked: list[Callable[[], None]] = []
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._serve, name=f"board {serial_number}", daemon=True)
        self._closing = False
        self._failure: BaseException | None = None
        self._is_open = False  # somebody has the port open
        self._look_at = 0.0

    # Its power switch, its plug and its reset button

    def __enter__(self) -> Self:
        self._thread.start()
        self.do(self.line.plug)
        self._announce()
        self.do(self._on)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        os.write(self._wake_write, b"!")
        self._thread.join()
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)
        if self._registry is not None:
            (self._registry / f"{self.serial_number}.json").unlink(missing_ok=True)
        if self._failure is not None:
            raise self.ended(f"board {self.serial_number}: {self._failure}") from self._failure

    def do(self, action: Callable[[], object]) -> None:
        """Have the thread do something, and wait until it is done."""
        if threading.current_thread() is self._thread:
            action()
            return
        done = threading.Event()

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self._asked.append(run)
        os.write(self._wake_write, b"!")
        while not done.wait(0.2):
            if not self._thread.is_alive():
                raise self.ended(f"board {self.serial_number} is closed") from self._failure

    @property
    def port(self) -> str:
        """A pseudo-terminal."""
        return str(self.line.link)

    @property
    def log(self) -> bytes:
        """The last MiB that it has said."""
        return bytes(self._log)

    def power_off(self) -> None:
        """At this instant: nothing more is written."""
        self.do(self._off)

    def power_on(self) -> None:
        self.do(self._on)

    def press_reset(self) -> None:
        self.do(self._reset)

    def unplug(self) -> None:
        """The cable; the board runs on from its cell."""
        self.do(self.line.unplug)

    def plug(self) -> None:
        self.do(self.line.plug)

    def set_faults(self, faults: list[Fault]) -> None:
        """On the cable, from this byte on."""

        def give() -> None:
            self.line.passed = 0
            self.line.faults = sorted(faults, key=lambda fault: fault.at_byte)

        self.do(give)

    # What a kind of board has

    @property
    def is_on(self) -> bool:
        raise NotImplementedError

    def _on(self) -> None:
        """Power, where there is none."""
        raise NotImplementedError

    def _off(self) -> None:
        raise NotImplementedError

    def _reset(self) -> None:
        raise NotImplementedError

    def _kill(self) -> None:
        """End the machine: all is over."""
        raise NotImplementedError

    def _sources(self) -> list[int]:
        """Descriptors to be woken by."""
        raise NotImplementedError

    def _deadlines(self) -> list[float]:
        """Times by `time.monotonic` at which something is due."""
        return []

    def _work(self, now: float) -> None:
        """Each round: hear the machine, and `_say` what it says."""
        raise NotImplementedError

    def _typed(self, data: bytes) -> int:
        """Bytes from the port. How many of them the machine has taken; the others are offered again."""
        raise NotImplementedError

    def _left(self) -> None:
        """Nobody has the port open any more, as of this round."""

    # The thread's round

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._round()
        except BaseException as error:
            self._failure = error
        finally:
            self.line.unplug()
            self._kill()

    def _round(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if self.line.is_plugged and (self._is_open or time.monotonic() >= self._look_at):
            poll.register(self.line.master, select.POLLIN)
        for fd in self._sources():
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(self._timeout_ms())}
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        while self._asked:
            self._asked.pop(0)()
        now = time.monotonic()
        for entry in [entry for entry in self._at if entry[0] <= now]:
            if entry in self._at:
                self._at.remove(entry)
                entry[1]()
        self._work(now)
        if self.line.is_plugged and (self.line.master in ready or not self._is_open):
            self._is_open = self.line.read()
            self._look_at = now + _LOOK_S
            if not self._is_open:
                self._left()
        self._pump()

    def _timeout_ms(self) -> int:
        now = time.monotonic()
        waits = [_IDLE_S if self._is_open else _LOOK_S]
        if (due := self.line.due_s()) is not None:
            waits.append(max(due, 0.001))
        waits += [at - now for at in (*(at for at, _ in self._at), *self._deadlines())]
        return max(0, int(min(waits) * 1000) + 1)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._at.append((time.monotonic() + seconds, action))

    def _note(self, data: bytes) -> None:
        self._log += data
        del self._log[:-_LOG_MAX]

    def _say(self, data: bytes) -> None:
        if self.line.is_plugged and self._is_open:
            self.line.push(TO_HOST, data)

    def _pump(self) -> None:
        for way in (TO_BOARD, TO_HOST):
            data, fault = self.line.pass_on(way)
            if data and way == TO_BOARD:
                self.line.unread(TO_BOARD, data[self._typed(data) :])
            elif data and self.line.is_plugged:
                try:
                    sent = os.write(self.line.master, data)
                except OSError:
                    sent = 0
                if sent < len(data) and self._is_open:
                    self.line.unread(TO_HOST, data[sent:])
            if fault is not None:
                self._suffer(fault)

    def _suffer(self, fault: Fault) -> None:
        if fault.what == "unplug":
            self.line.unplug()
            self._is_open = False
            self._later(fault.for_s, self.line.plug)
        elif fault.what == "reset":
            self._reset()
        elif fault.what == "power":
            self._off()
            self._later(fault.for_s, self._on)

    def _announce(self) -> None:
        if self._registry is None:
            return
        self._registry.mkdir(parents=True, exist_ok=True)
        about = {"serial_number": self.serial_number, "port": self.port, "description": self.description}
        path = self._registry / f"{self.serial_number}.json"
        path.with_suffix(".new").write_text(json.dumps(about), "utf-8")
        path.with_suffix(".new").replace(path)
