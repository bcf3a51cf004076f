"""The cable between a board and the host: a pseudo-terminal that can be slow, noisy, and pulled out at any byte."""

import errno
import os
import pty
import random
import time
import tty
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

TO_BOARD, TO_HOST = 0, 1
_KEPT = 65536  # bytes of a driver's buffer: what nobody fetches is lost


@dataclass(frozen=True)
class Fault:
    """What happens when `at_byte` bytes have passed, both ways together, since the faults were set.

    what        garbage (`amount` random bytes put in), lost (`amount` bytes left out), flip (one bit of the next byte),
                stall (nothing passes for `for_s`), unplug (the port is gone for `for_s`), reset, power (off for `for_s`)
    """

    at_byte: int
    what: str
    amount: int = 1
    for_s: float = 0.2


FAULTS = ("garbage", "lost", "flip", "stall", "unplug", "reset", "power")


def random_faults(seed: int, upto_byte: int, count: int, kinds: tuple[str, ...] = FAULTS) -> list[Fault]:
    """`count` faults at random bytes below `upto_byte`, the same ones for the same seed."""
    chance = random.Random(seed)
    places = sorted(chance.randrange(upto_byte) for _ in range(count))
    return [Fault(at, chance.choice(kinds), chance.randint(1, 16), chance.uniform(0.05, 0.4)) for at in places]


@dataclass
class Line:
    """`link` is a symbolic link that leads to the port as long as it is plugged in: ports are numbered as they come.

    `baud`: ten bits a byte, each way; 0 is as fast as it goes.
    """

    link: Path
    seed: int = 0
    baud: int = 0
    master: int = -1
    passed: int = 0
    """Bytes, both ways."""
    faults: list[Fault] = field(default_factory=list)
    stalled_until: float = 0.0
    _waiting: tuple[deque[int], deque[int]] = field(default_factory=lambda: (deque(), deque()))
    _credit: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _paid_at: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)

    @property
    def is_plugged(self) -> bool:
        return self.master >= 0

    def plug(self) -> None:
        """A new port, as a USB serial port is when it comes back."""
        if self.is_plugged:
            return
        self.master, slave = pty.openpty()
        os.set_blocking(self.master, False)
        tty.setraw(slave)
        new = self.link.with_name(self.link.name + ".new")
        new.unlink(missing_ok=True)
        new.symlink_to(os.ttyname(slave))
        os.close(slave)  # so that the master is told when nobody has the port open
        new.replace(self.link)

    def unplug(self) -> None:
        """Whoever has the port open is told that it has vanished."""
        if not self.is_plugged:
            return
        self.link.unlink(missing_ok=True)
        os.close(self.master)
        self.master = -1
        for waiting in self._waiting:
            waiting.clear()

    def read(self) -> bool:
        """Take what the host has sent. False when nobody has the port open."""
        while True:
            try:
                data = os.read(self.master, 4096)
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._waiting[TO_HOST].clear()
                return False
            self.push(TO_BOARD, data)

    def push(self, way: int, data: bytes) -> None:
        waiting = self._waiting[way]
        if not waiting:
            self._paid_at[way] = time.monotonic()
            self._credit[way] = 0.0
        waiting.extend(data)
        while len(waiting) > _KEPT:
            waiting.popleft()

    def due_s(self) -> float | None:
        """In how many seconds something may pass; None when nothing waits."""
        if not (self._waiting[TO_BOARD] or self._waiting[TO_HOST]):
            return None
        stalled = self.stalled_until - time.monotonic()
        return max(0.0, stalled, 0.002 if self.baud else 0.0)

    def pass_on(self, way: int, limit: int = 4096) -> tuple[bytes, Fault | None]:
        """What arrives at the other end now, and a fault that the board has a part in, which then comes after it."""
        now = time.monotonic()
        if now < self.stalled_until:
            return b"", None
        waiting = self._waiting[way]
        if self.baud and waiting:
            self._credit[way] += (now - self._paid_at[way]) * self.baud / 10
            self._paid_at[way] = now
            limit = min(limit, int(self._credit[way]))
            self._credit[way] -= min(limit, len(waiting))
        out = bytearray()
        for _ in range(min(limit, len(waiting))):
            if not waiting:
                break  # some were lost
            fault = self.faults[0] if self.faults and self.passed >= self.faults[0].at_byte else None
            if fault is not None:
                self.faults.pop(0)
                if fault.what == "garbage":
                    out += self._chance.randbytes(fault.amount)
                elif fault.what == "lost":
                    for _ in range(min(fault.amount, len(waiting))):
                        waiting.popleft()
                    if not waiting:
                        break
                elif fault.what == "flip":
                    waiting[0] ^= 1 << self._chance.randrange(8)
                elif fault.what == "stall":
                    self.stalled_until = now + fault.for_s
                    break
                else:
                    return bytes(out), fault
            out.append(waiting.popleft())
            self.passed += 1
        return bytes(out), None

    def unread(self, way: int, data: bytes) -> None:
        """What the other end had no room for."""
        self._waiting[way].extendleft(reversed(data))
