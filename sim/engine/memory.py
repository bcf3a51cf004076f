"""How much memory a whole run takes at its peak: the engine, the devices, the broker, the bridge and the console together."""

import time
from collections.abc import Iterable

import psutil

_EVERY_S = 2.0


class Memory:
    """`peak_mb` is the largest sum seen of the memory that would be free again without each process (USS), in MiB."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._next_at = 0.0

    def sample(self, pids: Iterable[int], now: bool = False) -> None:
        """At most every two seconds, unless told to."""
        if not now and time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + _EVERY_S
        total = 0
        for pid in pids:
            try:
                total += psutil.Process(pid).memory_full_info().uss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
        self.peak_mb = max(self.peak_mb, total / 2**20)
