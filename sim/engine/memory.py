"""How much memory a whole run takes at its peak: the engine, the devices, the broker, the bridge and the console together."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_EVERY_S = 2.0
_COST = 200  # a look is followed by so many times as long without one: thousands of devices take a while to look at
_HAS_ROLLUP = Path("/proc/self/smaps_rollup").exists()
_PRIVATE = re.compile(rb"^Private_(?:Clean|Dirty|Hugetlb): +(\d+) kB", re.MULTILINE)


class Memory:
    """`peak_mb` is the largest sum seen of the memory that would be free again without each process (USS), in MiB."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._next_at = 0.0

    def sample(self, pids: Callable[[], list[int]], now: bool = False) -> None:
        """At most every two seconds, unless told to."""
        began = time.monotonic()
        if not now and began < self._next_at:
            return
        self.peak_mb = max(self.peak_mb, sum(private_mib(pid) or 0.0 for pid in pids()))
        ended = time.monotonic()
        self._next_at = ended + max(_EVERY_S, _COST * (ended - began))


def private_mib(pid: int) -> float | None:
    """Private memory of a process (USS), MiB; None when it has ended or is somebody else's."""
    if _HAS_ROLLUP:
        try:
            return sum(map(int, _PRIVATE.findall(Path(f"/proc/{pid}/smaps_rollup").read_bytes()))) / 1024
        except OSError:
            return None
    try:
        return psutil.Process(pid).memory_full_info().uss / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
