"""When a device is taken out of service, so that one that fails for ever is a report of its own and not the run's end.

Three ways lead there: too many crashes in one run; a firmware that starts again and again and lives no longer than that; and one
that computes and computes while its clock stands. Code takes no virtual time, so the last would never answer, or answer for ever
at the same moment. What counts is the processor time of its own process, not the wall clock's: a busy host, or a process that
somebody stopped, is no fault of the firmware's.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sim.engine.device import CRASH_WORDS, Device
from sim.engine.processor import processor_s

CRASHES_MAX = 20  # of one device in one run; then the firmware is at fault, and going on with it would show nothing
SHORT_LIVES_MAX = 20  # in a row, each ended by a reset of the firmware's own
SHORT_LIFE_MS = 10_000
_DEEP_SLEEP = 4  # the reset's cause when a device wakes from it: no failure
_TAIL = 2000  # characters of its console in a report

LIMIT_S = 60.0  # of processor time; the heaviest moment of a healthy device, its start, takes about one (our judgement)
_EVERY_S = 1.0  # of wall time between two looks


def crashed(device: Device, reason: str) -> None:
    """Note a crash, with the console's last words; one too many breaks the device. Those that the scenario wants do not count."""
    if CRASH_WORDS in reason:
        return
    device.is_broken = device.is_broken or len(device.crashes) + 1 >= CRASHES_MAX
    log = device.folder / "console.log"
    words = [f"{device.name} at {device.now_ms} ms: {reason}"]
    if device.is_broken:
        words[0] += "; it is out of service"
        if device.recorder is not None:
            words.append(f"what reached it: {device.recorder.path}")
    if log.exists():
        words.append(log.read_text("utf-8", "replace")[-_TAIL:].strip())
    device.crashes.append("\n".join(filter(None, words)))


def is_out_of_service(device: Device, t_ms: int, cause: int) -> bool:
    """Whether a device that resets itself at t_ms gets no other life in this run."""
    is_short = cause != _DEEP_SLEEP and t_ms - device.born_ms < SHORT_LIFE_MS
    device.short_lives = device.short_lives + 1 if is_short else 0
    if not device.is_broken and device.short_lives >= SHORT_LIVES_MAX:
        device.is_broken = True
        crashed(device, f"{device.short_lives} lives in a row of less than {SHORT_LIFE_MS // 1000} s")
    return device.is_broken


@dataclass
class _Stand:
    """A process at a moment of its clock, how many turns it has had, and what it had used when it was first seen there."""

    at: tuple[int, int]
    turns: int
    used_s: float | None = None


class Overruns:
    """`look` now and then; it finds those that have used `limit_s` seconds of processor time at one moment of virtual time."""

    def __init__(self, limit_s: float = LIMIT_S, every_s: float = _EVERY_S) -> None:
        self.limit_s = limit_s
        self._every_s = every_s
        self._next = 0.0
        self._stands: dict[str, _Stand] = {}

    def look(self, devices: Iterable[Device]) -> list[Device]:
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + self._every_s
        found = []
        stands = {}
        for device in devices:
            if device.is_off:
                continue
            at = (device.process.pid, device.now_ms)
            stand = self._stands.get(device.name)
            if stand is None or stand.at != at:
                stand = _Stand(at, device.turns)
            elif device.running or device.turns != stand.turns:  # else it sleeps
                used_s = processor_s(device.process.pid)  # None: it has ended, and its pipe says so
                if stand.used_s is None:
                    stand.used_s = used_s
                elif used_s is not None and used_s - stand.used_s >= self.limit_s:
                    found.append(device)
                stand.turns = device.turns
            stands[device.name] = stand
        self._stands = stands
        return found
